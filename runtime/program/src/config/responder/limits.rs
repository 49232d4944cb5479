//! The declaration of a responder's limits.

use super::ResponderSettings;
use crate::config::bounds::{
    MAX_HEAD_BYTES, MAX_HEADERS_COUNT, MAX_PER_TUNNEL, MAX_RESETS, MAX_TABLE, MIN_HEAD_BYTES, MIN_HEADERS,
};
use crate::config::setting;

type Access = setting::Access<ResponderSettings>;
type Setting = setting::Setting<ResponderSettings>;

pub(super) const LIMITS: &[Setting] = &[
    Setting::new(
        "max_streams",
        Access::Number(1..=MAX_PER_TUNNEL, |s| &mut s.responder.core.max_streams),
        "Requests on one tunnel at the same time",
    ),
    Setting::new(
        "max_streams_per_tenant",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.core.max_streams_per_tenant),
        "Requests of one tenant at the same time, those that wait included",
    ),
    Setting::new(
        "max_waiting",
        Access::Number(0..=MAX_TABLE, |s| &mut s.responder.core.max_waiting),
        "Requests that wait for a tunnel",
    ),
    Setting::new(
        "max_waiting_per_tenant",
        Access::Number(0..=MAX_TABLE, |s| &mut s.responder.core.max_waiting_per_tenant),
        "Requests of one tenant that wait for a tunnel",
    ),
    Setting::new(
        "max_callers",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.max_callers),
        "Connections of callers; of those without a request, the oldest is closed for a new one",
    ),
    Setting::new(
        "max_callers_per_source",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.max_callers_per_source),
        "Those from one IPv4 address, or from one /64 of IPv6",
    ),
    Setting::new(
        "max_handshakes",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.core.max_handshakes),
        "Connections whose handshake is not complete",
    ),
    Setting::new(
        "max_handshakes_per_source",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.core.max_handshakes_per_source),
        "Those from one IPv4 address, or from one /64 of IPv6",
    ),
    Setting::new(
        "max_accepts_per_second",
        Access::Number(0..=MAX_TABLE, |s| &mut s.responder.core.max_accepts_per_second),
        "New connections at the tunnel listener in a second; 0 is any number",
    ),
    Setting::new(
        "max_tunnels_per_node",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.core.max_tunnels_per_node),
        "Tunnels of one node",
    ),
    Setting::new(
        "max_tunnels_per_cluster",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.core.max_tunnels_per_cluster),
        "Tunnels of one cluster",
    ),
    Setting::new(
        "max_tunnels_per_tenant",
        Access::Number(1..=MAX_TABLE, |s| &mut s.responder.core.max_tunnels_per_tenant),
        "Tunnels of one tenant",
    ),
    Setting::new("max_tunnels", Access::Number(1..=MAX_TABLE, |s| &mut s.responder.core.max_tunnels), "Tunnels in all"),
    Setting::new(
        "max_idle_bytes",
        Access::Number(MIN_HEAD_BYTES..=MAX_HEAD_BYTES, |s| &mut s.responder.max_idle_bytes),
        "Bytes that an initiator may send from one ping to the next, before HTTP/2 begins",
    ),
    Setting::new(
        "max_header_bytes",
        Access::Number(MIN_HEAD_BYTES..=MAX_HEAD_BYTES, |s| &mut s.responder.http.header_bytes),
        "Bytes of the headers of one HTTP message, each header with 32 more",
    ),
    Setting::new(
        "max_headers_count",
        Access::Number(MIN_HEADERS..=MAX_HEADERS_COUNT, |s| &mut s.responder.http.headers),
        "Headers of one HTTP request",
    ),
    Setting::new(
        "max_pending_resets",
        Access::Number(1..=MAX_RESETS, |s| &mut s.responder.http.pending_resets),
        "HTTP/2 streams that are opened and reset at once; more end the connection",
    ),
];
