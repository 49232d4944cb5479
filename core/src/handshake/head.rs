//! What request and response of a handshake have in common: header names, limits and when to parse.

use alloc::boxed::Box;
use alloc::format;

/// The most headers that a head may have (reference §2.2).
pub const MAX_HEADERS: usize = 100;

/// What all the names of [`HeaderNames`] begin with, unless both ends agreed on something else (reference §2.1).
const PREFIX: &str = "x-envoy";

/// The longest prefix in bytes.
const MAX_PREFIX_BYTES: usize = 64;

/// The header of a bearer token (reference §8).
pub(super) const AUTHORIZATION: &str = "authorization";
pub(super) const INSTANCE: &str = "x-revtun-instance";
pub(super) const REVTUN: &str = "x-revtun";
/// Says that the whole tunnel stays inside TLS. Envoy takes TLS off behind the answer (reference §8).
pub(super) const TLS: &str = "x-revtun-tls";
pub(super) const TLS_WHOLE: &str = "whole";
pub(super) const UPGRADE: &str = "upgrade";
/// The protocol that upgrade mode asks for.
pub(super) const UPGRADE_TOKEN: &str = "reverse-tunnel";
pub(super) const CONTENT_LENGTH: &str = "content-length";
pub(super) const TRANSFER_ENCODING: &str = "transfer-encoding";
pub(super) const RETRY_AFTER: &str = "retry-after";

/// The names of the headers in which an initiator says who it is (reference §2.1). Both ends have to use the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderNames {
    pub(super) node: Box<str>,
    pub(super) cluster: Box<str>,
    pub(super) tenant: Box<str>,
    pub(super) upstream: Box<str>,
    pub(super) initiation_time: Box<str>,
    pub(super) worker: Box<str>,
    pub(super) connection: Box<str>,
}

impl HeaderNames {
    /// Those that begin with `prefix`, in lower case; none if no header can be called so.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if prefix.is_empty() || prefix.len() > MAX_PREFIX_BYTES || !prefix.bytes().all(legal) {
            return None;
        }
        let prefix = prefix.to_ascii_lowercase();
        let name = |what: &str| format!("{prefix}-reverse-tunnel-{what}").into();
        Some(Self {
            node: name("node-id"),
            cluster: name("cluster-id"),
            tenant: name("tenant-id"),
            upstream: name("upstream-cluster-name"),
            initiation_time: name("initiation-time"),
            worker: name("worker-id"),
            connection: name("connection-id"),
        })
    }

    /// What they begin with, in lower case.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.node.strip_suffix("-reverse-tunnel-node-id").expect("every one of them is made of a prefix")
    }
}

/// Those that begin with `x-envoy`.
impl Default for HeaderNames {
    fn default() -> Self {
        Self::with_prefix(PREFIX).expect("a legal prefix")
    }
}

/// All values of a header, in order.
pub(super) fn values<'b>(headers: &[httparse::Header<'b>], name: &str) -> impl Iterator<Item = &'b [u8]> {
    // Nearly always it is spelled as here, which takes less to find out.
    let called_so = move |it: &str| it.len() == name.len() && (it == name || it.eq_ignore_ascii_case(name));
    headers.iter().filter(move |header| called_so(header.name)).map(|header| header.value)
}

/// The first value of a header: of duplicates, the first one wins (reference §2.3).
pub(super) fn value<'b>(headers: &[httparse::Header<'b>], name: &str) -> Option<&'b [u8]> {
    values(headers, name).next()
}

/// A line that ends in LF alone. `httparse` lets it pass; what one end takes for two lines and another for one is
/// how requests are smuggled.
pub(super) fn has_bare_lf(head: &[u8]) -> bool {
    // Without an early end, so that it is done for sixteen bytes at a time: a search costs more than all of `httparse`.
    let pairs = head.iter().zip(head.iter().skip(1));
    pairs.fold(false, |bare, (&before, &byte)| bare | ((byte == b'\n') & (before != b'\r')))
}

/// Decides when a growing head is parsed again: when a line ended or the size has doubled. So a head that comes byte by
/// byte is parsed about as often as it has lines, which are limited, and not as often as it has bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ParseSchedule {
    /// Bytes that need no search for a line end any more.
    passed: usize,
    /// The size that is worth a look whatever the bytes.
    due: usize,
}

impl ParseSchedule {
    /// Whether to look at `bytes`, which begin with all that was there the last time.
    pub(super) fn is_due(&mut self, bytes: &[u8]) -> bool {
        let due = bytes.len() >= self.due || bytes[self.passed.min(bytes.len())..].contains(&b'\n');
        if !due {
            self.passed = bytes.len();
        }
        due
    }

    /// The look at the first `length` bytes settled nothing; `limit` bytes must.
    pub(super) fn wait(&mut self, length: usize, limit: usize) {
        *self = Self { passed: length, due: limit.min(length * 2 + 1) };
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The sizes at which a head is looked at that comes byte by byte.
    fn looks(bytes: &[u8]) -> Vec<usize> {
        let mut schedule = ParseSchedule::default();
        let mut look = |length: &usize| {
            let due = schedule.is_due(&bytes[..*length]);
            if due {
                schedule.wait(*length, 50);
            }
            due
        };
        (1..=bytes.len()).filter(|length| look(length)).collect()
    }

    #[test]
    fn a_head_is_looked_at_when_its_size_has_doubled_or_a_line_has_ended() {
        assert_eq!(looks(&[b'x'; 51]), [1, 3, 7, 15, 31, 50, 51]);
        assert_eq!(looks(b"xxxxxxxxxx\nxxxxxxx\nxxxxxx"), [1, 3, 7, 11, 19]);
    }
}
