//! HTTP/2's PINGs through a tunnel in use: so a living peer is heard in time, which the machine goes by.

use std::future::{self, poll_fn};
use std::time::Duration;

use h2::{Ping, PingPong};
use revtun_core::Instant;

use crate::flow::PING_PATIENCE;
use crate::world::World;

/// One tunnel's PINGs: one at a time, after each interval in which nothing came.
pub(crate) struct KeepAlive<'a, W> {
    world: &'a W,
    pings: PingPong,
    interval: Duration,
    due: Instant,
    /// When the one was sent that is not answered yet.
    asked: Option<Instant>,
}

impl<'a, W: World> KeepAlive<'a, W> {
    /// Sends by `pings` whenever nothing came for `interval`.
    pub(crate) fn new(world: &'a W, pings: PingPong, interval: Duration) -> Self {
        Self { world, pings, interval, due: world.now().after(interval), asked: None }
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.due = self.world.now().after(self.interval);
    }

    /// Ends when an answer took longer than [`PING_PATIENCE`]. May be dropped, and asked for anew.
    pub(crate) async fn given_up(&mut self) {
        loop {
            let Some(asked) = self.asked else {
                self.world.sleep_until(self.due).await;
                // Only a connection that has ended takes none.
                if self.pings.send_ping(Ping::opaque()).is_err() {
                    return future::pending().await;
                }
                self.asked = Some(self.world.now());
                continue;
            };
            tokio::select! {
                biased;
                Ok(_) = poll_fn(|task| self.pings.poll_pong(task)) => {
                    self.asked = None;
                    self.heard();
                }
                () = self.world.sleep_until(asked.after(PING_PATIENCE)) => return,
            }
        }
    }
}
