//! The events of a simulation, as far as they are observable from outside.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::faults::Fault;
use crate::faults::hostile::GarbageClient;
use crate::net::HostId;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The simulation enters this phase.
    Phase(Phase),
    /// A fault begins.
    FaultInjected(Fault),
    /// A fault that lasts is over.
    FaultEnded(Fault),
    /// A process started.
    Started(HostId),
    /// A process ended.
    Stopped(HostId),
    /// A connection attempt.
    Dialled {
        /// Who.
        from: HostId,
        /// To whom.
        to: HostId,
    },
    /// The tunnels of an initiator to one responder changed.
    Initiator {
        /// The initiator.
        host: HostId,
        /// The responder.
        to: usize,
        /// Its state now.
        view: InitiatorView,
    },
    /// The state of a responder changed.
    Responder {
        /// The responder.
        host: HostId,
        /// Its state now.
        view: ResponderView,
    },
    /// A request was sent.
    RequestSent(RequestSpec),
    /// A service received a whole request.
    RequestServed {
        /// Which request.
        request: u64,
        /// By which initiator.
        by: usize,
        /// Its body was what was sent.
        exact: bool,
    },
    /// A request ended for its caller.
    RequestEnded {
        /// Which request.
        request: u64,
        /// What the caller saw.
        outcome: RequestOutcome,
    },
    /// A process was told to drain.
    DrainRequested {
        /// The responder.
        host: HostId,
        /// How long open requests may go on.
        grace: Duration,
    },
    /// A drain ended.
    Drained(HostId),
    /// A connection of a garbage client to a responder ended.
    GarbageClientLeft {
        /// The responder.
        to: usize,
        /// What the client did.
        behaviour: GarbageClient,
        /// How long the connection was open.
        stayed: Duration,
    },
    /// A forged identity was not rejected: the first bytes of the response.
    ForgeryAccepted(String),
    /// A task panicked.
    Panicked {
        /// Where.
        host: HostId,
        /// The message.
        said: String,
    },
    /// What a drained process leaves behind.
    Leftovers {
        /// The process.
        host: HostId,
        /// Tasks.
        tasks: usize,
        /// Sockets of its kernel.
        sockets: usize,
    },
}

/// The phases of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everything starts; no faults yet.
    WarmUp,
    /// Faults.
    Faults,
    /// The core is healed; the rest stays broken.
    Healed,
    /// No new requests.
    Quiescent,
    /// Everything is drained.
    Draining,
    /// The end.
    Over,
}

/// The tunnels of an initiator to one responder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitiatorView {
    /// The target count.
    pub target: u16,
    /// Dialing or handshaking.
    pub pending: u16,
    /// Idle or in use.
    pub up: u16,
    /// Draining.
    pub draining: u16,
}

/// The state of a responder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponderView {
    /// Handshakes in progress.
    pub handshakes: u32,
    /// Tunnels by initiator, without draining ones.
    pub tunnels: Vec<u32>,
    /// Draining tunnels, by initiator.
    pub draining: Vec<u32>,
    /// Tunnels of nodes that no initiator has.
    pub unknown_nodes: u32,
    /// Requests in progress.
    pub streams: u32,
    /// Requests that wait for a tunnel.
    pub waiting: u32,
    /// Gauges of tunnels, nodes and streams that differ from the tunnels listed.
    pub disagreement: Option<String>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpec {
    /// Its number.
    pub request: u64,
    /// The responder that it is sent to.
    pub via: usize,
    /// The initiator whose node it names; none names the cluster.
    pub node: Option<usize>,
    /// The tenant it names.
    pub tenant: usize,
    /// Bytes of the request body; none is a GET.
    pub up: Option<usize>,
    /// Bytes of the response body that it asks for.
    pub down: usize,
    /// How long the service takes.
    pub service_time: Duration,
    /// The caller never reads the response body.
    pub never_read: bool,
}

/// The outcome of a request, as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The whole response of a service.
    Served {
        /// The initiator whose service answered, by its own word.
        by: usize,
        /// The body is what was asked for.
        exact: bool,
    },
    /// The response of a service began, and its body ended with an error.
    BodyError,
    /// A local reply of revtun.
    LocalReply {
        /// Its status.
        status: u16,
        /// Its reason, if it has one.
        reason: Option<String>,
    },
    /// The connection was lost before a response.
    ConnectionLost(String),
    /// The connection could not be made.
    ConnectFailed,
    /// The caller read only the head, as specified.
    NotRead,
    /// Nothing was received for as long as the caller's timeout.
    TimedOut,
}

/// Everything that happened. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Vec<(Duration, Event)>>>);

impl History {
    /// Records an event at the current time.
    pub fn add(&self, event: Event) {
        self.events().push((clock::now(), event));
    }

    /// Everything so far. Not to be held across an await.
    pub fn events(&self) -> MutexGuard<'_, Vec<(Duration, Event)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => write!(f, "-- {phase:?}"),
            Self::FaultInjected(fault) => write!(f, "!! {fault}"),
            Self::FaultEnded(fault) => write!(f, "!! over: {fault}"),
            Self::Started(host) => write!(f, "{host} starts"),
            Self::Stopped(host) => write!(f, "{host} is gone"),
            Self::Dialled { from, to } => write!(f, "{from} dials {to}"),
            Self::Initiator { host, to, view: InitiatorView { target, pending, up, draining } } => {
                write!(
                    f,
                    "{host} has {up} of {target} tunnels to responder-{to}, {pending} pending, {draining} draining"
                )
            }
            Self::Responder { host, view } => write!(f, "{host} has {view}"),
            Self::RequestSent(spec) => write!(f, "request {spec}"),
            Self::RequestServed { request, by, exact } => {
                write!(f, "request {request} served at initiator-{by}{}", if *exact { "" } else { ", mangled" })
            }
            Self::RequestEnded { request, outcome } => write!(f, "request {request}: {outcome:?}"),
            Self::DrainRequested { host, grace } => write!(f, "{host} drains for {grace:?}"),
            Self::Drained(host) => write!(f, "{host} is drained"),
            Self::GarbageClientLeft { to, behaviour, stayed } => {
                write!(f, "responder-{to} had a garbage client: {behaviour:?} for {stayed:?}")
            }
            Self::ForgeryAccepted(answer) => write!(f, "a forged claim is answered {answer:?}"),
            Self::Panicked { host, said } => write!(f, "{host} panics: {said}"),
            Self::Leftovers { host, tasks, sockets } => write!(f, "{host} leaves {tasks} tasks and {sockets} sockets"),
        }
    }
}

impl fmt::Display for ResponderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handshakes, tunnels, draining, unknown_nodes, streams, waiting, disagreement } = self;
        write!(f, "tunnels {tunnels:?}, draining {draining:?}, {unknown_nodes} of unknown nodes, ")?;
        write!(f, "{handshakes} handshakes, {streams} streams, {waiting} waiting")?;
        match disagreement {
            Some(disagreement) => write!(f, "; {disagreement}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RequestSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, via, node, tenant, up, down, service_time, never_read } = self;
        write!(f, "{request} via responder-{via} to ")?;
        match node {
            Some(node) => write!(f, "initiator-{node}")?,
            None => write!(f, "the cluster")?,
        }
        write!(f, " of tenant-{tenant}: {up:?} B up, {down} B down; service time {service_time:?}")?;
        f.write_str(if *never_read { ", never read" } else { "" })
    }
}
