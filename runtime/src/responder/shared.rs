//! The responder's machine, stepped by every task that has an event for it. The only lock of a responder is here.
//!
//! A step is short and never waits: the lock is taken, the machine stepped, what its effects refer to looked up, the lock
//! released, and only then are the effects performed.

use std::collections::BTreeMap;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use revtun_core::handshake::Rejection;
use revtun_core::responder::{Config, Effect, Event, Refusal, Responder, Source, StreamId, Target};
use revtun_core::{Effects, Instant, Machine, TunnelId};

use super::command::TunnelCommand;
use super::handle::TunnelHandle;
use crate::sync::{Mutex, MutexGuard, Notify, SetOnce, oneshot};
use crate::world::World;

/// The machine, and whom its effects concern.
pub(super) struct Shared<W: World> {
    world: W,
    state: Mutex<State<W>>,
    /// Notified when a step moved the deadline to before the one that the pump sleeps until.
    earlier: Notify,
    drained: SetOnce<()>,
    /// A step panicked: nobody knows what the machine thinks.
    broken: SetOnce<()>,
}

/// Dropped by a panic, it says that the machine is broken.
struct Fragile<'a>(&'a SetOnce<()>);

struct State<W: World> {
    machine: Responder,
    /// By slot.
    tunnels: Vec<Option<(TunnelId, Arc<TunnelHandle>)>>,
    pending: BTreeMap<StreamId, oneshot::Sender<Result<Lease<W>, Refusal>>>,
    streams: u64,
    /// What the pump sleeps until.
    armed: Option<Instant>,
}

/// An effect with all that it takes to perform it after the lock is released.
enum Action<W: World> {
    Command(Arc<TunnelHandle>, TunnelCommand),
    Answer(oneshot::Sender<Result<Lease<W>, Refusal>>, Result<Lease<W>, Refusal>),
    Contended(TunnelId, Arc<TunnelHandle>),
    Drained,
}

impl<W: World> Shared<W> {
    pub(super) fn new(world: W, config: Config) -> Arc<Self> {
        let machine = Responder::new(config);
        world.journal().begin(&machine);
        let state = State { machine, tunnels: Vec::new(), pending: BTreeMap::new(), streams: 0, armed: None };
        let (earlier, drained, broken) = (Notify::new(), SetOnce::new(), SetOnce::new());
        Arc::new(Self { world, state: Mutex::new(state), earlier, drained, broken })
    }

    /// A connection was accepted, and `handle` commands its task.
    pub(super) fn accept(self: &Arc<Self>, handle: &Arc<TunnelHandle>) -> Result<TunnelId, Rejection> {
        let mut state = self.lock();
        let source = Source::of(handle.peer().ip());
        let effects = self.advance(&mut state, Event::Accepted { source });
        let answer = effects.iter().find_map(|effect| {
            if let Effect::Admit { tunnel } = effect {
                Some(Ok(tunnel))
            } else if let Effect::RefuseConnection { rejection } = effect {
                Some(Err(rejection))
            } else {
                None
            }
        });
        let answer = answer.expect("the machine answers each connection at once");
        if let Ok(tunnel) = answer {
            state.insert(tunnel, Arc::clone(handle));
        }
        self.apply(state, effects);
        answer
    }

    /// A request needs a tunnel.
    pub(super) fn acquire(self: &Arc<Self>, target: Target<'_>) -> Acquire<W> {
        let mut state = self.lock();
        let stream = StreamId(state.streams);
        state.streams += 1;
        let effects = self.advance(&mut state, Event::Opened { stream, target });
        // The first effect is about this request; any others are about other tasks.
        let first = effects.iter().next().expect("the machine answers each request at once");
        let acquire = if let Effect::Assign { tunnel, .. } = first {
            Acquire::Assigned(self.lease(&state, tunnel))
        } else if let Effect::Refuse { refusal, .. } = first {
            Acquire::Refused(refusal)
        } else {
            let (answer, answered) = oneshot::channel();
            state.pending.insert(stream, answer);
            Acquire::Pending(PendingLease { shared: Arc::clone(self), stream, answered })
        };
        self.apply(state, effects);
        acquire
    }

