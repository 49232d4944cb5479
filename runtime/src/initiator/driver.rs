//! The machine of an initiator, and what performs its effects.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use revtun_core::handshake::Answer;
use revtun_core::hosts;
use revtun_core::initiator::{Cause, CloseReason, Effect, Event, HostId, Initiator};
use revtun_core::{Effects, Env, Instant, Machine, TunnelId};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, debug, info};

use super::command::{COMMANDS, TunnelCommand};
use super::context::{Context, Input};
use super::counters::{HandshakeOutcome, TunnelEnd};
use super::first_use::UseTunnel;
use super::host_table::{Endpoint, HostTable, Resolved};
use super::resolve::{ForbiddenEndpoint, resolve};
use super::task::TunnelTask;
use super::tunnel::Tunnel;
use super::tunnel_log::{Progress, TunnelLog, why_closed, why_refused};
use crate::pump::Driven;
use crate::supervise::Supervisor;
use crate::world::World;

/// What the handle of the initiator may read.
#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: Initiator,
    pub(super) table: HostTable,
    /// The first endpoint of which nothing is known but that it must not be dialled.
    pub(super) forbidden: Option<ForbiddenEndpoint>,
    pub(super) drained: bool,
}

impl State {
    /// When the machine or the policy of hosts wants its next tick.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.machine.deadline(), self.table.hosts.deadline()].into_iter().flatten().min()
    }
}

/// The machine and its tunnels, driven by the pump.
pub(super) struct Driver<W, S> {
    context: Arc<Context<W, S>>,
    supervisor: Supervisor,
    state: watch::Sender<State>,
    inputs: mpsc::Receiver<Input>,
    drains: mpsc::Receiver<Duration>,
    /// By slot.
    tunnels: Vec<Option<TunnelHandle>>,
    /// Hosts that have a tunnel more or less than when the policy of hosts was told last.
    changed: Vec<HostId>,
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

impl TunnelHandle {
    fn log(&self) -> TunnelLog {
        TunnelLog { tunnel: self.tunnel, peer: self.peer }
    }
}

impl<W: World, S: UseTunnel<W>> Driver<W, S> {
    pub(super) fn new(
        context: Arc<Context<W, S>>,
        supervisor: Supervisor,
        state: watch::Sender<State>,
        inputs: mpsc::Receiver<Input>,
        drains: mpsc::Receiver<Duration>,
    ) -> Self {
        Self { context, supervisor, state, inputs, drains, tunnels: Vec::new(), changed: Vec::new() }
    }

    /// Names the hosts of the endpoints that are addresses; those that are names are resolved when the pump runs.
    pub(super) fn begin(&mut self) {
        for (endpoint, name) in self.context.endpoints.clone().iter().enumerate() {
            if let Some(address) = name.literal() {
                self.step_hosts(|table, _| table.hosts.literal(endpoint, address));
            }
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
            Effect::Forget { host } => self.step_hosts(|table, env| table.forgotten(env, host)),
            Effect::Drained => {
                info!("drained");
                self.state.send_modify(|state| state.drained = true);
            }
        }
    }

    fn step_hosts(&mut self, step: impl FnOnce(&mut HostTable, Env) -> Vec<hosts::Effect>) {
        let env = self.context.world.env();
        let mut effects = Vec::new();
        self.state.send_modify(|state| effects = step(&mut state.table, env));
        for effect in effects {
            match effect {
                hosts::Effect::Resolve { endpoint } => {
                    let resolving = resolve(Arc::clone(&self.context), endpoint).in_current_span();
                    self.supervisor.spawn(&self.context.world, "resolver", resolving);
                }
                hosts::Effect::Wanted { host, address } => {
                    info!(host = %address, "host added");
                    self.step(Event::TargetSet { host, count: self.context.address.count() });
                }
                hosts::Effect::Unwanted { host, address } => {
                    info!(host = %address, "host removed");
                    self.step(Event::TargetSet { host, count: 0 });
                }
            }
        }
    }

    /// Tells the policy of hosts which of them have tunnels.
    fn report_changed(&mut self) {
        while let Some(host) = self.changed.pop() {
            let (is_up, was_up) = {
                let state = self.state.borrow();
                (state.machine.is_up(host), state.table.hosts.is_up(host))
            };
            if is_up != was_up {
                let event = if is_up { hosts::Event::Up { host } } else { hosts::Event::Down { host } };
                self.step_hosts(|table, env| table.hosts.step(env, event));
            }
        }
    }

    /// Takes an answer of the resolver.
    fn resolved(&mut self, resolved: &Resolved) {
        let is_first = self.state.borrow().table.endpoints.get(resolved.endpoint).is_some_and(Endpoint::is_unknown);
        if let (true, Err(error)) = (is_first, &resolved.answer) {
            let forbidden = ForbiddenEndpoint::of(&self.context.endpoints[resolved.endpoint], error);
            self.state.send_modify(|state| state.forbidden = state.forbidden.take().or(forbidden));
        }
        self.step_hosts(|table, env| table.resolved(env, resolved));
    }

