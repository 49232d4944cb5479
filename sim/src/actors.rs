//! What runs on the hosts: the shipped runtime at both ends, or Envoys in its place, and around it callers, services and
//! hostile peers.

mod addresses;
pub mod body_pattern;
pub mod caller;
pub mod envoy;
pub mod garbage_client;
pub mod hostile_initiator;
pub mod hostile_responder;
mod http2_frames;
mod maybe_tls_stream;
pub mod revtun_ends;
pub mod service;

pub use self::addresses::{CLOUD, EGRESS, SERVICE, TUNNELS, unspecified};
