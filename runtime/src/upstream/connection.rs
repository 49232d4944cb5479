//! One pooled connection to the local service, driven by whoever uses it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use atomic_waker::AtomicWaker;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::recording_io::{RecordedHead, Recorder, RecordingIo};
use crate::http::RequestBody;
use crate::http::limits::READ_BUFFER;

/// A connection that was open when it was last polled.
pub(super) struct PooledConnection<S: AsyncRead + AsyncWrite + Unpin> {
    requests: SendRequest<RequestBody>,
    /// None once it has ended.
    connection: Option<Box<Connection<TokioIo<RecordingIo<S>>, RequestBody>>>,
    recorder: Recorder,
    /// The head that was recorded last on a connection that has ended.
    recorded: Option<RecordedHead>,
    user: Arc<User>,
    /// Wakes the user. hyper's connection sees no other waker, whoever the user is.
    waker: Waker,
}

/// The task to be woken when the connection can make progress.
#[derive(Default)]
struct User(AtomicWaker);

impl Wake for User {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> PooledConnection<S> {
    /// Starts HTTP/1.1 on `stream`.
    pub(super) async fn handshake(stream: S) -> hyper::Result<Box<Self>> {
        let (stream, recorder) = RecordingIo::new(stream);
        let (requests, connection) = Builder::new().max_buf_size(READ_BUFFER).handshake(TokioIo::new(stream)).await?;
        let user = Arc::<User>::default();
        let waker = Waker::from(Arc::clone(&user));
        let connection = Some(Box::new(connection));
        // In a box: every request moves it from hand to hand.
        Ok(Box::new(Self { requests, connection, recorder, recorded: None, user, waker }))
    }

    /// Has the next request recorded, which has no body, for [`Self::into_request`].
    pub(super) fn record_head(&self) {
        self.recorder.record_head();
    }

    /// The request that was recorded last, to be sent once more.
    pub(super) fn into_request(mut self) -> Option<Request<RequestBody>> {
        self.end();
        self.recorded?.parse()
    }

    /// Sends a request. The body of the response comes as long as the connection is polled. The error holds the request if
    /// nothing of it was sent; in a box, since every response is moved with room for it.
    pub(super) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, Box<TrySendError<Request<RequestBody>>>>> {
        self.clear_waker();
        // Begun at once: the request need not be kept for the first poll.
        let response = self.requests.try_send_request(request);
        async move {
            let mut response = pin!(response);
            poll_fn(|task| {
                self.poll_progress(task);
                response.as_mut().poll(task).map_err(Box::new)
            })
            .await
        }
    }

    /// Makes progress, and wakes this `task` when there is more to do.
    pub(super) fn poll_progress(&mut self, task: &Context<'_>) {
        self.user.0.register(task.waker());
        let Some(connection) = &mut self.connection else { return };
        if Pin::new(connection).poll(&mut Context::from_waker(&self.waker)).is_ready() {
            self.end();
        }
    }

    /// Ends the connection. That returns the request of which it has sent nothing.
    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.recorded = Some(connection.into_parts().io.into_inner().into_head());
        }
    }

    /// Wakes nobody until it is polled again.
    pub(super) fn clear_waker(&self) {
        self.user.0.take();
    }

    /// Wakes `waker` when bytes or the end come while the connection is idle.
    pub(super) fn set_waker(&self, waker: &Waker) {
        self.user.0.register(waker);
    }

    /// Whether it is open.
    pub(super) fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether it is ready for another request.
    pub(super) fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }

    /// Drives it until it is ready for another request; false if it never will be.
    pub(super) async fn ready(&mut self) -> bool {
        poll_fn(|task| {
            self.poll_progress(task);
            self.requests.poll_ready(task)
        })
        .await
        .is_ok()
    }
}
