//! The settings of `revtun responder`: the table `[responder]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use revtun_core::handshake::MAX_HEADERS;
use revtun_core::responder::Config;

use super::files::errors_of;
use super::section::{Section, Zero};
use super::tls::{ClientTlsSettings, ServerTlsSettings, check_inner};
use super::token::TokenSettings;
use super::token::unprotected;
use super::{
    ConfigError, DRAIN_GRACE, Diagnostic, MAX_HEAD_BYTES, MAX_MISSES, MAX_PER_TUNNEL, MAX_TABLE, MIN_HEAD_BYTES,
    MIN_HEADERS, Origin, follow_silence, parse_journal, parse_name, parse_path, parse_prefix, read_http,
};
use revtun::responder::ResponderConfig;

/// What an operator may set of a responder. The default listens on loopback only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderSettings {
    /// Where operators and monitoring ask.
    pub admin_listen: SocketAddr,
    /// Worker threads; none means one per processor.
    pub threads: Option<NonZeroUsize>,
    /// How long requests may go on after SIGTERM.
    pub drain_grace: Duration,
    /// Where every step of the machine is written to, for `revtun replay`.
    pub journal: Option<PathBuf>,
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
    /// Whether initiators may come from other machines in the clear.
    pub allow_plaintext: bool,
    /// Everything else that is not about the process. Its TLS is made of the files above.
    pub responder: ResponderConfig,
}

impl Default for ResponderSettings {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            admin_listen: loopback(15090),
            threads: None,
            drain_grace: DRAIN_GRACE,
            journal: None,
            ping_failure_threshold: None,
            tls: ServerTlsSettings::default(),
            inner_tls: None,
            egress_tls: ServerTlsSettings::default(),
            token: TokenSettings::default(),
            allow_plaintext: false,
            responder: ResponderConfig::at(loopback(15443), loopback(15080)),
        }
    }
}

impl ResponderSettings {
    /// Reads the table; what is wrong stays noted in `section`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut settings = Self::default();
        section.listen("admin_listen", &mut settings.admin_listen);
        section.threads(&mut settings.threads);
        section.duration("drain_grace", Zero::IsOff, &mut settings.drain_grace);
        if let Some(found) = section.text("journal", parse_journal) {
            settings.journal = Some(found.value);
        }
        if let Some(mut table) = section.table("tls") {
            settings.tls = ServerTlsSettings::read_tunnel(&mut table);
            section.absorb(table);
        }
        if let Some(mut table) = section.table("inner_tls") {
            settings.inner_tls = Some(ClientTlsSettings::read_trust(&mut table));
            section.absorb(table);
        }
        if let Some(mut table) = section.table("egress_tls") {
            settings.egress_tls = ServerTlsSettings::read_pair(&mut table);
            section.absorb(table);
        }
        if let Some(mut table) = section.table("token") {
            settings.token = TokenSettings::read(&mut table);
            section.absorb(table);
        }
        section.switch("allow_plaintext", &mut settings.allow_plaintext);
        read_config(section, &mut settings.responder);
        read_http(section, &mut settings.responder.http);
        section.either("ping_failure_threshold", "echo_timeout");
        read_core(section, &mut settings.responder.core);
        let mut threshold = 0;
        section.number("ping_failure_threshold", 1..=MAX_MISSES, &mut threshold);
        if threshold > 0 {
            settings.set_ping_failure_threshold(threshold);
        }
        settings
    }

    /// What is missing or does not fit together, once the file and the flags are both known.
    #[must_use]
    pub fn missing(&self) -> Vec<Diagnostic> {
        let diagnostic = |setting: &str, error| Diagnostic::new(Origin::Absent, setting, error);
        let token = self.token.demands();
        let proven = token.as_ref().is_ok_and(Option::is_some);
        let tunnel = self.tls.tunnel(proven);
        let mut diagnostics = Vec::new();
        let at = self.responder.tunnel_listen;
        if tunnel == Ok(None) && !at.ip().to_canonical().is_loopback() && !self.allow_plaintext {
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
        diagnostics
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
        tls.chain(inner).chain(egress).chain(token).collect()
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

fn read_config(section: &mut Section<'_>, config: &mut ResponderConfig) {
    section.listen("tunnel_listen", &mut config.tunnel_listen);
    section.listen("egress_listen", &mut config.egress_listen);
    section.duration("request_timeout", Zero::IsOff, &mut config.request_timeout);
    section.duration("caller_timeout", Zero::IsWrong, &mut config.caller_timeout);
    if let Some(found) = section.text("request_path", parse_path) {
        config.request_path = found.value;
    }
    if let Some(found) = section.text("header_prefix", parse_prefix) {
        config.header_names = found.value;
    }
    if let Some(found) = section.text("required_cluster_name", parse_name) {
        config.required_cluster = Some(found.value);
    }
    section.switch("use_http_upgrade", &mut config.upgrade);
    section.number("max_head_bytes", MIN_HEAD_BYTES..=MAX_HEAD_BYTES, &mut config.max_head_bytes);
    section.number("max_headers", MIN_HEADERS..=MAX_HEADERS as u32, &mut config.max_headers);
    section.number("max_idle_bytes", MIN_HEAD_BYTES..=MAX_HEAD_BYTES, &mut config.max_idle_bytes);
}

fn read_core(section: &mut Section<'_>, core: &mut Config) {
    section.switch("tenant_isolation", &mut core.tenant_isolation);
    section.duration("handshake_timeout", Zero::IsWrong, &mut core.handshake_timeout);
    section.duration("settle", Zero::IsOff, &mut core.settle);
    section.duration("ping_interval", Zero::IsWrong, &mut core.ping_interval);
    section.duration("echo_timeout", Zero::IsWrong, &mut core.echo_timeout);
    section.silence(core.ping_interval, &mut core.silence);
    section.duration("wait", Zero::IsOff, &mut core.wait);
    section.duration("peer_drain_grace", Zero::IsOff, &mut core.drain_grace);
    section.number("max_streams", 1..=MAX_PER_TUNNEL, &mut core.max_streams);
    section.number("max_streams_per_tenant", 1..=MAX_TABLE, &mut core.max_streams_per_tenant);
    section.number("max_waiting", 0..=MAX_TABLE, &mut core.max_waiting);
    section.number("max_waiting_per_tenant", 0..=MAX_TABLE, &mut core.max_waiting_per_tenant);
    section.number("max_handshakes", 1..=MAX_TABLE, &mut core.max_handshakes);
    section.number("max_handshakes_per_source", 1..=MAX_TABLE, &mut core.max_handshakes_per_source);
    section.number("max_accepts_per_second", 0..=MAX_TABLE, &mut core.max_accepts_per_second);
    section.number("max_tunnels_per_node", 1..=MAX_TABLE, &mut core.max_tunnels_per_node);
    section.number("max_tunnels_per_cluster", 1..=MAX_TABLE, &mut core.max_tunnels_per_cluster);
    section.number("max_tunnels_per_tenant", 1..=MAX_TABLE, &mut core.max_tunnels_per_tenant);
    section.number("max_tunnels", 1..=MAX_TABLE, &mut core.max_tunnels);
}
