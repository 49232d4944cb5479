//! Tasks without which an end does not live, and what is known of them when one has died.
//!
//! A task that panics is a bug of ours. If it belongs to one connection or request, it takes only that with it. If the
//! end cannot do its work without it (its pump, its listeners), then the end is dead although its process is not, and has to
//! say so: whoever uses the library hears it from `failed` of the handle, and the program ends.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use pin_project_lite::pin_project;
use revtun_core::Instant;
use tokio::sync::SetOnce;

use crate::world::World;

/// A task that an end cannot live without has panicked. The end is of no use any more: drop its handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPanicked {
    /// Which task.
    pub task: &'static str,
    /// What the panic said.
    pub message: String,
}

impl TaskPanicked {
    /// What is told of `task`, which has thrown `panic`.
    #[must_use]
    pub fn of(task: &'static str, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self { task, message: text.unwrap_or("nothing").to_owned() }
    }
}

impl fmt::Display for TaskPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} task panicked: {}; this is a bug of revtun", self.task, self.message)
    }
}

impl Error for TaskPanicked {}

/// Why an end does not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unhealthy {
    /// A task of it has panicked. For good.
    Panicked(TaskPanicked),
    /// A task has not done for so long what was due. It may catch up.
    Late {
        /// Which task.
        task: &'static str,
        /// For how long.
        by: Duration,
    },
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panicked) => panicked.fmt(f),
            Self::Late { task, by } => write!(f, "the {task} task has been late for {} s", by.as_secs()),
        }
    }
}

impl Error for Unhealthy {}

/// Fails if what was due at `deadline` has not been done for more than `patience`.
pub(crate) fn in_time(
    task: &'static str,
    deadline: Option<Instant>,
    now: Instant,
    patience: Duration,
) -> Result<(), Unhealthy> {
    let by = deadline.map_or(Duration::ZERO, |deadline| now.since(deadline));
    if by > patience { Err(Unhealthy::Late { task, by }) } else { Ok(()) }
}

/// Knows the first of its tasks that panicked. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Supervisor(Arc<SetOnce<TaskPanicked>>);

impl Supervisor {
    /// Runs `task` on its own, as one that must not panic. It may end.
    pub fn spawn<W: World>(&self, world: &W, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let supervisor = self.clone();
        world.spawn(async move {
            if let Err(panic) = CatchUnwind::of(task).await {
                // The first panic is the one to tell: others follow from it.
                let _another_before = supervisor.0.set(TaskPanicked::of(name, &*panic));
                resume_unwind(panic);
            }
        });
    }

    /// Whether none has panicked.
    ///
    /// # Errors
    /// If one has: the first.
    pub fn check(&self) -> Result<(), Unhealthy> {
        self.0.get().map_or(Ok(()), |panicked| Err(Unhealthy::Panicked(panicked.clone())))
    }

    /// Ends when one has panicked.
    pub async fn failed(&self) -> TaskPanicked {
        self.0.wait().await.clone()
    }
}

pin_project! {
    /// A task whose panic is its outcome. Takes no more room than the task.
    pub(crate) struct CatchUnwind<F> {
        #[pin]
        task: F,
    }
}

impl<F: Future> CatchUnwind<F> {
    /// Catches what `task` throws. It is not polled again behind a panic.
    pub(crate) fn of(task: F) -> Self {
        Self { task }
    }
}

impl<F: Future> Future for CatchUnwind<F> {
    type Output = thread::Result<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.project().task.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::world::Tokio;

    #[tokio::test]
    async fn the_first_panic_is_told_and_an_end_is_none() {
        let (world, supervisor) = (Tokio::begin(), Supervisor::default());
        supervisor.spawn(&world, "quick", async {});
        supervisor.spawn(&world, "slow", pending());
        assert_eq!(supervisor.check(), Ok(()));
        supervisor.spawn(&world, "pump", async { panic!("no {}", "room") });
        let told = supervisor.failed().await;
        assert_eq!(told.to_string(), "the pump task panicked: no room; this is a bug of revtun");
        supervisor.spawn(&world, "listener", async { panic!("too") });
        tokio::task::yield_now().await;
        assert_eq!(supervisor.check(), Err(Unhealthy::Panicked(told)));
    }

    #[test]
    fn what_is_due_may_wait_for_so_long() {
        let at = |second| Instant::EPOCH.after(Duration::from_secs(second));
        let patience = Duration::from_secs(2);
        for (deadline, now) in [(None, 9), (Some(9), 1), (Some(1), 3)] {
            assert_eq!(in_time("pump", deadline.map(at), at(now), patience), Ok(()));
        }
        let late = in_time("pump", Some(at(1)), at(9), patience).unwrap_err();
        assert_eq!(late.to_string(), "the pump task has been late for 8 s");
    }
}
