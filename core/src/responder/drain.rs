//! Draining tunnels: unlisted first, then sent GOAWAY, then given time for their streams, then closed.

use core::time::Duration;

use super::tunnel::{DrainCause, Draining, Phase, Tunnel};
use super::{CloseReason, DrainScope, Effect, LINGER, Refusal, Responder, TargetName, Timer};
use crate::timers::Alarm;
use crate::{Effects, Env, Instant, TunnelId};

/// The drain of everything, done one tunnel a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Drain {
    pub(super) alarm: Alarm<Timer>,
    pub(super) until: Instant,
    pub(super) stage: DrainStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DrainStage {
    /// Waiting callers are refused, then GOAWAY is sent to tunnels, by slot.
    Telling { slot: usize },
    /// Streams finish.
    Finishing,
    /// Time is over: tunnels are closed, by slot.
    Closing { slot: usize },
    /// `Drained` was reported.
    Over,
}

impl Responder {
    /// How many tunnels a drain of `scope` would begin to drain now. Looks at every tunnel: not to be asked often.
    #[must_use]
    pub fn drainable(&self, scope: &DrainScope<'_>) -> usize {
        let staying = self.tunnels.iter().filter(|(_, tunnel)| tunnel.member().is_some() && !tunnel.is_draining());
        staying.filter(|(id, tunnel)| *scope == DrainScope::All || self.is_in(*id, tunnel, scope)).count()
    }

    pub(super) fn drain_requested(&mut self, env: Env, scope: &DrainScope<'_>, grace: Duration) -> Effects<Effect> {
        let until = env.now.after(grace);
        if *scope == DrainScope::All {
            self.drain_everything(env.now, until);
            return Effects::NONE;
        }
        let affected: alloc::vec::Vec<_> =
            self.tunnels.iter().filter(|(id, tunnel)| self.is_in(*id, tunnel, scope)).map(|(id, _)| id).collect();
        let cause = match scope {
            DrainScope::Expired(_) => DrainCause::Expired,
            DrainScope::Revoked(_) => DrainCause::Revoked,
            DrainScope::All | DrainScope::Tenant(_) | DrainScope::Target(_) | DrainScope::Tunnel(_) => {
                DrainCause::Operator
            }
        };
        for id in affected {
            self.start_draining(env.now, id, cause, until);
            self.bound_draining(id, cause, until);
        }
        Effects::NONE
    }

    fn drain_everything(&mut self, now: Instant, until: Instant) {
        let begun = Drain { alarm: Alarm::OFF, until, stage: DrainStage::Telling { slot: 0 } };
        let drain = self.drain.get_or_insert(begun);
        drain.until = drain.until.min(until);
        match drain.stage {
            DrainStage::Telling { .. } => self.timers.set(&mut drain.alarm, now, Timer::Drain),
            DrainStage::Finishing => self.timers.set(&mut drain.alarm, drain.until, Timer::Drain),
            DrainStage::Closing { .. } | DrainStage::Over => {}
        }
    }

    /// One piece of the drain of everything.
    pub(super) fn drain_on(&mut self, env: Env) -> Effects<Effect> {
        let drain = self.drain.as_mut().expect("its timer is armed");
        match drain.stage {
            DrainStage::Telling { slot } => self.tell_next(env, slot),
            DrainStage::Finishing => {
                drain.stage = DrainStage::Closing { slot: 0 };
                self.close_next(env, 0)
            }
            DrainStage::Closing { slot } => self.close_next(env, slot),
            DrainStage::Over => unreachable!("a drain that is over has no timer"),
        }
    }

    fn tell_next(&mut self, env: Env, slot: usize) -> Effects<Effect> {
        if let Some(stream) = self.waiting.0.keys().next().copied() {
            let target = self.stop_waiting(stream).expect("found above");
            self.registry.prune(target);
            return Effects::one(Effect::Refuse { stream, refusal: Refusal::Draining });
        }
        let staying = (slot..self.tunnels.end()).find(|slot| {
            let tunnel = self.tunnels.at(*slot);
            tunnel.is_some_and(|(_, tunnel)| tunnel.member().is_some() && !tunnel.is_draining())
        });
        let drain = self.drain.as_mut().expect("the caller has found it");
        let Some(slot) = staying else {
            drain.stage = DrainStage::Finishing;
            self.timers.set(&mut drain.alarm, drain.until, Timer::Drain);
            return self.drained();
        };
        drain.stage = DrainStage::Telling { slot: slot + 1 };
        let until = drain.until;
        let (id, _) = self.tunnels.at(slot).expect("found above");
        self.start_draining(env.now, id, DrainCause::Operator, until);
        self.retire(env, id)
    }

    fn close_next(&mut self, env: Env, slot: usize) -> Effects<Effect> {
        let left = (slot..self.tunnels.end()).find_map(|slot| {
            self.tunnels.at(slot).filter(|(_, tunnel)| tunnel.member().is_some()).map(|(id, _)| (slot, id))
        });
        let (slot, id) = left.expect("a drain without tunnels is over and has no timer");
        let drain = self.drain.as_mut().expect("the caller has found it");
        drain.stage = DrainStage::Closing { slot: slot + 1 };
        self.timers.set(&mut drain.alarm, env.now, Timer::Drain);
        self.close(id, CloseReason::GraceExpired)
    }

    /// Reports `Drained` once, when every tunnel was sent GOAWAY and none is left.
    pub(super) fn drained(&mut self) -> Effects<Effect> {
        let Some(drain) = &mut self.drain else { return Effects::NONE };
        match drain.stage {
            DrainStage::Finishing | DrainStage::Closing { .. } if self.counts.tunnels == 0 => {
                drain.stage = DrainStage::Over;
                self.timers.clear(&mut drain.alarm);
                Effects::one(Effect::Drained)
            }
            DrainStage::Telling { .. } | DrainStage::Finishing | DrainStage::Closing { .. } | DrainStage::Over => {
                Effects::NONE
            }
        }
    }

