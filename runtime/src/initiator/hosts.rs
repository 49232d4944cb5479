//! The hosts of an upstream: the addresses of its endpoints, and their ids for the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use revtun_core::initiator::HostId;
use tracing::info;

/// The addresses of an endpoint.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The index of the endpoint in the configuration.
    pub(super) endpoint: usize,
    pub(super) addresses: Vec<SocketAddr>,
}

/// The ids of addresses.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// The last addresses of each endpoint.
    endpoints: BTreeMap<usize, BTreeSet<SocketAddr>>,
    /// Every host that the machine knows: the wanted ones, and those that are draining.
    known: BTreeMap<HostId, SocketAddr>,
    /// When the dials of a host without a tunnel began, in milliseconds since the Unix epoch.
    dialling_since: BTreeMap<HostId, u64>,
    next: u32,
}

impl Hosts {
    /// Replaces the addresses of an endpoint. Returns which hosts are wanted from now on (true), and which no longer (false).
    pub(super) fn update(&mut self, resolved: Resolved) -> Vec<(HostId, bool)> {
        let before = self.wanted();
        self.endpoints.insert(resolved.endpoint, resolved.addresses.into_iter().collect());
        let after = self.wanted();
        let mut changes = Vec::new();
        for address in before.symmetric_difference(&after) {
            let wanted = after.contains(address);
            info!(host = %address, "{}", if wanted { "host added" } else { "host removed" });
            changes.push((self.id(*address), wanted));
        }
        changes
    }

    pub(super) fn address(&self, host: HostId) -> Option<SocketAddr> {
        self.known.get(&host).copied()
    }

    /// The index of the endpoint that `address` belongs to; the first of several.
    pub(super) fn endpoint(&self, address: SocketAddr) -> Option<usize> {
        self.endpoints.iter().find(|(_, addresses)| addresses.contains(&address)).map(|(endpoint, _)| *endpoint)
    }

    pub(super) fn forget(&mut self, host: HostId) {
        self.known.remove(&host);
        self.dialling_since.remove(&host);
    }

    /// When the initiator first tried to establish the tunnel that it dials `now`: retries repeat the first time (reference
    /// §2.1).
    pub(super) fn first_dial(&mut self, host: HostId, now: u64) -> u64 {
        *self.dialling_since.entry(host).or_insert(now)
    }

    /// Notes that `host` accepted a tunnel: the next dial is a first one.
    pub(super) fn accepted(&mut self, host: HostId) {
        self.dialling_since.remove(&host);
    }

    fn wanted(&self) -> BTreeSet<SocketAddr> {
        self.endpoints.values().flatten().copied().collect()
    }

    /// The id of `address`: the one it has, if it comes back while its last tunnels are draining.
    fn id(&mut self, address: SocketAddr) -> HostId {
        if let Some((host, _)) = self.known.iter().find(|(_, known)| **known == address) {
            return *host;
        }
        let host = HostId(self.next);
        self.next += 1;
        self.known.insert(host, address);
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
    }

    fn update(hosts: &mut Hosts, endpoint: usize, ports: &[u16]) -> Vec<(u32, bool)> {
        let changes = hosts.update(Resolved { endpoint, addresses: at(ports) });
        changes.into_iter().map(|(host, wanted)| (host.0, wanted)).collect()
    }

    #[test]
    fn only_changes_are_returned() {
        let mut hosts = Hosts::default();
        assert_eq!(update(&mut hosts, 0, &[1, 2, 2]), [(0, true), (1, true)]);
        assert_eq!(update(&mut hosts, 0, &[2, 1]), []);
        assert_eq!(update(&mut hosts, 0, &[2, 3]), [(0, false), (2, true)]);
        assert_eq!(hosts.address(HostId(2)), Some(at(&[3])[0]));
    }

    #[test]
    fn a_host_of_two_endpoints_stays_until_both_lose_it() {
        let mut hosts = Hosts::default();
        assert_eq!(update(&mut hosts, 0, &[1]), [(0, true)]);
        assert_eq!(update(&mut hosts, 1, &[1]), []);
        assert_eq!(update(&mut hosts, 0, &[]), []);
        assert_eq!(update(&mut hosts, 1, &[]), [(0, false)]);
    }

    #[test]
    fn a_host_that_returns_keeps_its_id_unless_it_was_forgotten() {
        let mut hosts = Hosts::default();
        update(&mut hosts, 0, &[1]);
        assert_eq!(update(&mut hosts, 0, &[]), [(0, false)]);
        assert_eq!(update(&mut hosts, 0, &[1]), [(0, true)]);
        update(&mut hosts, 0, &[]);
        hosts.forget(HostId(0));
        assert_eq!(hosts.address(HostId(0)), None);
        assert_eq!(update(&mut hosts, 0, &[1]), [(1, true)]);
    }
}
