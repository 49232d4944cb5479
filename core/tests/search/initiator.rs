//! Worlds of the initiator: hosts that fail now and then, and an operator who changes his mind.
//!
//! What has to hold is worked out from what the machine asked for, step by step, and compared with what it says of
//! itself.

use std::hash::Hash;
use std::time::Duration;

use revtun_core::handshake::Answer;
use revtun_core::initiator::{
    Cause, CloseReason, Config, Effect, Event, HostId, Initiator, Protocol, Stage, Timer, TunnelView,
};
use revtun_core::{CANONICAL_NOW, Env, Machine, TunnelId};

use super::explore::World;
use super::single::{self, Move};

/// Every duration is the same, so that few differences of times exist.
const UNIT: Duration = Duration::from_secs(60);

const MOST_HOSTS: usize = 2;

/// What can happen to an initiator. Each makes many more states.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) targets: &'static [u16],
    /// How much harm is done.
    pub(crate) faults: u8,
    /// How often the operator sets another target.
    pub(crate) changes: u8,
    /// Whether tunnels carry requests.
    pub(crate) used: bool,
    /// Whether the operator may order a drain.
    pub(crate) drain: bool,
    /// Whether the responder is revtun.
    pub(crate) revtun: bool,
}

/// A machine in canonical form, and what was seen of it from outside.
#[derive(Clone)]
pub(crate) struct Upstream {
    machine: Initiator,
    scope: Scope,
    faults: u8,
    changes: u8,
    observed: Observed,
}

#[derive(Clone, Copy, Default, Hash)]
struct Observed {
    targets: [u16; MOST_HOSTS],
    /// A dial or handshake failed last, as far as can be told: the host is probed by one dial at a time.
    failing: [bool; MOST_HOSTS],
    draining: bool,
    drained: bool,
}

/// A tunnel as its effects and events tell it.
type Told = (TunnelId, HostId, Stage);

impl Upstream {
    pub(crate) fn new(scope: Scope) -> Self {
        let config = Config {
            connect_timeout: UNIT,
            handshake_timeout: UNIT,
            silence: UNIT,
            drain_grace: UNIT,
            refused_cap: UNIT,
            down_cap: UNIT,
            backoff_base: UNIT,
            backoff_cap: UNIT,
            denied_base: UNIT,
            retry_after_cap: UNIT,
            max_draining: 2,
            ..Config::default()
        };
        Self { machine: Initiator::new(config), scope, faults: 0, changes: 0, observed: Observed::default() }
    }

    fn hosts(&self) -> impl Iterator<Item = (HostId, u16)> + use<> {
        (0..).map(HostId).zip(self.scope.targets.iter().copied())
    }

    /// What the operator does: first he names the hosts one by one, then he may change his mind.
    fn orders(&self, moves: &mut Vec<Move<Event>>) {
        let order = |event| Move { event, dice: 0, counted: false, heals: false };
        let mut named = self.hosts().zip(self.observed.targets);
        let unnamed = named.find(|(_, target)| self.changes == 0 && !self.observed.draining && *target == 0);
        if let Some(((host, count), _)) = unnamed {
            moves.push(Move { heals: true, ..order(Event::TargetSet { host, count }) });
        } else if self.changes < self.scope.changes {
            for ((host, most), target) in self.hosts().zip(self.observed.targets) {
                let counts = (0..=most).filter(|count| *count != target);
                moves.extend(counts.map(|count| order(Event::TargetSet { host, count })));
            }
        }
        if self.scope.drain && !self.observed.draining {
            moves.push(order(Event::DrainRequested { grace: UNIT }));
        }
    }

    /// What is heard of a tunnel.
    fn news(&self, view: &TunnelView, moves: &mut Vec<Move<Event>>) {
        let tunnel = view.tunnel;
        let mut add = |event, dice, fault: bool| {
            if !fault || self.faults < self.scope.faults {
                moves.push(Move { event, dice, counted: fault, heals: !fault });
            }
        };
        let closed = |cause| Event::Closed { tunnel, cause };
        let answer = |answer| Event::Answered { tunnel, answer };
        match view.stage {
            Stage::Dialing => {
                add(Event::Connected { tunnel }, 0, false);
                add(closed(Cause::Refused), u64::MAX, true);
            }
            Stage::Handshaking => {
                add(answer(Answer::Accepted { revtun: self.scope.revtun }), 0, false);
                add(answer(Answer::Refused { status: 403, retry_after: None }), u64::MAX, true);
                add(closed(Cause::Lost), 0, true);
            }
            Stage::Idle => {
                add(Event::Heard { tunnel }, 0, false);
                if self.scope.used {
                    add(Event::Used { tunnel, protocol: Protocol::Http2 }, 0, false);
                }
                add(Event::GoawayReceived { tunnel }, 0, true);
                add(closed(Cause::Lost), 0, true);
            }
            Stage::InUse => {
                add(Event::Heard { tunnel }, 0, false);
                add(Event::GoawayReceived { tunnel }, 0, true);
                add(closed(Cause::Lost), 0, true);
            }
            Stage::Draining => add(closed(Cause::Lost), 0, false),
        }
    }

