//! Queues of callers that wait for a tunnel: a redial usually takes less than a second.

use alloc::collections::{BTreeMap, BTreeSet};

use super::entry::TargetKey;
use super::tunnel::Tunnel;
use super::{Effect, Refusal, Responder, StreamId, TargetName, Timer};
use crate::timers::Alarm;
use crate::{Effects, Env, Instant, TunnelId};

/// The waiting callers, by stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting(pub(super) BTreeMap<StreamId, Caller>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) target: TargetKey,
    pub(super) alarm: Alarm<Timer>,
}

/// The callers that wait for one target, first come first.
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
    /// Lets `stream` wait for `name`, or turns it away with `otherwise` where waiting is off.
    pub(super) fn wait(
        &mut self,
        env: Env,
        stream: StreamId,
        tenant: &str,
        name: TargetName<'_>,
        otherwise: Refusal,
    ) -> Effects<Effect> {
        if self.config.wait.is_zero() {
            return Effects::one(Effect::Refuse { stream, refusal: otherwise });
        }
        if self.counts.waiting >= self.config.max_waiting {
            return Effects::one(Effect::Refuse { stream, refusal: Refusal::QueueFull });
        }
        let of_tenant = self.registry.tenants.get(tenant).map_or(0, |tenant| tenant.waiting);
        if of_tenant >= self.config.of_tenant(self.config.max_waiting_per_tenant) {
            return Effects::one(Effect::Refuse { stream, refusal: Refusal::TenantQueueFull });
        }
        let target = self.registry.target(tenant, name);
        let mut alarm = Alarm::OFF;
        self.timers.set(&mut alarm, env.now.after(self.config.wait), Timer::WaitTimeout(stream));
        self.waiting.0.insert(stream, Caller { target, alarm });
        self.registry.queue_mut(target).callers.insert(stream);
        let of_tenant = self.registry.tenant_of(target);
        of_tenant.waiting += 1;
        of_tenant.requests += 1;
        self.counts.waiting += 1;
        Effects::one(Effect::Wait { stream })
    }

    /// `target` may have room now, or be ambiguous: its waiting callers are served or refused, one a tick.
    pub(super) fn arm_serve(&mut self, now: Instant, target: TargetKey) {
        let queue = self.registry.queue_mut(target);
        if !queue.is_empty() && queue.alarm.get().is_none() {
            self.timers.set(&mut queue.alarm, now, Timer::Serve(target));
        }
    }

    pub(super) fn serve(&mut self, env: Env, target: TargetKey) -> Effects<Effect> {
        let queue = self.registry.queue_mut(target);
        self.timers.clear(&mut queue.alarm);
        if self.is_ambiguous(target) {
            return self.refuse_first(env, target);
        }
        let Some(tunnel) = self.pick(target, env.dice) else { return Effects::NONE };
        let stream = self.longest_waiting_for(tunnel).expect("one waits for the target, which is the tunnel's");
        self.stop_waiting(stream).expect("a queue holds only waiting callers");
        let effects = self.assign(env.now, stream, tunnel);
        if self.pick(target, env.dice).is_some() {
            self.arm_serve(env.now, target);
        }
        effects
    }

    /// Refuses the first caller that waits for an ambiguous name.
    fn refuse_first(&mut self, env: Env, target: TargetKey) -> Effects<Effect> {
        let stream = *self.registry.queue_mut(target).callers.first().expect("a queue that is served has somebody");
        self.stop_waiting(stream).expect("a queue holds only waiting callers");
        self.arm_serve(env.now, target);
        Effects::one(Effect::Refuse { stream, refusal: Refusal::AmbiguousNode })
    }

    /// Who waits the longest of all whom `tunnel` may serve: callers for its node, for its node's name, and for its
    /// cluster.
    pub(super) fn longest_waiting_for(&self, tunnel: TunnelId) -> Option<StreamId> {
        let node = self.tunnels.get(tunnel).and_then(Tunnel::member).expect("only accepted tunnels are listed").node;
        let targets = self.registry.targets_of(node).into_iter().filter(|target| !self.is_ambiguous(*target));
        targets.filter_map(|target| self.registry.queue(target).callers.first().copied()).min()
    }

    pub(super) fn wait_timeout(&mut self, stream: StreamId) -> Effects<Effect> {
        let target = self.stop_waiting(stream).expect("a caller with a timer waits");
        let refusal = self.refusal(target);
        self.registry.prune(target);
        Effects::one(Effect::Refuse { stream, refusal })
    }

    pub(super) fn cancelled(&mut self, stream: StreamId) -> Effects<Effect> {
        match self.stop_waiting(stream) {
            Some(target) => {
                self.registry.prune(target);
                Effects::NONE
            }
            None => self.stale_event(),
        }
    }

    /// Takes `stream` out of its queue. The target may have to be pruned afterwards.
    pub(super) fn stop_waiting(&mut self, stream: StreamId) -> Option<TargetKey> {
        let mut caller = self.waiting.0.remove(&stream)?;
        self.timers.clear(&mut caller.alarm);
        self.counts.waiting -= 1;
        let of_tenant = self.registry.tenant_of(caller.target);
        of_tenant.waiting -= 1;
        of_tenant.requests -= 1;
        let queue = self.registry.queue_mut(caller.target);
        queue.callers.remove(&stream);
        if queue.is_empty() {
            self.timers.clear(&mut queue.alarm);
        }
        Some(caller.target)
    }

    /// The reason for having no tunnel for `target`.
    pub(super) fn refusal(&self, target: TargetKey) -> Refusal {
        let connected = match target {
            TargetKey::Node(node) => self.registry.node(node).staying() > 0,
            TargetKey::Group(group) => self.registry.group(group).staying > 0,
        };
        if self.is_ambiguous(target) {
            Refusal::AmbiguousNode
        } else if connected {
            Refusal::Saturated
        } else {
            Refusal::NoTunnel
        }
    }
}
