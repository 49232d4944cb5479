//! The loop that keeps a machine going: wait, step, obey.
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

/// Due ticks between two looks at the inputs, so that a drain of ten thousand tunnels and a flood of events both
/// make progress.
const TICKS_A_TURN: usize = 64;

/// A machine, together with whatever performs its effects.
pub trait Driven: Send {
    /// What wakes the pump besides the clock.
    type Input: Send;

    /// When the machine wants its next tick.
    fn deadline(&self) -> Option<Instant>;

    /// Steps the machine by one due tick and performs the effects. Must not block.
    fn tick(&mut self);

    /// Waits for the next input; `None` ends the pump. The future may be dropped at any await without losing one.
    ///
    /// The deadline is asked for again after each input: a driver whose machine is stepped by other tasks too
    /// yields an empty input when one of them moved it.
    fn next(&mut self) -> impl Future<Output = Option<Self::Input>> + Send;

    /// Steps the machine by `input` and performs the effects. Must not block.
    fn take(&mut self, input: Self::Input);
}

/// Drives `driven` until it has no more inputs.
pub async fn pump<W: World>(world: &W, driven: &mut impl Driven) {
    loop {
        tick_what_is_due(world, driven);
        let deadline = driven.deadline();
        let input = tokio::select! {
            biased;
            input = driven.next() => input,
            () = passed(world, deadline) => continue,
        };
        match input {
            Some(input) => driven.take(input),
            None => return,
        }
    }
}

fn tick_what_is_due<W: World>(world: &W, driven: &mut impl Driven) {
    for _ in 0..TICKS_A_TURN {
        match driven.deadline() {
            Some(deadline) if deadline <= world.now() => driven.tick(),
            Some(_) | None => return,
        }
    }
}

async fn passed<W: World>(world: &W, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => world.sleep_until(deadline).await,
        None => future::pending().await,
    }
}
