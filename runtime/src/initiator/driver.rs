//! The machine of an initiator, and what performs its effects.

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

use super::command::{COMMANDS, TunnelCommand};
use super::context::{Context, Input};
use super::counters::{HandshakeOutcome, TunnelEnd};
use super::first_use::UseTunnel;
use super::hosts::{Hosts, Resolved};
use super::task::TunnelTask;
use super::tunnel::Tunnel;
use crate::pump::Driven;
use crate::world::World;

/// What the handle of the initiator may read.
#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: Initiator,
    pub(super) hosts: Hosts,
    pub(super) drained: bool,
}

/// The machine and its tunnels, driven by the pump.
pub(super) struct Driver<W, S> {
    context: Arc<Context<W, S>>,
    state: watch::Sender<State>,
    inputs: mpsc::Receiver<Input>,
    drains: mpsc::Receiver<Duration>,
    /// By slot.
    tunnels: Vec<Option<TunnelHandle>>,
}

/// Commands a tunnel's task. Dropped, it closes the tunnel at once.
struct TunnelHandle {
    tunnel: TunnelId,
    host: HostId,
    peer: SocketAddr,
    progress: Progress,
    commands: mpsc::Sender<TunnelCommand>,
    _alive: oneshot::Sender<Infallible>,
}

/// How far a tunnel came, for the log of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Dialling,
    /// Connected, and the handshake was sent.
    Handshaking,
    /// The handshake was answered.
    Answered,
    /// A GOAWAY of either end: the connection may close at any time.
    Draining,
}

impl<W: World, S: UseTunnel<W>> Driver<W, S> {
    pub(super) fn new(
        context: Arc<Context<W, S>>,
        state: watch::Sender<State>,
        inputs: mpsc::Receiver<Input>,
        drains: mpsc::Receiver<Duration>,
    ) -> Self {
        Self { context, state, inputs, drains, tunnels: Vec::new() }
    }

    /// Sets the target count of the hosts that an endpoint resolves to now, and clears that of those it no longer does.
    pub(super) fn resolved(&mut self, resolved: Resolved) {
        let mut changes = Vec::new();
        self.state.send_modify(|state| changes = state.hosts.update(resolved));
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
            Effect::SendHandshake { tunnel } => self.send(tunnel, TunnelCommand::SendHandshake),
            Effect::Deliver { tunnel } => self.send(tunnel, TunnelCommand::Deliver),
            Effect::Goaway { tunnel } => self.send(tunnel, TunnelCommand::Goaway),
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
        let (mut peer, mut first_dial_ms) = (None, now);
        self.state.send_modify(|state| {
            peer = state.hosts.address(host);
            first_dial_ms = state.hosts.first_dial(host, now);
        });
        let peer = peer.expect("the machine dials only hosts that it was told of and has not forgotten");
        debug!(%tunnel, %peer, "dialling");
        self.context.counters.dials.add(1);

        let (commands, received) = mpsc::channel(COMMANDS);
        let (alive, closed) = oneshot::channel();
        let slot = tunnel.slot();
        if self.tunnels.len() <= slot {
            self.tunnels.resize_with(slot + 1, || None);
        }
        self.tunnels[slot] =
            Some(TunnelHandle { tunnel, host, peer, progress: Progress::Dialling, commands, _alive: alive });
        let name = self.state.borrow().hosts.endpoint(peer).map(|endpoint| Arc::clone(&self.context.names[endpoint]));
        let task = TunnelTask { context: Arc::clone(&self.context), id: tunnel, commands: received };
        self.context.world.spawn(Tunnel::new(task, peer, name, first_dial_ms).run(closed));
    }

    fn send(&mut self, tunnel: TunnelId, command: TunnelCommand) {
        let Some(handle) = self.handle(tunnel) else { return };
        match command {
            TunnelCommand::SendHandshake => handle.progress = Progress::Handshaking,
            TunnelCommand::Deliver => {}
            TunnelCommand::Goaway => {
                handle.progress = Progress::Draining;
                info!(%tunnel, peer = %handle.peer, "tunnel draining");
            }
        }
        // There is room for one command of each kind, and the machine gives each once. A task that has ended has reported
        // that, and the machine will process it next.
        let _ = handle.commands.try_send(command);
    }

