//! Fencing: when a newer process of a node arrives, tunnels of its older processes get no new requests and are drained.

use core::time::Duration;

use super::Responder;
use super::entry::{Node, NodeKey};
use super::tunnel::{DrainCause, Keepalive, Phase, Tunnel};
use crate::handshake::Instance;
use crate::table::Table;
use crate::{Instant, TunnelId};

/// A tunnel whose ping is unanswered for so long may be stale. Far more than any round trip.
const SUSPECT_AFTER: Duration = Duration::from_secs(1);

/// How many displaced processes of a node are remembered. Contention among up to so many living processes and the
/// current one is detected.
const MAX_DISPLACED: usize = 4;

/// The processes of one node of one cluster, as far as they say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Generations {
    /// The one that gets work.
    pub(super) current: Option<Instance>,
    /// Those that it displaced, the latest first.
    pub(super) displaced: [Option<Instance>; MAX_DISPLACED],
    /// One of them turned out to be alive, so all get requests.
    pub(super) contended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Known,
    Newer,
    Contended,
}

impl Generations {
    pub(super) const NONE: Self = Self { current: None, displaced: [None; MAX_DISPLACED], contended: false };

    /// Records an instance that has just completed a handshake. The newest is the one that was first seen last: no
    /// clock of an initiator is trusted.
    fn arrive(&mut self, instance: Instance) -> Arrival {
        match self.current {
            _ if self.contended => Arrival::Known,
            None => {
                self.current = Some(instance);
                Arrival::Known
            }
            Some(current) if current == instance => Arrival::Known,
            // It was displaced and is back: two living processes, which would displace each other for ever.
            Some(_) if self.displaced.contains(&Some(instance)) => {
                self.contended = true;
                Arrival::Contended
            }
            Some(current) => {
                self.displaced.rotate_right(1);
                self.displaced[0] = Some(current);
                self.current = Some(instance);
                Arrival::Newer
            }
        }
    }
}

/// The tunnel of `node` whose ping is unanswered for the longest time, if that is suspiciously long.
pub(super) fn longest_unanswered(node: &Node, tunnels: &Table<TunnelId, Tunnel>, now: Instant) -> Option<TunnelId> {
    let unanswered = node.tunnels.iter().filter_map(|id| match &tunnels.get(*id)?.phase {
        Phase::Idle(_, Keepalive::Awaiting { since }) if now.since(*since) >= SUSPECT_AFTER => Some((*since, *id)),
        Phase::Handshaking
        | Phase::Rejected
        | Phase::Settling(_)
        | Phase::Idle(..)
        | Phase::InUse(_)
        | Phase::Draining(..) => None,
    });
    unanswered.min().map(|(_, id)| id)
}

impl Responder {
    /// A tunnel of `instance` was registered for `node`: tunnels of an older process get no new requests and are
    /// drained. Returns whether contention of two living processes was detected by this tunnel.
    pub(super) fn fence(&mut self, now: Instant, node: NodeKey, instance: Option<Instance>) -> bool {
        let Some(instance) = instance else { return false };
        match self.registry.node_mut(node).generations.arrive(instance) {
            Arrival::Known => false,
            Arrival::Contended => true,
            Arrival::Newer => {
                let until = now.after(self.config.drain_grace);
                let older = |id: &TunnelId| {
                    let member = self.tunnels.get(*id).and_then(Tunnel::member);
                    member.is_some_and(|member| member.instance.is_some_and(|other| other != instance))
                };
                let older_tunnels: alloc::vec::Vec<_> =
                    self.registry.node(node).tunnels.iter().copied().filter(older).collect();
                for id in older_tunnels {
                    self.start_draining(now, id, DrainCause::Superseded, until);
                }
                false
            }
        }
    }
}
