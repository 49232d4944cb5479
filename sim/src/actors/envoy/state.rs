//! The observable state of an Envoy, and the order to drain it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::process_world::sleep;

/// The state of one process. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct EnvoyState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connections: Mutex<(u64, BTreeMap<u64, Connection>)>,
    /// The grace of the drain, once it is ordered.
    drain_grace: watch::Sender<Option<Duration>>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The other end.
    pub peer: Peer,
    /// Its stage.
    pub stage: Stage,
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Not known before the handshake.
    Unknown,
    /// An initiator's tenant and node.
    Node(String, String),
    /// A responder.
    Host(IpAddr),
}

/// The stage of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not a tunnel yet.
    Handshake,
    /// A tunnel before HTTP/2.
    Idle,
    /// A tunnel that runs HTTP/2.
    Active,
    /// One end has sent GOAWAY.
    Draining,
    /// Not counted any more, since its host was removed from DNS for a while.
    Untracked,
}

/// Keeps a connection in the state until it is dropped.
#[derive(Debug)]
pub struct ConnectionEntry {
    state: EnvoyState,
    number: u64,
}

impl EnvoyState {
    /// Without connections.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner { connections: Mutex::default(), drain_grace: watch::channel(None).0 }))
    }

    /// All connections.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.lock().1.values().cloned().collect()
    }

    /// Orders a drain within `grace`, and waits for that long.
    pub async fn drain(&self, grace: Duration) {
        self.0.drain_grace.send_replace(Some(grace));
        sleep(grace).await;
    }

    /// Waits for the order to drain. Returns the grace.
    pub(super) async fn drain_requested(&self) -> Duration {
        let mut told = self.0.drain_grace.subscribe();
        loop {
            if let Some(grace) = *told.borrow_and_update() {
                return grace;
            }
            if told.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// A new connection.
    pub(super) fn add(&self, peer: Peer) -> ConnectionEntry {
        let mut connections = self.lock();
        connections.0 += 1;
        let number = connections.0;
        connections.1.insert(number, Connection { peer, stage: Stage::Handshake });
        ConnectionEntry { state: self.clone(), number }
    }

    /// Changes every connection to `peer`.
    pub(super) fn change(&self, peer: &Peer, change: impl Fn(&mut Connection)) {
        self.lock().1.values_mut().filter(|connection| connection.peer == *peer).for_each(change);
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Connection>)> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for EnvoyState {
    fn default() -> Self {
        Self::new()
    }
}

impl ConnectionEntry {
    /// The peer is known now.
    pub(super) fn set_peer(&self, peer: Peer) {
        self.with(|connection| connection.peer = peer);
    }

    /// Enters `stage`.
    pub(super) fn set_stage(&self, stage: Stage) {
        self.with(|connection| connection.stage = stage);
    }

    fn with(&self, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.state.lock().1.get_mut(&self.number) {
            change(connection);
        }
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        self.state.lock().1.remove(&self.number);
    }
}
