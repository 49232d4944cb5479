//! HTTP as both ends handle it: servers, layers, limits, hop-by-hop headers, bodies, idle timeouts, local replies.

mod activity;
mod byte_stream;
mod deadline;
mod h2_body;
mod h2_server;
mod h2_stream;
mod hop_by_hop;
mod idle_timeout;
mod interim;
mod io_stream;
mod keep_alive;
pub mod limits;
mod local_reply;
mod peer_limits;
mod request_body;
mod saved_head;
mod service;
mod upgrade;

pub(crate) use self::activity::{Activity, BodyActivity, TimeoutBody};
pub(crate) use self::byte_stream::{Joined, join};
pub(crate) use self::deadline::{Deadline, DeadlineExceeded};
pub(crate) use self::h2_body::{RecvBody, Sent, send_body};
pub(crate) use self::h2_server::{Http2Error, Http2Limits, Http2Server};
pub(crate) use self::h2_stream::Http2Stream;
pub(crate) use self::hop_by_hop::{
    HeaderSummary, expects_continue, is_only_chunked, join_cookies, single_length, tokens,
};
pub use self::hop_by_hop::{header_list_bytes, strip_hop_by_hop};
pub(crate) use self::idle_timeout::{CancelIdle, IdleTimeout, StreamIdle, poll_until_idle};
pub(crate) use self::io_stream::IoStream;
pub(crate) use self::keep_alive::KeepAlive;
pub use self::limits::HttpLimits;
pub use self::local_reply::{REASON, local_reply};
pub(crate) use self::local_reply::{grpc_local_reply, grpc_trailers, is_grpc};
pub(crate) use self::peer_limits::{MaxStreams, PeerLimits, request_list_bytes};
pub use self::request_body::RequestBody;
pub(crate) use self::saved_head::SavedHead;
pub(crate) use self::service::HttpService;
#[cfg(test)]
pub(crate) use self::service::testing;
pub(crate) use self::upgrade::{
    Http1Upgrade, PendingUpgrade, WEBSOCKET_ACCEPT, WEBSOCKET_KEY, is_websocket, upgrade_tokens, websocket_accept,
    websocket_key,
};
