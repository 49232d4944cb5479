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

use crate::http::RequestBody;
use crate::http::limits::READ_BUFFER;

/// A connection that was open when it was last polled.
pub(super) struct PooledConnection<S: AsyncRead + AsyncWrite + Unpin> {
    requests: SendRequest<RequestBody>,
    /// None once it has ended.
    connection: Option<Box<Connection<TokioIo<S>, RequestBody>>>,
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
    pub(super) async fn handshake(stream: S) -> hyper::Result<Self> {
        let (requests, connection) = Builder::new().max_buf_size(READ_BUFFER).handshake(TokioIo::new(stream)).await?;
        let user = Arc::<User>::default();
        let waker = Waker::from(Arc::clone(&user));
        Ok(Self { requests, connection: Some(Box::new(connection)), user, waker })
    }

    /// Sends a request. The body of the response comes as long as the connection is polled. The error holds the request if
    /// nothing of it was sent.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.clear_waker();
        let mut response = pin!(self.requests.try_send_request(request));
        poll_fn(|task| {
            self.poll_progress(task);
            response.as_mut().poll(task)
        })
        .await
    }

    /// Makes progress, and wakes this `task` when there is more to do.
    pub(super) fn poll_progress(&mut self, task: &Context<'_>) {
        self.user.0.register(task.waker());
        let Some(connection) = &mut self.connection else { return };
        if Pin::new(connection).poll(&mut Context::from_waker(&self.waker)).is_ready() {
            // Dropped, it returns the request of which it has sent nothing.
            self.connection = None;
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