    fn close(&mut self, tunnel: TunnelId, reason: CloseReason) {
        let Some(TunnelHandle { peer, .. }) = self.remove(tunnel) else { return };
        self.context.counters.ended(TunnelEnd::Closed(reason));
        let name = TunnelEnd::Closed(reason).name();
        match reason {
            CloseReason::ConnectTimeout => warn!(%tunnel, %peer, reason = name, "dial failed"),
            CloseReason::HandshakeTimeout => {
                self.context.counters.handshaken(HandshakeOutcome::TimedOut);
                warn!(%tunnel, %peer, reason = name, "handshake failed");
            }
            // The response was logged when it came.
            CloseReason::Refused(_) | CloseReason::Downgraded | CloseReason::Malformed => {}
            CloseReason::Silent => warn!(%tunnel, %peer, reason = name, "tunnel closed"),
            CloseReason::Surplus | CloseReason::Drained => info!(%tunnel, %peer, reason = name, "tunnel closed"),
        }
    }

    fn ended(&mut self, tunnel: TunnelId, cause: Cause, error: &io::Error) {
        let Some(TunnelHandle { peer, progress, .. }) = self.remove(tunnel) else { return };
        self.context.counters.ended(match cause {
            Cause::Refused => TunnelEnd::DialRefused,
            Cause::Lost => TunnelEnd::Lost,
        });
        match progress {
            Progress::Dialling => warn!(%tunnel, %peer, reason = %error, "dial failed"),
            Progress::Handshaking => {
                self.context.counters.handshaken(HandshakeOutcome::Lost);
                warn!(%tunnel, %peer, reason = %error, "handshake failed");
            }
            Progress::Answered => info!(%tunnel, %peer, reason = %error, "tunnel lost"),
            Progress::Draining => info!(%tunnel, %peer, reason = %error, "tunnel closed"),
        }
        self.step(Event::Closed { tunnel, cause });
    }

    /// Logs and counts an event before the machine processes it.
    fn record(&mut self, event: Event) {
        match event {
            Event::Answered { tunnel, answer } => self.record_answer(tunnel, answer),
            Event::Used { tunnel, protocol } => info!(%tunnel, ?protocol, "tunnel in use"),
            Event::GoawayReceived { tunnel } => {
                let Some(handle) = self.handle(tunnel) else { return };
                handle.progress = Progress::Draining;
                info!(%tunnel, peer = %handle.peer, "the responder drains the tunnel");
            }
            Event::DrainRequested { grace } => info!(?grace, "draining"),
            Event::TargetSet { .. }
            | Event::Connected { .. }
            | Event::Heard { .. }
            | Event::Closed { .. }
            | Event::Tick => {}
        }
    }

    fn record_answer(&mut self, tunnel: TunnelId, answer: Answer) {
        let Some(handle) = self.handle(tunnel) else { return };
        handle.progress = Progress::Answered;
        let (host, peer) = (handle.host, handle.peer);
        let outcome = match answer {
            Answer::Accepted { revtun } => {
                info!(%tunnel, %peer, revtun, "tunnel up");
                self.state.send_modify(|state| state.hosts.accepted(host));
                HandshakeOutcome::Accepted
            }
            Answer::Refused { status, retry_after } => {
                warn!(%tunnel, %peer, status, ?retry_after, "handshake refused");
                HandshakeOutcome::Status(status)
            }
            Answer::Downgraded => {
                warn!(%tunnel, %peer, "handshake refused by us: the responder would leave TLS after its response");
                HandshakeOutcome::Downgraded
            }
            Answer::Malformed => {
                warn!(%tunnel, %peer, "handshake failed: the response is no HTTP/1.1");
                HandshakeOutcome::Malformed
            }
        };
        self.context.counters.handshaken(outcome);
    }

    fn handle(&mut self, tunnel: TunnelId) -> Option<&mut TunnelHandle> {
        self.tunnels.get_mut(tunnel.slot())?.as_mut().filter(|handle| handle.tunnel == tunnel)
    }

    fn remove(&mut self, tunnel: TunnelId) -> Option<TunnelHandle> {
        self.tunnels.get_mut(tunnel.slot())?.take_if(|handle| handle.tunnel == tunnel)
    }
}

impl<W: World, S: UseTunnel<W>> Driven for Driver<W, S> {
    type Input = Input;

    fn deadline(&self) -> Option<Instant> {
        self.state.borrow().machine.deadline()
    }

    fn tick(&mut self) {
        self.step(Event::Tick);
    }

    /// None once everything is drained, or the handle was dropped.
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
                self.record(event);
                self.step(event);
            }
            Input::Ended { tunnel, cause, error } => self.ended(tunnel, cause, &error),
            Input::Resolved(resolved) => self.resolved(resolved),
        }
    }
}
