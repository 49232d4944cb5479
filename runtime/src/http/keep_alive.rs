//! HTTP/2 PINGs: on a tunnel in use, so that the machine hears a live peer in time; on a caller's connection, so that one that is
//! lost is noticed.

use std::future::{self, poll_fn};
use std::time::Duration;

use h2::{Ping, PingPong};
use revtun_core::Instant;
use revtun_core::keep_alive::{self, Next};

use crate::world::World;

/// The PINGs of one connection: one at a time, after each interval in which nothing came.
pub(crate) struct KeepAlive<W> {
    world: W,
    pings: PingPong,
    policy: keep_alive::KeepAlive,
}

impl<W: World> KeepAlive<W> {
    /// Sends a PING whenever nothing came for `interval`.
    pub(crate) fn new(world: &W, pings: PingPong, interval: Duration) -> Self {
        Self { world: world.clone(), pings, policy: keep_alive::KeepAlive::new(world.now(), interval) }
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.policy.heard(self.world.now());
    }

    /// Ends when an answer did not come in time. Cancel safe.
    pub(crate) async fn timed_out(&mut self) {
        loop {
            match self.policy.next(self.world.now()) {
                // An error means that the connection has ended.
                Next::Probe if self.pings.send_ping(Ping::opaque()).is_err() => return future::pending().await,
                Next::Probe => {}
                Next::Wait(until) => self.wait(until).await,
                Next::TimedOut => return,
            }
        }
    }

    /// Waits until then, or until a PING is answered. Cancel safe.
    async fn wait(&mut self, until: Instant) {
        if !self.policy.is_probing() {
            return self.world.sleep_until(until).await;
        }
        tokio::select! {
            biased;
            Ok(_) = poll_fn(|task| self.pings.poll_pong(task)) => self.policy.answered(self.world.now()),
            () = self.world.sleep_until(until) => {}
        }
    }
}
