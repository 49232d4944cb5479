//! The hot path: which tunnel a request takes (power of two choices). Constant time beside the look-up of the name, and
//! no allocation.

use core::cmp::Ordering;

use super::entry::{GroupKey, TargetKey};
use super::tunnel::{Keepalive, Phase};
use super::{Effect, Refusal, Responder, StreamId, Target, Timer};
use crate::identity::TenantId;
use crate::{Effects, Env, Instant, TunnelId};

/// The registry's key for everybody where tenants are not kept apart. No tenant id is empty.
const SHARED_TENANT: &str = "";

impl Responder {
    pub(super) fn opened(&mut self, env: Env, stream: StreamId, target: &Target<'_>) -> Effects<Effect> {
        if self.waiting.0.contains_key(&stream) {
            return self.stale_event();
        }
        let refusal = if self.drain.is_some() {
            Some(Refusal::Draining)
        } else if self.config.tenant_isolation && target.tenant.is_none() {
            Some(Refusal::MissingTenant)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Effects::one(Effect::Refuse { stream, refusal });
        }
        let tenant = target.tenant.map_or(SHARED_TENANT, |tenant| self.tenant_key(tenant));
        let known = self.registry.tenants.get(tenant);
        if known.is_some_and(|tenant| tenant.requests >= self.config.of_tenant(self.config.max_streams_per_tenant)) {
            return Effects::one(Effect::Refuse { stream, refusal: Refusal::TenantSaturated });
        }
        let Some(key) = known.and_then(|tenant| tenant.target(target.name)) else {
            return self.wait(env, stream, tenant, target.name, Refusal::NoTunnel);
        };
        if self.is_ambiguous(key) {
            return Effects::one(Effect::Refuse { stream, refusal: Refusal::AmbiguousNode });
        }
        match self.pick(key, env.dice) {
            Some(tunnel) if self.counts.waiting == 0 || self.longest_waiting_for(tunnel).is_none() => {
                self.assign(env.now, stream, tunnel)
            }
            // Who waits already is served first, whichever of the tunnel's names it waits for.
            Some(_) => {
                let effects = self.wait(env, stream, tenant, target.name, Refusal::Saturated);
                self.arm_serve(env.now, key);
                effects
            }
            None => self.wait(env, stream, tenant, target.name, self.refusal(key)),
        }
    }

    /// Whether `target` is a name that nodes of several clusters have, and that is no target for that reason.
    pub(super) fn is_ambiguous(&self, target: TargetKey) -> bool {
        match target {
            TargetKey::Group(name @ GroupKey::Name(_)) => {
                self.config.refuse_ambiguous_node && self.registry.group(name).staying > 1
            }
            TargetKey::Node(_) | TargetKey::Group(GroupKey::Cluster(_)) => false,
        }
    }

    pub(super) fn released(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let Some(member) = self.tunnels.get_mut(id).and_then(|tunnel| tunnel.member_mut()) else {
            return self.stale_event();
        };
        if member.streams == 0 {
            return self.stale_event();
        }
        member.streams -= 1;
        let has_new_room = member.listed.is_none() && member.has_room(self.config.max_streams);
        let node = member.node;
        self.registry.node_mut(node).streams -= 1;
        self.registry.tenant_of(TargetKey::Node(node)).requests -= 1;
        self.counts.streams -= 1;
        match self.tunnels.get(id).map(|tunnel| &tunnel.phase) {
            Some(Phase::InUse(_)) if has_new_room => {
                self.list(env.now, id);
                Effects::NONE
            }
            Some(Phase::Draining(member, _)) if member.streams == 0 => self.streams_finished(env, id),
            Some(
                Phase::Handshaking
                | Phase::Rejected
                | Phase::Settling(_)
                | Phase::Idle(..)
                | Phase::InUse(_)
                | Phase::Draining(..),
            )
            | None => Effects::NONE,
        }
    }

    /// A tunnel can be found for as long as both ends have room on it. What is under way beyond a new limit goes on.
    pub(super) fn settings_received(&mut self, env: Env, id: TunnelId, max_streams: u32) -> Effects<Effect> {
        let Some(Phase::InUse(member)) = self.tunnels.get_mut(id).map(|tunnel| &mut tunnel.phase) else {
            return self.stale_event();
        };
        member.peer_max_streams = max_streams;
        match (member.listed, member.has_room(self.config.max_streams)) {
            (None, true) => self.list(env.now, id),
            (Some(_), false) => self.unlist(id),
            (None, false) | (Some(_), true) => {}
        }
        Effects::NONE
    }

