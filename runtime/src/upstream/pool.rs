//! A pool of connections to the local service.
//!
//! It is for one service and HTTP/1.1 only: hyper-util's client, which has many and HTTP/2 too, spends on every request a
//! look-up by name, a race between the pool and a dial that is never made, and a task that waits for the connection to be
//! ready again. Here a connection does not even have a task of its own: that of the request drives it.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use revtun_core::Instant;
use revtun_core::upstream::{IdlePool, Unanswered};
use tokio::sync::Notify;

use super::connection::PooledConnection;
use super::connector::Connector;
use crate::http::RequestBody;
use crate::http::limits::STREAMS;
use crate::sync::{Mutex, MutexGuard};
use crate::world::World;

/// The most idle connections: as many as one tunnel can have in use.
const MAX_IDLE: usize = STREAMS as usize;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum UpstreamError {
    /// No connection to the service could be opened.
    Connect(io::Error),
    /// The connection, or the body of the request, failed before a response came.
    Proxy(hyper::Error),
}

/// Sends requests to one service. Clones share the connections.
pub(super) struct Pool<W: World>(Arc<Inner<W>>);

struct Inner<W: World> {
    world: W,
    connector: Connector<W>,
    /// How long an idle connection is kept.
    idle_timeout: Duration,
    /// Locked for as long as it takes to take one or put one back.
    idle: Mutex<IdlePool<PooledConnection<W::Stream>>>,
    /// Whether the reaper's task was spawned.
    has_reaper: AtomicBool,
    reaper: Arc<Reaper>,
    /// Wakes the reaper, for every idle connection.
    waker: Waker,
}

/// Wakes the reaper's task.
#[derive(Default)]
struct Reaper(Notify);

impl Wake for Reaper {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl<W: World> Pool<W> {
    pub(super) fn new(world: &W, connector: Connector<W>, idle_timeout: Duration) -> Self {
        let (world, idle, has_reaper) =
            (world.clone(), Mutex::new(IdlePool::new(MAX_IDLE, idle_timeout)), AtomicBool::new(false));
        let reaper = Arc::<Reaper>::default();
        let waker = Waker::from(Arc::clone(&reaper));
        Self(Arc::new(Inner { world, connector, idle_timeout, idle, has_reaper, reaper, waker }))
    }

    /// Sends a request. If the service was closing the connection, and nothing of the request was sent, it is retried on the
    /// next one. If it was sent and the connection ended without an answer, it may be repeated on a new one.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamResponseBody<W>>, UpstreamError> {
        let has_body = !request.body().is_end_stream();
        let mut was_repeated = false;
        loop {
            let idle = if was_repeated { None } else { self.0.idle().take() };
            let was_reused = idle.is_some();
            let unanswered =
                Unanswered { is_idempotent: request.method().is_idempotent(), has_body, was_reused, was_repeated };
            let copy = unanswered.is_repeated().then(|| Head::of(&request));
            let mut connection = match idle {
                Some(idle) => idle,
                None => self.connect().await?,
            };
            let mut error = match connection.send(request).await {
                Ok(response) => return Ok(response.map(|body| self.response_body(body, connection, has_body))),
                Err(error) => error,
            };
            let given_back = error.take_message();
            let error = error.into_error();
            request = match (given_back, copy) {
                (Some(request), _) if was_reused => request,
                (None, Some(copy)) if has_ended(&error) => {
                    was_repeated = true;
                    copy.into_request()
                }
                (Some(_) | None, _) => return Err(UpstreamError::Proxy(error)),
            };
        }
    }

    async fn connect(&self) -> Result<PooledConnection<W::Stream>, UpstreamError> {
        if !self.0.has_reaper.swap(true, Ordering::Relaxed) {
            self.0.world.spawn(reap(Arc::downgrade(&self.0)));
        }
        let stream = self.0.connector.connect().await.map_err(UpstreamError::Connect)?;
        PooledConnection::handshake(stream).await.map_err(UpstreamError::Proxy)
    }