    /// A request that waited was cancelled. If its answer is on the way already, that is dropped with the receiver.
    fn abandon(self: &Arc<Self>, stream: StreamId) {
        let mut state = self.lock();
        if state.pending.remove(&stream).is_some() {
            let effects = self.advance(&mut state, Event::Cancelled { stream });
            self.apply(state, effects);
        }
    }

    /// Steps the machine by any other event. Effects that concern other tasks are performed here; what answers the caller
    /// (`Accept`, `Reject`) is for the caller to perform.
    pub(super) fn step(self: &Arc<Self>, event: Event<'_>) -> Effects<Effect> {
        let mut state = self.lock();
        let effects = self.advance(&mut state, event);
        if let Event::Closed { tunnel } = event {
            state.remove(tunnel);
        }
        self.apply(state, effects);
        effects
    }

    /// When to tick next. From now on a step that moves the deadline to before that ends [`Self::earlier`].
    pub(super) fn arm(&self) -> Option<Instant> {
        let mut state = self.lock();
        state.armed = state.machine.deadline();
        state.armed
    }

    /// Ends when the deadline was moved to before the one that [`Self::arm`] returned.
    pub(super) async fn earlier(&self) {
        self.earlier.notified().await;
    }

    /// Ends when a drain of everything is complete.
    pub(super) async fn drained(&self) {
        self.drained.wait().await;
    }

    /// Ends when a step has panicked, in whatever task.
    pub(super) async fn broken(&self) {
        self.broken.wait().await;
    }

    /// Whether a step has panicked. Then whoever takes another panics too.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get().is_some()
    }

    /// Reads the machine and the handles of its tunnels, under the lock.
    pub(super) fn inspect<T>(
        &self,
        read: impl FnOnce(&Responder, &dyn Fn(TunnelId) -> Option<Arc<TunnelHandle>>) -> T,
    ) -> T {
        let state = self.lock();
        read(&state.machine, &|tunnel| state.handle(tunnel))
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(|_| {
            let _broken_before = self.broken.set(());
            panic!("a step panicked while it held the lock");
        })
    }

    fn advance(&self, state: &mut State<W>, event: Event<'_>) -> Effects<Effect> {
        let fragile = Fragile(&self.broken);
        let effects = self.world.journal().step(&mut state.machine, self.world.env(), event);
        mem::forget(fragile);
        effects
    }

    fn lease(self: &Arc<Self>, state: &State<W>, tunnel: TunnelId) -> Lease<W> {
        let handle = state.handle(tunnel).expect("the machine assigns only tunnels that it has");
        Lease { shared: Arc::clone(self), tunnel, handle, sent: false }
    }

    /// Releases the lock, then performs the effects.
    fn apply(self: &Arc<Self>, mut state: MutexGuard<'_, State<W>>, effects: Effects<Effect>) {
        // An empty collection allocates nothing: the usual steps of a request have no actions.
        let actions: Vec<Action<W>> =
            effects.into_iter().filter_map(|effect| self.action(&mut state, effect)).collect();
        let earlier = state.rearm_if_earlier();
        drop(state);
        if earlier {
            self.earlier.notify_one();
        }
        for action in actions {
            self.perform(action);
        }
    }

    fn action(self: &Arc<Self>, state: &mut State<W>, effect: Effect) -> Option<Action<W>> {
        match effect {
            Effect::Ping { tunnel } => state.handle(tunnel).map(|handle| Action::Command(handle, TunnelCommand::Ping)),
            Effect::Goaway { tunnel } => {
                state.handle(tunnel).map(|handle| Action::Command(handle, TunnelCommand::Goaway))
            }
            Effect::Close { tunnel, reason } => {
                state.remove(tunnel).map(|handle| Action::Command(handle, TunnelCommand::Close(reason)))
            }
            Effect::Assign { stream, tunnel } => {
                let pending = state.pending.remove(&stream)?;
                Some(Action::Answer(pending, Ok(self.lease(state, tunnel))))
            }
            Effect::Refuse { stream, refusal } => {
                let pending = state.pending.remove(&stream)?;
                Some(Action::Answer(pending, Err(refusal)))
            }
            Effect::Contended { tunnel } => state.handle(tunnel).map(|handle| Action::Contended(tunnel, handle)),
            Effect::Drained => Some(Action::Drained),
            // Answers to whoever made the step.
            Effect::Admit { .. }
            | Effect::RefuseConnection { .. }
            | Effect::Accept { .. }
            | Effect::Reject { .. }
            | Effect::Wait { .. } => None,
        }
    }

    fn perform(&self, action: Action<W>) {
        match action {
            Action::Command(handle, command) => handle.send(command),
            // If the request was cancelled meanwhile, its lease comes back here, and is released by the drop.
            Action::Answer(pending, answer) => drop(pending.send(answer)),
            Action::Contended(tunnel, handle) => {
                tracing::warn!(%tunnel, peer = %handle.peer(), identity = handle.identity(), "two running initiators claim the same node");
            }
            // The machine emits this effect once.
            Action::Drained => drop(self.drained.set(())),
        }
    }
}

