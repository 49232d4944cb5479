//! Connections to the local service, by the world's resolver, sockets and clock.

use std::io;
use std::time::Duration;

use super::hosts::HostPort;
use crate::world::World;

/// Connects to one service.
#[derive(Clone, Debug)]
pub(super) struct Connector<W> {
    world: W,
    service: HostPort,
    timeout: Duration,
}

impl<W: World> Connector<W> {
    pub(super) fn new(world: &W, service: HostPort, timeout: Duration) -> Self {
        Self { world: world.clone(), service, timeout }
    }

    /// A new connection. An error if there is none in time.
    pub(super) async fn connect(&self) -> io::Result<W::Stream> {
        let deadline = self.world.now().after(self.timeout);
        tokio::select! {
            biased;
            stream = self.connect_to_any() => stream,
            () = self.world.sleep_until(deadline) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// The first of the service's addresses that takes the connection; else the last error.
    async fn connect_to_any(&self) -> io::Result<W::Stream> {
        let mut failure = io::ErrorKind::NotFound.into();
        for address in self.service.resolve(&self.world, true).await? {
            match self.world.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}
