//! The world as hyper's executor and timer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt;
use pin_project_lite::pin_project;
use revtun_core::Instant as Moment;

use super::World;

/// Spawns hyper's tasks in the world.
#[derive(Clone, Debug)]
pub struct Executor<W>(W);

impl<W: World> Executor<W> {
    /// An executor of `world`.
    #[must_use]
    pub fn new(world: &W) -> Self {
        Self(world.clone())
    }
}

impl<W, F> rt::Executor<F> for Executor<W>
where
    W: World,
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(async move {
            task.await;
        });
    }
}

/// Lets hyper sleep by the world's clock.
#[derive(Clone, Debug)]
pub struct Timer<W> {
    world: W,
    /// hyper requires the standard library's instants, which cannot be constructed. This one stands for `begun`; only
    /// differences to it are used, so the world's clock is the only one that matters.
    anchor: Instant,
    begun: Moment,
}

impl<W: World> Timer<W> {
    /// A timer of `world`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "an arbitrary anchor, never read as a time")]
    pub fn new(world: &W) -> Self {
        Self { world: world.clone(), anchor: Instant::now(), begun: world.now() }
    }
}

impl<W: World> rt::Timer for Timer<W> {
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + wait)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let world = self.world.clone();
        let deadline = self.begun.after(deadline.saturating_duration_since(self.anchor));
        Box::pin(Sleep { wait: async move { world.sleep_until(deadline).await } })
    }

    fn now(&self) -> Instant {
        self.anchor + self.world.now().since(self.begun)
    }
}

pin_project! {
    /// In one box with what it waits for: hyper allocates one for each request of a caller.
    struct Sleep<F> {
        #[pin]
        wait: F,
    }
}

impl<F: Future<Output = ()>> Future for Sleep<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().wait.poll(cx)
    }
}

impl<F: Future<Output = ()> + Send + Sync> rt::Sleep for Sleep<F> {}
