//! HTTP as both ends handle it: limits, hop-by-hop headers, bodies, idle timeouts, local replies.

mod h2_body;
mod hop_by_hop;
mod idle_timeout;
pub mod limits;
mod local_reply;
mod request_body;

pub(crate) use self::h2_body::{RecvBody, reset_reason, send_body};
pub use self::hop_by_hop::{header_list_bytes, strip_hop_by_hop};
pub(crate) use self::idle_timeout::{Activity, BodyActivity, IdleTimeout, TimeoutBody, TimeoutResponse};
pub use self::limits::HttpLimits;
pub use self::local_reply::{REASON, local_reply};
pub use self::request_body::RequestBody;
