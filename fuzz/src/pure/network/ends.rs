//! The machines, and what their effects do to the network: no decision is taken here.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::initiator::{self, Cause, Initiator, Protocol};
use revtun_core::responder::{self, Effect, Event, Handshake, Responder, Source, StreamId, Target, Verdict};
use revtun_core::{Env, Instant, Machine, TunnelId};

use super::super::model::Model;
use super::super::model::initiator::InitiatorModel;
use super::super::model::responder::ResponderModel;
use super::wire::{Down, Up, Wire, accepted, answer, read, rejected, request};
use super::{HOST, env};

/// One node each; both are in one cluster of one tenant.
pub(super) const NODES: [&str; 2] = ["m", "n"];

/// An initiator process.
pub(super) struct Agent {
    pub(super) machine: Initiator,
    model: InitiatorModel,
    instance: Instance,
    pub(super) target: u16,
    pub(super) draining: bool,
    gone: BTreeSet<TunnelId>,
}

/// Everything there is.
pub(super) struct Town {
    pub(super) now: Instant,
    dice: u64,
    pub(super) agents: Vec<Agent>,
    pub(super) responder: Responder,
    model: ResponderModel,
    pub(super) wires: Vec<Wire>,
    streams: u64,
    /// A tunnel for each request that is under way.
    pub(super) held: Vec<TunnelId>,
    pub(super) waiting: BTreeSet<StreamId>,
    gone: BTreeSet<TunnelId>,
    /// How often the responder said that it is drained.
    pub(super) drained: u32,
}

impl Agent {
    fn new(instance: u128) -> Self {
        let config = initiator::Config { backoff_cap: Duration::from_secs(8), ..initiator::Config::default() };
        let (machine, model) = (Initiator::new(config), InitiatorModel::new(config));
        Self { machine, model, instance: Instance(instance), target: 0, draining: false, gone: BTreeSet::new() }
    }
}

impl Town {
    pub(super) fn new() -> Self {
        let config = responder::Config {
            max_streams: 2,
            max_waiting: 3,
            drain_grace: Duration::from_secs(5),
            ..responder::Config::default()
        };
        Self {
            now: Instant::from_nanos(1_000_000_000),
            dice: 1,
            agents: (1..=NODES.len()).map(|run| Agent::new(run as u128)).collect(),
            responder: Responder::new(config),
            model: ResponderModel::new(config),
            wires: Vec::new(),
            streams: 0,
            held: Vec::new(),
            waiting: BTreeSet::new(),
            gone: BTreeSet::new(),
            drained: 0,
        }
    }

    /// When anybody wants to be woken, by who it is.
    pub(super) fn deadlines(&self) -> Vec<Instant> {
        let agents = self.agents.iter().filter_map(|agent| agent.machine.deadline());
        agents.chain(self.responder.deadline()).collect()
    }

    /// One timer of each that is due.
    pub(super) fn tick_once(&mut self) {
        for agent in 0..self.agents.len() {
            if self.agents[agent].machine.deadline().is_some_and(|due| due <= self.now) {
                self.instruct(agent, Initiator::TICK);
            }
        }
        if self.responder.deadline().is_some_and(|due| due <= self.now) {
            self.tell(Responder::TICK);
        }
    }

    pub(super) fn set_target(&mut self, agent: usize, count: u16) {
        self.agents[agent].target = count;
        self.instruct(agent, initiator::Event::TargetSet { host: HOST, count });
    }

    /// A new process takes an old one's place, which told the network if it could.
    pub(super) fn restart(&mut self, agent: usize, politely: bool) {
        let old = &self.agents[agent];
        let (instance, target) = (old.instance.0 + NODES.len() as u128, old.target);
        for wire in self.wires.iter_mut().filter(|wire| wire.agent == agent && wire.near_open) {
            wire.near_open = false;
            wire.down.clear();
            if politely {
                wire.up.push_back(Up::End);
            }
        }
        self.agents[agent] = Agent::new(instance);
        self.set_target(agent, target);
    }

    pub(super) fn open(&mut self, target: Target<'static>) {
        let stream = StreamId(self.streams);
        self.streams += 1;
        self.tell(Event::Opened { stream, target });
    }

    pub(super) fn release(&mut self, tunnel: TunnelId) {
        let held = self.held.iter().position(|held| *held == tunnel).expect("it is held");
        self.held.swap_remove(held);
        self.tell(Event::Released { tunnel });
    }

