//! The responder's machine, stepped by every task that has something to tell it. The only file with a lock.
//!
//! A step is short and never waits: the lock is taken, the machine stepped, what the effects are about looked up,
//! the lock given back, and only then are the effects performed.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use revtun_core::handshake::Rejection;
use revtun_core::responder::{Config, Effect, Event, Refusal, Responder, Source, StreamId, Target};
use revtun_core::{Effects, Instant, Machine, TunnelId};

use super::lease::{Lease, Opening, Waiting};
use super::link::Link;
use super::orders::Order;
use crate::sync::{Mutex, MutexGuard, Notify, SetOnce, oneshot};
use crate::world::World;

/// The machine, and who is to hear of its effects.
pub(super) struct Shared<W: World> {
    world: W,
    state: Mutex<State<W>>,
    /// Rung when a step moved the deadline to before what the pump sleeps for.
    sooner: Notify,
    drained: SetOnce<()>,
    /// A step panicked: nobody knows what the machine thinks.
    broken: SetOnce<()>,
}

/// Dropped by a panic, it says that the machine is broken.
struct Fragile<'a>(&'a SetOnce<()>);

struct State<W: World> {
    machine: Responder,
    /// By slot.
    links: Vec<Option<(TunnelId, Arc<Link>)>>,
    waiting: BTreeMap<StreamId, oneshot::Sender<Result<Lease<W>, Refusal>>>,
    streams: u64,
    /// What the pump sleeps for.
    armed: Option<Instant>,
}

/// An effect with what it takes to perform it outside the lock.
enum Deed<W: World> {
    Order(Arc<Link>, Order),
    Answer(oneshot::Sender<Result<Lease<W>, Refusal>>, Result<Lease<W>, Refusal>),
    Contended(TunnelId, Arc<Link>),
    Drained,
}

impl<W: World> Shared<W> {
    pub(super) fn new(world: W, config: Config) -> Arc<Self> {
        let machine = Responder::new(config);
        world.trace().begin(&machine);
        let state = State { machine, links: Vec::new(), waiting: BTreeMap::new(), streams: 0, armed: None };
        let (sooner, drained, broken) = (Notify::new(), SetOnce::new(), SetOnce::new());
        Arc::new(Self { world, state: Mutex::new(state), sooner, drained, broken })
    }

    /// A connection came in, and `link` reaches it.
    pub(super) fn accept(self: &Arc<Self>, link: &Arc<Link>) -> Result<TunnelId, Rejection> {
        let mut state = self.lock();
        let source = Source::of(link.peer().ip());
        let effects = self.advance(&mut state, Event::Accepted { source });
        let answer = effects.iter().find_map(|effect| {
            if let Effect::Admit { tunnel } = effect {
                Some(Ok(tunnel))
            } else if let Effect::Shun { rejection } = effect {
                Some(Err(rejection))
            } else {
                None
            }
        });
        let answer = answer.expect("the machine answers each connection at once");
        if let Ok(tunnel) = answer {
            state.seat(tunnel, Arc::clone(link));
        }
        self.obey(state, effects);
        answer
    }

    /// A caller wants a tunnel.
    pub(super) fn open(self: &Arc<Self>, target: Target<'_>) -> Opening<W> {
        let mut state = self.lock();
        let stream = StreamId(state.streams);
        state.streams += 1;
        let effects = self.advance(&mut state, Event::Opened { stream, target });
        // The caller itself comes first; what else follows from its arrival is for others.
        let first = effects.iter().next().expect("the machine answers each caller at once");
        let opening = if let Effect::Assign { tunnel, .. } = first {
            Opening::Assigned(self.lease(&state, tunnel))
        } else if let Effect::Refuse { refusal, .. } = first {
            Opening::Refused(refusal)
        } else {
            let (answer, answered) = oneshot::channel();
            state.waiting.insert(stream, answer);
            Opening::Waiting(Waiting::new(Arc::clone(self), stream, answered))
        };
        self.obey(state, effects);
        opening
    }

    /// A caller that waited went away. If its answer is on the way, dropping that is all there is to do.
    pub(super) fn abandon(self: &Arc<Self>, stream: StreamId) {
        let mut state = self.lock();
        if state.waiting.remove(&stream).is_some() {
            let effects = self.advance(&mut state, Event::Abandoned { stream });
            self.obey(state, effects);
        }
    }

    /// Anything else happened. What the machine wants of others is done; what it answers to the caller
    /// (`Accept`, `Reject`) is for the caller to do.
    pub(super) fn step(self: &Arc<Self>, event: Event<'_>) -> Effects<Effect> {
        let mut state = self.lock();
        let effects = self.advance(&mut state, event);
        if let Event::Closed { tunnel } = event {
            state.unseat(tunnel);
        }
        self.obey(state, effects);
        effects
    }

