//! One connection to the local service, which moves as long as somebody moves it.

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

use crate::flow::READ_BUFFER;
use crate::initiator::request_body::RequestBody;
use crate::still::Moving;

/// The body of a request on its way to the service.
pub(in crate::initiator) type Asked = Moving<RequestBody>;

/// A connection that was up when it was last moved.
pub(super) struct Line<S: AsyncRead + AsyncWrite + Unpin> {
    requests: SendRequest<Asked>,
    /// None once it is over.
    connection: Option<Box<Connection<TokioIo<S>, Asked>>>,
    user: Arc<User>,
    /// Wakes the user. The connection sees no other, whoever that is.
    waker: Waker,
}

/// Whoever has to be told that the connection can move on.
#[derive(Default)]
struct User(AtomicWaker);

impl Wake for User {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// HTTP on `stream`.
    pub(super) async fn begin(stream: S) -> hyper::Result<Self> {
        let (requests, connection) = Builder::new().max_buf_size(READ_BUFFER).handshake(TokioIo::new(stream)).await?;
        let user = Arc::<User>::default();
        let waker = Waker::from(Arc::clone(&user));
        Ok(Self { requests, connection: Some(Box::new(connection)), user, waker })
    }

    /// The service's answer. Its body comes as long as this is moved. An error holds the request if nothing of it was sent.
    pub(super) async fn ask(
        &mut self,
        request: Request<Asked>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Asked>>> {
        self.rest();
        let mut answer = pin!(self.requests.try_send_request(request));
        poll_fn(|task| {
            self.move_on(task);
            answer.as_mut().poll(task)
        })
        .await
    }

    /// Moves what goes through it, and tells whoever has this `task` when there is more.
    pub(super) fn move_on(&mut self, task: &Context<'_>) {
        self.user.0.register(task.waker());
        let Some(connection) = &mut self.connection else { return };
        if Pin::new(connection).poll(&mut Context::from_waker(&self.waker)).is_ready() {
            // Dropped, it gives back the request of which it has sent nothing.
            self.connection = None;
        }
    }

    /// Tells nobody until it is moved again.
    pub(super) fn rest(&self) {
        self.user.0.take();
    }

    /// Tells `user` when something comes, though nobody asked, or the end.
    pub(super) fn rest_with(&self, user: &Waker) {
        self.user.0.register(user);
    }

    /// Whether it is up.
    pub(super) fn is_up(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether it can take another request.
    pub(super) fn is_free(&self) -> bool {
        self.requests.is_ready()
    }

    /// Moves it until it can take another request; false if it never will.
    pub(super) async fn free(&mut self) -> bool {
        poll_fn(|task| {
            self.move_on(task);
            self.requests.poll_ready(task)
        })
        .await
        .is_ok()
    }
}
