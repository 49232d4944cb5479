//! Callers without a tunnel wait a moment for one: a redial usually takes less than a second.

use alloc::collections::{BTreeMap, BTreeSet};

use super::registry::Seat;
use super::{Effect, Place, Refusal, Responder, StreamId, Timer};
use crate::timers::Alarm;
use crate::{Effects, Env, Instant};

/// Who waits for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting(pub(super) BTreeMap<StreamId, Caller>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) seat: Seat,
    pub(super) alarm: Alarm<Timer>,
}

/// The callers that wait for one node or cluster, first come first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    pub(super) callers: BTreeSet<StreamId>,
    pub(super) alarm: Alarm<Timer>,
}

impl Waiting {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }
}

impl Queue {
    pub(super) const EMPTY: Self = Self { callers: BTreeSet::new(), alarm: Alarm::OFF };

    pub(super) fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }
}

impl Responder {
    /// Lets `stream` wait for `place`, or turns it away with `otherwise` where waiting is off.
    pub(super) fn wait(
        &mut self,
        env: Env,
        stream: StreamId,
        tenant: &str,
        place: Place<'_>,
        otherwise: Refusal,
    ) -> Effects<Effect> {
        if self.config.wait.is_zero() {
            return Effects::one(Effect::Refuse { stream, refusal: otherwise });
        }
        if self.counts.waiting >= self.config.max_waiting {
            return Effects::one(Effect::Refuse { stream, refusal: Refusal::TooManyWaiting });
        }
        let of_tenant = self.registry.tenants.get(tenant).map_or(0, |tenant| tenant.waiting);
        if of_tenant >= self.config.max_waiting_per_tenant {
            return Effects::one(Effect::Refuse { stream, refusal: Refusal::TenantWaiting });
        }
        let seat = self.registry.seat(tenant, place);
        let mut alarm = Alarm::OFF;
        self.timers.set(&mut alarm, env.now.after(self.config.wait), Timer::GiveUp(stream));
        self.waiting.0.insert(stream, Caller { seat, alarm });
        self.registry.queue_mut(seat).callers.insert(stream);
        let of_tenant = self.registry.tenant_of(seat);
        of_tenant.waiting += 1;
        of_tenant.requests += 1;
        self.counts.waiting += 1;
        Effects::one(Effect::Wait { stream })
    }

    /// There may be room at `seat` now: whoever waits there is served, one a tick.
    pub(super) fn arm_serve(&mut self, now: Instant, seat: Seat) {
        let queue = self.registry.queue_mut(seat);
        if !queue.is_empty() && queue.alarm.get().is_none() {
            self.timers.set(&mut queue.alarm, now, Timer::Serve(seat));
        }
    }

    pub(super) fn serve(&mut self, env: Env, seat: Seat) -> Effects<Effect> {
        let queue = self.registry.queue_mut(seat);
        self.timers.clear(&mut queue.alarm);
        let first = queue.callers.first().copied();
        let Some((stream, tunnel)) = first.zip(self.pick(seat, env.dice)) else { return Effects::NONE };
        self.stop_waiting(stream).expect("a queue holds only waiting callers");
        let effects = self.assign(env.now, stream, tunnel);
        if self.pick(seat, env.dice).is_some() {
            self.arm_serve(env.now, seat);
        }
        effects
    }

    pub(super) fn give_up(&mut self, stream: StreamId) -> Effects<Effect> {
        let seat = self.stop_waiting(stream).expect("a caller with a timer waits");
        let refusal = self.refusal(seat);
        self.registry.prune(seat);
        Effects::one(Effect::Refuse { stream, refusal })
    }

    pub(super) fn abandoned(&mut self, stream: StreamId) -> Effects<Effect> {
        match self.stop_waiting(stream) {
            Some(seat) => {
                self.registry.prune(seat);
                Effects::NONE
            }
            None => self.stale_event(),
        }
    }

    /// Takes `stream` out of the queue it stands in. The seat may have to be pruned afterwards.
    pub(super) fn stop_waiting(&mut self, stream: StreamId) -> Option<Seat> {
        let mut caller = self.waiting.0.remove(&stream)?;
        self.timers.clear(&mut caller.alarm);
        self.counts.waiting -= 1;
        let of_tenant = self.registry.tenant_of(caller.seat);
        of_tenant.waiting -= 1;
        of_tenant.requests -= 1;
        let queue = self.registry.queue_mut(caller.seat);
        queue.callers.remove(&stream);
        if queue.is_empty() {
            self.timers.clear(&mut queue.alarm);
        }
        Some(caller.seat)
    }

    /// Why there is no tunnel for `seat`.
    pub(super) fn refusal(&self, seat: Seat) -> Refusal {
        let peopled = match seat {
            Seat::Node(node) => self.registry.node(node).active() > 0,
            Seat::Cluster(cluster) => self.registry.cluster(cluster).nodes > 0,
        };
        if peopled { Refusal::Saturated } else { Refusal::Absent }
    }
}
