//! What a client proved by its certificate.

use std::sync::Arc;

use revtun_core::binding::{Binding, Statement};
use revtun_core::identity::Identity;
use revtun_core::responder::Verdict;
use rustls::pki_types::CertificateDer;

use super::certificate::Certificate;

/// What a client proved.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    binding: Option<Arc<Binding>>,
    /// The client's own certificate, and those between it and a root.
    chain: Vec<CertificateDer<'static>>,
}

impl Proof {
    pub(super) fn new(binding: Option<Arc<Binding>>, chain: &[CertificateDer<'static>]) -> Self {
        Self { binding, chain: chain.to_vec() }
    }

    /// What to make of a claim. Where nothing has to be proven, everybody is believed.
    #[must_use]
    pub fn judge(&self, claim: &Identity<'_>) -> Verdict {
        match (&self.binding, self.chain.first()) {
            (None, _) => Verdict::Authenticated,
            (Some(_), None) => Verdict::Unauthenticated,
            (Some(binding), Some(der)) => match Certificate::parse(der) {
                Ok(certificate) => binding.verify(&certificate.names(), claim),
                Err(_) => Verdict::Mismatch,
            },
        }
    }

    /// The last second, since 1970, in which all of it is valid; none without a certificate.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        self.parsed().map(|certificate| *certificate.validity().end()).min()
    }

    /// The client's own certificate, and those between it and a root.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Shows `look` the serial numbers of all certificates and the names in the client's own.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&[&[u8]], &[Statement<'_>]) -> T) -> T {
        let parsed: Vec<_> = self.parsed().collect();
        let serials: Vec<_> = parsed.iter().map(Certificate::serial).collect();
        let names = parsed.first().map(Certificate::names).unwrap_or_default();
        look(&serials, &names)
    }

    fn parsed(&self) -> impl Iterator<Item = Certificate<'_>> {
        self.chain.iter().filter_map(|der| Certificate::parse(der).ok())
    }
}
