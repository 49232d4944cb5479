//! One endpoint: when its name is resolved, and which of its addresses shall have tunnels.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::SocketAddr;

use super::family::{Choice, LookupFamily};
use super::resolve_schedule::ResolveSchedule;
use super::{Config, MAX_ADDRESSES};
use crate::happy_eyeballs::Family;
use crate::initiator;
use crate::{Env, Instant};

/// The most addresses that are kept although they are missing from the last answer.
const MAX_MISSING: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    resolving: Resolving,
    schedule: ResolveSchedule,
    /// The last answer.
    answer: BTreeSet<SocketAddr>,
    /// Addresses of earlier answers, and since when they are missing.
    missing: BTreeMap<SocketAddr, Instant>,
    /// While there are addresses of both families.
    choice: Option<Choice>,
    wanted: BTreeSet<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Resolving {
    /// The resolver is asked then.
    At(Instant),
    /// It was asked.
    Asked,
    /// The endpoint is an address.
    Never,
}

impl Endpoint {
    pub(super) fn new(core: &initiator::Config) -> Self {
        Self {
            resolving: Resolving::At(Instant::EPOCH),
            schedule: ResolveSchedule::new(core),
            answer: BTreeSet::new(),
            missing: BTreeMap::new(),
            choice: None,
            wanted: BTreeSet::new(),
        }
    }

    pub(super) fn set_literal(&mut self, address: SocketAddr) {
        self.resolving = Resolving::Never;
        self.answer = [address].into();
        self.wanted.clone_from(&self.answer);
    }

    /// Whether the resolver is to be asked now; then it counts as asked.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.resolve_at().is_some_and(|at| now >= at);
        if due {
            self.resolving = Resolving::Asked;
        }
        due
    }

    pub(super) fn resolved(&mut self, env: Env, config: &Config, addresses: &[SocketAddr]) {
        let admitted: BTreeSet<_> =
            addresses.iter().copied().filter(|address| config.lookup_family.admits(address)).collect();
        if admitted.is_empty() {
            return self.resolve_failed(env);
        }
        if self.resolving == Resolving::Never {
            return;
        }
        self.resolving = Resolving::At(self.schedule.resolved(env.now));
        let answer: BTreeSet<_> = admitted.into_iter().take(MAX_ADDRESSES).collect();
        let before = core::mem::replace(&mut self.answer, answer);
        for address in before {
            self.missing.entry(address).or_insert(env.now);
        }
        self.missing.retain(|address, _| !self.answer.contains(address));
    }

    /// The last addresses stay.
    pub(super) fn resolve_failed(&mut self, env: Env) {
        if self.resolving != Resolving::Never {
            self.resolving = Resolving::At(self.schedule.failed(env));
        }
    }

    pub(super) fn dial_failed(&mut self, address: SocketAddr) {
        if let Some(choice) = &mut self.choice {
            choice.dial_failed(address);
        }
    }

    /// Works out anew which addresses are wanted, while those in `up` have a tunnel.
    pub(super) fn settle(&mut self, now: Instant, config: &Config, up: &BTreeSet<SocketAddr>) {
        if self.resolving == Resolving::Never {
            return;
        }
        let expired = |since: Instant| now >= since.after(config.removal_delay);
        let proven = self.answer.iter().any(|address| up.contains(address));
        self.missing.retain(|address, since| !proven || up.contains(address) && !expired(*since));
        self.limit_missing(up);

        let recent = self.missing.iter().filter(|(_, since)| !expired(**since)).map(|(address, _)| *address);
        let fresh: BTreeSet<SocketAddr> = self.answer.iter().copied().chain(recent).collect();
        let has = |family| fresh.iter().any(|address| Family::of(address) == family);
        let mut wanted = fresh.clone();
        if config.lookup_family == LookupFamily::Auto && has(Family::V6) && has(Family::V4) {
            let choice = self.choice.get_or_insert_with(|| Choice::race(Family::V6, now));
            choice.settle(now, &fresh, up);
            wanted.retain(|address| choice.wants(Family::of(address)));
        } else {
            self.choice = None;
        }
        // What is missing for longer is kept only while nothing else has a tunnel.
        wanted.extend(self.missing.keys().filter(|address| !fresh.contains(address)));
        self.wanted = wanted;
    }

    /// Resolvers that answer something else each time must not fill the memory: what has no tunnel and is missing for the
    /// longest time goes first.
    fn limit_missing(&mut self, up: &BTreeSet<SocketAddr>) {
        while self.missing.len() > MAX_MISSING {
            let oldest = self.missing.iter().min_by_key(|(address, since)| (up.contains(address), **since));
            let oldest = *oldest.expect("it is not empty").0;
            self.missing.remove(&oldest);
        }
    }

    pub(super) const fn wanted(&self) -> &BTreeSet<SocketAddr> {
        &self.wanted
    }

    pub(super) const fn resolve_at(&self) -> Option<Instant> {
        match self.resolving {
            Resolving::At(at) => Some(at),
            Resolving::Asked | Resolving::Never => None,
        }
    }

    /// When something is to be done after `now`: the name resolved, the other family dialled, or a missing host given up. One
    /// that is overdue waits for another host to come up.
    pub(super) fn deadline(&self, now: Instant, config: &Config) -> Option<Instant> {
        let expiries = self.missing.values().map(|since| since.after(config.removal_delay)).filter(|at| *at > now);
        let join = self.choice.as_ref().and_then(Choice::deadline);
        expiries.chain(join).chain(self.resolve_at()).min()
    }
}
