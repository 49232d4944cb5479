//! What the other end of an HTTP/2 connection takes, as it announces in SETTINGS.
//!
//! The HTTP/2 library sends whatever it is given. A list of headers that is too large for the peer fails its stream at best; an
//! end that has to read too many frames of it ends the connection, with all requests on it (RFC 9113 §10.5.1).

use http::HeaderMap;
use http::request;

use super::hop_by_hop::{HEADER_OVERHEAD, header_list_bytes};
use crate::sync::{AtomicU64, Ordering};

/// Not announced.
const UNKNOWN: u64 = u64::MAX;

/// The limits of one peer. Every change counts from when it is read.
#[derive(Debug)]
pub(crate) struct PeerLimits {
    header_list_bytes: AtomicU64,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self { header_list_bytes: AtomicU64::new(UNKNOWN) }
    }
}

impl PeerLimits {
    /// The peer announced the largest list of headers that it takes.
    pub(crate) fn set_header_list_bytes(&self, max: u32) {
        self.header_list_bytes.store(max.into(), Ordering::Relaxed);
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

/// What the status of a response counts.
pub(super) const STATUS_BYTES: usize = ":status".len() + 3 + HEADER_OVERHEAD;

/// The size of a response's list of headers, as HTTP/2 counts it.
pub(crate) fn response_list_bytes(headers: &HeaderMap) -> usize {
    STATUS_BYTES + header_list_bytes(headers)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_status_counts_as_a_header_does() {
        let response = Response::builder().header("c", "d").body(()).unwrap();
        assert_eq!(response_list_bytes(response.headers()), 7 + 3 + 32 + 1 + 1 + 32);
    }
}