    /// The tunnel for one more request to `target`: the less loaded of two random candidates.
    pub(super) fn pick(&self, target: TargetKey, dice: u64) -> Option<TunnelId> {
        let (node, dice) = match target {
            TargetKey::Node(node) => (self.registry.node(node), dice),
            TargetKey::Group(group) => {
                let nodes = &self.registry.group(group).listed;
                let (a, b) = two_of(nodes.len(), dice)?;
                let (a, b) = (self.registry.node(nodes[a]), self.registry.node(nodes[b]));
                // Streams per tunnel, compared without a division.
                let left = u64::from(a.streams) * b.listed.len() as u64;
                let right = u64::from(b.streams) * a.listed.len() as u64;
                // Where there was no choice, the throw is still as good as new.
                let left_over = if nodes.len() > 1 { reroll(dice) } else { dice };
                (if right < left { b } else { a }, left_over)
            }
        };
        let (a, b) = two_of(node.listed.len(), dice)?;
        let (a, b) = (node.listed[a], node.listed[b]);
        match self.streams_of(b).cmp(&self.streams_of(a)) {
            Ordering::Less => Some(b),
            Ordering::Equal | Ordering::Greater => Some(a),
        }
    }

    pub(super) fn assign(&mut self, now: Instant, stream: StreamId, id: TunnelId) -> Effects<Effect> {
        let tunnel = self.tunnels.get_mut(id).expect("only living tunnels are listed");
        if matches!(tunnel.phase, Phase::Settling(_) | Phase::Idle(..)) {
            // Silence counts from an unanswered ping on: using a dead tunnel must not delay the detection.
            let quiet_since = match tunnel.phase {
                Phase::Idle(_, Keepalive::Awaiting { since }) => since,
                Phase::Idle(_, Keepalive::Resting)
                | Phase::Settling(_)
                | Phase::Handshaking
                | Phase::Rejected
                | Phase::InUse(_)
                | Phase::Draining(..) => now,
            };
            tunnel.change(Phase::InUse);
            tunnel.heard = now;
            let silence = self.config.silence.max(self.config.echo_timeout);
            self.timers.set(&mut tunnel.alarm, quiet_since.after(silence), Timer::Silence(id));
        }
        let member = tunnel.member_mut().expect("only accepted tunnels are listed");
        member.streams += 1;
        let full = !member.has_room(self.config.max_streams);
        let node = member.node;
        self.registry.node_mut(node).streams += 1;
        self.registry.tenant_of(TargetKey::Node(node)).requests += 1;
        self.counts.streams += 1;
        if full {
            self.unlist(id);
        }
        Effects::one(Effect::Assign { stream, tunnel: id })
    }

    /// Makes a tunnel findable, for callers to come and for those who wait.
    pub(super) fn list(&mut self, now: Instant, id: TunnelId) {
        self.registry.list(&mut self.tunnels, id);
        let node =
            self.tunnels.get(id).and_then(|tunnel| tunnel.member()).expect("only accepted tunnels are listed").node;
        for target in self.registry.targets_of(node) {
            self.arm_serve(now, target);
        }
    }

    pub(super) fn unlist(&mut self, id: TunnelId) {
        if self.tunnels.get(id).is_some_and(|tunnel| tunnel.member().is_some()) {
            self.registry.unlist(&mut self.tunnels, id);
        }
    }

    /// What the registry calls a tenant.
    pub(super) const fn tenant_key<'a>(&self, tenant: TenantId<'a>) -> &'a str {
        if self.config.tenant_isolation { tenant.as_str() } else { SHARED_TENANT }
    }

    fn streams_of(&self, id: TunnelId) -> u32 {
        let tunnel = self.tunnels.get(id).expect("only living tunnels are listed");
        tunnel.member().expect("only accepted tunnels are listed").streams
    }
}

/// Two different positions below `len` (the same one twice if there is only one), all pairs equally likely.
fn two_of(len: usize, dice: u64) -> Option<(usize, usize)> {
    let below = |len: usize, bits: u64| usize::try_from((bits * len as u64) >> 32).expect("below a length");
    match len {
        0 => None,
        1 => Some((0, 0)),
        _ => {
            let first = below(len, dice >> 32);
            let second = below(len - 1, dice & 0xffff_ffff);
            Some((first, if second < first { second } else { second + 1 }))
        }
    }
}

/// A second throw out of the first (the finaliser of SplitMix64).
const fn reroll(dice: u64) -> u64 {
    let dice = (dice ^ (dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let dice = (dice ^ (dice >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    dice ^ (dice >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_draws_every_pair_and_never_one_twice() {
        for len in 2..6 {
            let mut seen = alloc::collections::BTreeSet::new();
            let mut dice = 1;
            for _ in 0..2_000 {
                dice = reroll(dice + 1);
                let (a, b) = two_of(len, dice).expect("there are some");
                assert!(a != b && a < len && b < len);
                seen.insert((a, b));
            }
            assert_eq!(seen.len(), len * (len - 1));
        }
        assert_eq!([1, 7, u64::MAX].map(reroll), [0x5692_161d_100b_05e5, 0x12ae_3023_7b17_df14, 0xb4d0_55fc_f2cb_bd7b]);
        assert_eq!(two_of(0, 7), None);
        assert_eq!(two_of(1, u64::MAX), Some((0, 0)));
        assert_eq!(two_of(2, u64::MAX), Some((1, 0)));
    }
}
