//! The stream idle timeout: ends requests of which a body makes no progress, since its reader or its writer has stopped.
//!
//! ```text
//!   the task that serves a request:  WithIdleTimeout { ACTIVITY.scope { HTTP { service ──▶ TimeoutBody } } }
//!                                        └── checks from time to time whether any TimeoutBody has made progress
//! ```
//!
//! A body alone cannot time out: while its reader has stopped, HTTP does not poll it. So the task around it checks, in
//! HTTP/1.1 that of the connection, in HTTP/2 that of the stream; dropping it resets no more than that.

use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use revtun_core::idle_timeout::{self, Next};
use tokio::task::futures::TaskLocalFuture;

use crate::counter::Counter;
use crate::error::BoxError;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::world::World;

/// The error of a body or response that timed out.
const TIMED_OUT: &str = "stream idle timeout";

tokio::task_local! {
    static ACTIVITY: Arc<Activity>;
}

/// The progress of the bodies of a task.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    open_bodies: AtomicU64,
    progress: AtomicBool,
    timed_out: AtomicBool,
}

impl Activity {
    /// That of this task, if it is a [`WithIdleTimeout`].
    pub(crate) fn current() -> Option<Arc<Self>> {
        ACTIVITY.try_with(Arc::clone).ok()
    }

    /// Ends when the task has timed out. The task is polled then.
    pub(crate) async fn timed_out(&self) {
        future::poll_fn(|_| if self.has_timed_out() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn has_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }
}

/// For how long a body may make no progress; zero is no limit.
#[derive(Clone, Debug)]
pub(crate) struct IdleTimeout<W> {
    world: W,
    timeout: Duration,
    timeouts: Arc<Counter>,
}

impl<W: World> IdleTimeout<W> {
    /// Counts in `timeouts` the requests that timed out.
    pub(crate) fn new(world: &W, timeout: Duration, timeouts: &Arc<Counter>) -> Self {
        Self { world: world.clone(), timeout, timeouts: Arc::clone(timeouts) }
    }

    /// Wraps the task of a request.
    pub(crate) fn apply<F: Future>(&self, task: F) -> WithIdleTimeout<W, F> {
        let activity = Arc::<Activity>::default();
        let task = ACTIVITY.scope(Arc::clone(&activity), task);
        WithIdleTimeout {
            task,
            activity,
            timeout: self.clone(),
            state: idle_timeout::IdleTimeout::default(),
            check: None,
        }
    }
}

/// In HTTP/2 each stream has a task of its own, which hyper spawns.
impl<W, F> hyper::rt::Executor<F> for IdleTimeout<W>
where
    W: World,
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        // Boxed, since it is moved several times until it is a task of its own.
        let task = self.apply(Box::pin(task));
        self.world.spawn(async move {
            task.await;
        });
    }
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

pin_project! {
    /// The task of a request. It ends without an output if it timed out and did not end by itself soon after.
    pub(crate) struct WithIdleTimeout<W, F: Future> {
        #[pin]
        task: TaskLocalFuture<Arc<Activity>, F>,
        activity: Arc<Activity>,
        timeout: IdleTimeout<W>,
        state: idle_timeout::IdleTimeout,
        check: Option<Sleep>,
    }
}

impl<W: World, F: Future> Future for WithIdleTimeout<W, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            if let Poll::Ready(output) = this.task.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let IdleTimeout { world, timeout, timeouts } = &*this.timeout;
            if timeout.is_zero() {
                return Poll::Pending;
            }
            if this.activity.open_bodies.load(Ordering::Relaxed) == 0 {
                // Most requests are over before the first check.
                (*this.state, *this.check) = (idle_timeout::IdleTimeout::default(), None);
                return Poll::Pending;
            }
            let check = this.check.get_or_insert_with(|| {
                let (world, next) =
                    (world.clone(), world.now().after(idle_timeout::IdleTimeout::check_interval(*timeout)));
                Box::pin(async move { world.sleep_until(next).await })
            });
            ready!(check.as_mut().poll(context));
            *this.check = None;
            match this.state.check(this.activity.progress.swap(false, Ordering::Relaxed)) {
                Next::Wait => {}
                Next::Abort => {
                    timeouts.add(1);
                    tracing::debug!(timeout = ?*timeout, "stream idle timeout");
                    this.activity.timed_out.store(true, Ordering::Relaxed);
                }
                Next::Drop => return Poll::Ready(None),
            }
        }
    }
}

/// Reports the progress of one body, for as long as that is open.
#[derive(Debug)]
pub(crate) struct BodyActivity(Option<Arc<Activity>>);

impl BodyActivity {
    /// That of no body.
    pub(crate) const NONE: Self = Self(None);

    /// That of the body of a request or response in the current task; of none if it has ended already.
    pub(crate) fn of(body: &impl Body) -> Self {
        let activity = if body.is_end_stream() { None } else { Activity::current() };
        if let Some(activity) = &activity {
            activity.open_bodies.fetch_add(1, Ordering::Relaxed);
        }
        Self(activity)
    }

    /// A frame came.
    pub(crate) fn progress(&self) {
        if let Some(activity) = &self.0 {
            activity.progress.store(true, Ordering::Relaxed);
        }
    }

    /// Whether its request has timed out.
    pub(crate) fn has_timed_out(&self) -> bool {
        self.0.as_ref().is_some_and(|activity| activity.has_timed_out())
    }
}

impl Drop for BodyActivity {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            activity.open_bodies.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

pin_project! {
    /// A body that reports its progress to the task that serves it, and fails once that has timed out.
    #[derive(Debug)]
    pub(crate) struct TimeoutBody<B> {
        #[pin]
        body: B,
        activity: BodyActivity,
    }
}

impl<B: Body> TimeoutBody<B> {
    /// Wraps a body of the current task.
    pub(crate) fn new(body: B) -> Self {
        let activity = BodyActivity::of(&body);
        Self { body, activity }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for TimeoutBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if this.activity.has_timed_out() {
            return Poll::Ready(Some(Err(TIMED_OUT.into())));
        }
        let frame = ready!(this.body.poll_frame(context));
        this.activity.progress();
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
    /// The response to a request, or an error once that has timed out; its body is a [`TimeoutBody`].
    pub(crate) struct TimeoutResponse<F> {
        #[pin]
        response: F,
        activity: Option<Arc<Activity>>,
    }
}

impl<F> TimeoutResponse<F> {
    /// Wraps the future of a response, in the current task.
    pub(crate) fn new(response: F) -> Self {
        Self { response, activity: Activity::current() }
    }
}

impl<F, B, E> Future for TimeoutResponse<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Into<BoxError>,
{
    type Output = Result<Response<TimeoutBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(response) = this.response.poll(context) {
            return Poll::Ready(response.map(|response| response.map(TimeoutBody::new)).map_err(Into::into));
        }
        if this.activity.as_ref().is_some_and(|activity| activity.has_timed_out()) {
            return Poll::Ready(Err(TIMED_OUT.into()));
        }
        Poll::Pending
    }
}
