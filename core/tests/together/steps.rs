//! A move is taken by the real machine that it is about, and what that asks for is said on the wire.

use revtun_core::TunnelId;
use revtun_core::initiator;
use revtun_core::responder::{self, Source, StreamId};

use crate::schedule;
use crate::system::{Act, At, Move, System, initiator_of, responder_of};
use crate::wire::{Line, Party, Way, Word};

impl System {
    /// What one move leads to.
    pub(crate) fn take(&self, step: Move) -> Self {
        let mut next = self.clone();
        next.faults += u8::from(step.harm);
        if let Some((line, way)) = step.word {
            let _word = next.lines[line].take(way);
        }
        match step.act {
            Act::Initiator(party, event, schedule) => next.initiator_step(party, event, schedule),
            Act::Responder(event, schedule, caller) => next.responder_step(event, schedule, caller, None),
            Act::Knock(line) => {
                let event = responder::Event::Accepted { source: Source(1) };
                next.lines[line].met = true;
                next.responder_step(event, schedule::responder::Schedule::default(), None, Some(line));
            }
            Act::Nothing => {}
            Act::Sever(line, ways) => ways.iter().for_each(|way| next.lines[line].sever(*way)),
            Act::InitiatorDies { silently } => next.initiator_dies(silently),
            Act::ResponderDies { silently } => next.responder_dies(silently),
            Act::ResponderStarts => next.running = true,
        }
        // A connection that nobody knows any more is over.
        next.lines.retain(|line| line.here.is_some() || line.there.is_some());
        next.lines.sort_unstable();
        next
    }

    fn initiator_step(&mut self, party: Party, event: initiator::Event, schedule: schedule::initiator::Schedule) {
        let (machine, effects) = schedule.step(self.machine(party), event);
        assert_eq!(machine.stale(), 0, "{event:?} means something");
        if let initiator::Event::Closed { tunnel, .. } = event {
            self.leave_here(party, tunnel);
        }
        if let initiator::Event::Heard { tunnel } = event {
            // Who has said goaway echoes nothing more.
            let up =
                self.machine(party).tunnels().any(|view| view.tunnel == tunnel && view.stage == initiator::Stage::Idle);
            if up {
                self.here(party, tunnel).say(Way::Up, Word::Echo);
            }
        }
        for effect in effects.iter() {
            self.initiator_says(party, effect);
        }
        let machine = schedule::initiator::at_rest(&machine);
        match party {
            Party::First => self.first = machine,
            Party::Second => self.second = Some(machine),
        }
    }

    fn initiator_says(&mut self, party: Party, effect: initiator::Effect) {
        use initiator::Effect;
        match effect {
            Effect::Dial { tunnel, .. } => {
                let known = self.lines.iter().any(|line| line.by.party == party && line.here == Some(tunnel));
                assert!(!known, "NoResurrection");
                self.lines.push(Line::new(self.process_of(party), tunnel));
            }
            Effect::SendHandshake { tunnel } => self.here(party, tunnel).say(Way::Up, Word::Request),
            Effect::Goaway { tunnel } => self.here(party, tunnel).say(Way::Up, Word::Goaway),
            Effect::Close { tunnel, .. } => self.leave_here(party, tunnel),
            Effect::Deliver { .. } | Effect::Forget { .. } | Effect::Drained => {}
        }
    }