    /// When to tick next. From now on a step that moves this moment forward ends [`Self::sooner`].
    pub(super) fn arm(&self) -> Option<Instant> {
        let mut state = self.lock();
        state.armed = state.machine.deadline();
        state.armed
    }

    /// Ends when the deadline was moved to before the one that [`Self::arm`] told of.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Ends when nothing is left after a drain of everything.
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

    /// Looks at the machine, and at the links of its tunnels. Nothing else goes on meanwhile.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Responder, &dyn Fn(TunnelId) -> Option<Arc<Link>>) -> T) -> T {
        let state = self.lock();
        at(&state.machine, &|tunnel| state.link(tunnel))
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(|_| {
            let _broken_before = self.broken.set(());
            panic!("a step panicked while it held the lock");
        })
    }

    fn advance(&self, state: &mut State<W>, event: Event<'_>) -> Effects<Effect> {
        let fragile = Fragile(&self.broken);
        let effects = self.world.trace().step(&mut state.machine, self.world.env(), event);
        mem::forget(fragile);
        effects
    }

    fn lease(self: &Arc<Self>, state: &State<W>, tunnel: TunnelId) -> Lease<W> {
        let link = state.link(tunnel).expect("the machine assigns only tunnels that it has");
        Lease::new(Arc::clone(self), tunnel, link)
    }

    fn obey(self: &Arc<Self>, mut state: MutexGuard<'_, State<W>>, effects: Effects<Effect>) {
        // Collecting nothing allocates nothing: the steps of a request on its way have no deeds.
        let deeds: Vec<Deed<W>> = effects.into_iter().filter_map(|effect| self.deed(&mut state, effect)).collect();
        let sooner = state.moved_forward();
        drop(state);
        if sooner {
            self.sooner.notify_one();
        }
        for deed in deeds {
            self.perform(deed);
        }
    }

    fn deed(self: &Arc<Self>, state: &mut State<W>, effect: Effect) -> Option<Deed<W>> {
        match effect {
            Effect::Ping { tunnel } => state.link(tunnel).map(|link| Deed::Order(link, Order::Ping)),
            Effect::Goaway { tunnel } => state.link(tunnel).map(|link| Deed::Order(link, Order::Goaway)),
            Effect::Close { tunnel, reason } => {
                state.unseat(tunnel).map(|link| Deed::Order(link, Order::Close(reason)))
            }
            Effect::Assign { stream, tunnel } => {
                let waiting = state.waiting.remove(&stream)?;
                Some(Deed::Answer(waiting, Ok(self.lease(state, tunnel))))
            }
            Effect::Refuse { stream, refusal } => {
                let waiting = state.waiting.remove(&stream)?;
                Some(Deed::Answer(waiting, Err(refusal)))
            }
            Effect::Contended { tunnel } => state.link(tunnel).map(|link| Deed::Contended(tunnel, link)),
            Effect::Drained => Some(Deed::Drained),
            // Answers to whoever made the step.
            Effect::Admit { .. }
            | Effect::Shun { .. }
            | Effect::Accept { .. }
            | Effect::Reject { .. }
            | Effect::Wait { .. } => None,
        }
    }

    fn perform(&self, deed: Deed<W>) {
        match deed {
            Deed::Order(link, order) => link.order(order),
            // A caller that is gone leaves the lease here, to be dropped and so released.
            Deed::Answer(waiting, answer) => drop(waiting.send(answer)),
            Deed::Contended(tunnel, link) => {
                tracing::warn!(%tunnel, peer = %link.peer(), identity = link.name(), "two living processes claim this node");
            }
            // The machine says so once.
            Deed::Drained => drop(self.drained.set(())),
        }
    }
}

impl Drop for Fragile<'_> {
    fn drop(&mut self) {
        let _broken_before = self.0.set(());
    }
}

impl<W: World> State<W> {
    fn seat(&mut self, tunnel: TunnelId, link: Arc<Link>) {
        if self.links.len() <= tunnel.slot() {
            self.links.resize_with(tunnel.slot() + 1, || None);
        }
        self.links[tunnel.slot()] = Some((tunnel, link));
    }

    fn unseat(&mut self, tunnel: TunnelId) -> Option<Arc<Link>> {
        let seat = self.links.get_mut(tunnel.slot())?;
        seat.take_if(|(seated, _)| *seated == tunnel).map(|(_, link)| link)
    }

    fn link(&self, tunnel: TunnelId) -> Option<Arc<Link>> {
        let (seated, link) = self.links.get(tunnel.slot())?.as_ref()?;
        (*seated == tunnel).then(|| Arc::clone(link))
    }

    fn moved_forward(&mut self) -> bool {
        let deadline = self.machine.deadline();
        let forward = deadline.is_some_and(|deadline| self.armed.is_none_or(|armed| deadline < armed));
        if forward {
            self.armed = deadline;
        }
        forward
    }
}
