//! Connections to the local service, kept for the next request.
//!
//! A pool for one service and HTTP/1.1 alone: hyper-util's client, which knows many and HTTP/2 too, spends on every
//! request a look-up by name, a race between the pool and a dial that is never made, and a task that waits for the
//! connection to be free again. Here a connection has no task of its own either: the one that asks moves it, and reads the
//! answer from it.

mod line;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use revtun_core::Instant;
use tokio::sync::Notify;

pub(super) use self::line::Asked;
use self::line::Line;
use super::connector::Connector;
use crate::flow::STREAMS;
use crate::world::World;

/// Connections that are kept: as many as one tunnel can have in use.
const KEPT: usize = STREAMS as usize;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service takes no connection.
    Unreachable(io::Error),
    /// The connection ended before an answer came, or the request did.
    Lost(hyper::Error),
}

/// Sends requests to one service. Clones share what is kept.
pub(super) struct Pool<W: World>(Arc<Inner<W>>);

struct Inner<W: World> {
    world: W,
    connector: Connector<W>,
    /// How long an unused connection is kept.
    idle: Duration,
    /// Taken from the front and given back to the back, so that all are used alike.
    kept: ArrayQueue<Kept<W>>,
    /// Whether there is a sweeper.
    swept: AtomicBool,
    broom: Arc<Broom>,
    /// Wakes the sweeper by the broom, for every connection that is free.
    waker: Waker,
}

/// A connection that is free.
struct Kept<W: World> {
    line: Line<W::Stream>,
    since: Instant,
}

/// Wakes the sweeper.
#[derive(Default)]
struct Broom(Notify);

impl Wake for Broom {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl<W: World> Pool<W> {
    pub(super) fn new(world: &W, connector: Connector<W>, idle: Duration) -> Self {
        let (world, kept, swept) = (world.clone(), ArrayQueue::new(KEPT), AtomicBool::new(false));
        let broom = Arc::<Broom>::default();
        let waker = Waker::from(Arc::clone(&broom));
        Self(Arc::new(Inner { world, connector, idle, kept, swept, broom, waker }))
    }

    /// The service's answer. A request that met a connection which was being closed, and of which nothing was sent, goes
    /// to the next one.
    pub(super) async fn send(&self, mut request: Request<Asked>) -> Result<Response<Answer<W>>, Failure> {
        let uploads = !request.body().is_end_stream();
        loop {
            let kept = self.0.kept.pop();
            let fresh = kept.is_none();
            let mut line = match kept {
                Some(kept) => kept.line,
                None => self.connect().await?,
            };
            let mut lost = match line.ask(request).await {
                Ok(response) => return Ok(response.map(|body| self.answer(body, line, uploads))),
                Err(lost) => lost,
            };
            request = match lost.take_message() {
                Some(request) if !fresh => request,
                Some(_) | None => return Err(Failure::Lost(lost.into_error())),
            };
        }
    }

    async fn connect(&self) -> Result<Line<W::Stream>, Failure> {
        if !self.0.swept.swap(true, Ordering::Relaxed) {
            self.0.world.spawn(sweep(Arc::downgrade(&self.0)));
        }
        let stream = self.0.connector.connect().await.map_err(Failure::Unreachable)?;
        Line::begin(stream).await.map_err(Failure::Lost)
    }

    fn answer(&self, body: Incoming, line: Line<W::Stream>, uploads: bool) -> Answer<W> {
        let line = if uploads && !line.is_free() {
            // The request may still be on its way, and has to go on while nobody reads the answer.
            self.0.world.spawn(finish(self.clone(), line));
            None
        } else {
            Some(line)
        };
        Answer { body, whole: false, line, pool: self.clone() }
    }
}

impl<W: World> Clone for Pool<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: World> Inner<W> {
    /// Keeps a connection that is free. What happened to it since it was moved last is found by the next sweep.
    fn keep(&self, line: Line<W::Stream>) {
        line.rest_with(&self.waker);
        // Where there is no room, the one that is free for the longest time makes it.
        drop(self.kept.force_push(Kept { line, since: self.world.now() }));
    }

    /// Lets go of connections that are free for too long, or that the service has closed. Says when to look again.
    fn sweep(&self) -> Instant {
        let now = self.world.now();
        let mut next = now.after(self.idle);
        for _ in 0..self.kept.len() {
            let Some(mut kept) = self.kept.pop() else { break };
            kept.line.move_on(&Context::from_waker(&self.waker));
            let end = kept.since.after(self.idle);
            if kept.line.is_up() && end > now {
                next = next.min(end);
                drop(self.kept.force_push(kept));
            }
        }
        next
    }
}

/// Moves a connection until it is free.
async fn finish<W: World>(pool: Pool<W>, mut line: Line<W::Stream>) {
    if line.free().await {
        pool.0.keep(line);
    }
}

/// Sweeps the pool whenever there may be something to sweep, for as long as anybody has it.
async fn sweep<W: World>(pool: Weak<Inner<W>>) {
    while let Some(inner) = pool.upgrade() {
        let next = inner.sweep();
        let (world, broom) = (inner.world.clone(), Arc::clone(&inner.broom));
        drop(inner);
        tokio::select! {
            biased;
            () = broom.0.notified() => {}
            () = world.sleep_until(next) => {}
        }
    }
}

/// The body of an answer. Its connection goes back to the pool if it is read to its end.
pub struct Answer<W: World> {
    body: Incoming,
    whole: bool,
    /// None if another task moves it.
    line: Option<Line<W::Stream>>,
    pool: Pool<W>,
}

impl<W: World> Body for Answer<W> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some(line) = &mut this.line {
            // That there is room for more is no news to this task, which comes back for it.
            line.rest();
            let read = Pin::new(&mut this.body).poll_frame(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(frame) = read {
                this.whole |= frame.is_none();
                return Poll::Ready(frame);
            }
            line.move_on(task);
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(task));
        this.whole |= frame.is_none();
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
        let whole = self.whole || self.body.is_end_stream();
        if let Some(line) = self.line.take().filter(|line| whole && line.is_free()) {
            self.pool.0.keep(line);
        }
    }
}