    /// However long a responder sends the machine away for, that has a limit.
    fn comes_back(&self, tunnel: TunnelId) {
        let mut twin = self.machine.clone();
        let answer = Answer::Refused { status: 503, retry_after: Some(Duration::from_secs(365 * 86_400)) };
        let env = Env { now: CANONICAL_NOW, dice: u64::MAX };
        let _closed = twin.step(env, Event::Answered { tunnel, answer });
        let limit = CANONICAL_NOW.after(Duration::from_secs(3_600));
        assert!(twin.deadline().is_none_or(|deadline| deadline <= limit), "a pause that is asked for has its limit");
    }

    fn told(&self) -> Vec<Told> {
        self.machine.tunnels().map(|view| (view.tunnel, view.host, view.stage)).collect()
    }
}

impl World for Upstream {
    type Step = Move<Event>;

    fn identity(&self) -> impl Hash {
        (&self.machine, self.faults, self.changes, self.observed)
    }

    fn steps(&self) -> Vec<Move<Event>> {
        let mut moves = Vec::with_capacity(16);
        self.orders(&mut moves);
        for view in self.machine.tunnels() {
            self.news(&view, &mut moves);
        }
        let watches =
            |timer| matches!(timer, Timer::ConnectTimeout(_) | Timer::HandshakeTimeout(_) | Timer::Silence(_));
        let fault = self.machine.next_timer().map(watches);
        if let Some(fault) = fault.filter(|fault| !fault || self.faults < self.scope.faults) {
            moves.push(Move { event: Event::Tick, dice: 0, counted: fault, heals: !fault });
        }
        moves
    }

    fn take(&self, step: Move<Event>) -> Self {
        let (machine, effects) = single::advance(&self.machine, &step);
        let mut next = Self { machine, faults: self.faults + u8::from(step.counted), ..self.clone() };
        if let Event::TargetSet { host, .. } = step.event {
            next.changes += u8::from(self.observed.targets[host.0 as usize] > 0 || self.changes > 0);
        }
        let mut tunnels = self.told();
        next.observed.hear(step.event, &mut tunnels);
        for effect in effects {
            next.observed.see(effect, &mut tunnels);
        }
        tunnels.sort_unstable();
        assert_eq!(tunnels, next.told(), "what the machine says of its tunnels is what it asked for");
        next
    }

    fn heals(&self, step: Move<Event>) -> bool {
        step.heals
    }

    fn check(&self) {
        self.machine.check();
        let mut twin = self.machine.clone();
        // NoResurrection: what comes late, of a tunnel that is gone, changes nothing.
        for tunnel in [TunnelId::new(0, 1), TunnelId::new(9, 0)] {
            for event in [
                Event::Connected { tunnel },
                Event::Answered { tunnel, answer: Answer::Accepted { revtun: true } },
                Event::Heard { tunnel },
                Event::Used { tunnel, protocol: Protocol::Http1 },
                Event::GoawayReceived { tunnel },
                Event::Closed { tunnel, cause: Cause::Lost },
            ] {
                assert_eq!(twin.step(Env { now: CANONICAL_NOW, dice: 0 }, event).iter().count(), 0, "NoResurrection");
            }
        }
        assert_eq!(twin.stale(), 12, "NoResurrection");
        assert!(twin.canonical(CANONICAL_NOW) == self.machine, "NoResurrection");
        if self.observed.draining {
            // DrainEnds: whoever orders it once more, for later, does not put its end off.
            let mut again = self.machine.clone();
            let env = Env { now: CANONICAL_NOW, dice: 0 };
            let _nothing = again.step(env, Event::DrainRequested { grace: UNIT * 2 });
            assert!(again == self.machine, "DrainEnds");
        }
        // TargetBound: whatever is asked for.
        let _dials =
            twin.step(Env { now: CANONICAL_NOW, dice: 0 }, Event::TargetSet { host: HostId(0), count: u16::MAX });
        twin.check();
        for view in self.machine.tunnels().filter(|view| view.stage == Stage::Handshaking) {
            self.comes_back(view.tunnel);
        }
    }

