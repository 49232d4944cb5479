//! The local service: requests from tunnels are forwarded to it over HTTP/1.1.

mod connection;
mod connector;
mod forward;
mod pool;
mod recording_io;

pub use self::forward::{Forward, ForwardBody};
