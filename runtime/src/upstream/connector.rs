//! Opens connections to the local service.

use std::io;
use std::time::Duration;

use crate::host_port::HostPort;
use crate::world::World;

/// Opens connections to one service.
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

    /// A new connection; an error if there is none within the timeout.
    pub(super) async fn connect(&self) -> io::Result<W::Stream> {
        let deadline = self.world.now().after(self.timeout);
        tokio::select! {
            biased;
            stream = self.connect_to_any() => stream,
            () = self.world.sleep_until(deadline) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Tries the service's addresses in turn, and returns the first connection or the last error.
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