    /// Every host has what it shall have; or, in a drain, nothing is left and nothing will come.
    fn is_good(&self) -> bool {
        if self.observed.draining {
            return self.observed.drained && self.machine.deadline().is_none();
        }
        let tunnels = self.told();
        let named = self.hosts().zip(self.observed.targets).all(|(_, target)| self.changes > 0 || target > 0);
        named
            && (0_u32..).zip(self.observed.targets).all(|(host, target)| {
                let of = |stages: &[Stage]| {
                    tunnels.iter().filter(|(_, of, stage)| of.0 == host && stages.contains(stage)).count()
                };
                of(&[Stage::Idle, Stage::InUse]) == usize::from(target)
                    && of(&[Stage::Dialing, Stage::Handshaking]) == 0
            })
    }

    fn tell(&self, steps: &[Move<Event>]) -> String {
        single::tell(&self.machine, steps)
    }
}

impl Observed {
    /// What an event alone changes.
    fn hear(&mut self, event: Event, tunnels: &mut Vec<Told>) {
        let known = |id: TunnelId| tunnels.iter().position(|(it, ..)| *it == id);
        match event {
            Event::TargetSet { host, count } => self.targets[host.0 as usize] = count,
            Event::DrainRequested { .. } => self.draining = true,
            Event::Heard { tunnel } | Event::Used { tunnel, .. } | Event::GoawayReceived { tunnel } => {
                let Some(at) = known(tunnel) else { return };
                let (_, host, stage) = &mut tunnels[at];
                let up = matches!(stage, Stage::Idle | Stage::InUse);
                self.failing[host.0 as usize] &= !up;
                if matches!(event, Event::Used { .. }) && *stage == Stage::Idle {
                    *stage = Stage::InUse;
                }
                if matches!(event, Event::GoawayReceived { .. }) && up {
                    *stage = Stage::Draining;
                }
            }
            Event::Closed { tunnel, .. } => {
                let Some(at) = known(tunnel) else { return };
                let (_, host, stage) = tunnels.remove(at);
                self.failing[host.0 as usize] = matches!(stage, Stage::Dialing | Stage::Handshaking)
                    || (self.failing[host.0 as usize] && stage == Stage::Draining);
            }
            Event::Connected { .. } | Event::Answered { .. } | Event::Tick => {}
        }
    }

    /// What the machine asks for: it has to be right, and it is all that changes.
    fn see(&mut self, effect: Effect, tunnels: &mut Vec<Told>) {
        let at = |id: TunnelId| {
            tunnels.iter().position(|(it, ..)| *it == id).expect("NoUseAfterClose: only living tunnels are named")
        };
        match effect {
            Effect::Dial { tunnel, host } => {
                assert!(tunnels.iter().all(|(it, ..)| *it != tunnel), "NoResurrection");
                let live = tunnels.iter().filter(|(_, of, stage)| *of == host && *stage != Stage::Draining).count();
                let number = host.0 as usize;
                assert!(!self.draining && live < usize::from(self.targets[number]), "TargetBound");
                let pending =
                    |(_, of, stage): &Told| *of == host && matches!(stage, Stage::Dialing | Stage::Handshaking);
                assert!(!self.failing[number] || !tunnels.iter().any(pending), "NoDoubleDial");
                tunnels.push((tunnel, host, Stage::Dialing));
            }
            Effect::SendHandshake { tunnel } => {
                let at = at(tunnel);
                assert_eq!(tunnels[at].2, Stage::Dialing);
                tunnels[at].2 = Stage::Handshaking;
            }
            Effect::Deliver { tunnel } => {
                let at = at(tunnel);
                assert_eq!(tunnels[at].2, Stage::Handshaking);
                tunnels[at].2 = Stage::Idle;
                self.failing[tunnels[at].1.0 as usize] = false;
            }
            Effect::Goaway { tunnel } => {
                let at = at(tunnel);
                assert!(matches!(tunnels[at].2, Stage::Idle | Stage::InUse), "told once, and only when up");
                tunnels[at].2 = Stage::Draining;
            }
            Effect::Close { tunnel, reason } => {
                let (_, host, stage) = tunnels.remove(at(tunnel));
                let failed = matches!(stage, Stage::Dialing | Stage::Handshaking) && reason != CloseReason::Surplus;
                self.failing[host.0 as usize] |= failed && reason != CloseReason::Drained;
            }
            Effect::Forget { host } => {
                assert!(tunnels.iter().all(|(_, of, _)| *of != host), "a forgotten host has no tunnel");
                self.failing[host.0 as usize] = false;
            }
            Effect::Drained => {
                assert!(self.draining && !self.drained && tunnels.is_empty(), "DrainedIsEmpty");
                self.drained = true;
            }
        }
        let draining = |host: u32| tunnels.iter().filter(|(_, of, at)| of.0 == host && *at == Stage::Draining).count();
        // One more is closed by the effect that follows.
        assert!((0..2).all(|host| draining(host) <= 3), "DrainingBound");
    }
}
