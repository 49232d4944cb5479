//! What the task of a tunnel has in each of its phases.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use revtun_core::TunnelId;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::command::TunnelCommand;
use super::context::Context;
use super::handle::TunnelHandle;
use super::tunnel_end::TunnelEnd;
use crate::tls::ClosedUnused;
use crate::world::World;

/// Bytes read at once from a tunnel that is not in use: nothing but echoes comes.
pub(super) const IDLE_READ: usize = 64;

/// The task of one connection at the tunnel listener.
pub(super) struct TunnelTask<W: World> {
    pub(super) context: Arc<Context<W>>,
    pub(super) id: TunnelId,
    pub(super) handle: Arc<TunnelHandle>,
}

impl<W: World> TunnelTask<W> {
    /// Waits for the end of a TLS handshake, unless the machine closes the tunnel first.
    pub(super) async fn secure<T>(&self, handshake: impl Future<Output = io::Result<T>>) -> Result<T, TunnelEnd> {
        let mut handshake = pin!(handshake);
        loop {
            tokio::select! {
                biased;
                command = self.handle.next_command() => if let TunnelCommand::Close(reason) = command {
                    return Err(TunnelEnd::Closed(reason));
                },
                secured = handshake.as_mut() => return secured.map_err(|error| self.not_secured(&error)),
            }
        }
    }

    /// A TLS handshake failed. That a peer only looks whether somebody listens is no failure.
    fn not_secured(&self, error: &io::Error) -> TunnelEnd {
        let (tunnel, peer) = (self.id, self.handle.peer());
        if ClosedUnused::is(error) {
            self.context.counters.handshakes_abandoned.add(1);
            tracing::debug!(%tunnel, %peer, "connection closed unused");
        } else {
            self.context.counters.tls_failures.add(1);
            tracing::warn!(%tunnel, %peer, %error, "TLS handshake failed");
        }
        TunnelEnd::Lost
    }

    /// Reads and discards, until the peer or the machine closes the tunnel.
    pub(super) async fn read_to_end(&self, stream: &mut (impl AsyncRead + Unpin)) -> TunnelEnd {
        let mut space = [0; IDLE_READ];
        loop {
            tokio::select! {
                biased;
                command = self.handle.next_command() => match command {
                    TunnelCommand::Close(reason) => return TunnelEnd::Closed(reason),
                    TunnelCommand::Ping | TunnelCommand::Start | TunnelCommand::Goaway => {}
                },
                read = stream.read(&mut space) => if let Err(end) = nonzero(read) {
                    return end;
                },
            }
        }
    }
}

/// How many bytes were read; zero is the end of the stream.
pub(super) fn nonzero(read: io::Result<usize>) -> Result<usize, TunnelEnd> {
    match read {
        Ok(0) => Err(TunnelEnd::ClosedByPeer),
        Ok(count) => Ok(count),
        Err(_) => Err(TunnelEnd::Lost),
    }
}
