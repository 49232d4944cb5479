//! What the other end of an HTTP/2 connection takes, as it announces in SETTINGS.
//!
//! The HTTP/2 library sends whatever it is given. A list of headers that is too large for the peer fails its stream at best; an
//! end that has to read too many frames of it ends the connection, with all requests on it (RFC 9113 §10.5.1).

use std::pin::pin;

use http::HeaderMap;
use http::request;
use tokio::sync::Notify;

use super::hop_by_hop::{HEADER_OVERHEAD, header_list_bytes};
use crate::sync::{AtomicU64, Ordering, SetOnce};

/// Not announced.
const UNKNOWN: u64 = u64::MAX;

/// The connection ended before anything was announced.
const CLOSED: u64 = u64::MAX - 1;

/// The limits of one peer. Every change counts from when it is read.
#[derive(Debug)]
pub(crate) struct PeerLimits {
    header_list_bytes: AtomicU64,
    max_streams: AtomicU64,
    max_streams_changed: Notify,
    /// Set when its first SETTINGS have come; to none if the connection ended before.
    extended_connect: SetOnce<Option<bool>>,
}

/// How many concurrent streams a peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaxStreams {
    /// Its SETTINGS have not come.
    Unknown,
    /// So many.
    Announced(u32),
    /// None any more: the connection has ended.
    Closed,
}

impl Default for PeerLimits {
    fn default() -> Self {
        let [header_list_bytes, max_streams] = [(); 2].map(|()| AtomicU64::new(UNKNOWN));
        let (max_streams_changed, extended_connect) = (Notify::new(), SetOnce::new());
        Self { header_list_bytes, max_streams, max_streams_changed, extended_connect }
    }
}

impl PeerLimits {
    /// The peer announced the largest list of headers that it takes.
    pub(crate) fn set_header_list_bytes(&self, max: u32) {
        self.header_list_bytes.store(max.into(), Ordering::Relaxed);
    }

    /// The peer's SETTINGS came: whether it takes the extended CONNECT (RFC 8441 §3). Only the first ones count: it may not take
    /// back what it has said, and no sender says it later.
    pub(crate) fn set_extended_connect(&self, enabled: bool) {
        let _only_the_first = self.extended_connect.set(Some(enabled));
    }

    /// The peer announced how many concurrent streams it takes.
    pub(crate) fn set_max_streams(&self, max: u32) {
        self.change_max_streams(max.into());
    }

    /// The peer's SETTINGS have come. Unless it said otherwise, it takes any number of streams (RFC 9113 §6.5.2).
    pub(crate) fn settings_received(&self) {
        if self.max_streams() == MaxStreams::Unknown {
            self.set_max_streams(u32::MAX);
        }
    }

    /// The connection has ended.
    pub(crate) fn close(&self) {
        let _unless_known = self.extended_connect.set(None);
        self.change_max_streams(CLOSED);
    }

    /// Whether the peer takes the extended CONNECT; waits for its SETTINGS. None if the connection ended before.
    pub(crate) async fn extended_connect(&self) -> Option<bool> {
        *self.extended_connect.wait().await
    }

    fn change_max_streams(&self, to: u64) {
        self.max_streams.store(to, Ordering::Release);
        self.max_streams_changed.notify_waiters();
    }

    /// How many concurrent streams the peer takes.
    pub(crate) fn max_streams(&self) -> MaxStreams {
        match self.max_streams.load(Ordering::Acquire) {
            UNKNOWN => MaxStreams::Unknown,
            CLOSED => MaxStreams::Closed,
            max => MaxStreams::Announced(u32::try_from(max).unwrap_or(u32::MAX)),
        }
    }

    /// How many concurrent streams the peer takes, once that is no longer `known`.
    pub(crate) async fn max_streams_after(&self, known: MaxStreams) -> MaxStreams {
        loop {
            let mut changed = pin!(self.max_streams_changed.notified());
            changed.as_mut().enable();
            let now = self.max_streams();
            if now != known {
                return now;
            }
            changed.await;
        }
    }

    /// The largest list of headers that the peer takes; `default` if it did not say.
    pub(crate) fn header_list_bytes(&self, default: u32) -> usize {
        let announced = self.header_list_bytes.load(Ordering::Relaxed);
        u32::try_from(announced).unwrap_or(default) as usize
    }
}

/// What the method and the target of a request count.
pub(super) fn pseudo_header_bytes(head: &request::Parts) -> usize {
    let field = |name: &str, value: usize| name.len() + value + HEADER_OVERHEAD;
    let authority = head.uri.authority().map_or(0, |authority| field(":authority", authority.as_str().len()));
    let scheme = head.uri.scheme_str().map_or(0, |scheme| field(":scheme", scheme.len()));
    let path = head.uri.path_and_query().map_or(0, |path| field(":path", path.as_str().len()));
    field(":method", head.method.as_str().len()) + authority + scheme + path
}

/// The size of a request's list of headers, as HTTP/2 counts it.
pub(crate) fn request_list_bytes(head: &request::Parts) -> usize {
    pseudo_header_bytes(head) + header_list_bytes(&head.headers)
}

/// What the status of a response counts.
pub(super) const STATUS_BYTES: usize = ":status".len() + 3 + HEADER_OVERHEAD;

/// The size of a response's list of headers, as HTTP/2 counts it.
pub(crate) fn response_list_bytes(headers: &HeaderMap) -> usize {
    STATUS_BYTES + header_list_bytes(headers)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use http::Response;

    use super::*;

    #[test]
    fn what_is_announced_last_counts() {
        let limits = PeerLimits::default();
        assert_eq!(limits.header_list_bytes(7), 7);
        limits.set_header_list_bytes(100);
        limits.set_header_list_bytes(90);
        assert_eq!(limits.header_list_bytes(7), 90);
    }

    #[tokio::test]
    async fn every_change_of_the_number_of_streams_is_heard() {
        let limits = PeerLimits::default();
        let mut first = pin!(limits.max_streams_after(MaxStreams::Unknown));
        assert!(poll_fn(|task| Poll::Ready(first.as_mut().poll(task))).await.is_pending());
        limits.settings_received();
        assert_eq!(first.await, MaxStreams::Announced(u32::MAX));
        limits.set_max_streams(2);
        limits.settings_received();
        assert_eq!(limits.max_streams_after(MaxStreams::Unknown).await, MaxStreams::Announced(2));
        limits.close();
        assert_eq!(limits.max_streams_after(MaxStreams::Announced(2)).await, MaxStreams::Closed);
    }

    #[test]
    fn the_status_counts_as_a_header_does() {
        let response = Response::builder().header("c", "d").body(()).unwrap();
        assert_eq!(response_list_bytes(response.headers()), 7 + 3 + 32 + 1 + 1 + 32);
    }
}
