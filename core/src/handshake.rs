//! The short HTTP/1.1 exchange in which an initiator says who it is (reference §2).

mod head;
mod reason;
mod rejection;
mod request;
mod request_parser;
mod response;
mod response_parser;

pub use head::{HeaderNames, MAX_HEADERS};
pub use reason::{MAX_REASON_BODY_BYTES, REASON_TIMEOUT, Reason};
pub use rejection::Rejection;
pub use request::{PATH, RequestHead, is_path};
pub use request_parser::{MAX_REQUEST_HEAD_BYTES, ParsedRequest, Request, RequestParser, Rules};
pub use response::{Acceptance, encode_rejection};
pub use response_parser::{MAX_RESPONSE_HEAD_BYTES, ParsedResponse, ResponseParser};

use core::fmt;
use core::time::Duration;

/// Identifies one run of one initiator process, so that a responder can tell a restarted node from its previous run.
///
/// Travels in the header `x-revtun-instance` as 32 hexadecimal digits; Envoy ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(pub u128);

impl Instance {
    /// Reads 32 hexadecimal digits; none if the text is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_at_checked(16).filter(|(_, low)| low.len() == 16)?;
        // A sign is the only thing that is read beside digits.
        let half = |digits: &str| u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
        Some(Self(u128::from(half(high)?) << 64 | u128::from(half(low)?)))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Whether a peer that was to speak HTTP speaks TLS: its first bytes are the header of a record (RFC 8446 §5.1), a handshake's
/// from a client, an alert's from a server.
#[must_use]
pub fn is_tls(first: &[u8]) -> bool {
    matches!(first, [0x15 | 0x16, 3, ..])
}

/// What a responder answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 200 (101 in upgrade mode): the connection is a tunnel from here on.
    Accepted {
        /// The responder is revtun too: its answer carries `x-revtun: 1`, which it sends only to a request with
        /// `x-revtun-instance`, so that an Envoy always gets the bytes it would get from an Envoy. A revtun
        /// understands an initiator that speaks first on a tunnel never used: SETTINGS and GOAWAY, to say that it
        /// is leaving ([`crate::h2frame`]).
        revtun: bool,
    },
    /// Any other status.
    Refused {
        /// The status, 100 to 999.
        status: u16,
        /// What `retry-after` says, in whole seconds and longer than none; only from a 429 or a 503.
        retry_after: Option<Duration>,
    },
    /// 200 (101 in upgrade mode), but without `x-revtun-tls: whole`: the responder, or whoever answers in its place,
    /// would leave TLS behind the answer, and we must not.
    Downgraded,
    /// Not an HTTP/1.1 response, or one that breaks our limits.
    Malformed,
}
