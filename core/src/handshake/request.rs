//! What an initiator asks for a tunnel with (reference §2.1).

use alloc::format;
use alloc::vec::Vec;

use super::head::{AUTHORIZATION, CONTENT_LENGTH, INSTANCE, TLS, TLS_WHOLE, UPGRADE, UPGRADE_TOKEN};
use super::{HeaderNames, Instance};
use crate::identity::Identity;
use crate::token::{SCHEME, Token};

/// The path that both ends agree on if nobody says otherwise (reference §10).
pub const PATH: &str = "/reverse_connections/request";

/// A handshake request to be sent.
///
/// `host`, `upstream` and `path` go out as they are: it is for whoever reads them from a configuration to keep
/// control characters out ([`is_path`], [`Address`](crate::address::Address)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestHead<'a> {
    /// What the headers about the initiator are called.
    pub names: &'a HeaderNames,
    /// The address that was dialled, as `ip:port` or `[ip]:port`.
    pub host: &'a str,
    /// Who asks.
    pub identity: Identity<'a>,
    /// The initiator's own name for what it dials.
    pub upstream: &'a str,
    /// When the initiator began to want this tunnel: milliseconds of the Unix epoch. Retries repeat it.
    pub initiation_time_ms: u64,
    /// Which of the initiator's threads asks; sent as `worker_N`.
    pub worker: u32,
    /// Counts the connections of the initiator's process.
    pub connection: u64,
    /// Which run of the initiator's process this is.
    pub instance: Instance,
    /// The request target, fit for [`is_path`].
    pub path: &'a str,
    /// Whether to ask for an upgrade, for the sake of proxies between the ends.
    pub upgrade: bool,
    /// Whether the tunnel stays inside TLS behind the answer; sent as `x-revtun-tls: whole`.
    pub whole_tls: bool,
    /// What the initiator proves itself with; sent as `authorization: Bearer`.
    pub token: Option<Token<'a>>,
}

impl RequestHead<'_> {
    /// Appends the request to `out`: byte for byte an Envoy's, but for headers that an Envoy ignores.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut line = |parts: [&str; 3]| {
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        };
        line(["GET ", self.path, " HTTP/1.1"]);
        line(["host", ": ", self.host]);
        if self.upgrade {
            line(["connection", ": ", UPGRADE]);
            line([UPGRADE, ": ", UPGRADE_TOKEN]);
        }
        let HeaderNames { node, cluster, tenant, upstream, initiation_time, worker, connection } = self.names;
        line([node, ": ", self.identity.node.as_str()]);
        line([cluster, ": ", self.identity.cluster.as_str()]);
        line([tenant, ": ", self.identity.tenant.as_str()]);
        line([upstream, ": ", self.upstream]);
        line([initiation_time, ": ", &format!("{}", self.initiation_time_ms)]);
        line([worker, ": ", &format!("worker_{}", self.worker)]);
        line([connection, ": ", &format!("{}", self.connection)]);
        line([INSTANCE, ": ", &format!("{}", self.instance)]);
        if self.whole_tls {
            line([TLS, ": ", TLS_WHOLE]);
        }
        if let Some(token) = self.token {
            line([AUTHORIZATION, ": ", &format!("{SCHEME}{}", token.as_str())]);
        }
        line([CONTENT_LENGTH, ": ", "0"]);
        line(["", "", ""]);
    }
}

/// Whether `path` can be the path of a handshake: a slash, then visible ASCII, at most 255 bytes (reference §10).
#[must_use]
pub fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 255 && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}
