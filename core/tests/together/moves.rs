//! What can happen in a state, by the names of `spec/System.tla`. Time is left out, but not why a timer fires: one that
//! watches the other end does when nothing more will come from there, or at the cost of harm.

use revtun_core::TunnelId;
use revtun_core::handshake::{Answer, Rejection};
use revtun_core::identity::{NodeId, TenantId};
use revtun_core::initiator::{self, Cause, Protocol};
use revtun_core::responder::{self, DrainScope, StreamId, Target, TargetName, Verdict};

use crate::schedule::initiator::Schedule as Here;
use crate::schedule::responder::Schedule as There;
use crate::schedule::{self, LATER};
use crate::stages::{STAYING, Stages, UP, is_member};
use crate::system::{Act, At, Harm, Move, System};
use crate::wire::{Line, Party, Way, Word};

const IDLE: [&str; 2] = ["unproven", "proven"];

/// Gathers the moves of one state.
struct Moves<'a> {
    system: &'a System,
    stages: Stages,
    moves: Vec<Move>,
}

/// Everything that can happen, on every schedule that makes a difference.
pub(crate) fn moves(system: &System) -> Vec<Move> {
    let mut all = Moves { system, stages: Stages::of(system), moves: Vec::with_capacity(16) };
    for index in 0..system.lines.len() {
        all.connecting(index);
        all.arriving_up(index);
        all.arriving_down(index);
        all.severing(index);
    }
    for (party, machine) in system.initiators() {
        for timer in schedule::initiator::armed(machine) {
            all.timer_here(party, timer);
        }
    }
    for timer in schedule::responder::armed(&system.responder) {
        all.timer_there(timer);
    }
    all.calling();
    all.orders();
    all.deaths();
    all.moves
}