    /// `newcomer` is the line that an `Admit` or a `RefuseConnection` is about.
    fn responder_step(
        &mut self,
        event: responder::Event<'static>,
        schedule: schedule::responder::Schedule,
        caller: Option<usize>,
        newcomer: Option<usize>,
    ) {
        use responder::{Effect, Event};
        let members = self.responder.counts().tunnels;
        let (machine, effects) = schedule.step(&self.responder, event);
        assert_eq!(machine.counts().stale, 0, "{event:?} means something");
        let drains = self.responder.is_draining();
        assert!(!drains || machine.counts().tunnels <= members, "NoRegisterWhileDraining");
        if let Event::Closed { tunnel } = event {
            self.leave_there(tunnel);
        }
        if let (Event::Released { .. }, Some(caller)) = (event, caller) {
            self.put(caller, At::Away);
        }
        // They are named as they stood before the step.
        let queue = self.waiting.clone();
        let caller_of = |stream: StreamId| {
            let waits = usize::try_from(stream.0).ok().and_then(|place| queue.get(place).copied());
            waits.or(caller).expect("a stream is a caller's")
        };
        for effect in effects.iter() {
            match effect {
                Effect::Admit { tunnel } => {
                    let line = &mut self.lines[newcomer.expect("only newcomers are admitted")];
                    assert!(line.there.is_none() && !drains, "NoResurrection");
                    line.there = Some(tunnel);
                }
                Effect::RefuseConnection { rejection } => {
                    self.lines[newcomer.expect("only newcomers are refused")].turn_away(rejection);
                }
                Effect::Accept { tunnel } => {
                    let line = self.there(tunnel);
                    assert!(line.verdict.is_none(), "RejectIsFinal");
                    line.verdict = Some(true);
                    line.say(Way::Down, Word::Accept);
                }
                Effect::Reject { tunnel, rejection } => {
                    let line = self.there(tunnel);
                    assert!(line.verdict.is_none(), "RejectIsFinal");
                    line.turn_away(rejection);
                }
                Effect::Ping { tunnel } => self.there(tunnel).say(Way::Down, Word::Ping),
                Effect::Assign { stream, tunnel } => {
                    self.put(caller_of(stream), At::Carried(tunnel));
                    self.begin_http(tunnel);
                }
                Effect::Wait { stream } => self.put(caller_of(stream), At::Waiting),
                Effect::Refuse { stream, .. } => self.put(caller_of(stream), At::Away),
                Effect::Goaway { tunnel } => {
                    self.begin_http(tunnel);
                    self.there(tunnel).say(Way::Down, Word::Goaway);
                }
                Effect::Close { tunnel, .. } => self.leave_there(tunnel),
                Effect::Contended { .. } | Effect::Drained => {}
            }
        }
        self.responder = schedule::responder::at_rest(&machine);
    }

    /// The responder begins to speak HTTP, if it did not already.
    fn begin_http(&mut self, tunnel: TunnelId) {
        let line = self.there(tunnel);
        if line.prefaces == 0 {
            line.prefaces += 1;
            line.say(Way::Down, Word::Preface);
        }
    }

    /// The initiator's end is gone.
    fn leave_here(&mut self, party: Party, tunnel: TunnelId) {
        let line = self.here(party, tunnel);
        line.here = None;
        line.say(Way::Up, Word::Fin);
    }

    /// The responder's end is gone, and the requests that it carried with it. Whoever was turned away was told the end
    /// with the answer.
    fn leave_there(&mut self, tunnel: TunnelId) {
        let line = self.there(tunnel);
        line.there = None;
        if line.verdict != Some(false) {
            line.say(Way::Down, Word::Fin);
        }
        for at in self.at.iter_mut().filter(|at| **at == At::Carried(tunnel)) {
            *at = At::Away;
        }
    }

    fn initiator_dies(&mut self, silently: bool) {
        for line in self.lines.iter_mut().filter(|line| line.by.party == Party::First) {
            if silently {
                line.sever(Way::Up);
                line.sever(Way::Down);
            }
            if line.here.take().is_some() {
                line.say(Way::Up, Word::Fin);
            }
        }
        self.first = initiator_of(&self.scope);
        self.process += 1;
    }

    fn responder_dies(&mut self, silently: bool) {
        for line in &mut self.lines {
            if silently {
                line.sever(Way::Up);
                line.sever(Way::Down);
            }
            if line.there.take().is_some() && line.verdict != Some(false) {
                line.say(Way::Down, Word::Fin);
            }
        }
        self.responder = responder_of(&self.scope);
        self.running = false;
        self.at.fill(At::Away);
        self.waiting.clear();
    }

    fn put(&mut self, caller: usize, at: At) {
        self.waiting.retain(|waiting| *waiting != caller);
        self.waiting.extend((at == At::Waiting).then_some(caller));
        self.at[caller] = at;
    }

    fn here(&mut self, party: Party, tunnel: TunnelId) -> &mut Line {
        let index = self.line_here(party, tunnel);
        &mut self.lines[index]
    }

    fn there(&mut self, tunnel: TunnelId) -> &mut Line {
        let index = self.line_there(tunnel);
        &mut self.lines[index]
    }
}
