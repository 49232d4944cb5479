//! What happened in a simulation, as far as somebody outside could see it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cast::stranger::Manner;
use crate::clock;
use crate::faults::Fault;
use crate::net::Place;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The simulation comes to this part.
    Phase(Phase),
    /// A fault begins.
    Struck(Fault),
    /// A fault that lasts is over.
    Relieved(Fault),
    /// A process began to run.
    Started(Place),
    /// A process ended, in whatever way.
    Stopped(Place),
    /// Somebody tried to connect.
    Dialled {
        /// Who.
        from: Place,
        /// To whom.
        to: Place,
    },
    /// What an initiator has of one responder, if that changed.
    Initiator {
        /// The initiator.
        place: Place,
        /// The responder.
        to: usize,
        /// What it has.
        view: InitiatorView,
    },
    /// What a responder has, if that changed.
    Responder {
        /// The responder.
        place: Place,
        /// What it has.
        view: ResponderView,
    },
    /// A request was sent.
    Asked(Question),
    /// A service got a request whole.
    Served {
        /// Which request.
        request: u64,
        /// By which initiator.
        by: usize,
        /// Its body was what was sent.
        exact: bool,
    },
    /// What came of a request.
    Answered {
        /// Which request.
        request: u64,
        /// What the caller saw.
        answer: Answer,
    },
    /// A responder was told to drain.
    DrainOrdered {
        /// The responder.
        place: Place,
        /// How long requests may go on.
        grace: Duration,
    },
    /// An order to drain was carried out.
    Drained(Place),
    /// Somebody with bytes of its own was connected to a responder for so long.
    Visited {
        /// The responder.
        to: usize,
        /// What it did there.
        manner: Manner,
        /// Until either of them left.
        stayed: Duration,
    },
    /// A forged claim was not turned away: the first bytes of the answer.
    Fooled(String),
    /// A task gave up with a panic.
    Panicked {
        /// Where.
        place: Place,
        /// What it said.
        said: String,
    },
    /// What is left of a process that was told to wind down.
    Left {
        /// The process.
        place: Place,
        /// Tasks.
        tasks: usize,
        /// Sockets of its kernel.
        sockets: usize,
    },
}

/// The parts of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everything starts, and nothing is disturbed.
    WarmUp,
    /// Faults.
    Faults,
    /// Whatever belongs to the core is healed; the rest stays broken.
    Healed,
    /// No new requests.
    Quiet,
    /// Everything is drained.
    Draining,
    /// The end.
    Over,
}

/// What an initiator has of one responder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitiatorView {
    /// How many it should have.
    pub target: u16,
    /// Dialing or handshaking.
    pub pending: u16,
    /// Idle or in use.
    pub up: u16,
    /// Going out of use.
    pub draining: u16,
}

/// What a responder has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponderView {
    /// Handshakes not done.
    pub handshakes: u32,
    /// Tunnels by initiator, without those going out of use.
    pub tunnels: Vec<u32>,
    /// Tunnels going out of use, by initiator.
    pub draining: Vec<u32>,
    /// Tunnels whose node no initiator is.
    pub strangers: u32,
    /// Requests under way.
    pub streams: u32,
    /// Callers that wait.
    pub waiting: u32,
    /// What the gauges say of tunnels, nodes and streams, where it is not what is there.
    pub disagreement: Option<String>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its number.
    pub request: u64,
    /// The responder that was asked.
    pub via: usize,
    /// The initiator whose node it names; none if it names the cluster.
    pub node: Option<usize>,
    /// The tenant it names.
    pub tenant: usize,
    /// Bytes of its body; none is a GET.
    pub up: Option<usize>,
    /// Bytes of the answer that it wants.
    pub down: usize,
    /// How long the service takes.
    pub takes: Duration,
    /// The caller never reads the answer's body.
    pub stalls: bool,
}

/// What a caller saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The service's answer, whole.
    Served {
        /// The initiator that says it answers.
        by: usize,
        /// The body is what was asked for.
        exact: bool,
    },
    /// The service's answer began, and then came an error.
    Broken,
    /// An answer of revtun's own.
    Own {
        /// Its status.
        status: u16,
        /// Its reason; none if it gives none.
        reason: Option<String>,
    },
    /// The connection was lost before an answer.
    Lost(String),
    /// No connection.
    Unreachable,
    /// The caller read the head, as it wanted.
    Stalled,
    /// Nothing for as long as the caller had patience.
    Silence,
}

/// Everything that happened. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Vec<(Duration, Fact)>>>);

impl History {
    /// Something happens now.
    pub fn add(&self, fact: Fact) {
        self.facts().push((clock::now(), fact));
    }

    /// Everything so far. Not to be held across an await.
    pub fn facts(&self) -> MutexGuard<'_, Vec<(Duration, Fact)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => write!(f, "-- {phase:?}"),
            Self::Struck(fault) => write!(f, "!! {fault}"),
            Self::Relieved(fault) => write!(f, "!! over: {fault}"),
            Self::Started(place) => write!(f, "{place} starts"),
            Self::Stopped(place) => write!(f, "{place} is gone"),
            Self::Dialled { from, to } => write!(f, "{from} dials {to}"),
            Self::Initiator { place, to, view: InitiatorView { target, pending, up, draining } } => {
                write!(
                    f,
                    "{place} has {up} of {target} tunnels to responder-{to}, {pending} pending, {draining} draining"
                )
            }
            Self::Responder { place, view } => write!(f, "{place} has {view}"),
            Self::Asked(question) => write!(f, "request {question}"),
            Self::Served { request, by, exact } => {
                write!(f, "request {request} served at initiator-{by}{}", if *exact { "" } else { ", mangled" })
            }
            Self::Answered { request, answer } => write!(f, "request {request}: {answer:?}"),
            Self::DrainOrdered { place, grace } => write!(f, "{place} drains for {grace:?}"),
            Self::Drained(place) => write!(f, "{place} is drained"),
            Self::Visited { to, manner, stayed } => write!(f, "responder-{to} had a visit: {manner:?} for {stayed:?}"),
            Self::Fooled(answer) => write!(f, "a forged claim is answered {answer:?}"),
            Self::Panicked { place, said } => write!(f, "{place} panics: {said}"),
            Self::Left { place, tasks, sockets } => write!(f, "{place} leaves {tasks} tasks and {sockets} sockets"),
        }
    }
}

impl fmt::Display for ResponderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handshakes, tunnels, draining, strangers, streams, waiting, disagreement } = self;
        write!(f, "tunnels {tunnels:?}, draining {draining:?}, {strangers} of strangers, ")?;
        write!(f, "{handshakes} handshakes, {streams} streams, {waiting} waiting")?;
        match disagreement {
            Some(disagreement) => write!(f, "; {disagreement}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, via, node, tenant, up, down, takes, stalls } = self;
        write!(f, "{request} via responder-{via} to ")?;
        match node {
            Some(node) => write!(f, "initiator-{node}")?,
            None => write!(f, "the cluster")?,
        }
        write!(f, " of tenant-{tenant}: {up:?} B up, {down} B down, takes {takes:?}")?;
        f.write_str(if *stalls { ", never read" } else { "" })
    }
}
