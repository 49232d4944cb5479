//! What a responder answers (reference §2.2).

use alloc::format;
use alloc::vec::Vec;

use super::Rejection;
use super::head::{RETRY_AFTER, TRANSFER_ENCODING, UPGRADE, UPGRADE_TOKEN};

/// The answer that makes a tunnel of the connection. Nothing may follow it at once (reference §2.4).
///
/// With `revtun` it says that the responder is revtun; without, it is byte for byte an Envoy's. Say so only to an
/// initiator that sent an instance.
#[must_use]
pub const fn encode_accepted(upgrade: bool, revtun: bool) -> &'static [u8] {
    match (upgrade, revtun) {
        (false, false) => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        (false, true) => b"HTTP/1.1 200 OK\r\nx-revtun: 1\r\ncontent-length: 0\r\n\r\n",
        (true, false) => b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: reverse-tunnel\r\n\r\n",
        (true, true) => {
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: reverse-tunnel\r\nx-revtun: 1\r\n\r\n"
        }
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
    if rejection == Rejection::ObsoleteVersion {
        // HTTP/1.0 has no chunks: the end of the connection is the end of the text.
        answer += &format!("\r\n{body}");
    } else {
        answer += &format!("{TRANSFER_ENCODING}: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    }
    answer.into_bytes()
}
