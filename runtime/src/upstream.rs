//! The local service: requests from tunnels are forwarded to it over HTTP/1.1; and streams of bytes both ways, to it and to other
//! destinations.

mod connection;
mod connector;
mod forward;
mod pool;
mod tcp;
mod upgrade;

pub use self::forward::{Forward, ForwardBody};
