//! Names and ports that all actors know.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port that initiators dial.
pub const TUNNELS: u16 = 9000;
/// The port that callers send requests to.
pub const EGRESS: u16 = 9001;
/// The port of services.
pub const SERVICE: u16 = 8080;
/// The DNS name of all responders.
pub const CLOUD: &str = "cloud";

/// The unspecified address with this port.
#[must_use]
pub const fn unspecified(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}
