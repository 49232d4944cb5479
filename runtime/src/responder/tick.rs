//! Ticks the machine when its deadline passes. All other events come from the tasks of tunnels and callers.

use std::future;
use std::sync::Arc;

use revtun_core::Instant;
use revtun_core::responder::Event;

use super::shared::Shared;
use crate::pump::{Driven, pump};
use crate::world::World;

/// Ticks the machine until it is drained.
pub(super) async fn until_drained<W: World>(world: W, shared: Arc<Shared<W>>) {
    pump(&world, &mut Ticker(shared)).await;
}

struct Ticker<W: World>(Arc<Shared<W>>);

impl<W: World> Driven for Ticker<W> {
    type Input = ();

    fn deadline(&self) -> Option<Instant> {
        self.0.arm()
    }

    fn tick(&mut self) {
        let _not_about_us = self.0.step(Event::Tick);
    }

    async fn next(&mut self) -> Option<()> {
        let idle = async {
            self.0.drained().await;
            // Connections that never became tunnels may still have a timer, which wakes the pump.
            if self.0.arm().is_some() {
                future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = self.0.earlier() => Some(()),
            () = idle => None,
        }
    }

    fn take(&mut self, (): ()) {}
}
