//! The machine, and the hand that performs its effects.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use revtun_core::handshake::Answer;
use revtun_core::initiator::{Cause, CloseReason, Effect, Event, HostId, Initiator};
use revtun_core::{Effects, Instant, Machine, TunnelId};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use super::Context;
use super::counters::{Ending, Outcome};
use super::hosts::{Hosts, Resolved};
use super::serve::TunnelService;
use super::tunnel::{self, ORDERS, Order, Tunnel};
use crate::pump::Driven;
use crate::world::World;

/// What the tasks of an initiator tell it.
#[derive(Debug)]
pub(super) enum Input {
    /// Anything but the end of a tunnel.
    Event(Event),
    /// A tunnel's transport is gone.
    Ended { tunnel: TunnelId, cause: Cause, error: io::Error },
    /// The resolver's answer.
    Resolved(Resolved),
}

/// What others may look at while the pump works.
#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: Initiator,
    pub(super) hosts: Hosts,
    pub(super) drained: bool,
}

/// What the pump drives.
pub(super) struct Driver<W, S> {
    context: Arc<Context<W, S>>,
    state: watch::Sender<State>,
    inputs: mpsc::Receiver<Input>,
    drains: mpsc::Receiver<Duration>,
    /// By slot of the tunnel.
    links: Vec<Option<Link>>,
}

/// The task of a tunnel, from outside. Dropped, it closes the tunnel at once.
struct Link {
    tunnel: TunnelId,
    host: HostId,
    peer: SocketAddr,
    reached: Reached,
    orders: mpsc::Sender<Order>,
    _life: oneshot::Sender<Infallible>,
}

/// How far a tunnel came, to say what was lost with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Nothing,
    /// A connection, on which the handshake was sent.
    Host,
    /// An answer to the handshake.
    Answer,
    /// A GOAWAY of either end: now it may close at any time.
    Goaway,
}

impl<W: World, S: TunnelService> Driver<W, S> {
    pub(super) fn new(
        context: Arc<Context<W, S>>,
        state: watch::Sender<State>,
        inputs: mpsc::Receiver<Input>,
        drains: mpsc::Receiver<Duration>,
    ) -> Self {
        Self { context, state, inputs, drains, links: Vec::new() }
    }

    /// Wants what an endpoint resolves to, and no longer what it resolved to before.
    pub(super) fn resolved(&mut self, resolved: Resolved) {
        let mut changes = Vec::new();
        self.state.send_modify(|state| changes = state.hosts.take(resolved));
        for (host, wanted) in changes {
            let count = if wanted { self.context.address.count() } else { 0 };
            self.step(Event::TargetSet { host, count });
        }
    }

