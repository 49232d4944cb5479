//! The bytes, limits and times that both ends of an Envoy share.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::process_world::ProcessWorld;

/// A connection.
pub(crate) type Stream = <ProcessWorld as revtun::world::World>::Stream;

pub(super) const PING: [u8; 5] = *b"RPING";

/// The longest head of a handshake.
const HEAD_MAX: usize = 60 << 10;

/// Flow control and streams, as in its SETTINGS.
pub(super) const STREAM_WINDOW: u32 = 16 << 20;
/// What its first WINDOW_UPDATE makes of the window of a connection.
pub(super) const CONNECTION_WINDOW: u32 = 65_535 + 25_100_289;
pub(super) const STREAMS: u32 = 1024;

/// Reads up to the empty line behind a head: all that came until then, and how much of it the head is.
pub(in crate::actors) async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    at_once: usize,
) -> Option<(Vec<u8>, usize)> {
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    loop {
        let count = stream.read(&mut space[..at_once.min(4096)]).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&space[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some((bytes, end + 4));
        }
        if bytes.len() > HEAD_MAX {
            return None;
        }
    }
}

/// The value of a header, by its name in lower case; the first one counts.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// `time`, and at random up to 15 % more.
pub(super) fn jittered(time: Duration, random: u64) -> Duration {
    time + time * u32::try_from(random % 151).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_headers_have_no_case_and_the_first_counts() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\nx-id: 2\r\n\r\n";
        assert_eq!(header(head, "x-id"), Some("1"));
        assert_eq!(header(head, "x-no"), None);
    }
}
