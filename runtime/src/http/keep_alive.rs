//! HTTP/2 PINGs: on a tunnel in use, so that the machine hears a live peer in time; on a caller's connection, so that one that is
//! lost is noticed.

use std::future::{self, poll_fn};
use std::time::Duration;

use h2::{Ping, PingPong};
use revtun_core::Instant;

use super::limits::PING_TIMEOUT;
use crate::world::World;

/// The PINGs of one connection: one at a time, after each interval in which nothing came.
pub(crate) struct KeepAlive<W> {
    world: W,
    pings: PingPong,
    interval: Duration,
    due: Instant,
    /// When the unanswered PING was sent.
    sent: Option<Instant>,
}

impl<W: World> KeepAlive<W> {
    /// Sends a PING whenever nothing came for `interval`.
    pub(crate) fn new(world: &W, pings: PingPong, interval: Duration) -> Self {
        Self { world: world.clone(), pings, interval, due: world.now().after(interval), sent: None }
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.due = self.world.now().after(self.interval);
    }

    /// Ends when an answer took longer than [`PING_TIMEOUT`]. Cancel safe.
    pub(crate) async fn timed_out(&mut self) {
        loop {
            let Some(sent) = self.sent else {
                self.world.sleep_until(self.due).await;
                // An error means that the connection has ended.
                if self.pings.send_ping(Ping::opaque()).is_err() {
                    return future::pending().await;
                }
                self.sent = Some(self.world.now());
                continue;
            };
            tokio::select! {
                biased;
                Ok(_) = poll_fn(|task| self.pings.poll_pong(task)) => {
                    self.sent = None;
                    self.heard();
                }
                () = self.world.sleep_until(sent.after(PING_TIMEOUT)) => return,
            }
        }
    }
}
