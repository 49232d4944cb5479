//! The stream idle timeout: ends requests of which a body makes no progress, since its reader or its writer has stopped.
//!
//! ```text
//!   the task that serves a request:  WithIdleTimeout { HTTP { CancelIdle { service } ──▶ TimeoutBody } }
//!                                         └── checks from time to time whether any TimeoutBody has made progress
//! ```
//!
//! A body alone cannot time out: while its reader has stopped, HTTP does not poll it. So the task around it checks, in
//! HTTP/1.1 that of the connection, in HTTP/2 that of the stream; dropping it resets no more than that. The task and the bodies
//! share an [`Activity`].

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use hyper::body::Body;
use pin_project_lite::pin_project;
use revtun_core::idle_timeout::{self, Next};

use super::activity::{Activity, TimeoutBody};
use super::service::HttpService;
use crate::counter::Counter;
use crate::world::World;

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

    /// The same with another timeout.
    pub(crate) fn with(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// Wraps the task of the requests whose bodies report to `activity`.
    pub(crate) fn apply<F: Future>(&self, activity: Arc<Activity>, task: F) -> WithIdleTimeout<W, F> {
        let (timeout, state) = (self.clone(), idle_timeout::IdleTimeout::default());
        WithIdleTimeout { task, activity, timeout, state, check: None }
    }
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

pin_project! {
    /// The task of a request. It ends without an output if it timed out and did not end by itself soon after.
    pub(crate) struct WithIdleTimeout<W, F> {
        #[pin]
        task: F,
        activity: Arc<Activity>,
        timeout: IdleTimeout<W>,
        state: idle_timeout::IdleTimeout,
        check: Option<Sleep>,
    }
}

impl<W, F> WithIdleTimeout<W, F> {
    /// The task itself.
    pub(crate) fn task(self: Pin<&mut Self>) -> Pin<&mut F> {
        self.project().task
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
            let timeout = this.activity.idle_timeout().unwrap_or(*timeout);
            if timeout.is_zero() {
                return Poll::Pending;
            }
            if !this.activity.has_open_bodies() {
                // Most requests are over before the first check.
                (*this.state, *this.check) = (idle_timeout::IdleTimeout::default(), None);
                return Poll::Pending;
            }
            let check = this.check.get_or_insert_with(|| {
                let (world, next) =
                    (world.clone(), world.now().after(idle_timeout::IdleTimeout::check_interval(timeout)));
                Box::pin(async move { world.sleep_until(next).await })
            });
            ready!(check.as_mut().poll(context));
            *this.check = None;
            match this.state.check(this.activity.take_progress()) {
                Next::Wait => {}
                Next::Abort => {
                    timeouts.add(1);
                    tracing::debug!(?timeout, "stream idle timeout");
                    this.activity.time_out();
                }
                Next::Drop => return Poll::Ready(None),
            }
        }
    }
}

/// A request was idle for longer than the stream idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamIdle;

impl fmt::Display for StreamIdle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stream idle timeout")
    }
}

impl Error for StreamIdle {}

/// A layer: cancels a request that has timed out before its response came. The response's body is a [`TimeoutBody`].
pub(crate) struct CancelIdle<'a, S> {
    activity: &'a Arc<Activity>,
    inner: S,
}

impl<'a, S> CancelIdle<'a, S> {
    /// For a request whose bodies report to `activity`, in a task that an [`IdleTimeout`] was applied to.
    pub(crate) fn new(activity: &'a Arc<Activity>, inner: S) -> Self {
        Self { activity, inner }
    }
}

impl<S, R, B> HttpService<R> for CancelIdle<'_, S>
where
    S: HttpService<R, Response = Response<B>, Error: From<StreamIdle>>,
    R: Send,
    B: Body,
{
    type Response = Response<TimeoutBody<B>>;
    type Error = S::Error;

    async fn call(&self, request: R) -> Result<Self::Response, S::Error> {
        let mut response = pin!(self.inner.call(request));
        poll_fn(|task| poll_until_idle(self.activity, response.as_mut(), task)).await
    }
}

/// The response, with a body that is a [`TimeoutBody`], unless its request has timed out before.
pub(crate) fn poll_until_idle<B: Body, E: From<StreamIdle>>(
    activity: &Arc<Activity>,
    response: Pin<&mut impl Future<Output = Result<Response<B>, E>>>,
    task: &mut Context<'_>,
) -> Poll<Result<Response<TimeoutBody<B>>, E>> {
    match response.poll(task) {
        Poll::Ready(response) => {
            Poll::Ready(response.map(|response| response.map(|body| TimeoutBody::new(body, activity))))
        }
        Poll::Pending if activity.has_timed_out() => Poll::Ready(Err(StreamIdle.into())),
        Poll::Pending => Poll::Pending,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    use super::super::service::testing::FromFn;
    use super::*;
    use crate::world::Tokio;

    const TIMEOUT: Duration = Duration::from_millis(4);

    fn timeout() -> (IdleTimeout<Tokio>, Arc<Counter>) {
        let timeouts = Arc::<Counter>::default();
        (IdleTimeout::new(&Tokio::begin(), TIMEOUT, &timeouts), timeouts)
    }

    #[tokio::test]
    async fn a_request_whose_body_stands_still_is_cancelled() {
        let (timeout, timeouts) = timeout();
        let activity = Activity::new();
        let _stopped = TimeoutBody::new(Full::new(Bytes::from_static(b"x")), &activity);
        let never = FromFn(|()| pending::<Result<Response<Full<Bytes>>, StreamIdle>>());
        let response = timeout.apply(Arc::clone(&activity), CancelIdle::new(&activity, never).call(())).await;
        assert_eq!(response.expect("it ends by itself").unwrap_err(), StreamIdle);
        assert_eq!(timeouts.read(), 1);
    }

    #[tokio::test]
    async fn a_task_that_takes_no_error_is_dropped() {
        let (timeout, timeouts) = timeout();
        let activity = Activity::new();
        let _stopped = TimeoutBody::new(Full::new(Bytes::from_static(b"x")), &activity);
        assert_eq!(timeout.apply(activity, pending::<()>()).await, None);
        assert_eq!(timeouts.read(), 1);
    }

    #[tokio::test]
    async fn a_response_is_waited_for_as_long_as_no_body_is_open() {
        let (timeout, timeouts) = timeout();
        let activity = Activity::new();
        let waiting = async {
            for _ in 0..4 {
                timeout.world.sleep_until(timeout.world.now().after(TIMEOUT)).await;
            }
        };
        assert_eq!(timeout.apply(activity, waiting).await, Some(()));
        assert_eq!(timeouts.read(), 0);
    }

    #[tokio::test]
    async fn a_response_in_time_has_a_body_that_reports() {
        let activity = Activity::new();
        let echo = FromFn(|text: &'static str| ready(Ok::<_, StreamIdle>(Response::new(Full::<Bytes>::from(text)))));
        let response = CancelIdle::new(&activity, echo).call("x").await.unwrap();
        assert!(activity.has_open_bodies());
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "x");
        assert!(activity.take_progress());
    }
}
