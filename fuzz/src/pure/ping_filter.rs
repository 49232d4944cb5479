//! Pings in front of data, however they are cut: counted, and not a byte of the data lost or changed.

use revtun_core::rping::{Data, PING, PingFilter};

use super::segments::cut;
use super::without_allocation;

/// The first byte cuts the rest.
pub fn run(data: &[u8]) {
    let (_, stream, lengths) = cut(data);
    let mut filter = PingFilter::new();
    let (mut pings, mut passed) = (0, Vec::new());
    let mut start = 0;
    for end in lengths {
        let piece = &stream[start..end];
        let fed = without_allocation(|| filter.feed(piece));
        assert!(filter.held().len() < PING.len());
        assert!(fed.pings as usize <= piece.len().div_ceil(PING.len()));
        pings += fed.pings;
        match fed.data {
            Some(Data { held, from }) => passed.extend_from_slice(&[held, &piece[from..]].concat()),
            None => assert!(passed.is_empty(), "behind data everything is data"),
        }
        start = end;
    }
    assert_eq!((pings, &passed[..], filter.held()), expected(stream));
}

/// The whole stream at once: pings in front, then data; what may still become a ping is neither.
pub fn expected(stream: &[u8]) -> (u32, &[u8], &[u8]) {
    let (mut pings, mut rest) = (0, stream);
    while let Some(later) = rest.strip_prefix(&PING) {
        (pings, rest) = (pings + 1, later);
    }
    if PING.starts_with(rest) { (pings, &[], rest) } else { (pings, rest, &[]) }
}
