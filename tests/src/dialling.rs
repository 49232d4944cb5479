//! What an initiator is started with.

use std::net::SocketAddr;

use crate::ends::Make;
use crate::envoy;

/// What an initiator is started with.
#[derive(Clone, Copy, Debug)]
pub struct Dialling<'a> {
    /// Who made it.
    pub make: Make,
    /// Its node id.
    pub node: &'a str,
    /// Its cluster id.
    pub cluster: &'a str,
    /// Its tenant id.
    pub tenant: &'a str,
    /// Tunnels for each host.
    pub count: u16,
    /// The hosts to dial.
    pub hosts: &'a [SocketAddr],
    /// The service behind it.
    pub forward: SocketAddr,
    /// More flags, for revtun alone.
    pub flags: &'a [&'a str],
    /// How an Envoy dials; none is in the clear.
    pub envoy: Option<&'a envoy::Dialling>,
}

impl<'a> Dialling<'a> {
    /// One tunnel of revtun's for each of `hosts`, from node `node-a` of cluster `cluster-a` of tenant `tenant-a`.
    #[must_use]
    pub fn from_revtun(hosts: &'a [SocketAddr], forward: SocketAddr) -> Self {
        Self {
            make: Make::Revtun,
            node: "node-a",
            cluster: "cluster-a",
            tenant: "tenant-a",
            count: 1,
            hosts,
            forward,
            flags: &[],
            envoy: None,
        }
    }
}
