//! The hosts of an upstream: what its endpoints resolve to, now and again.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use revtun_core::initiator::HostId;
use tracing::{info, warn};

use super::Context;
use super::driver::Input;
use crate::world::World;

/// A name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// A DNS name, or an IP address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl HostPort {
    fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, self.port))
    }

    /// Its addresses, at least one. Those of other machines only if `anywhere`.
    pub(super) async fn resolve<W: World>(&self, world: &W, anywhere: bool) -> io::Result<Vec<SocketAddr>> {
        let addresses = match self.literal() {
            Some(address) => vec![address],
            None => world.resolve(&self.host, self.port).await?,
        };
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        if !anywhere
            && let Some(elsewhere) = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback())
        {
            let text = format!("{} is another machine, and the way there is not encrypted", elsewhere.ip());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(addresses)
    }
}

/// `host:port`, with brackets around an IPv6 address.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.literal() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// An endpoint that cannot be resolved, or must not be dialled, when an initiator starts.
#[derive(Debug)]
pub struct Unresolvable {
    /// Which endpoint.
    pub endpoint: HostPort,
    /// What the resolver says.
    pub error: io::Error,
}

impl Unresolvable {
    /// Whether a tunnel to it would leave this machine in the clear, and must not.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.error.kind() == io::ErrorKind::PermissionDenied
    }
}

impl fmt::Display for Unresolvable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_forbidden() { "will not dial" } else { "cannot resolve" };
        write!(f, "{what} {}: {}", self.endpoint, self.error)
    }
}

impl Error for Unresolvable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// What an endpoint resolves to.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Which endpoint, by its place in the configuration.
    pub(super) endpoint: usize,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Asks the resolver about `endpoint` again and again, until nobody listens. If it fails, its last answer stays.
pub(super) async fn keep_resolving<W: World, S>(context: Arc<Context<W, S>>, index: usize, endpoint: HostPort) {
    let mut failing = false;
    while endpoint.literal().is_none() {
        let pause = context.world.now().after(context.core.resolve_interval);
        tokio::select! {
            biased;
            () = context.inputs.closed() => return,
            () = context.world.sleep_until(pause) => {}
        }
        match endpoint.resolve(&context.world, context.anywhere).await {
            Ok(addresses) => {
                failing = false;
                if context.inputs.send(Input::Resolved(Resolved { endpoint: index, addresses })).await.is_err() {
                    return;
                }
            }
            Err(error) if !failing => {
                failing = true;
                warn!(%endpoint, %error, "cannot use what an upstream resolves to; its last addresses stay");
            }
            Err(_) => {}
        }
    }
}

/// Which address goes by which id.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// The last answer for each endpoint.
    answers: BTreeMap<usize, BTreeSet<SocketAddr>>,
    /// Every host that the machine knows: the wanted ones, and those that are being drained.
    known: BTreeMap<HostId, SocketAddr>,
    /// Since when, in milliseconds since 1970, a host is dialled in vain.
    wanting: BTreeMap<HostId, u64>,
    next: u32,
}

impl Hosts {
    /// Takes an answer, and says which hosts are wanted from now on and which no longer.
    pub(super) fn take(&mut self, resolved: Resolved) -> Vec<(HostId, bool)> {
        let before = self.wanted();
        self.answers.insert(resolved.endpoint, resolved.addresses.into_iter().collect());
        let after = self.wanted();
        let mut changes = Vec::new();
        for address in before.symmetric_difference(&after) {
            let wanted = after.contains(address);
            info!(host = %address, "{}", if wanted { "host appeared" } else { "host vanished" });
            changes.push((self.name(*address), wanted));
        }
        changes
    }

    pub(super) fn address(&self, host: HostId) -> Option<SocketAddr> {
        self.known.get(&host).copied()
    }

    /// The endpoint that `address` comes from, by its place in the configuration; the first of several.
    pub(super) fn endpoint(&self, address: SocketAddr) -> Option<usize> {
        self.answers.iter().find(|(_, addresses)| addresses.contains(&address)).map(|(endpoint, _)| *endpoint)
    }

    pub(super) fn forget(&mut self, host: HostId) {
        self.known.remove(&host);
        self.wanting.remove(&host);
    }

    /// When the initiator began to want the tunnel that it dials `now`: retries repeat the first moment (reference
    /// §2.1).
    pub(super) fn wanted_since(&mut self, host: HostId, now: u64) -> u64 {
        *self.wanting.entry(host).or_insert(now)
    }

    /// Notes that `host` accepted a tunnel: the next dial is a new wish.
    pub(super) fn satisfied(&mut self, host: HostId) {
        self.wanting.remove(&host);
    }

    fn wanted(&self) -> BTreeSet<SocketAddr> {
        self.answers.values().flatten().copied().collect()
    }

    /// The id of `address`: the one it has, if it comes back while its last tunnels are being drained.
    fn name(&mut self, address: SocketAddr) -> HostId {
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

    fn take(hosts: &mut Hosts, endpoint: usize, ports: &[u16]) -> Vec<(u32, bool)> {
        let changes = hosts.take(Resolved { endpoint, addresses: at(ports) });
        changes.into_iter().map(|(host, wanted)| (host.0, wanted)).collect()
    }

    #[test]
    fn only_changes_are_told() {
        let mut hosts = Hosts::default();
        assert_eq!(take(&mut hosts, 0, &[1, 2, 2]), [(0, true), (1, true)]);
        assert_eq!(take(&mut hosts, 0, &[2, 1]), []);
        assert_eq!(take(&mut hosts, 0, &[2, 3]), [(0, false), (2, true)]);
        assert_eq!(hosts.address(HostId(2)), Some(at(&[3])[0]));
    }

    #[test]
    fn a_host_of_two_endpoints_stays_until_both_lose_it() {
        let mut hosts = Hosts::default();
        assert_eq!(take(&mut hosts, 0, &[1]), [(0, true)]);
        assert_eq!(take(&mut hosts, 1, &[1]), []);
        assert_eq!(take(&mut hosts, 0, &[]), []);
        assert_eq!(take(&mut hosts, 1, &[]), [(0, false)]);
    }

    #[test]
    fn a_host_that_returns_keeps_its_id_unless_it_was_forgotten() {
        let mut hosts = Hosts::default();
        take(&mut hosts, 0, &[1]);
        assert_eq!(take(&mut hosts, 0, &[]), [(0, false)]);
        assert_eq!(take(&mut hosts, 0, &[1]), [(0, true)]);
        take(&mut hosts, 0, &[]);
        hosts.forget(HostId(0));
        assert_eq!(hosts.address(HostId(0)), None);
        assert_eq!(take(&mut hosts, 0, &[1]), [(1, true)]);
    }

    #[test]
    fn endpoints_print_as_they_are_written() {
        let print = |host: &str| HostPort { host: host.to_owned(), port: 80 }.to_string();
        assert_eq!([print("a.example"), print("::1"), print("10.0.0.1")], ["a.example:80", "[::1]:80", "10.0.0.1:80"]);
    }
}
