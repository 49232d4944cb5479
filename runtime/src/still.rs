//! Requests whose bodies lie still: a reader who has stopped, a writer who has stopped, at either end.
//!
//! ```text
//!   the task that serves a request:  Watched { WATCH.scope { HTTP { service ──▶ Moving<body> } } }
//!                                        └── looks now and then whether any Moving has moved
//! ```
//!
//! A body alone cannot tell: while its reader has stopped, HTTP does not ask it for anything. So the task around it
//! looks, in HTTP/1 that of the connection, in HTTP/2 that of the stream; dropping it resets no more than that.

use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use revtun_core::idle_timeout::{IdleTimeout, Next};
use tokio::task::futures::TaskLocalFuture;

use crate::counter::Counter;
use crate::initiator::BoxError;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::world::World;

/// What is said of a request that was broken off.
const STILL: &str = "a body lay still for too long";

tokio::task_local! {
    static WATCH: Arc<Watch>;
}

/// What the bodies of a task say of themselves.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    open: AtomicU64,
    moved: AtomicBool,
    broken: AtomicBool,
}

impl Watch {
    /// The one of this task, if it is [`Watched`].
    pub(crate) fn current() -> Option<Arc<Self>> {
        WATCH.try_with(Arc::clone).ok()
    }

    /// Ends when a request of the task is broken off. The task is polled then.
    pub(crate) async fn broken(&self) {
        future::poll_fn(|_| if self.is_broken() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Whose requests to watch, and for how long a body of theirs may lie still; zero is for ever.
#[derive(Clone, Debug)]
pub(crate) struct Watcher<W> {
    world: W,
    timeout: Duration,
    broken_off: Arc<Counter>,
}

impl<W: World> Watcher<W> {
    /// Counts in `broken_off` what was broken off.
    pub(crate) fn new(world: &W, timeout: Duration, broken_off: &Arc<Counter>) -> Self {
        Self { world: world.clone(), timeout, broken_off: Arc::clone(broken_off) }
    }

    /// `task` with an eye on it.
    pub(crate) fn watch<F: Future>(&self, task: F) -> Watched<W, F> {
        let watch = Arc::<Watch>::default();
        let task = WATCH.scope(Arc::clone(&watch), task);
        Watched { task, watch, watcher: self.clone(), idle_timeout: IdleTimeout::default(), alarm: None }
    }
}

/// In HTTP/2 each stream has a task of its own.
impl<W, F> hyper::rt::Executor<F> for Watcher<W>
where
    W: World,
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        // Boxed, since it is moved again and again until it is a task of its own.
        let watched = self.watch(Box::pin(task));
        self.world.spawn(async move {
            watched.await;
        });
    }
}

type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

pin_project! {
    /// A task that serves requests. It ends without an output if one of them was broken off and it did not even take
    /// notice.
    pub(crate) struct Watched<W, F: Future> {
        #[pin]
        task: TaskLocalFuture<Arc<Watch>, F>,
        watch: Arc<Watch>,
        watcher: Watcher<W>,
        idle_timeout: IdleTimeout,
        alarm: Option<Alarm>,
    }
}

impl<W: World, F: Future> Future for Watched<W, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            if let Poll::Ready(output) = this.task.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let Watcher { world, timeout, broken_off } = &*this.watcher;
            if timeout.is_zero() {
                return Poll::Pending;
            }
            if this.watch.open.load(Ordering::Relaxed) == 0 {
                // Most requests are over before anybody has to look at them.
                (*this.idle_timeout, *this.alarm) = (IdleTimeout::default(), None);
                return Poll::Pending;
            }
            let alarm = this.alarm.get_or_insert_with(|| {
                let (world, next) = (world.clone(), world.now().after(IdleTimeout::check_interval(*timeout)));
                Box::pin(async move { world.sleep_until(next).await })
            });
            ready!(alarm.as_mut().poll(context));
            *this.alarm = None;
            match this.idle_timeout.check(this.watch.moved.swap(false, Ordering::Relaxed)) {
                Next::Wait => {}
                Next::Abort => {
                    broken_off.add(1);
                    tracing::debug!("request broken off: its body does not move");
                    this.watch.broken.store(true, Ordering::Relaxed);
                }
                Next::Drop => return Poll::Ready(None),
            }
        }
    }
}

/// One body of a watched task, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Pace(Option<Arc<Watch>>);

impl Pace {
    /// Of no body.
    pub(crate) const NONE: Self = Self(None);

    /// Of the body of a request or an answer in the current task; of none that has ended already.
    pub(crate) fn of(body: &impl Body) -> Self {
        let watch = if body.is_end_stream() { None } else { Watch::current() };
        if let Some(watch) = &watch {
            watch.open.fetch_add(1, Ordering::Relaxed);
        }
        Self(watch)
    }

    /// A frame of it came.
    pub(crate) fn moved(&self) {
        if let Some(watch) = &self.0 {
            watch.moved.store(true, Ordering::Relaxed);
        }
    }

    /// Whether its request was broken off.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.as_ref().is_some_and(|watch| watch.is_broken())
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

pin_project! {
    /// A body that breaks off if it lies still for too long. To the task that serves it that shows only by this.
    #[derive(Debug)]
    pub(crate) struct Moving<B> {
        #[pin]
        body: B,
        pace: Pace,
    }
}

impl<B: Body> Moving<B> {
    /// `body` as one of the current task's.
    pub(crate) fn of(body: B) -> Self {
        let pace = Pace::of(&body);
        Self { body, pace }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for Moving<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if this.pace.is_broken() {
            return Poll::Ready(Some(Err(STILL.into())));
        }
        let frame = ready!(this.body.poll_frame(context));
        this.pace.moved();
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The answer to a request, unless that is broken off before; its body breaks off too.
    pub(crate) struct Answering<F> {
        #[pin]
        answer: F,
        watch: Option<Arc<Watch>>,
    }
}

impl<F> Answering<F> {
    /// What `answer` comes to, in the current task.
    pub(crate) fn of(answer: F) -> Self {
        Self { answer, watch: Watch::current() }
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Into<BoxError>,
{
    type Output = Result<Response<Moving<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(context) {
            return Poll::Ready(answer.map(|answer| answer.map(Moving::of)).map_err(Into::into));
        }
        if this.watch.as_ref().is_some_and(|watch| watch.is_broken()) {
            return Poll::Ready(Err(STILL.into()));
        }
        Poll::Pending
    }
}