    /// The next message of one direction arrives, or is lost.
    pub(super) fn deliver(&mut self, wire: usize, up: bool) {
        if up {
            let message = self.wires[wire].up.pop_front().expect("there is one");
            if !self.wires[wire].cut {
                self.arrived_up(wire, message);
            }
        } else {
            let message = self.wires[wire].down.pop_front().expect("there is one");
            if !self.wires[wire].cut && self.wires[wire].near_open {
                self.arrived_down(wire, message);
            }
        }
    }

    fn arrived_up(&mut self, wire: usize, message: Up) {
        if let Up::Dial = message {
            return self.accept(wire);
        }
        let Some(tunnel) = self.wires[wire].far else { return };
        match message {
            Up::Dial => unreachable!("dealt with"),
            Up::Request(bytes) => {
                let request = read(&bytes);
                let identity = identity(self.wires[wire].agent);
                assert_eq!(request.identity, identity, "who asks is who is heard");
                let handshake = Handshake { identity, instance: request.instance, verdict: Verdict::Authenticated };
                self.tell(Event::HandshakeReceived { tunnel, handshake });
            }
            Up::Echo if self.wires[wire].used => self.tell(Event::Heard { tunnel }),
            Up::Echo => self.tell(Event::Echoed { tunnel }),
            Up::Goaway => self.tell(Event::GoawayReceived { tunnel }),
            Up::End => {
                self.wires[wire].far = None;
                self.gone.insert(tunnel);
                self.tell(Event::Closed { tunnel });
            }
        }
    }

    fn accept(&mut self, wire: usize) {
        let effects: Vec<_> = self.step(Event::Accepted { source: Source(0) });
        self.wires[wire].down.push_back(Down::Connected);
        if let Some(Effect::Admit { tunnel }) = effects.first() {
            self.wires[wire].far = Some(*tunnel);
        } else if let Some(Effect::RefuseConnection { rejection }) = effects.first() {
            self.wires[wire].down.extend([Down::Answer(rejected(*rejection)), Down::End]);
        }
    }

    fn arrived_down(&mut self, wire: usize, message: Down) {
        let (agent, tunnel) = (self.wires[wire].agent, self.wires[wire].near);
        match message {
            Down::Connected => self.instruct(agent, initiator::Event::Connected { tunnel }),
            Down::Answer(bytes) => {
                self.instruct(agent, initiator::Event::Answered { tunnel, answer: answer(&bytes) });
            }
            Down::Ping => {
                self.wires[wire].up.push_back(Up::Echo);
                self.instruct(agent, initiator::Event::Heard { tunnel });
            }
            Down::Preface => self.instruct(agent, initiator::Event::Used { tunnel, protocol: Protocol::Http2 }),
            Down::Goaway => self.instruct(agent, initiator::Event::GoawayReceived { tunnel }),
            Down::End => {
                self.wires[wire].near_open = false;
                self.wires[wire].up.push_back(Up::End);
                self.agents[agent].gone.insert(tunnel);
                self.instruct(agent, initiator::Event::Closed { tunnel, cause: Cause::Lost });
            }
        }
    }

    /// HTTP/2 has pings of its own: both ends of what is in use are heard.
    pub(super) fn heard_everywhere(&mut self) {
        let used = |wire: &&Wire| wire.used && !wire.cut && wire.near_open;
        let used: Vec<_> = self.wires.iter().filter(used).map(|wire| (wire.agent, wire.near, wire.far)).collect();
        for (agent, near, far) in used {
            self.instruct(agent, initiator::Event::Heard { tunnel: near });
            if let Some(tunnel) = far {
                self.tell(Event::Heard { tunnel });
            }
        }
    }

    /// Something is said about a tunnel that is no more.
    pub(super) fn late_word_to_responder(&mut self, number: usize) {
        let Some(tunnel) = self.gone.iter().nth(number).copied() else { return };
        let before = self.responder.counts();
        let handshake = Handshake { identity: identity(number % 2), instance: None, verdict: Verdict::Authenticated };
        let words = [Event::Closed { tunnel }, Event::Echoed { tunnel }, Event::Heard { tunnel }];
        let more = [
            Event::HandshakeReceived { tunnel, handshake },
            Event::GoawayReceived { tunnel },
            Event::Released { tunnel },
        ];
        for word in words.into_iter().chain(more) {
            self.tell(word);
        }
        let after = responder::Counts { stale: before.stale, ..self.responder.counts() };
        assert_eq!(before, after, "NoResurrection: {tunnel}");
    }

