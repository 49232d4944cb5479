//! A tunnel as others see it: its identity, commands to its task, and the HTTP/2 client on it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::client::TunnelClient;
use super::command::{CommandQueue, TunnelCommand};
use crate::sync::{AtomicBool, AtomicU64, Ordering, SetOnce};

/// Commands a tunnel's task, and sends requests once the tunnel is in use. Shared by the task itself, the machine and the
/// requests on the tunnel.
#[derive(Debug)]
pub(super) struct TunnelHandle {
    peer: SocketAddr,
    identity: OnceLock<Box<str>>,
    commands: CommandQueue,
    start_requested: AtomicBool,
    client: SetOnce<Option<TunnelClient>>,
    /// Requests that were sent and are not over.
    sent: AtomicU64,
}

impl TunnelHandle {
    /// A handle of a connection from `peer`.
    pub(super) fn new(peer: SocketAddr) -> Arc<Self> {
        let (start_requested, client) = (AtomicBool::new(false), SetOnce::new());
        let (identity, commands, sent) = (OnceLock::new(), CommandQueue::new(), AtomicU64::new(0));
        Arc::new(Self { peer, identity, commands, start_requested, client, sent })
    }

    /// Where the connection comes from.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The identity of the initiator, for logs; empty before the handshake.
    pub(super) fn identity(&self) -> &str {
        self.identity.get().map_or("", |identity| identity)
    }

    /// Notes the identity that the handshake names. Only the first call counts.
    pub(super) fn set_identity(&self, identity: String) {
        let _only_the_first = self.identity.set(identity.into());
    }

    /// Sends a command to the tunnel's task. One that has ended ignores it.
    pub(super) fn send(&self, command: TunnelCommand) {
        self.commands.push(command);
    }

    /// The next command. Only for the tunnel's task.
    pub(super) async fn next_command(&self) -> TunnelCommand {
        self.commands.next().await
    }

    /// The HTTP/2 client on the tunnel; the first call starts HTTP/2. None if the tunnel ended, or was drained, before it was
    /// ever used.
    pub(super) async fn client(&self) -> Option<TunnelClient> {
        if let Some(client) = self.client.get() {
            return client.clone();
        }
        if !self.start_requested.swap(true, Ordering::Relaxed) {
            self.send(TunnelCommand::Start);
        }
        self.client.wait().await.clone()
    }

    /// Counts one more request as sent, if that makes no more than `limit`.
    pub(super) fn try_send(&self, limit: u32) -> bool {
        let next = |sent| (sent < u64::from(limit)).then_some(sent + 1);
        self.sent.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next).is_ok()
    }

    /// A request that was counted as sent is over.
    pub(super) fn finish_sent(&self) {
        self.sent.fetch_sub(1, Ordering::AcqRel);
    }

    /// The tunnel's task started HTTP/2, or never will. Only the first call counts.
    pub(super) fn set_client(&self, client: Option<TunnelClient>) {
        let _only_the_first = self.client.set(client);
    }
}
