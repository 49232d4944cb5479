//! What a responder answers (reference §2.2).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use super::Rejection;
use super::head::{RETRY_AFTER, REVTUN, TLS, TLS_WHOLE, TRANSFER_ENCODING, UPGRADE, UPGRADE_TOKEN};

/// The answer that makes a tunnel of the connection. An Envoy chokes on what comes together with it (reference §2.4).
///
/// Without `revtun` and `whole_tls` it is byte for byte an Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Acceptance {
    /// Whether the initiator asked for an upgrade, and is answered 101.
    pub upgrade: bool,
    /// Whether to say that the responder is revtun. Only to an initiator that sent an instance.
    pub revtun: bool,
    /// Whether to agree that the tunnel stays inside TLS. Only to an initiator that asked for it.
    pub whole_tls: bool,
}

impl Acceptance {
    /// The bytes.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut answer = if self.upgrade {
            format!("HTTP/1.1 101 Switching Protocols\r\nconnection: {UPGRADE}\r\n{UPGRADE}: {UPGRADE_TOKEN}\r\n")
        } else {
            "HTTP/1.1 200 OK\r\n".to_owned()
        };
        if self.revtun {
            answer += &format!("{REVTUN}: 1\r\n");
        }
        if self.whole_tls {
            answer += &format!("{TLS}: {TLS_WHOLE}\r\n");
        }
        answer += if self.upgrade { "\r\n" } else { "content-length: 0\r\n\r\n" };
        answer.into_bytes()
    }
}

/// The answer that turns a handshake away; the connection is closed behind it.
#[must_use]
pub fn encode_rejection(rejection: Rejection) -> Vec<u8> {
    let body = rejection.body();
    let mut answer = format!("HTTP/1.1 {} {}\r\ncontent-type: text/plain\r\n", rejection.status(), rejection.phrase());
    if rejection == Rejection::UpgradeRequired {
        answer += &format!("{UPGRADE}: {UPGRADE_TOKEN}\r\n");
    }
    if let Some(wait) = rejection.retry_after() {
        answer += &format!("{RETRY_AFTER}: {}\r\n", wait.as_secs());
    }
    if rejection == Rejection::UnsupportedVersion {
        // HTTP/1.0 has no chunks: the end of the connection is the end of the text.
        answer += &format!("\r\n{body}");
    } else {
        answer += &format!("{TRANSFER_ENCODING}: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    }
    answer.into_bytes()
}
