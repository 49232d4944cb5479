//! The initiator against a responder made by hand, over loopback.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "the other end lives in the real world")]

mod fake;
mod forwarding;
mod handshake;
mod hosts;
mod http1;
mod http2;
mod lifecycle;
mod listener;
mod pings;
mod pool;
mod routes;
mod scripted;
mod service_name;
mod services;
mod start;
