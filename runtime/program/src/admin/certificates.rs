//! The certificates and keys of a process, as its metrics show them.

use crate::metrics::Exposition;
use revtun::tls::{CertificateStatus, CertificateStore};

/// Writes when they expire and how often they were read again.
pub(super) fn write(store: &CertificateStore, page: &mut Exposition) {
    let statuses = store.statuses();
    let read = |of: fn(&CertificateStatus) -> u64| statuses.iter().map(move |status| (&*status.name, of(status)));
    let expiries = statuses.iter().filter_map(|status| Some((&*status.name, status.expiry?)));
    page.gauge(
        "revtun_tls_certificate_expiry_timestamp_seconds",
        "When the certificate expires, in seconds since 1970.",
    )
    .by("use", expiries);
    page.counter("revtun_tls_reloads_total", "Times that changed certificates and keys were reloaded.")
        .by("use", read(|status| status.reloads));
    page.counter(
        "revtun_tls_reload_failures_total",
        "Times that changed certificates and keys could not be used; the old ones stayed in use.",
    )
    .by("use", read(|status| status.failures));
}
