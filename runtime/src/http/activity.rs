//! What those who handle a request tell each other: the progress of its bodies, for the stream idle timeout, and interim responses.

use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::interim::InterimResponses;
use crate::error::BoxError;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// The error of a body that timed out.
const TIMED_OUT: &str = "stream idle timeout";

/// The progress of the bodies of one request, or of one HTTP/1.1 connection. What wraps a body reports to it; the
/// [`IdleTimeout`](super::IdleTimeout) of its task looks at it from time to time.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    open_bodies: AtomicU64,
    progress: AtomicBool,
    timed_out: AtomicBool,
    body_wanted: AtomicBool,
    /// The idle timeout of this request in milliseconds and one, if it has one of its own.
    idle_timeout: AtomicU64,
    /// On their way to the caller.
    pub(crate) interim: InterimResponses,
}

impl Activity {
    /// That of a request which has not begun.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Gives the request an idle timeout of its own, of which zero is no limit; none takes it back.
    pub(crate) fn set_idle_timeout(&self, timeout: Option<Duration>) {
        let millis =
            |timeout: Duration| u64::try_from(timeout.as_millis()).map_or(u64::MAX, |millis| millis.saturating_add(1));
        self.idle_timeout.store(timeout.map_or(0, millis), Ordering::Relaxed);
    }

    /// The idle timeout of its own.
    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)
    }

    /// Whether any body is open.
    pub(super) fn has_open_bodies(&self) -> bool {
        self.open_bodies.load(Ordering::Relaxed) > 0
    }

    /// Whether any body made progress since the last call.
    pub(super) fn take_progress(&self) -> bool {
        self.progress.swap(false, Ordering::Relaxed)
    }

    /// Has bodies and responses fail.
    pub(super) fn time_out(&self) {
        self.timed_out.store(true, Ordering::Relaxed);
    }

    /// Whether it has timed out. Tasks are polled when that happens.
    pub(crate) fn has_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// Whoever expects 100 Continue may send the body.
    pub(crate) fn want_body(&self) {
        self.body_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether it may. The task that serves the request is the one that changes this.
    pub(super) fn is_body_wanted(&self) -> bool {
        self.body_wanted.load(Ordering::Relaxed)
    }

    /// Ends when it has timed out.
    pub(crate) async fn timed_out(&self) {
        future::poll_fn(|_| if self.has_timed_out() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// Reports the progress of one body, for as long as that is open.
#[derive(Debug)]
pub(crate) struct BodyActivity(Option<Arc<Activity>>);

impl BodyActivity {
    /// That of no body.
    pub(crate) const NONE: Self = Self(None);

    /// Reports to `activity`; to nobody if the body has ended already.
    pub(crate) fn of(body: &impl Body, activity: &Arc<Activity>) -> Self {
        if body.is_end_stream() {
            return Self::NONE;
        }
        Self::begin(activity)
    }

    /// That of what is open until this is dropped.
    pub(crate) fn begin(activity: &Arc<Activity>) -> Self {
        activity.open_bodies.fetch_add(1, Ordering::Relaxed);
        Self(Some(Arc::clone(activity)))
    }

    /// Somebody reads the body.
    pub(crate) fn want_body(&self) {
        if let Some(activity) = &self.0 {
            activity.want_body();
        }
    }

    /// A frame came.
    pub(crate) fn progress(&self) {
        if let Some(activity) = &self.0 {
            activity.progress.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it has timed out.
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
    /// A body that reports its progress, and fails once it has timed out.
    #[derive(Debug)]
    pub(crate) struct TimeoutBody<B> {
        #[pin]
        body: B,
        activity: BodyActivity,
    }
}

impl<B: Body> TimeoutBody<B> {
    /// Reports the progress of `body` to `activity`.
    pub(crate) fn new(body: B, activity: &Arc<Activity>) -> Self {
        let activity = BodyActivity::of(&body, activity);
        Self { body, activity }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for TimeoutBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        if this.activity.has_timed_out() {
            return Poll::Ready(Some(Err(TIMED_OUT.into())));
        }
        let frame = ready!(this.body.poll_frame(task));
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[test]
    fn an_open_body_counts_until_it_is_dropped() {
        let activity = Activity::new();
        let body = TimeoutBody::new(Full::new(Bytes::from_static(b"x")), &activity);
        assert!(activity.has_open_bodies());
        drop(body);
        assert!(!activity.has_open_bodies());
        let _empty = TimeoutBody::new(Full::new(Bytes::new()), &activity);
        assert!(!activity.has_open_bodies());
    }

    #[tokio::test]
    async fn frames_are_progress_until_it_has_timed_out() {
        let activity = Activity::new();
        let mut body = TimeoutBody::new(Full::new(Bytes::from_static(b"x")), &activity);
        assert!(!activity.take_progress());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
        assert!(activity.take_progress());
        assert!(!activity.take_progress());
        activity.time_out();
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), TIMED_OUT);
    }
}