    pub(super) fn late_word_to_agent(&mut self, agent: usize, number: usize) {
        let Some(tunnel) = self.agents[agent].gone.iter().nth(number).copied() else { return };
        let before: Vec<_> = self.agents[agent].machine.tunnels().collect();
        self.instruct(agent, initiator::Event::Connected { tunnel });
        self.instruct(agent, initiator::Event::Heard { tunnel });
        self.instruct(agent, initiator::Event::Used { tunnel, protocol: Protocol::Http1 });
        self.instruct(agent, initiator::Event::Closed { tunnel, cause: Cause::Lost });
        let after: Vec<_> = self.agents[agent].machine.tunnels().collect();
        assert_eq!(before, after, "NoResurrection: {tunnel}");
    }

    /// Steps an initiator and does what it says.
    pub(super) fn instruct(&mut self, agent: usize, event: initiator::Event) {
        use initiator::Effect;
        let env = self.env();
        let it = &mut self.agents[agent];
        it.draining |= matches!(event, initiator::Event::DrainRequested { .. });
        let effects: Vec<_> = it.machine.step(env, event).iter().collect();
        it.model.see(env, event, &effects);
        for effect in effects {
            let instance = self.agents[agent].instance;
            let mine = |wire: &&mut Wire, near| wire.agent == agent && wire.instance == instance && wire.near == near;
            match effect {
                Effect::Dial { tunnel, .. } => self.wires.push(Wire::dialled(agent, instance, tunnel)),
                Effect::SendHandshake { tunnel } => {
                    let request = request(identity(agent), instance);
                    let wire = self.wires.iter_mut().find(|wire| mine(wire, tunnel)).expect("it was dialled");
                    wire.up.push_back(Up::Request(request));
                }
                Effect::Goaway { tunnel } => {
                    let wire = self.wires.iter_mut().find(|wire| mine(wire, tunnel)).expect("it was dialled");
                    wire.up.push_back(Up::Goaway);
                }
                Effect::Close { tunnel, .. } => {
                    let wire = self.wires.iter_mut().find(|wire| mine(wire, tunnel)).expect("it was dialled");
                    wire.near_open = false;
                    wire.up.push_back(Up::End);
                    self.agents[agent].gone.insert(tunnel);
                }
                Effect::Deliver { .. } | Effect::Forget { .. } | Effect::Drained => {}
            }
        }
    }

    /// Steps the responder and does what it says.
    pub(super) fn tell(&mut self, event: Event<'static>) {
        let _done: Vec<_> = self.step(event);
    }

    fn step(&mut self, event: Event<'static>) -> Vec<Effect> {
        let env = self.env();
        let effects: Vec<_> = self.responder.step(env, event).iter().collect();
        self.model.see(env, event, &effects);
        for effect in &effects {
            self.obey(*effect);
        }
        effects
    }

    fn obey(&mut self, effect: Effect) {
        match effect {
            Effect::Accept { tunnel } => self.send(tunnel, [Down::Answer(accepted())]),
            Effect::Reject { tunnel, rejection } => self.send(tunnel, [Down::Answer(rejected(rejection))]),
            Effect::Ping { tunnel } => self.send(tunnel, [Down::Ping]),
            Effect::Goaway { tunnel } => self.send(tunnel, [Down::Goaway]),
            Effect::Close { tunnel, .. } => {
                self.send(tunnel, [Down::End]);
                self.gone.insert(tunnel);
                self.wires.iter_mut().filter(|wire| wire.far == Some(tunnel)).for_each(|wire| wire.far = None);
            }
            Effect::Assign { stream, tunnel } => {
                self.waiting.remove(&stream);
                self.held.push(tunnel);
                let unused = self.wires.iter_mut().find(|wire| wire.far == Some(tunnel) && !wire.used);
                if let Some(wire) = unused {
                    wire.used = true;
                    wire.down.push_back(Down::Preface);
                }
            }
            Effect::Wait { stream } => drop(self.waiting.insert(stream)),
            Effect::Refuse { stream, .. } => drop(self.waiting.remove(&stream)),
            Effect::Drained => self.drained += 1,
            Effect::Admit { .. } | Effect::RefuseConnection { .. } | Effect::Contended { .. } => {}
        }
    }

    fn send(&mut self, tunnel: TunnelId, messages: impl IntoIterator<Item = Down>) {
        let wire = self.wires.iter_mut().find(|wire| wire.far == Some(tunnel)).expect("it was accepted");
        wire.down.extend(VecDeque::from_iter(messages));
    }

    fn env(&mut self) -> Env {
        env(self.now, &mut self.dice)
    }
}

pub(super) fn identity(agent: usize) -> Identity<'static> {
    let name = "a legal name";
    Identity {
        node: NodeId::new(NODES[agent]).expect(name),
        cluster: ClusterId::new("c").expect(name),
        tenant: TenantId::new("t").expect(name),
    }
}
