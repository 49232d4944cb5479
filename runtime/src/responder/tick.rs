//! Ticks the machine when it is due. All else is told to it by the tasks of tunnels and callers.

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
        let _for_others = self.0.step(Event::Tick);
    }

    async fn next(&mut self) -> Option<()> {
        let nothing_left = async {
            self.0.drained().await;
            // Connections that never became tunnels may still have a timer, which wakes the pump.
            if self.0.arm().is_some() {
                future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = self.0.sooner() => Some(()),
            () = nothing_left => None,
        }
    }

    fn take(&mut self, (): ()) {}
}
