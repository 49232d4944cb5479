//! The hosts of an upstream: the addresses behind the names of its endpoints, and which of them shall have tunnels.
//!
//! ```text
//!               Resolve                       Wanted, Unwanted
//!   resolver ◀────────── ┌───────┐ ──────────────────────────────▶ Initiator
//!            ──────────▶ │ Hosts │ ◀──────────────────────────────
//!     Resolved,          └───────┘    Up, Down, DialFailed, Forgotten
//!     ResolveFailed
//! ```
//!
//! A resolver may fail, be slow, leave out a family or lie for a while. So no answer ends a tunnel by itself:
//!
//! - A name that cannot be resolved keeps its last addresses, and is tried again, for ever.
//! - An address that is missing from an answer stays until another host of the name has a tunnel; if it has one itself, until
//!   it has been missing for [`Config::removal_delay`] besides.
//! - Of a name with addresses of both families one family is enough ([`LookupFamily::Auto`]): they are most often those of the
//!   same hosts. Which one, a race decides (RFC 8305).

mod endpoint;
mod family;
mod resolve_schedule;

pub use family::LookupFamily;
pub use resolve_schedule::ResolveSchedule;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use self::endpoint::Endpoint;
use crate::initiator::{self, HostId};
use crate::{Env, Instant};

/// The most addresses of one answer that count; the others are left out, those that sort last.
pub const MAX_ADDRESSES: usize = 256;