    fn dial(&mut self, tunnel: TunnelId, host: HostId) {
        let now = self.context.world.unix_millis();
        let (mut peer, mut first_dial_ms, mut name) = (None, now, None);
        self.state.send_modify(|state| {
            peer = state.table.hosts.address(host);
            first_dial_ms = state.table.hosts.first_dial(host, now);
            name = state.table.name(host).map(Arc::from);
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
                let host = handle.host;
                self.changed.push(host);
            }
        }
        let Some(handle) = self.handle(tunnel) else { return };
        // There is room for one command of each kind, and the machine gives each once. A task that has ended has reported
        // that, and the machine will process it next.
        let _ = handle.commands.try_send(command);
    }

    /// Before the machine processes an event.
    fn record(&mut self, event: Event) {
        match event {
            Event::Used { tunnel, protocol } => info!(%tunnel, ?protocol, "tunnel in use"),
            Event::GoawayReceived { tunnel } => {
                let Some(handle) = self.handle(tunnel) else { return };
                handle.progress = Progress::Draining;
                let (host, peer) = (handle.host, handle.peer);
                self.changed.push(host);
                info!(%tunnel, %peer, "the responder drains the tunnel");
            }
            Event::DrainRequested { grace } => {
                info!(?grace, "draining");
                self.state.send_modify(|state| state.table.hosts.stop());
            }
            Event::TargetSet { .. }
            | Event::Connected { .. }
            | Event::Answered { .. }
            | Event::Heard { .. }
            | Event::Closed { .. }
            | Event::Tick => {}
        }
    }

    /// The responder answered, and gave a `reason` if it refused.
    fn answered(&mut self, tunnel: TunnelId, answer: Answer, reason: &str) {
        if let Some(handle) = self.handle(tunnel) {
            handle.progress = Progress::Answered;
            let (host, log) = (handle.host, handle.log());
            self.context.counters.handshaken(HandshakeOutcome::of(answer));
            if let Some(why) = why_refused(answer, reason) {
                log.refused(self.failed(host, &why), answer, &why, reason);
            } else if let Answer::Accepted { revtun } = answer {
                let mut outage = None;
                self.state.send_modify(|state| outage = state.table.accepted(host));
                self.changed.push(host);
                log.accepted(revtun, outage.as_ref());
            }
        }
        self.step(Event::Answered { tunnel, answer });
    }

    /// The machine has closed a tunnel.
    fn close(&mut self, tunnel: TunnelId, reason: CloseReason) {
        let Some(handle) = self.remove(tunnel) else { return };
        self.changed.push(handle.host);
        self.context.counters.ended(TunnelEnd::Closed(reason));
        if reason == CloseReason::HandshakeTimeout {
            self.context.counters.handshaken(HandshakeOutcome::TimedOut);
        }
        let is_news = why_closed(reason).is_some_and(|why| self.failed(handle.host, why));
        handle.log().closed(is_news, reason);
    }

    /// The connection of a tunnel has ended.
    fn ended(&mut self, tunnel: TunnelId, cause: Cause, error: &io::Error) {
        let Some(handle) = self.remove(tunnel) else { return };
        self.changed.push(handle.host);
        self.context.counters.ended(TunnelEnd::of(cause));
        if handle.progress == Progress::Handshaking {
            self.context.counters.handshaken(HandshakeOutcome::Lost);
        }
        let reason = error.to_string();
        let is_news = handle.progress != Progress::Draining && self.failed(handle.host, &reason);
        handle.log().ended(is_news, handle.progress, &reason);
        self.step(Event::Closed { tunnel, cause });
    }

    /// Notes that a dial, a handshake or a tunnel failed. Returns whether that is news.
    fn failed(&mut self, host: HostId, reason: &str) -> bool {
        let now = self.context.world.now();
        let mut is_news = false;
        self.state.send_modify(|state| is_news = state.table.failed(now, host, reason));
        self.step_hosts(|table, env| table.hosts.step(env, hosts::Event::DialFailed { host }));
        is_news
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
        self.state.borrow().deadline()
    }

    fn tick(&mut self) {
        let now = self.context.world.now();
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let (machine, hosts) = {
            let state = self.state.borrow();
            (due(state.machine.deadline()), due(state.table.hosts.deadline()))
        };
        if machine {
            self.step(Event::Tick);
        }
        if hosts {
            self.step_hosts(|table, env| table.hosts.step(env, hosts::Event::Tick));
        }
        self.report_changed();
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
            Input::Answered { tunnel, answer, reason } => self.answered(tunnel, answer, &reason),
            Input::Ended { tunnel, cause, error } => self.ended(tunnel, cause, &error),
            Input::Resolved(resolved) => self.resolved(&resolved),
        }
        self.report_changed();
    }
}
