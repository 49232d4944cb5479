//! Local services: requests from tunnels are forwarded to them, over HTTP/1.1 or HTTP/2; and streams of bytes both ways, to them and to
//! other destinations.
//!
//! ```text
//!   Forward ──▶ route: which service, what is changed ──▶ balance: which endpoint ──▶ endpoint ──▶ pool: HTTP/1.1
//!      │                                                        │                         │           │
//!      │                                                     upgrade                      └──▶ http2  │
//!      │                                                        │                                │    │
//!      └──▶ tcp: CONNECT                                        └──▶ connector: TCP, TLS, Unix ◀─┴────┘
//! ```

mod balance;
mod body;
mod connection;
mod connector;
mod deadline;
mod endpoint;
mod error;
mod forward;
mod http2;
mod lease;
mod pool;
mod recording_io;
mod route;
mod service;
mod service_stream;
mod tcp;
mod timeouts;
mod upgrade;

pub use self::balance::{ServiceEndpointInfo, ServiceInfo};
pub use self::body::ServiceBody;
pub use self::forward::{Forward, ForwardBody, ForwardError};
pub use self::route::{HostRewrite, RequestHead, Rewrite, RouteConfig, RouteTimeouts};
pub use self::service::{ServiceConfig, ServiceEndpoint, ServiceProtocol, ServiceTls};
