//! What runs on the hosts: the shipped runtime at both ends or an Envoy in its place, and around it callers, services and
//! strangers.

pub mod caller;
pub mod ends;
pub mod envoy;
pub mod false_cloud;
mod frames;
pub mod guest;
pub mod pattern;
pub mod service;
pub mod stranger;
mod wire;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where initiators dial to.
pub const TUNNELS: u16 = 9000;
/// Where callers send requests to.
pub const EGRESS: u16 = 9001;
/// Where services are.
pub const SERVICE: u16 = 8080;
/// The name of all responders.
pub const CLOUD: &str = "cloud";

/// Any address of a host.
#[must_use]
pub const fn anywhere(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}
