//! The settings of `revtun responder`: the table `[responder]`.

mod limits;
pub(super) mod table;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::bounds::follow_silence;
use super::diagnostic::{ConfigError, Diagnostic, Origin};
use super::files::{errors_of, warnings_of};
use super::listeners::{check_admin, collisions, is_beyond_loopback};
use super::process::{EndSettings, ProcessSettings};
use super::tls::{ClientTlsSettings, ServerTlsSettings, check_inner};
use super::token::TokenSettings;
use super::token::unprotected;
use revtun::responder::ResponderConfig;
use revtun::tls::DenyFile;

/// What an operator may set of a responder. The default listens on loopback only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderSettings {
    /// The process, the admin listener included.
    pub process: ProcessSettings,
    /// How many intervals between pings one may stay unanswered; none is as long as the machine's `echo_timeout`.
    pub ping_failure_threshold: Option<u32>,
    /// TLS for initiators.
    pub tls: ServerTlsSettings,
    /// The second TLS, within tunnels; set if the first one is of the inner extent.
    pub inner_tls: Option<ClientTlsSettings>,
    /// TLS for callers.
    pub egress_tls: ServerTlsSettings,
    /// The tokens of initiators.
    pub token: TokenSettings,
    /// The file with certificates, tokens and identities that count no more.
    pub deny_list: Option<PathBuf>,
    /// Whether initiators may come from other machines in the clear.
    pub allow_plaintext: bool,
    /// Whether callers who do not prove who they are may come from other machines.
    pub allow_unauthenticated_egress: bool,
    /// Whether callers may reach the nodes of every tenant although initiators prove which tenant they are of.
    pub allow_mixed_tenants: bool,
    /// Everything else that is not about the process. Its TLS is made of the files above.
    pub responder: ResponderConfig,
}

impl Default for ResponderSettings {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            process: ProcessSettings::at(15090),
            ping_failure_threshold: None,
            tls: ServerTlsSettings::default(),
            inner_tls: None,
            egress_tls: ServerTlsSettings::default(),
            token: TokenSettings::default(),
            deny_list: None,
            allow_plaintext: false,
            allow_unauthenticated_egress: false,
            allow_mixed_tenants: false,
            responder: ResponderConfig::at(loopback(15443), loopback(15080)),
        }
    }
}

impl EndSettings for ResponderSettings {
    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn process_mut(&mut self) -> &mut ProcessSettings {
        &mut self.process
    }
}

impl ResponderSettings {
    /// What is missing or does not fit together, once the file and the flags are both known.
    #[must_use]
    pub fn missing(&self) -> Vec<Diagnostic> {
        let diagnostic = |setting: &str, error| Diagnostic::new(Origin::Absent, setting, error);
        let token = self.token.demands();
        let proven = token.as_ref().is_ok_and(Option::is_some);
        let tunnel = self.tls.tunnel(proven);
        let mut diagnostics = Vec::new();
        let at = self.responder.tunnel_listen;
        if tunnel == Ok(None) && is_beyond_loopback(at) && !self.allow_plaintext {
            let what = format!("{at} can be reached from other machines, and tunnels would be unencrypted");
            let remedy = "give --tls-cert and --tls-key, or --allow-plaintext if something else encrypts them";
            diagnostics.push(diagnostic("responder.tunnel_listen", ConfigError::new(what, remedy)));
        }
        if tunnel == Ok(None) && proven && !self.allow_plaintext {
            diagnostics.push(diagnostic("responder.token", unprotected()));
        }
        diagnostics.extend(token.err().map(|error| diagnostic("responder.token", error)));
        let extent = tunnel.as_ref().is_ok_and(Option::is_some).then_some(self.tls.extent);
        let inner = check_inner(extent, self.inner_tls.is_some());
        diagnostics.extend(inner.err().map(|error| diagnostic("responder.tls.extent", error)));
        let inner = self.inner_tls.as_ref().and_then(|inner| inner.inner().err());
        diagnostics.extend(inner.map(|error| diagnostic("responder.inner_tls", error)));
        diagnostics.extend(tunnel.err().map(|error| diagnostic("responder.tls", error)));
        diagnostics.extend(self.egress_tls.egress().err().map(|error| diagnostic("responder.egress_tls", error)));
        diagnostics.extend(self.open_egress());
        diagnostics.extend(self.mixed_tenants(proven));
        diagnostics.extend(check_admin(
            "responder.admin_listen",
            self.process.admin_listen,
            self.process.allow_unauthenticated_admin,
        ));
        diagnostics.extend(collisions(&[
            ("responder.tunnel_listen", self.responder.tunnel_listen),
            ("responder.egress_listen", self.responder.egress_listen),
            ("responder.admin_listen", self.process.admin_listen),
        ]));
        diagnostics
    }

