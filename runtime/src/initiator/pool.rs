//! Connections to the local service, kept for the next request.
//!
//! A pool for one service and HTTP/1.1 alone: hyper-util's client, which knows many and HTTP/2 too, spends on every
//! request a look-up by name, a race between the pool and a dial that is never made, and a task that waits for the
//! connection to be free again.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use revtun_core::Instant;

use super::connector::Connector;
use super::request_body::RequestBody;
use crate::flow::STREAMS;
use crate::still::Moving;
use crate::world::World;

/// Connections that are kept: as many as one tunnel can have in use.
const KEPT: usize = STREAMS as usize;

/// In place of the moment since when a connection is free, while it is not.
const IN_USE: u64 = u64::MAX;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service takes no connection.
    Unreachable(io::Error),
    /// The connection ended before an answer came, or the request did.
    Lost(hyper::Error),
}

/// Sends requests to one service. Clones share what is kept.
pub(super) struct Pool<W>(Arc<Inner<W>>);

struct Inner<W> {
    world: W,
    connector: Connector<W>,
    /// How long an unused connection is kept.
    idle: Duration,
    /// Taken from the front and given back to the back, so that all are used alike.
    kept: ArrayQueue<Kept>,
}

/// A connection that is up. Its task ends it when it was free for too long, or when this is dropped.
struct Kept {
    requests: SendRequest<Moving<RequestBody>>,
    /// The moment since when it is free, or [`IN_USE`].
    free: Arc<AtomicU64>,
}

impl<W: World> Pool<W> {
    pub(super) fn new(world: &W, connector: Connector<W>, idle: Duration) -> Self {
        Self(Arc::new(Inner { world: world.clone(), connector, idle, kept: ArrayQueue::new(KEPT) }))
    }

    /// The service's answer. A request that met a connection which was being closed, and of which nothing was sent, goes
    /// to the next one.
    pub(super) async fn send(&self, mut request: Request<Moving<RequestBody>>) -> Result<Response<Answer<W>>, Failure> {
        loop {
            let kept = self.take();
            let fresh = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let mut lost = match connection.requests.try_send_request(request).await {
                Ok(response) => return Ok(response.map(|body| Answer::of(body, connection, self))),
                Err(lost) => lost,
            };
            request = match lost.take_message() {
                Some(request) if !fresh => request,
                Some(_) | None => return Err(Failure::Lost(lost.into_error())),
            };
        }
    }

    /// The connection that is free for the longest time.
    fn take(&self) -> Option<Kept> {
        while let Some(connection) = self.0.kept.pop() {
            connection.free.store(IN_USE, Ordering::Relaxed);
            if connection.requests.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self) -> Result<Kept, Failure> {
        let stream = self.0.connector.connect().await.map_err(Failure::Unreachable)?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Lost)?;
        let free = Arc::new(AtomicU64::new(IN_USE));
        self.0.world.spawn(keep(self.0.world.clone(), connection, Arc::clone(&free), self.0.idle));
        Ok(Kept { requests, free })
    }

    /// Keeps a connection whose answer was read to its end.
    fn give_back(&self, mut connection: Kept) {
        if connection.requests.is_ready() {
            return self.0.keep(connection);
        }
        // The request is still on its way, though it is answered.
        let pool = self.clone();
        self.0.world.spawn(async move {
            if connection.requests.ready().await.is_ok() {
                pool.0.keep(connection);
            }
        });
    }
}

impl<W> Clone for Pool<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: World> Inner<W> {
    fn keep(&self, connection: Kept) {
        connection.free.store(self.world.now().as_nanos(), Ordering::Relaxed);
        // Where there is no room, the one that is free for the longest time makes it.
        drop(self.kept.force_push(connection));
    }
}

/// Moves what goes through a connection, until it ends or was free for `idle`.
async fn keep<W: World>(
    world: W,
    connection: impl Future<Output = hyper::Result<()>>,
    free: Arc<AtomicU64>,
    idle: Duration,
) {
    let mut connection = std::pin::pin!(connection);
    let mut end = world.now().after(idle);
    loop {
        tokio::select! {
            biased;
            // Whoever waits for an answer is told so by it.
            _ended = connection.as_mut() => return,
            () = world.sleep_until(end) => {}
        }
        let now = world.now();
        end = match free.load(Ordering::Relaxed) {
            IN_USE => now.after(idle),
            since => Instant::from_nanos(since).after(idle),
        };
        if end <= now {
            return;
        }
    }
}

/// The body of an answer. Its connection goes back to the pool if it is read to its end.
pub struct Answer<W: World> {
    body: Incoming,
    whole: bool,
    connection: Option<Kept>,
    pool: Pool<W>,
}

impl<W: World> Answer<W> {
    fn of(body: Incoming, connection: Kept, pool: &Pool<W>) -> Self {
        Self { body, whole: false, connection: Some(connection), pool: pool.clone() }
    }
}

impl<W: World> Body for Answer<W> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(task));
        self.whole |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<W: World> Drop for Answer<W> {
    fn drop(&mut self) {
        if let (true, Some(connection)) = (self.whole || self.body.is_end_stream(), self.connection.take()) {
            self.pool.give_back(connection);
        }
    }
}
