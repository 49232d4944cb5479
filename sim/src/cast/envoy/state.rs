//! What an Envoy has, for whoever looks at it, and what it is told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::host::pause;

/// The state of one process. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rows: Mutex<(u64, BTreeMap<u64, Row>)>,
    /// How long what goes on may still take.
    leave: watch::Sender<Option<Duration>>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub peer: Peer,
    /// How far it is.
    pub stage: Stage,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nobody has said so yet.
    Unknown,
    /// An initiator's tenant and node.
    Node(String, String),
    /// A responder.
    Host(IpAddr),
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is no tunnel yet.
    Handshake,
    /// A tunnel without HTTP.
    Parked,
    /// A tunnel with HTTP.
    Used,
    /// One of both ends does not want it any more.
    Draining,
    /// It is none of those that are counted: its host was gone for a while.
    Untracked,
}

/// A connection's line in the state, for as long as it is there.
#[derive(Debug)]
pub struct Entry {
    state: State,
    number: u64,
}

impl State {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner { rows: Mutex::default(), leave: watch::channel(None).0 }))
    }

    /// Everything that is there.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.lock().1.values().cloned().collect()
    }

    /// Tells the process to wind down within `grace`, and waits for that long.
    pub async fn drain(&self, grace: Duration) {
        self.0.leave.send_replace(Some(grace));
        pause(grace).await;
    }

    /// Waits for the order to wind down.
    pub(super) async fn told_to_leave(&self) -> Duration {
        let mut told = self.0.leave.subscribe();
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
    pub(super) fn enter(&self, peer: Peer) -> Entry {
        let mut rows = self.lock();
        rows.0 += 1;
        let number = rows.0;
        rows.1.insert(number, Row { peer, stage: Stage::Handshake });
        Entry { state: self.clone(), number }
    }

    /// Changes every row that is of `peer`.
    pub(super) fn change(&self, peer: &Peer, change: impl Fn(&mut Row)) {
        self.lock().1.values_mut().filter(|row| row.peer == *peer).for_each(change);
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Row>)> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    /// Somebody has said who it is.
    pub(super) fn name(&self, peer: Peer) {
        self.with(|row| row.peer = peer);
    }

    /// It comes to `stage`.
    pub(super) fn stage(&self, stage: Stage) {
        self.with(|row| row.stage = stage);
    }

    fn with(&self, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.state.lock().1.get_mut(&self.number) {
            change(row);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.state.lock().1.remove(&self.number);
    }
}
