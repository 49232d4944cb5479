//! Both real machines, and what lies between them: initiators, one responder, a network that loses, callers, and
//! processes that die and come back. What a machine asks for is said on the wire; what arrives is an event of the
//! other.

use std::fmt;
use std::hash::Hash;

use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::initiator::{self, HostId, Initiator};
use revtun_core::responder::{self, Handshake, Responder, Verdict};
use revtun_core::{CANONICAL_NOW, Env, Machine, TunnelId};

use crate::schedule;
use crate::wire::{Line, Party, Process, Way};

pub(crate) const HOST: HostId = HostId(0);

/// Who an initiator says it is: tenant, node, cluster.
pub(crate) type Name = (&'static str, &'static str, &'static str);

/// A caller of a node: tenant, node, and a number.
pub(crate) type Caller = (&'static str, &'static str, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// One or both directions of a connection go silent.
    Cut,
    /// A timer that watches the peer fires though the peer is not silent.
    Delay,
    /// A handshake claims another name, or is none.
    Forgery,
    /// The responder is to go.
    Drain,
    /// The first initiator is to go.
    Leave,
    /// A process dies, and its kernel says so.
    InitiatorCrash,
    ResponderCrash,
    /// A machine dies without a word.
    InitiatorPowerLoss,
    ResponderPowerLoss,
}

/// The constants of a world; see `spec/System.tla`.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) first: Name,
    pub(crate) second: Name,
    /// Connections of the first and of the second at the same time; there is no second if it has none.
    pub(crate) slots: [usize; 2],
    pub(crate) callers: &'static [Caller],
    /// The target of both.
    pub(crate) count: u16,
    pub(crate) max_per_node: u32,
    /// Whether living tunnels are pinged; if not, only those that do not answer are.
    pub(crate) beats: bool,
    pub(crate) harms: &'static [Harm],
    /// How much harm is done.
    pub(crate) faults: u8,
}

/// What became of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Away,
    Waiting,
    Carried(TunnelId),
}

/// The machines at rest, where nothing is due and nothing was long ago, and the network.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) scope: Scope,
    pub(crate) first: Initiator,
    pub(crate) second: Option<Initiator>,
    pub(crate) responder: Responder,
    /// Whether the responder's process lives.
    pub(crate) running: bool,
    /// Which process of the first lives.
    pub(crate) process: u8,
    /// Every connection that somebody knows, in order: which is which does not matter.
    pub(crate) lines: Vec<Line>,
    pub(crate) at: Vec<At>,
    /// Who waits, first come first: their places are the numbers of their streams.
    pub(crate) waiting: Vec<usize>,
    pub(crate) faults: u8,
}

/// One thing that can happen.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    /// What `spec/System.tla` calls it.
    pub(crate) action: &'static str,
    /// Whether it uses up some of the harm that may be done.
    pub(crate) harm: bool,
    /// The word that arrives by it: on which line, and in which direction.
    pub(crate) word: Option<(usize, Way)>,
    pub(crate) act: Act,
}

#[derive(Clone, Copy)]
pub(crate) enum Act {
    Initiator(Party, initiator::Event, schedule::initiator::Schedule),
    /// An event of the responder, and the caller that it comes from.
    Responder(responder::Event<'static>, schedule::responder::Schedule, Option<usize>),
    /// A connection reaches the responder's kernel.
    Knock(usize),
    /// A word arrives too late to mean anything.
    Nothing,
    Sever(usize, &'static [Way]),
    InitiatorDies {
        silently: bool,
    },
    ResponderDies {
        silently: bool,
    },
    ResponderStarts,
}

impl System {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            first: initiator_of(&scope),
            second: (scope.slots[1] > 0).then(|| initiator_of(&scope)),
            responder: responder_of(&scope),
            running: true,
            process: 1,
            lines: Vec::new(),
            at: vec![At::Away; scope.callers.len()],
            waiting: Vec::new(),
            faults: 0,
        }
    }

    /// What tells this state from every other.
    pub(crate) fn identity(&self) -> impl Hash {
        let machines = (&self.first, &self.second, &self.responder);
        (machines, self.running, self.process, &self.lines, &self.at, &self.waiting, self.faults)
    }

    pub(crate) fn initiators(&self) -> impl Iterator<Item = (Party, &Initiator)> {
        [(Party::First, &self.first)].into_iter().chain(self.second.iter().map(|second| (Party::Second, second)))
    }

    pub(crate) const fn machine(&self, party: Party) -> &Initiator {
        match party {
            Party::First => &self.first,
            Party::Second => self.second.as_ref().expect("only who is there acts"),
        }
    }

    /// The process of `party` that lives. The second never dies, and its number is none of the first's.
    pub(crate) const fn process_of(&self, party: Party) -> Process {
        let number = match party {
            Party::First => self.process,
            Party::Second => 9,
        };
        Process { party, number }
    }

    pub(crate) const fn name_of(&self, party: Party) -> Name {
        match party {
            Party::First => self.scope.first,
            Party::Second => self.scope.second,
        }
    }

    /// What a process says of itself, or somebody else in its name.
    pub(crate) fn handshake(&self, process: Process, verdict: Verdict) -> Handshake<'static> {
        let (tenant, node, cluster) = self.name_of(process.party);
        let identity = Identity {
            tenant: TenantId::new(tenant).expect("legal"),
            node: NodeId::new(node).expect("legal"),
            cluster: ClusterId::new(cluster).expect("legal"),
        };
        Handshake { identity, instance: Some(Instance(process.number.into())), verdict }
    }

    /// Where the tunnel that an initiator calls so is.
    pub(crate) fn line_here(&self, party: Party, tunnel: TunnelId) -> usize {
        let is_it = |line: &Line| line.by.party == party && line.here == Some(tunnel);
        self.lines.iter().position(is_it).expect("NoUseAfterClose: only ends that are there are named")
    }

    /// Where the tunnel that the responder calls so is.
    pub(crate) fn line_there(&self, tunnel: TunnelId) -> usize {
        let line = self.lines.iter().position(|line| line.there == Some(tunnel));
        line.expect("NoUseAfterClose: only ends that are there are named")
    }
}

pub(crate) fn initiator_of(scope: &Scope) -> Initiator {
    let config = initiator::Config { max_draining: scope.count, ..initiator::Config::default() };
    let mut machine = Initiator::new(config);
    let env = Env { now: CANONICAL_NOW, dice: 0 };
    let _dial = machine.step(env, initiator::Event::TargetSet { host: HOST, count: scope.count });
    schedule::initiator::at_rest(&machine)
}

pub(crate) fn responder_of(scope: &Scope) -> Responder {
    let config = responder::Config {
        max_streams: 1,
        max_waiting: 1,
        max_tunnels_per_node: scope.max_per_node,
        ..responder::Config::default()
    };
    schedule::responder::at_rest(&Responder::new(config))
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action)?;
        match self.act {
            Act::Initiator(party, event, schedule) => write!(f, " {party:?} {event:?}{schedule}"),
            Act::Responder(event, schedule, _) => write!(f, " {event:?}{schedule}"),
            Act::Knock(line) => write!(f, " {line}"),
            Act::Sever(line, ways) => write!(f, " {line} {ways:?}"),
            Act::InitiatorDies { silently } | Act::ResponderDies { silently } if silently => f.write_str(" silently"),
            Act::InitiatorDies { .. } | Act::ResponderDies { .. } | Act::ResponderStarts | Act::Nothing => Ok(()),
        }
    }
}