/// The settings of [`Hosts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Which families of addresses of a name get tunnels.
    pub lookup_family: LookupFamily,
    /// For how long a host with a tunnel has to be missing from all answers before it is drained.
    pub removal_delay: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { lookup_family: LookupFamily::Auto, removal_delay: Duration::from_secs(30) }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The resolver answered.
    Resolved {
        /// The endpoint, by its number.
        endpoint: usize,
        /// All addresses. None at all is a failure.
        addresses: &'a [SocketAddr],
    },
    /// The resolver failed.
    ResolveFailed {
        /// The endpoint.
        endpoint: usize,
    },
    /// The host has a tunnel that was accepted, and had none before.
    Up {
        /// The host.
        host: HostId,
    },
    /// The host has no such tunnel any more.
    Down {
        /// The host.
        host: HostId,
    },
    /// A dial or a handshake failed.
    DialFailed {
        /// The host.
        host: HostId,
    },
    /// The machine of the initiator has forgotten the host.
    Forgotten {
        /// The host.
        host: HostId,
    },
    /// The deadline has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Resolve the endpoint, and report `Resolved` or `ResolveFailed`.
    Resolve {
        /// The endpoint.
        endpoint: usize,
    },
    /// The host shall have tunnels from now on.
    Wanted {
        /// The host.
        host: HostId,
        /// Where it is.
        address: SocketAddr,
    },
    /// The host shall have no tunnels any more.
    Unwanted {
        /// The host.
        host: HostId,
        /// Where it is.
        address: SocketAddr,
    },
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hosts {
    config: Config,
    endpoints: Vec<Endpoint>,
    /// Every host that the initiator's machine knows: the wanted ones, and those that drain.
    known: BTreeMap<HostId, Host>,
    ids: BTreeMap<SocketAddr, HostId>,
    next: u32,
    deadline: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Host {
    address: SocketAddr,
    wanted: bool,
    up: bool,
    /// When the dials began that have led to no tunnel yet, in milliseconds since the Unix epoch.
    dialled_since: Option<u64>,
}

impl Hosts {
    /// The hosts of `endpoints` endpoints, of which nothing is known; `core` says how often to ask.
    #[must_use]
    pub fn new(config: Config, core: &initiator::Config, endpoints: usize) -> Self {
        let endpoints: Vec<_> = (0..endpoints).map(|_| Endpoint::new(core)).collect();
        let mut hosts =
            Self { config, endpoints, known: BTreeMap::new(), ids: BTreeMap::new(), next: 0, deadline: None };
        let _nothing_is_known = hosts.reconcile(Instant::EPOCH);
        hosts
    }

    /// Tells that `endpoint` is an address and no name: it is never resolved.
    #[must_use]
    pub fn literal(&mut self, endpoint: usize, address: SocketAddr) -> Vec<Effect> {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.set_literal(address);
        }
        self.reconcile(Instant::EPOCH)
    }

    /// Takes one event and says what is to be done, in order. An event about a host or an endpoint that is not known does
    /// nothing.
    #[must_use]
    pub fn step(&mut self, env: Env, event: Event<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Resolved { endpoint, addresses } => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.resolved(env, &self.config, addresses);
                }
            }
            Event::ResolveFailed { endpoint } => {
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.resolve_failed(env);
                }
            }
            Event::Up { host } => self.set_up(host, true),
            Event::Down { host } => self.set_up(host, false),
            Event::DialFailed { host } => {
                if let Some(host) = self.known.get(&host) {
                    self.endpoints.iter_mut().for_each(|endpoint| endpoint.dial_failed(host.address));
                }
            }
            Event::Forgotten { host } => self.forget(host),
            Event::Tick => {
                let due = self.endpoints.iter_mut().enumerate().filter_map(|(number, endpoint)| {
                    endpoint.is_due(env.now).then_some(Effect::Resolve { endpoint: number })
                });
                effects.extend(due);
            }
        }
        // The tunnels of a host that is not wanted are about to go: they are no reason to let those of another one go.
        let up: BTreeSet<_> =
            self.known.values().filter(|host| host.wanted && host.up).map(|host| host.address).collect();
        for endpoint in &mut self.endpoints {
            endpoint.settle(env.now, &self.config, &up);
        }
        effects.extend(self.reconcile(env.now));
        effects
    }

    /// Forgets all endpoints: no name is resolved any more, and no host is wanted. For the end of an initiator, whose machine
    /// needs not be told.
    pub fn stop(&mut self) {
        self.endpoints.clear();
        self.known.values_mut().for_each(|host| host.wanted = false);
        self.deadline = None;
    }

    /// When to send the next `Tick`.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The address of a host that is not forgotten.
    #[must_use]
    pub fn address(&self, host: HostId) -> Option<SocketAddr> {
        self.known.get(&host).map(|host| host.address)
    }

    /// Whether the host has a tunnel, as far as was told.
    #[must_use]
    pub fn is_up(&self, host: HostId) -> bool {
        self.known.get(&host).is_some_and(|host| host.up)
    }

    /// Every host that shall have tunnels.
    pub fn wanted(&self) -> impl Iterator<Item = (HostId, SocketAddr)> + '_ {
        self.known.iter().filter(|(_, host)| host.wanted).map(|(id, host)| (*id, host.address))
    }

    /// The number of the endpoint that the host belongs to; the first of several.
    #[must_use]
    pub fn endpoint(&self, host: HostId) -> Option<usize> {
        let address = self.address(host)?;
        self.endpoints.iter().position(|endpoint| endpoint.wanted().contains(&address))
    }

    /// When the endpoint will be resolved again; none while the resolver is asked, and for an address.
    #[must_use]
    pub fn next_resolve(&self, endpoint: usize) -> Option<Instant> {
        self.endpoints.get(endpoint)?.resolve_at()
    }

    /// When the initiator first tried to establish the tunnel that it dials `now`, both in milliseconds since the Unix epoch:
    /// retries repeat the first time (reference §2.1).
    pub fn first_dial(&mut self, host: HostId, now: u64) -> u64 {
        self.known.get_mut(&host).map_or(now, |host| *host.dialled_since.get_or_insert(now))
    }

    /// The host accepted a tunnel: the next dial is a first one.
    pub fn accepted(&mut self, host: HostId) {
        if let Some(host) = self.known.get_mut(&host) {
            host.dialled_since = None;
        }
    }

    fn set_up(&mut self, host: HostId, up: bool) {
        if let Some(host) = self.known.get_mut(&host) {
            host.up = up;
        }
    }

    fn forget(&mut self, host: HostId) {
        if let Some(host) = self.known.remove(&host) {
            self.ids.remove(&host.address);
        }
    }

    /// Makes what is wanted of the hosts what is wanted by the endpoints.
    fn reconcile(&mut self, now: Instant) -> Vec<Effect> {
        let wanted: BTreeSet<SocketAddr> =
            self.endpoints.iter().flat_map(|endpoint| endpoint.wanted()).copied().collect();
        let mut effects = Vec::new();
        for address in &wanted {
            let host = self.id(*address);
            let entry = self.known.get_mut(&host).expect("it has an id");
            if !core::mem::replace(&mut entry.wanted, true) {
                effects.push(Effect::Wanted { host, address: *address });
            }
        }
        for (host, entry) in &mut self.known {
            if entry.wanted && !wanted.contains(&entry.address) {
                entry.wanted = false;
                effects.push(Effect::Unwanted { host: *host, address: entry.address });
            }
        }
        self.deadline = self.endpoints.iter().filter_map(|endpoint| endpoint.deadline(now, &self.config)).min();
        effects
    }

    /// The id of `address`: the one it has, if it comes back while its last tunnels are draining.
    fn id(&mut self, address: SocketAddr) -> HostId {
        if let Some(host) = self.ids.get(&address) {
            return *host;
        }
        let host = HostId(self.next);
        self.next += 1;
        self.known.insert(host, Host { address, wanted: false, up: false, dialled_since: None });
        self.ids.insert(address, host);
        host
    }
}

#[cfg(test)]
mod tests;