    /// Callers from other machines have to prove who they are, or somebody has to say that they need not.
    fn open_egress(&self) -> Option<Diagnostic> {
        let at = self.responder.egress_listen;
        let is_authenticated = self.egress_tls.client_ca.is_some();
        (is_beyond_loopback(at) && !is_authenticated && !self.allow_unauthenticated_egress).then(|| {
            let what = format!("{at} can be reached from other machines, and callers are not authenticated");
            let remedy = "listen on 127.0.0.1, require client certificates by client_ca in [responder.egress_tls], or give --allow-unauthenticated-egress if something else authenticates callers";
            Diagnostic::new(Origin::Absent, "responder.egress_listen", ConfigError::new(what, remedy))
        })
    }

    /// Who proves a tenant expects to be kept apart from the others. `by_token`: tokens prove it.
    fn mixed_tenants(&self, by_token: bool) -> Option<Diagnostic> {
        let proven = by_token || self.tls.tenant_san.is_some();
        (proven && !self.responder.core.tenant_isolation && !self.allow_mixed_tenants).then(|| {
            let what = "initiators prove their tenants, and callers could reach the nodes of any of them";
            let remedy = "leave tenant_isolation on, or give --allow-mixed-tenants if all tenants are yours";
            Diagnostic::new(Origin::Absent, "responder.tenant_isolation", ConfigError::new(what, remedy))
        })
    }

    /// What is wrong with the files that the settings name.
    #[must_use]
    pub fn unusable(&self) -> Vec<Diagnostic> {
        let tunnel = self.tls.tunnel(true).ok().flatten().map(|(files, _)| files);
        let inner = self.inner_tls.as_ref().and_then(|inner| inner.inner().ok());
        let egress = self.egress_tls.egress().ok().flatten();
        let keys = self.token.demands().ok().flatten().map(|(keys, _)| keys);
        let of = |setting: &'static str, errors: Vec<ConfigError>| {
            errors.into_iter().map(move |error| Diagnostic::new(Origin::Absent, setting, error))
        };
        let tls = of("responder.tls", errors_of(tunnel));
        let inner = of("responder.inner_tls", errors_of(inner.map(|(files, _)| files)));
        let egress = of("responder.egress_tls", errors_of(egress));
        let token = of("responder.token", errors_of(keys));
        let deny = of("responder.deny_list", errors_of(self.deny_list.clone().map(DenyFile::new)));
        tls.chain(inner).chain(egress).chain(token).chain(deny).collect()
    }

    /// What should be mended about those files, although they can be used.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let tunnel = self.tls.tunnel(true).ok().flatten().map(|(files, _)| files);
        let inner = self.inner_tls.as_ref().and_then(|inner| inner.inner().ok()).map(|(files, _)| files);
        let egress = self.egress_tls.egress().ok().flatten();
        let of = |setting: &'static str, warnings: Vec<ConfigError>| {
            warnings.into_iter().map(move |warning| Diagnostic::new(Origin::Absent, setting, warning))
        };
        let tls = of("responder.tls", warnings_of(tunnel)).chain(of("responder.inner_tls", warnings_of(inner)));
        tls.chain(of("responder.egress_tls", warnings_of(egress))).collect()
    }

    /// Sets the ping interval and, if silence was not set on its own, the window that follows from it.
    pub fn set_ping_interval(&mut self, interval: Duration) {
        let core = &mut self.responder.core;
        core.ping_interval = interval;
        core.silence = follow_silence(interval, core.silence);
        if let Some(threshold) = self.ping_failure_threshold {
            core.echo_timeout = interval * threshold;
        }
    }

    /// Sets how many intervals between pings one may stay unanswered. There is never a second one under way: Envoy's
    /// initiators break on that (reference §3).
    pub fn set_ping_failure_threshold(&mut self, threshold: u32) {
        self.ping_failure_threshold = Some(threshold);
        self.responder.core.echo_timeout = self.responder.core.ping_interval * threshold;
    }
}