    /// The tunnel gets no new requests from here on; GOAWAY is sent in a tick of its own.
    pub(super) fn start_draining(&mut self, now: Instant, id: TunnelId, cause: DrainCause, until: Instant) {
        let tunnel = self.tunnels.get(id).expect("the caller has found it");
        if tunnel.member().is_none() || tunnel.is_draining() {
            return;
        }
        self.enter_draining(id, Draining { cause, until, overdue: cause.overdue(), goaway_sent: false });
        self.arm(id, now, Timer::Retire(id));
    }

    /// A tunnel does not outlive what proved its identity, whatever time a drain that began before has left it.
    fn bound_draining(&mut self, id: TunnelId, cause: DrainCause, until: Instant) {
        let tunnel = self.tunnels.get_mut(id).expect("the caller has found it");
        let Phase::Draining(member, draining) = &mut tunnel.phase else { return };
        if !matches!(cause, DrainCause::Expired | DrainCause::Revoked) || until >= draining.until {
            return;
        }
        (draining.until, draining.overdue) = (until, cause.overdue());
        if draining.goaway_sent && member.streams > 0 {
            self.arm(id, until, Timer::Grace(id));
        }
    }

    /// Sends GOAWAY to the initiator, which dials a replacement while this tunnel finishes its streams.
    pub(super) fn retire(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let tunnel = self.tunnels.get_mut(id).expect("a tunnel with a timer lives");
        let Phase::Draining(member, draining) = &mut tunnel.phase else {
            unreachable!("only draining tunnels retire");
        };
        draining.goaway_sent = true;
        let until = draining.until;
        match member.streams {
            0 => self.arm(id, env.now.after(LINGER), Timer::Linger(id)),
            _ => self.arm(id, until, Timer::Grace(id)),
        }
        Effects::one(Effect::Goaway { tunnel: id })
    }

    /// The last stream of a draining tunnel is over.
    pub(super) fn streams_finished(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        match self.draining(id) {
            Some(Draining { cause: cause @ (DrainCause::PeerGoaway | DrainCause::ConnectionLost), .. }) => {
                self.close(id, cause.reason())
            }
            Some(Draining { goaway_sent: true, .. }) => {
                self.arm(id, env.now.after(LINGER), Timer::Linger(id));
                Effects::NONE
            }
            Some(Draining { goaway_sent: false, .. }) | None => Effects::NONE,
        }
    }

    pub(super) fn goaway_received(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        self.part(env, id, DrainCause::PeerGoaway)
    }

    pub(super) fn connection_lost(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        self.part(env, id, DrainCause::ConnectionLost)
    }

    /// The initiator takes no more requests on this tunnel, and need not be told.
    fn part(&mut self, env: Env, id: TunnelId, cause: DrainCause) -> Effects<Effect> {
        let Some(member) = self.tunnels.get(id).and_then(Tunnel::member) else { return self.stale_event() };
        if member.streams == 0 {
            return self.close(id, cause.reason());
        }
        let (until, overdue) = match self.draining(id) {
            Some(draining) => (draining.until, draining.overdue),
            None => (env.now.after(self.config.drain_grace), cause.overdue()),
        };
        self.enter_draining(id, Draining { cause, until, overdue, goaway_sent: true });
        self.arm(id, until, Timer::Grace(id));
        Effects::NONE
    }

    /// Why a tunnel is closed whose peer did not close it in time.
    pub(super) fn linger_reason(&self, id: TunnelId) -> CloseReason {
        self.draining(id).map_or(CloseReason::LingerTimeout, |draining| draining.cause.reason())
    }

    /// Why a tunnel is closed whose streams have not finished in time.
    pub(super) fn overdue_reason(&self, id: TunnelId) -> CloseReason {
        self.draining(id).expect("only draining tunnels have a grace").overdue
    }

    fn enter_draining(&mut self, id: TunnelId, draining: Draining) {
        self.unlist(id);
        let tunnel = self.tunnels.get_mut(id).expect("the caller has found it");
        let was_draining = tunnel.is_draining();
        tunnel.change(|member| Phase::Draining(member, draining));
        let node = tunnel.member().expect("only accepted tunnels depart").node;
        if !was_draining {
            self.registry.depart(node);
        }
    }

    fn draining(&self, id: TunnelId) -> Option<Draining> {
        match self.tunnels.get(id)?.phase {
            Phase::Draining(_, draining) => Some(draining),
            Phase::Handshaking | Phase::Rejected | Phase::Settling(_) | Phase::Idle(..) | Phase::InUse(_) => None,
        }
    }

    fn is_in(&self, id: TunnelId, tunnel: &Tunnel, scope: &DrainScope<'_>) -> bool {
        let Some(member) = tunnel.member() else { return false };
        match scope {
            DrainScope::All => unreachable!("everything is drained one tunnel a tick"),
            DrainScope::Tunnel(wanted) | DrainScope::Expired(wanted) | DrainScope::Revoked(wanted) => *wanted == id,
            DrainScope::Tenant(tenant) => *member.tenant == *tenant.as_str(),
            DrainScope::Target(target) => {
                let (own_node, own_cluster) =
                    (self.registry.node_name(member.node), self.registry.cluster_name(member.node));
                let named = match target.name {
                    TargetName::Node(node) => own_node == node,
                    TargetName::Member { node, cluster } => (own_node, own_cluster) == (node, cluster),
                    TargetName::Cluster(cluster) => own_cluster == cluster,
                };
                named && target.tenant.is_none_or(|tenant| *member.tenant == *tenant.as_str())
            }
        }
    }
}
