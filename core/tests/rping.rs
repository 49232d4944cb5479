//! Pings, however they are split or run together (reference §3).

use proptest::prelude::*;
use revtun_core::rping::{Data, Filtered, PING, PingFilter};

#[test]
fn each_row_of_the_reference_holds() {
    let one = |bytes: &[u8]| PingFilter::new().feed(bytes);
    let data = |pings, from| Filtered { pings, data: Some(Data { held: b"", from }) };
    let none = |pings| Filtered { pings, data: None };

    assert_eq!(one(b""), none(0));
    assert_eq!(one(b"RPING"), none(1));
    assert_eq!(one(b"RPINGRPING"), none(2), "pings run together");
    assert_eq!(one(b"RPINGRPI"), none(1), "the second may follow");
    assert_eq!(one(b"RPINGPRI * HTTP/2.0"), data(1, 5), "a ping and the preface in one read");
    assert_eq!(one(b"RPINX"), data(0, 0), "like a ping, but none");
    assert_eq!(one(b"rping"), data(0, 0), "case matters");
    assert_eq!(one(b"REPORT / HTTP/1.1"), data(0, 0));
    assert_eq!(one(b"RRPING"), data(0, 0), "a ping behind data is data");
    assert_eq!(one(b"RPINGRPINRPING"), data(1, 5));
}

#[test]
fn held_bytes_are_returned_with_the_data() {
    let mut filter = PingFilter::new();
    assert_eq!(filter.feed(b"RPINGRP"), Filtered { pings: 1, data: None });
    assert_eq!(filter.held(), b"RP");
    assert_eq!(filter.feed(b"I"), Filtered { pings: 0, data: None });
    assert_eq!(filter.feed(b"C?"), Filtered { pings: 0, data: Some(Data { held: b"RPI", from: 0 }) });
    assert_eq!(filter.held(), b"");
}

#[test]
fn data_behind_a_completed_ping_holds_nothing_back() {
    let mut filter = PingFilter::new();
    filter.feed(b"RPIN");
    assert_eq!(filter.feed(b"GRPX"), Filtered { pings: 1, data: Some(Data { held: b"", from: 1 }) });
}

#[test]
fn everything_after_the_first_data_is_data() {
    let mut filter = PingFilter::new();
    filter.feed(b"x");
    assert_eq!(filter.feed(b"RPING"), Filtered { pings: 0, data: Some(Data { held: b"", from: 0 }) });
}

#[test]
fn every_segmentation_in_two_gives_the_same() {
    for stream in [&b"RPINGRPINGPRI * "[..], b"RPINGRPINX", b"RPINGRPINGRPI", b"REPORT", b"RPINRPING"] {
        let whole = through(&[stream]);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(through(&pieces), whole, "{pieces:?}");
            }
        }
    }
}

/// Pings, data, and what is still held.
fn through(pieces: &[&[u8]]) -> (u32, Vec<u8>, &'static [u8]) {
    let mut filter = PingFilter::new();
    let (mut pings, mut data) = (0, Vec::new());
    for piece in pieces {
        let fed = filter.feed(piece);
        pings += fed.pings;
        if let Some(Data { held, from }) = fed.data {
            data.extend_from_slice(held);
            data.extend_from_slice(&piece[from..]);
        }
    }
    (pings, data, filter.held())
}

proptest! {
    #[test]
    fn leading_pings_are_counted_and_no_other_byte_is_lost(
        count in 0_u32..50, tail in "[RPING]{0,12}", cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let mut stream = PING.repeat(count as usize);
        stream.extend_from_slice(tail.as_bytes());
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        let (pings, data, held) = through(&pieces);
        prop_assert_eq!([&PING.repeat(pings as usize)[..], &data, held].concat(), stream);
        prop_assert!(pings >= count);
        prop_assert!(!data.starts_with(&PING));
        prop_assert!(data.is_empty() || held.is_empty());
    }
}