    fn step(&mut self, event: Event) {
        let env = self.context.world.env();
        let mut effects = Effects::NONE;
        let journal = self.context.world.journal();
        self.state.send_modify(|state| effects = journal.step(&mut state.machine, env, event));
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial { tunnel, host } => self.dial(tunnel, host),
            Effect::SendHandshake { tunnel } => self.order(tunnel, Order::SendHandshake),
            Effect::Deliver { tunnel } => self.order(tunnel, Order::Deliver),
            Effect::Goaway { tunnel } => self.order(tunnel, Order::Goaway),
            Effect::Close { tunnel, reason } => self.close(tunnel, reason),
            Effect::Forget { host } => self.state.send_modify(|state| state.hosts.forget(host)),
            Effect::Drained => {
                info!("drained");
                self.state.send_modify(|state| state.drained = true);
            }
        }
    }

    fn dial(&mut self, tunnel: TunnelId, host: HostId) {
        let now = self.context.world.unix_millis();
        let (mut peer, mut wanted_since) = (None, now);
        self.state.send_modify(|state| {
            peer = state.hosts.address(host);
            wanted_since = state.hosts.wanted_since(host, now);
        });
        let peer = peer.expect("the machine dials only hosts that it was told of and has not forgotten");
        debug!(%tunnel, %peer, "dialling");
        self.context.counters.dials.add(1);

        let (orders, ordered) = mpsc::channel(ORDERS);
        let (life, ended) = oneshot::channel();
        let slot = tunnel.slot();
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some(Link { tunnel, host, peer, reached: Reached::Nothing, orders, _life: life });
        let name = self.state.borrow().hosts.endpoint(peer).map(|endpoint| Arc::clone(&self.context.names[endpoint]));
        let task = Tunnel::new(&self.context, tunnel, peer, name, wanted_since, ordered);
        self.context.world.spawn(tunnel::run(task, ended));
    }

    fn order(&mut self, tunnel: TunnelId, order: Order) {
        let Some(link) = self.link(tunnel) else { return };
        match order {
            Order::SendHandshake => link.reached = Reached::Host,
            Order::Deliver => {}
            Order::Goaway => {
                link.reached = Reached::Goaway;
                info!(%tunnel, peer = %link.peer, "tunnel goes out of use");
            }
        }
        // There is room for one order of each kind, and the machine gives each once. A task that has ended has said
        // so, and the machine will learn of it next.
        let _ = link.orders.try_send(order);
    }

    fn close(&mut self, tunnel: TunnelId, reason: CloseReason) {
        let Some(Link { peer, .. }) = self.unlink(tunnel) else { return };
        self.context.counters.ended(Ending::Ordered(reason));
        let name = Ending::Ordered(reason).name();
        match reason {
            CloseReason::ConnectTimeout => warn!(%tunnel, %peer, reason = name, "dial failed"),
            CloseReason::HandshakeTimeout => {
                self.context.counters.handshaken(Outcome::TimedOut);
                warn!(%tunnel, %peer, reason = name, "handshake failed");
            }
            // The answer was logged when it came.
            CloseReason::Refused(_) | CloseReason::Downgraded | CloseReason::Malformed => {}
            CloseReason::Silent => warn!(%tunnel, %peer, reason = name, "tunnel closed"),
            CloseReason::Surplus | CloseReason::Drained => info!(%tunnel, %peer, reason = name, "tunnel closed"),
        }
    }

    fn ended(&mut self, tunnel: TunnelId, cause: Cause, error: &io::Error) {
        let Some(Link { peer, reached, .. }) = self.unlink(tunnel) else { return };
        self.context.counters.ended(match cause {
            Cause::Refused => Ending::DialRefused,
            Cause::Lost => Ending::Lost,
        });
        match reached {
            Reached::Nothing => warn!(%tunnel, %peer, reason = %error, "dial failed"),
            Reached::Host => {
                self.context.counters.handshaken(Outcome::Lost);
                warn!(%tunnel, %peer, reason = %error, "handshake failed");
            }
            Reached::Answer => info!(%tunnel, %peer, reason = %error, "tunnel lost"),
            Reached::Goaway => info!(%tunnel, %peer, reason = %error, "tunnel closed"),
        }
        self.step(Event::Closed { tunnel, cause });
    }

    /// Notes what a tunnel reports, before the machine does something about it.
    fn note(&mut self, event: Event) {
        match event {
            Event::Answered { tunnel, answer } => self.note_answer(tunnel, answer),
            Event::Used { tunnel, protocol } => info!(%tunnel, ?protocol, "tunnel in use"),
            Event::GoawayReceived { tunnel } => {
                let Some(link) = self.link(tunnel) else { return };
                link.reached = Reached::Goaway;
                info!(%tunnel, peer = %link.peer, "the responder takes the tunnel out of use");
            }
            Event::DrainRequested { grace } => info!(?grace, "draining"),
            Event::TargetSet { .. }
            | Event::Connected { .. }
            | Event::Heard { .. }
            | Event::Closed { .. }
            | Event::Tick => {}
        }
    }

    fn note_answer(&mut self, tunnel: TunnelId, answer: Answer) {
        let Some(link) = self.link(tunnel) else { return };
        link.reached = Reached::Answer;
        let (host, peer) = (link.host, link.peer);
        let outcome = match answer {
            Answer::Accepted { revtun } => {
                info!(%tunnel, %peer, revtun, "tunnel up");
                self.state.send_modify(|state| state.hosts.satisfied(host));
                Outcome::Accepted
            }
            Answer::Refused { status, retry_after } => {
                warn!(%tunnel, %peer, status, ?retry_after, "handshake refused");
                Outcome::Status(status)
            }
            Answer::Downgraded => {
                warn!(%tunnel, %peer, "the responder does not agree to keep the tunnel inside TLS");
                Outcome::Downgraded
            }
            Answer::Malformed => {
                warn!(%tunnel, %peer, "the answer to the handshake is no HTTP/1.1 response");
                Outcome::Malformed
            }
        };
        self.context.counters.handshaken(outcome);
    }

    fn link(&mut self, tunnel: TunnelId) -> Option<&mut Link> {
        self.links.get_mut(tunnel.slot())?.as_mut().filter(|link| link.tunnel == tunnel)
    }

    fn unlink(&mut self, tunnel: TunnelId) -> Option<Link> {
        self.links.get_mut(tunnel.slot())?.take_if(|link| link.tunnel == tunnel)
    }
}

impl<W: World, S: TunnelService> Driven for Driver<W, S> {
    type Input = Input;

    fn deadline(&self) -> Option<Instant> {
        self.state.borrow().machine.deadline()
    }

    fn tick(&mut self) {
        self.step(Event::Tick);
    }

    /// Ends when everything is drained, or when nobody holds the handle any more.
    async fn next(&mut self) -> Option<Input> {
        if self.state.borrow().drained {
            return None;
        }
        tokio::select! {
            biased;
            grace = self.drains.recv() => grace.map(|grace| Input::Event(Event::DrainRequested { grace })),
            input = self.inputs.recv() => input,
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Event(event) => {
                self.note(event);
                self.step(event);
            }
            Input::Ended { tunnel, cause, error } => self.ended(tunnel, cause, &error),
            Input::Resolved(resolved) => self.resolved(resolved),
        }
    }
}
