//! The loop that drives a machine: wait for a deadline or an input, step, perform the effects.
//!
//! ```text
//!             ┌───────────── deadline ◀──────────────┐
//!             ▼                                      │
//!   clock ──▶ pump ──▶ Driven::tick / Driven::take ──▶ machine ──▶ effects performed
//!             ▲
//!   Driven::next (events of tasks, or "the deadline moved")
//! ```

use std::future::{self, Future};

use revtun_core::Instant;

use crate::world::World;

/// The most due ticks before the next input, so that a drain of ten thousand tunnels and a flood of events both make
/// progress.
const TICKS_PER_TURN: usize = 64;

/// A machine, together with what performs its effects.
pub trait Driven: Send {
    /// What wakes the pump, besides the clock.
    type Input: Send;

    /// When the machine wants its next tick.
    fn deadline(&self) -> Option<Instant>;

    /// Steps the machine by one due tick and performs the effects. Must not block.
    fn tick(&mut self);

    /// Waits for the next input; `None` ends the pump. Must be cancel safe.
    ///
    /// The deadline is read again after each input: a driver whose machine is stepped by other tasks too returns an empty
    /// input when one of them moved the deadline.
    fn next(&mut self) -> impl Future<Output = Option<Self::Input>> + Send;

    /// Steps the machine by `input` and performs the effects. Must not block.
    fn take(&mut self, input: Self::Input);
}

/// Drives `driven` until it has no more inputs.
pub async fn pump<W: World>(world: &W, driven: &mut impl Driven) {
    loop {
        run_due_ticks(world, driven);
        let deadline = driven.deadline();
        let input = tokio::select! {
            biased;
            input = driven.next() => input,
            () = sleep_until(world, deadline) => continue,
        };
        match input {
            Some(input) => driven.take(input),
            None => return,
        }
    }
}

fn run_due_ticks<W: World>(world: &W, driven: &mut impl Driven) {
    for _ in 0..TICKS_PER_TURN {
        match driven.deadline() {
            Some(deadline) if deadline <= world.now() => driven.tick(),
            Some(_) | None => return,
        }
    }
}

pub(crate) async fn sleep_until<W: World>(world: &W, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => world.sleep_until(deadline).await,
        None => future::pending().await,
    }
}
