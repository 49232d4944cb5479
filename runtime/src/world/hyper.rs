//! The world as hyper's executor and timer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use hyper::rt;
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
    /// An alarm that nobody waits for.
    parked: Arc<ArrayQueue<Alarm>>,
}

/// A sleep of the world.
#[derive(Debug)]
struct Alarm {
    due: Moment,
    wait: Wait,
}

struct Wait(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl<W: World> Timer<W> {
    /// A timer of `world`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "an arbitrary anchor, never read as a time")]
    pub fn new(world: &W) -> Self {
        let parked = Arc::new(ArrayQueue::new(1));
        Self { world: world.clone(), anchor: Instant::now(), begun: world.now(), parked }
    }
}

impl<W: World> rt::Timer for Timer<W> {
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + wait)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let deadline = self.begun.after(deadline.saturating_duration_since(self.anchor));
        let alarm = self.parked.pop().filter(|alarm| alarm.due <= deadline);
        Box::pin(Sleep { world: self.world.clone(), deadline, alarm, parked: Arc::clone(&self.parked) })
    }

    fn now(&self) -> Instant {
        self.anchor + self.world.now().since(self.begun)
    }
}

/// hyper begins one for each request of a caller, and drops nearly all of them long before they end. So an alarm that was set
/// is kept for the next sleep, which ends later: setting another one costs more than looking again when the first one goes off.
struct Sleep<W> {
    world: W,
    deadline: Moment,
    /// Goes off at the deadline or before.
    alarm: Option<Alarm>,
    parked: Arc<ArrayQueue<Alarm>>,
}

impl<W: World> Future for Sleep<W> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let Self { world, deadline, alarm: slot, .. } = self.get_mut();
        loop {
            let alarm = slot.get_or_insert_with(|| {
                let (world, due) = (world.clone(), *deadline);
                Alarm { due, wait: Wait(Box::pin(async move { world.sleep_until(due).await })) }
            });
            ready!(alarm.wait.0.as_mut().poll(task));
            let is_over = alarm.due >= *deadline;
            *slot = None;
            if is_over {
                return Poll::Ready(());
            }
        }
    }
}

impl<W> Drop for Sleep<W> {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            // If another one is there, it does as well.
            let _ = self.parked.push(alarm);
        }
    }
}

impl<W: World + Unpin> rt::Sleep for Sleep<W> {}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wait")
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::rt::Timer as _;

    use super::*;
    use crate::world::Tokio;

    const STEP: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_sleep_that_takes_over_an_earlier_alarm_ends_at_its_own_deadline() {
        let timer = Timer::new(&Tokio::begin());
        let begun = timer.now();
        let mut dropped = timer.sleep_until(begun + STEP);
        assert!(poll_fn(|task| Poll::Ready(dropped.as_mut().poll(task).is_pending())).await);
        drop(dropped);
        assert_eq!(timer.parked.len(), 1, "its alarm is kept");
        timer.sleep_until(begun + 3 * STEP).await;
        assert!(timer.now() >= begun + 3 * STEP);
        assert!(timer.parked.is_empty(), "it went off");
    }

    #[tokio::test]
    async fn an_alarm_that_is_too_late_is_not_taken_over() {
        let timer = Timer::new(&Tokio::begin());
        let begun = timer.now();
        let mut dropped = timer.sleep_until(begun + Duration::from_secs(3600));
        assert!(poll_fn(|task| Poll::Ready(dropped.as_mut().poll(task).is_pending())).await);
        drop(dropped);
        timer.sleep_until(begun + STEP).await;
    }
}