impl Drop for Fragile<'_> {
    fn drop(&mut self) {
        let _broken_before = self.0.set(());
    }
}

impl<W: World> State<W> {
    fn insert(&mut self, tunnel: TunnelId, handle: Arc<TunnelHandle>) {
        if self.tunnels.len() <= tunnel.slot() {
            self.tunnels.resize_with(tunnel.slot() + 1, || None);
        }
        self.tunnels[tunnel.slot()] = Some((tunnel, handle));
    }

    fn remove(&mut self, tunnel: TunnelId) -> Option<Arc<TunnelHandle>> {
        let entry = self.tunnels.get_mut(tunnel.slot())?;
        entry.take_if(|(id, _)| *id == tunnel).map(|(_, handle)| handle)
    }

    fn handle(&self, tunnel: TunnelId) -> Option<Arc<TunnelHandle>> {
        let (id, handle) = self.tunnels.get(tunnel.slot())?.as_ref()?;
        (*id == tunnel).then(|| Arc::clone(handle))
    }

    /// Whether the deadline has moved to before the armed one, which then follows it.
    fn rearm_if_earlier(&mut self) -> bool {
        let deadline = self.machine.deadline();
        let earlier = deadline.is_some_and(|deadline| self.armed.is_none_or(|armed| deadline < armed));
        if earlier {
            self.armed = deadline;
        }
        earlier
    }
}

/// The answer to a request that needs a tunnel.
pub(super) enum Acquire<W: World> {
    /// There is a tunnel with a free stream.
    Assigned(Lease<W>),
    /// There is none yet.
    Pending(PendingLease<W>),
    /// There is none, and the request may not wait.
    Refused(Refusal),
}

/// The right to send one request on a tunnel. Dropped, it tells the machine that the request is over.
pub(super) struct Lease<W: World> {
    shared: Arc<Shared<W>>,
    tunnel: TunnelId,
    handle: Arc<TunnelHandle>,
    /// The request counts as sent.
    sent: bool,
}

impl<W: World> Lease<W> {
    /// Counts the request as sent, if the tunnel has at most `limit` of those then. Call it once.
    pub(super) fn try_send(&mut self, limit: u32) -> bool {
        self.sent = self.handle.try_send(limit);
        self.sent
    }

    pub(super) fn tunnel(&self) -> TunnelId {
        self.tunnel
    }

    pub(super) fn handle(&self) -> &TunnelHandle {
        &self.handle
    }
}

impl<W: World> Drop for Lease<W> {
    fn drop(&mut self) {
        if self.sent {
            // Before the machine assigns its place to another one.
            self.handle.finish_sent();
        }
        let _not_about_us = self.shared.step(Event::Released { tunnel: self.tunnel });
    }
}

/// A request that waits for a tunnel. Dropped, it stops to wait, and releases a lease that is on the way.
pub(super) struct PendingLease<W: World> {
    shared: Arc<Shared<W>>,
    stream: StreamId,
    answered: oneshot::Receiver<Result<Lease<W>, Refusal>>,
}

impl<W: World> Future for PendingLease<W> {
    type Output = Result<Lease<W>, Refusal>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answered).poll(task);
        answer.map(|answer| answer.expect("the machine answers everybody who waits"))
    }
}

impl<W: World> Drop for PendingLease<W> {
    fn drop(&mut self) {
        self.shared.abandon(self.stream);
    }
}
