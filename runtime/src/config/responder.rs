//! The settings of `revtun responder`: the table `[responder]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use revtun_core::responder::Config;

use super::section::{Section, Zero};
use super::{DRAIN_GRACE, MAX_PER_TUNNEL, MAX_TABLE, follow_silence, parse_name, parse_path, parse_trace};
use crate::responder::ResponderConfig;

/// What an operator may set of a responder. The default listens on loopback only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderSettings {
    /// Where operators and monitoring ask.
    pub admin_listen: SocketAddr,
    /// Worker threads; none means one per processor.
    pub threads: Option<NonZeroUsize>,
    /// How long requests may go on after SIGTERM.
    pub drain_grace: Duration,
    /// Where every step of the machine is written to, for `revtun check-trace`.
    pub trace: Option<PathBuf>,
    /// Everything that is not about the process.
    pub responder: ResponderConfig,
}

impl Default for ResponderSettings {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            admin_listen: loopback(15090),
            threads: None,
            drain_grace: DRAIN_GRACE,
            trace: None,
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
        if let Some(found) = section.text("trace", parse_trace) {
            settings.trace = Some(found.value);
        }
        read_config(section, &mut settings.responder);
        read_core(section, &mut settings.responder.core);
        settings
    }

    /// Sets the ping interval and, if silence was not set on its own, the window that follows from it.
    pub fn set_ping_interval(&mut self, interval: Duration) {
        let core = &mut self.responder.core;
        core.ping_interval = interval;
        core.silence = follow_silence(interval, core.silence);
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
    if let Some(found) = section.text("required_cluster_name", parse_name) {
        config.required_cluster = Some(found.value);
    }
    section.switch("use_http_upgrade", &mut config.upgrade);
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
    section.number("max_waiting", 0..=MAX_TABLE, &mut core.max_waiting);
    section.number("max_handshakes", 1..=MAX_TABLE, &mut core.max_handshakes);
    section.number("max_tunnels_per_node", 1..=MAX_TABLE, &mut core.max_tunnels_per_node);
    section.number("max_tunnels_per_tenant", 1..=MAX_TABLE, &mut core.max_tunnels_per_tenant);
    section.number("max_tunnels", 1..=MAX_TABLE, &mut core.max_tunnels);
}
