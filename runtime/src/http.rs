//! HTTP as both ends handle it: servers, layers, limits, hop-by-hop headers, bodies, idle timeouts, local replies.

mod activity;
mod deadline;
mod h2_body;
mod h2_server;
mod hop_by_hop;
mod idle_timeout;
mod keep_alive;
pub mod limits;
mod local_reply;
mod peer_limits;
mod request_body;
mod service;

pub(crate) use self::activity::{Activity, BodyActivity, TimeoutBody};
pub(crate) use self::deadline::{Deadline, DeadlineExceeded};
pub(crate) use self::h2_body::{RecvBody, Sent, send_body};
pub(crate) use self::h2_server::{Http2Error, Http2Limits, Http2Server};
pub(crate) use self::hop_by_hop::{expects_continue, is_only_chunked, join_cookies, single_length, tokens};
pub use self::hop_by_hop::{header_list_bytes, strip_hop_by_hop};
pub(crate) use self::idle_timeout::{CancelIdle, IdleTimeout, StreamIdle};
pub(crate) use self::keep_alive::KeepAlive;
pub use self::limits::HttpLimits;
pub use self::local_reply::{REASON, local_reply};
pub(crate) use self::peer_limits::{MaxStreams, PeerLimits, request_list_bytes};
pub use self::request_body::RequestBody;
pub(crate) use self::service::HttpService;
#[cfg(test)]
pub(crate) use self::service::testing;