impl<'a> Moves<'a> {
    fn line(&self, index: usize) -> &'a Line {
        &self.system.lines[index]
    }

    fn push(&mut self, action: &'static str, act: Act) {
        self.moves.push(Move { action, harm: false, word: None, act });
    }

    fn harm(&mut self, kind: Harm, action: &'static str, word: Option<(usize, Way)>, act: Act) {
        if self.system.scope.harms.contains(&kind) && self.system.faults < self.system.scope.faults {
            self.moves.push(Move { action, harm: true, word, act });
        }
    }

    fn arrive(&mut self, action: &'static str, word: (usize, Way), act: Act) {
        self.moves.push(Move { action, harm: false, word: Some(word), act });
    }

    fn here(&mut self, action: &'static str, party: Party, event: initiator::Event, schedules: &[Here]) {
        for schedule in schedules {
            self.push(action, Act::Initiator(party, event, *schedule));
        }
    }

    fn connecting(&mut self, index: usize) {
        let line = self.line(index);
        let (Some(tunnel), "dialing") = (line.here, self.stages.here[index]) else { return };
        let (party, met) = (line.by.party, line.met);
        if met && !line.is_cut(Way::Down) {
            self.here("Connected", party, initiator::Event::Connected { tunnel }, &[Here::default()]);
        }
        if met || line.is_severed() {
            return;
        }
        if self.system.running {
            let action = if self.stages.responder_drains == "no" { "Accepted" } else { "RefusedDraining" };
            self.push(action, Act::Knock(index));
        } else {
            let failing = self.failing(party);
            self.here("Refused", party, initiator::Event::Closed { tunnel, cause: Cause::Refused }, &failing);
        }
    }

    fn arriving_up(&mut self, index: usize) {
        let Some(word) = self.line(index).words(Way::Up).first().copied() else { return };
        let by = self.line(index).by;
        let from = (index, Way::Up);
        let stage = self.stages.there[index];
        let there = |event| Act::Responder(event, There::default(), None);
        match (self.line(index).there, word) {
            (Some(tunnel), Word::Request) if stage == "handshaking" => {
                let handshake = self.system.handshake(by, Verdict::Authenticated);
                let event = responder::Event::HandshakeReceived { tunnel, handshake };
                for suspect in self.suspects() {
                    let schedule = There { suspect, ..There::default() };
                    self.arrive("HandshakeReceived", from, Act::Responder(event, schedule, None));
                }
                for claim in [Party::First, Party::Second].map(|party| self.system.process_of(party)) {
                    if claim != by {
                        let handshake = self.system.handshake(claim, Verdict::Mismatch);
                        let event = responder::Event::HandshakeReceived { tunnel, handshake };
                        self.harm(Harm::Forgery, "Forged", Some(from), there(event));
                    }
                }
                let event = responder::Event::HandshakeInvalid { tunnel, rejection: Rejection::BadRequest };
                self.harm(Harm::Forgery, "Garbled", Some(from), there(event));
            }
            (Some(tunnel), Word::Echo) if is_member(stage) => {
                self.arrive("Echoed", from, there(responder::Event::Echoed { tunnel }));
            }
            (Some(tunnel), Word::Goaway) if is_member(stage) => {
                self.arrive("GoawayHeard", from, there(responder::Event::GoawayReceived { tunnel }));
            }
            (Some(tunnel), Word::Fin) => self.arrive("Ended", from, there(responder::Event::Closed { tunnel })),
            (_, Word::Request | Word::Echo | Word::Goaway | Word::Fin) => self.arrive("Belated", from, Act::Nothing),
            (_, Word::Accept | Word::Reject(_) | Word::Ping | Word::Preface) => unreachable!("the responder says that"),
        }
    }

    /// Nobody, or a tunnel whose ping may have been unanswered for so long that it has to make room.
    fn suspects(&self) -> Vec<Option<TunnelId>> {
        let awaiting = self.system.lines.iter().zip(&self.stages.there).filter(|(_, stage)| **stage == "awaiting");
        [None].into_iter().chain(awaiting.map(|(line, _)| line.there)).collect()
    }

    fn arriving_down(&mut self, index: usize) {
        let line = self.line(index);
        let stage = self.stages.here[index];
        let Some(word) = line.words(Way::Down).first().copied().filter(|_| stage != "dialing") else { return };
        let party = line.by.party;
        let Some(tunnel) = line.here else {
            return self.arrive("Stale", (index, Way::Down), Act::Nothing);
        };
        let (action, event, schedules) = match word {
            Word::Accept if stage == "handshaking" => {
                let answer = Answer::Accepted { revtun: true };
                ("Welcomed", initiator::Event::Answered { tunnel, answer }, vec![Here::default()])
            }
            Word::Reject(rejection) if stage == "handshaking" => {
                let (status, retry_after) = (rejection.status(), rejection.retry_after());
                let answer = Answer::Refused { status, retry_after };
                ("TurnedAway", initiator::Event::Answered { tunnel, answer }, self.failing(party))
            }
            Word::Ping => ("Pinged", initiator::Event::Heard { tunnel }, self.living(party)),
            Word::Preface => ("Used", initiator::Event::Used { tunnel, protocol: Protocol::Http2 }, self.living(party)),
            Word::Goaway if UP.contains(&stage) => {
                ("GoawayReceived", initiator::Event::GoawayReceived { tunnel }, self.ending(party, stage))
            }
            Word::Fin => {
                let event = initiator::Event::Closed { tunnel, cause: Cause::Lost };
                ("Closed", event, self.ending(party, stage))
            }
            Word::Accept | Word::Reject(_) | Word::Goaway => {
                return self.arrive("Stale", (index, Way::Down), Act::Nothing);
            }
            Word::Request | Word::Echo => unreachable!("the initiator says that"),
        };
        for schedule in schedules {
            self.arrive(action, (index, Way::Down), Act::Initiator(party, event, schedule));
        }
    }

    /// Failures in a row make pauses longer, which is time, and nothing else: one more is as good as of the same wave.
    fn failing(&self, party: Party) -> Vec<Here> {
        let same_wave = self.stages.backoff[party as usize] == "failing";
        vec![Here { same_wave, ..Here::default() }]
    }

    /// A tunnel is heard a short time after it was accepted, or a long one.
    fn living(&self, party: Party) -> Vec<Here> {
        let backing_off = self.stages.backoff[party as usize] != "none";
        let old = Here { old: true, ..Here::default() };
        if backing_off { vec![Here::default(), old] } else { vec![Here::default()] }
    }

    /// A tunnel ends soon or late, and with others or alone.
    fn ending(&self, party: Party, stage: &str) -> Vec<Here> {
        let plain = Here::default();
        let waves: &[bool] = match self.stages.backoff[party as usize] {
            "flapped" => &[false, true],
            "flapping" => &[true],
            _ => &[false],
        };
        let early = |fresh| waves.iter().map(move |same_wave| Here { fresh, same_wave: *same_wave, ..plain });
        match stage {
            "unproven" => early(false).collect(),
            "proven" => early(false).chain([Here { old: true, ..plain }]).collect(),
            // One more of those counts as another wave, and makes pauses longer.
            "http1" | "http2" if self.stages.backoff[party as usize] == "flapping" => vec![plain],
            "http1" | "http2" => early(true).chain([plain]).collect(),
            "draining" => vec![plain],
            _ => self.failing(party),
        }
    }

    fn severing(&mut self, index: usize) {
        if self.line(index).here.is_some() && !self.line(index).is_severed() {
            for ways in [&[Way::Up][..], &[Way::Down], &[Way::Up, Way::Down]] {
                self.harm(Harm::Cut, "Sever", None, Act::Sever(index, ways));
            }
        }
    }

    /// A timer of an initiator.
    fn timer_here(&mut self, party: Party, timer: initiator::Timer) {
        use initiator::Timer;
        let due = Here { due: Some(timer), ..Here::default() };
        let failing = Here { due: Some(timer), ..self.failing(party)[0] };
        let tick = |schedule| Act::Initiator(party, initiator::Event::Tick, schedule);
        match timer {
            Timer::Dial(_) => {
                let under_way = self.system.lines.iter().filter(|line| line.by.party == party).count();
                if under_way < self.system.scope.slots[party as usize] {
                    self.push("Dial", tick(due));
                }
            }
            Timer::Shed(_) => {
                for view in self.system.machine(party).tunnels() {
                    self.push("Shed", tick(Here { youngest: Some(view.tunnel), ..due }));
                }
            }
            Timer::Grace(_) => self.push("Grace", tick(due)),
            Timer::DrainEnd => self.push("DrainEnd", tick(due)),
            Timer::ConnectTimeout(id) => {
                let line = &self.system.lines[self.system.line_here(party, id)];
                let silent = line.is_severed() && (!line.met || line.is_cut(Way::Down));
                self.watch("ConnectTimeout", silent, tick(failing));
            }
            Timer::HandshakeTimeout(id) => {
                let silent = self.is_deaf(self.system.line_here(party, id));
                self.watch("AnswerTimeout", silent, tick(failing));
            }
            Timer::Silence(id) => {
                let index = self.system.line_here(party, id);
                // Pings still come to an idle tunnel while only the way up is cut; the responder ends that.
                let pinged = IDLE.contains(&self.stages.here[index]) && self.line(index).there.is_some();
                let silent = self.is_deaf(index) && (!pinged || self.line(index).is_cut(Way::Down));
                self.watch("InitiatorSilence", silent, tick(failing));
            }
        }
    }

    /// A timer of the responder.
    fn timer_there(&mut self, timer: responder::Timer) {
        use responder::Timer;
        let line = |id| self.system.line_there(id);
        let due = There { due: Some(timer), ..There::default() };
        let act = Act::Responder(responder::Event::Tick, due, None);
        match timer {
            Timer::HandshakeTimeout(id) => self.watch("RequestTimeout", self.is_unheard(line(id)), act),
            Timer::EchoTimeout(id) => self.watch("EchoTimeout", self.is_echoless(line(id)), act),
            Timer::Silence(id) => self.watch("ResponderSilence", self.is_unheard(line(id)), act),
            Timer::Ping(id) => {
                let line = self.line(line(id));
                if self.system.scope.beats || line.is_severed() || line.here.is_none() {
                    self.push("Ping", act);
                }
            }
            Timer::Settle(_) => self.push("Settle", act),
            Timer::Linger(_) => self.push("Linger", act),
            Timer::Retire(_) => self.push("Retire", act),
            Timer::Grace(_) => self.push("Grace", act),
            Timer::WaitTimeout(_) => self.push("WaitTimeout", act),
            Timer::Drain => self.push("Drain", act),
            Timer::Serve(_) => {
                for dice in self.throws() {
                    let act = Act::Responder(responder::Event::Tick, There { dice: *dice, ..due }, None);
                    self.push("Serve", act);
                }
            }
        }
    }

    /// A timer that watches the other end fires when that is silent, or late at the cost of harm.
    fn watch(&mut self, action: &'static str, silent: bool, act: Act) {
        if silent {
            self.push(action, act);
        } else {
            self.harm(Harm::Delay, action, None, act);
        }
    }

    /// Nothing more will come to the initiator's end.
    fn is_deaf(&self, index: usize) -> bool {
        let line = self.line(index);
        line.words(Way::Down).is_empty() && (line.there.is_none() || line.is_severed())
    }

    /// Nothing more will come to the responder's end.
    fn is_unheard(&self, index: usize) -> bool {
        let line = self.line(index);
        line.words(Way::Up).is_empty() && (line.here.is_none() || line.is_severed())
    }

    fn is_echoless(&self, index: usize) -> bool {
        let line = self.line(index);
        line.words(Way::Up).is_empty() && !line.words(Way::Down).contains(&Word::Ping)
    }

    /// Two throws draw each of two tunnels first.
    fn throws(&self) -> &'static [u64] {
        let candidates = self.stages.there.iter().filter(|stage| STAYING.contains(stage)).count();
        if candidates > 1 { &[0, u64::MAX] } else { &[0] }
    }

    fn calling(&mut self) {
        let call = |event, dice, caller| Act::Responder(event, There { dice, ..There::default() }, Some(caller));
        for (caller, at) in self.system.at.iter().enumerate() {
            let (tenant, node, _) = self.system.scope.callers[caller];
            match *at {
                At::Away if self.system.running && self.stages.responder_drains == "no" => {
                    let name = TargetName::Node(NodeId::new(node).expect("legal"));
                    let target = Target { tenant: TenantId::new(tenant).ok(), name };
                    let stream = StreamId(self.system.waiting.len() as u64);
                    for dice in self.throws() {
                        let event = responder::Event::Opened { stream, target };
                        self.push("Opened", call(event, *dice, caller));
                    }
                }
                At::Carried(tunnel) => {
                    self.push("Released", call(responder::Event::Released { tunnel }, 0, caller));
                }
                At::Away | At::Waiting => {}
            }
        }
    }

    fn orders(&mut self) {
        if self.system.running && self.stages.responder_drains == "no" {
            let event = responder::Event::DrainRequested { scope: DrainScope::All, grace: LATER };
            self.harm(Harm::Drain, "ResponderDrain", None, Act::Responder(event, There::default(), None));
        }
        if self.stages.drains[Party::First as usize] == "no" {
            let event = initiator::Event::DrainRequested { grace: LATER };
            self.harm(Harm::Leave, "InitiatorDrain", None, Act::Initiator(Party::First, event, Here::default()));
        }
    }

    /// Processes die, or go since their drain is over, and come back.
    fn deaths(&mut self) {
        let (loudly, quietly) = (Act::InitiatorDies { silently: false }, Act::InitiatorDies { silently: true });
        self.harm(Harm::InitiatorCrash, "InitiatorDies", None, loudly);
        self.harm(Harm::InitiatorPowerLoss, "InitiatorDies", None, quietly);
        if self.stages.drains[Party::First as usize] == "over" {
            self.push("InitiatorDies", loudly);
        }
        if !self.system.running {
            return self.push("Start", Act::ResponderStarts);
        }
        let (loudly, quietly) = (Act::ResponderDies { silently: false }, Act::ResponderDies { silently: true });
        self.harm(Harm::ResponderCrash, "ResponderDies", None, loudly);
        self.harm(Harm::ResponderPowerLoss, "ResponderDies", None, quietly);
        if self.stages.responder_drains == "over" {
            self.push("ResponderDies", loudly);
        }
    }
}
