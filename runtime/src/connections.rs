//! The connections of a listener, within limits: which one is served, and which one has to go, is answered by
//! [`revtun_core::connections`].
//!
//! The task that accepts owns the limiter. Connections tell it through a queue that they were heard, or are closed; it looks
//! there before it decides, so that nothing is locked.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::SegQueue;
use revtun_core::connections::{Admission, ConnectionId, ConnectionLimits, ConnectionRefusal, Connections};
use revtun_core::source::Source;
use tokio::sync::Notify;

use crate::counter::Counter;

/// Decides which connections of a listener are served.
#[derive(Debug)]
pub struct ConnectionLimiter {
    connections: Connections,
    /// How each connection is told that it was displaced.
    displaced: BTreeMap<ConnectionId, Arc<Notify>>,
    /// At most two for each connection.
    reports: Arc<SegQueue<Report>>,
    counts: Arc<ConnectionCounts>,
}

#[derive(Clone, Copy, Debug)]
enum Report {
    Heard(ConnectionId),
    Closed(ConnectionId),
}

impl ConnectionLimiter {
    /// A limiter of a listener without connections, which counts what it does in `counts`.
    #[must_use]
    pub fn new(limits: ConnectionLimits, counts: Arc<ConnectionCounts>) -> Self {
        Self { connections: Connections::new(limits), displaced: BTreeMap::new(), reports: Arc::default(), counts }
    }

    /// A place for a new connection from `peer`; another connection may have to go for that.
    ///
    /// # Errors
    /// If there is none: the new connection is to be closed.
    pub fn admit(&mut self, peer: IpAddr) -> Result<ConnectionPlace, ConnectionRefusal> {
        self.take_reports();
        let id = match self.connections.accepted(Source::of(peer)) {
            Admission::Admit(id) => id,
            Admission::AdmitInPlaceOf(id, displaced) => {
                self.counts.displaced.add(1);
                if let Some(displaced) = self.displaced.remove(&displaced) {
                    displaced.notify_one();
                }
                id
            }
            Admission::Refuse(refusal) => {
                self.counts.refused[refusal as usize].add(1);
                return Err(refusal);
            }
        };
        let displaced = Arc::new(Notify::new());
        self.displaced.insert(id, Arc::clone(&displaced));
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        let (reports, counts) = (Arc::clone(&self.reports), Arc::clone(&self.counts));
        Ok(ConnectionPlace { id, heard: AtomicBool::new(false), displaced, reports, counts })
    }

    fn take_reports(&mut self) {
        while let Some(report) = self.reports.pop() {
            match report {
                Report::Heard(id) => self.connections.heard(id),
                Report::Closed(id) => {
                    self.connections.closed(id);
                    self.displaced.remove(&id);
                }
            }
        }
    }
}

/// The place of one connection among those of its listener. Dropped, it is free again.
#[derive(Debug)]
pub struct ConnectionPlace {
    id: ConnectionId,
    heard: AtomicBool,
    displaced: Arc<Notify>,
    reports: Arc<SegQueue<Report>>,
    counts: Arc<ConnectionCounts>,
}

impl ConnectionPlace {
    /// The peer has sent a request: from now on the connection is not displaced. To be called with every request.
    pub fn heard(&self) {
        if !self.heard.load(Ordering::Relaxed) && !self.heard.swap(true, Ordering::Relaxed) {
            self.reports.push(Report::Heard(self.id));
        }
    }

    /// Does `serve`, but no longer than until the connection is displaced; none if it was.
    pub async fn hold<T>(&self, serve: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.displaced.notified() => None,
            served = serve => Some(served),
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        self.reports.push(Report::Closed(self.id));
    }
}

/// What a listener counts of its connections.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    open: AtomicU64,
    displaced: Counter,
    refused: [Counter; ConnectionRefusal::ALL.len()],
}

impl ConnectionCounts {
    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections closed since others came in their place, since the start.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.displaced.read()
    }

    /// Connections refused since the start, by [`ConnectionRefusal::name`]; each reason once.
    #[must_use]
    pub fn refused(&self) -> Vec<(&'static str, u64)> {
        ConnectionRefusal::ALL.iter().map(|refusal| (refusal.name(), self.refused[*refusal as usize].read())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits { total: 2, per_source: 2 };

    #[tokio::test]
    async fn who_is_displaced_is_told_and_who_was_heard_is_not_displaced() {
        let counts = Arc::new(ConnectionCounts::default());
        let mut limiter = ConnectionLimiter::new(LIMITS, Arc::clone(&counts));
        let peer = |last| IpAddr::from([192, 0, 2, last]);
        let first = limiter.admit(peer(1)).unwrap();
        let second = limiter.admit(peer(2)).unwrap();
        second.heard();
        second.heard();
        let third = limiter.admit(peer(3)).unwrap();
        assert_eq!(first.hold(pending::<()>()).await, None, "it was mute");
        assert_eq!(second.hold(async {}).await, Some(()));
        third.heard();
        assert_eq!(limiter.admit(peer(4)).unwrap_err(), ConnectionRefusal::TooMany);
        assert_eq!((counts.open(), counts.displaced()), (3, 1), "the displaced one is not dropped yet");
        drop(first);
        assert_eq!(limiter.admit(peer(4)).unwrap_err(), ConnectionRefusal::TooMany);
        drop(second);
        drop(limiter.admit(peer(4)).unwrap());
        assert_eq!(counts.open(), 1);
        assert_eq!(counts.refused(), [("too-many-connections", 2), ("too-many-connections-from-source", 0)]);
    }
}