    /// The body of a response on a connection that is not of the pool, which another task drives.
    pub(super) fn unpooled(&self, body: Incoming) -> UpstreamResponseBody<W> {
        UpstreamResponseBody { body, complete: false, connection: None, pool: self.clone() }
    }

    fn response_body(
        &self,
        body: Incoming,
        connection: PooledConnection<W::Stream>,
        has_body: bool,
    ) -> UpstreamResponseBody<W> {
        let connection = if has_body && !connection.is_ready() {
            // The request's body may not be sent yet, and has to go on while nobody reads the response.
            self.0.world.spawn(drive_until_ready(self.clone(), connection));
            None
        } else {
            Some(connection)
        };
        UpstreamResponseBody { body, complete: false, connection, pool: self.clone() }
    }
}

impl<W: World> Clone for Pool<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: World> Inner<W> {
    fn idle(&self) -> MutexGuard<'_, IdlePool<PooledConnection<W::Stream>>> {
        // Nothing that is done under the lock can panic halfway.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a connection that is ready. If it was closed since it was last polled, the reaper finds out.
    fn put(&self, connection: PooledConnection<W::Stream>) {
        connection.set_waker(&self.waker);
        let displaced = self.idle().put(self.world.now(), connection);
        drop(displaced);
    }

    /// Drops connections that are idle for too long, or that the service has closed. Returns when to reap next.
    fn reap(&self) -> Instant {
        let now = self.world.now();
        loop {
            let expired = self.idle().expired(now);
            if expired.is_none() {
                break;
            }
        }
        let mut last = None;
        loop {
            let next = self.idle().take_next(last);
            let Some((ticket, mut connection)) = next else { break };
            last = Some(ticket);
            connection.poll_progress(&Context::from_waker(&self.waker));
            if connection.is_open() {
                self.idle().put_back(ticket, connection);
            }
        }
        self.idle().deadline().unwrap_or(now.after(self.idle_timeout))
    }
}

/// The head of a request without a body, to be sent once more.
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    fn of(request: &Request<RequestBody>) -> Self {
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        Self { method, uri, headers }
    }

    fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::ended());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

/// Whether the connection has ended before an answer: the service, or what lies between, has closed or reset it.
fn has_ended(error: &hyper::Error) -> bool {
    let is_io = error.source().is_some_and(|source| source.is::<io::Error>());
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || is_io
}

/// Drives a connection until it is ready for the next request.
async fn drive_until_ready<W: World>(pool: Pool<W>, mut connection: PooledConnection<W::Stream>) {
    if connection.ready().await {
        pool.0.put(connection);
    }
}

/// Reaps idle connections, for as long as the pool exists.
async fn reap<W: World>(pool: Weak<Inner<W>>) {
    while let Some(inner) = pool.upgrade() {
        let next = inner.reap();
        let (world, reaper) = (inner.world.clone(), Arc::clone(&inner.reaper));
        drop(inner);
        tokio::select! {
            biased;
            () = reaper.0.notified() => {}
            () = world.sleep_until(next) => {}
        }
    }
}

/// The body of a response. Its connection returns to the pool if it is read to its end.
pub struct UpstreamResponseBody<W: World> {
    body: Incoming,
    complete: bool,
    /// None if another task drives it.
    connection: Option<PooledConnection<W::Stream>>,
    pool: Pool<W>,
}

impl<W: World> Body for UpstreamResponseBody<W> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some(connection) = &mut this.connection {
            // Reading makes room for more, of which this task need not be woken: it comes back for it.
            connection.clear_waker();
            let read = Pin::new(&mut this.body).poll_frame(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(frame) = read {
                this.complete |= frame.is_none();
                return Poll::Ready(frame);
            }
            connection.poll_progress(task);
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(task));
        this.complete |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<W: World> Drop for UpstreamResponseBody<W> {
    fn drop(&mut self) {
        let complete = self.complete || self.body.is_end_stream();
        if let Some(connection) = self.connection.take().filter(|connection| complete && connection.is_ready()) {
            self.pool.0.put(connection);
        }
    }
}
