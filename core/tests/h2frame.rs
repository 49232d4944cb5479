//! Telling HTTP/2 from HTTP/1.1, and where frames begin and end (RFC 9113).

use proptest::prelude::*;
use revtun_core::h2frame::{
    FrameScanner, GOAWAY_NO_ERROR, GOAWAY_UNUSED_CLIENT, GOAWAY_UNUSED_SERVER, PREFACE, detect_protocol,
};
use revtun_core::initiator::Protocol;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
    let [.., high, middle, low] = length.to_be_bytes();
    let mut bytes = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
    // A payload that looks like GOAWAY headers must not be taken for one.
    bytes.extend([0, 0, 8, GOAWAY, 0, 0, 0, 0, 0].iter().cycle().take(length));
    bytes
}

#[test]
fn the_protocol_is_detected_at_the_first_deciding_byte() {
    for length in 0..PREFACE.len() {
        assert_eq!(detect_protocol(&PREFACE[..length]), None);
    }
    assert_eq!(detect_protocol(PREFACE), Some(Protocol::Http2));
    assert_eq!(detect_protocol(&GOAWAY_UNUSED_CLIENT), Some(Protocol::Http2));
    for http1 in ["G", "GET / HTTP/1.1\r\n", "PUT", "POST", "PATCH", "PRIVATE / HTTP/1.1", "REPORT", "\0"] {
        assert_eq!(detect_protocol(http1.as_bytes()), Some(Protocol::Http1), "{http1}");
    }
    assert_eq!(detect_protocol(b"PRI * HTTP/2.0\r\n\r\nXX"), Some(Protocol::Http1));
}

#[test]
fn the_constant_frames_are_well_formed() {
    assert_eq!(GOAWAY_NO_ERROR, [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(GOAWAY_UNUSED_CLIENT[..24], PREFACE[..]);
    assert_eq!(GOAWAY_UNUSED_CLIENT[24..33], [0, 0, 0, 4, 0, 0, 0, 0, 0]);
    assert_eq!(GOAWAY_UNUSED_CLIENT[33..], GOAWAY_NO_ERROR);
    assert_eq!(GOAWAY_UNUSED_SERVER[..9], GOAWAY_UNUSED_CLIENT[24..33]);
    assert_eq!(GOAWAY_UNUSED_SERVER[9..], [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    for (mut scanner, bytes) in
        [(FrameScanner::client(), &GOAWAY_UNUSED_CLIENT[..]), (FrameScanner::server(), &GOAWAY_UNUSED_SERVER)]
    {
        assert_eq!(scanner.scan(bytes).goaways, 1);
        assert!(scanner.at_boundary());
    }
}

#[test]
fn payloads_of_any_length_are_skipped() {
    for length in [0, 1, 0xff, 0x100, 0xffff, 0x1_0000, 0x12_3456] {
        let mut scanner = FrameScanner::server();
        scanner.scan(&frame(SETTINGS, 0, 0));
        assert_eq!(scanner.scan(&frame(DATA, 0, length)).goaways, 0, "{length}");
        assert!(scanner.at_boundary(), "{length}");
    }
}

/// SETTINGS of these identifiers and values.
fn settings(flags: u8, of: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = frame(SETTINGS, flags, 6 * of.len());
    bytes.truncate(9);
    for (identifier, value) in of {
        bytes.extend_from_slice(&identifier.to_be_bytes());
        bytes.extend_from_slice(&value.to_be_bytes());
    }
    bytes
}

#[test]
fn the_largest_list_of_headers_is_read_from_settings_however_they_are_cut() {
    let stream = [
        &PREFACE[..],
        &settings(0, &[(3, 100), (6, 61_440), (4, 6)]),
        &frame(DATA, 0, 6),
        &settings(1, &[(6, 1)]),
        &settings(0, &[(6, 7), (6, 0x0102_0304)]),
        &settings(0, &[(5, 9)]),
    ]
    .concat();
    for size in [1, 2, 5, 7, 1000] {
        let mut scanner = FrameScanner::client();
        let seen: Vec<_> = stream.chunks(size).filter_map(|bytes| scanner.scan(bytes).max_header_list_bytes).collect();
        let expected = if size == 1000 { &[0x0102_0304][..] } else { &[61_440, 7, 0x0102_0304][..] };
        assert_eq!(seen, expected, "cut to {size}");
    }
}

#[test]
fn how_many_streams_a_peer_takes_is_read_before_its_settings_end() {
    let announced = settings(0, &[(3, 2), (6, 100)]);
    let stream = [&announced[..], &settings(0, &[]), &settings(1, &[]), &settings(0, &[(3, 1)])].concat();
    for size in [1, 4, 1000] {
        let mut scanner = FrameScanner::server();
        let scanned: Vec<_> = stream.chunks(size).map(|bytes| scanner.scan(bytes)).collect();
        let ends = scanned.iter().filter(|it| it.settings()).count();
        let limits: Vec<_> = scanned.iter().filter_map(|it| it.max_concurrent_streams).collect();
        let expected = if size == 1000 { (1, &[1][..]) } else { (3, &[2, 1][..]) };
        assert_eq!((ends, &limits[..]), expected, "cut to {size}");
    }
    let mut scanner = FrameScanner::server();
    assert!(!scanner.scan(&announced[..announced.len() - 1]).settings());
    assert!(scanner.scan(&announced[announced.len() - 1..]).settings());
}

#[test]
fn there_is_no_boundary_before_the_first_settings() {
    let mut scanner = FrameScanner::client();
    assert!(!scanner.at_boundary());
    scanner.scan(PREFACE);
    assert!(!scanner.at_boundary(), "between preface and SETTINGS");
    scanner.scan(&frame(SETTINGS, 0, 6));
    assert!(scanner.at_boundary());

    let mut scanner = FrameScanner::server();
    assert!(!scanner.at_boundary());
    scanner.scan(&frame(SETTINGS, 0, 0));
    assert!(scanner.at_boundary());
}

#[test]
fn there_is_no_boundary_within_a_header_block() {
    let mut scanner = FrameScanner::server();
    scanner.scan(&frame(SETTINGS, 0, 0));
    for (kind, flags, open) in [
        (HEADERS, 0, false),
        (CONTINUATION, 0, false),
        (CONTINUATION, END_HEADERS, true),
        (HEADERS, END_HEADERS, true),
        (DATA, END_HEADERS, true),
        (DATA, 0, true),
    ] {
        scanner.scan(&frame(kind, flags, 3));
        assert_eq!(scanner.at_boundary(), open, "{kind} {flags}");
    }
}

#[test]
fn the_first_boundary_is_found_from_every_state() {
    let stream = [
        &PREFACE[..],
        &frame(SETTINGS, 0, 6),
        &frame(HEADERS, 0, 10),
        &frame(CONTINUATION, END_HEADERS, 2),
        &frame(DATA, 0, 300),
        &frame(GOAWAY, 0, 8),
    ]
    .concat();
    let boundaries = [24 + 15, 24 + 15 + 19 + 11, 24 + 15 + 19 + 11 + 309, stream.len()];
    for start in 0..=stream.len() {
        let mut scanner = FrameScanner::client();
        let goaways = scanner.scan(&stream[..start]).goaways;
        let next = *boundaries.iter().find(|boundary| **boundary >= start).unwrap();
        assert_eq!(scanner.first_boundary(&stream[start..]), Some(next - start), "from {start}");
        assert_eq!(scanner.at_boundary(), next == start);
        if next > start {
            assert_eq!(scanner.first_boundary(&stream[start..next - 1]), None, "from {start}, not all there");
        }
        assert_eq!(goaways + scanner.scan(&stream[start..]).goaways, 1);
    }
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        frames in prop::collection::vec((0_u8..11, any::<u8>(), 0_usize..70), 0..20),
        cuts in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let frames = std::iter::once((SETTINGS, 0, 0)).chain(frames);
        let frames: Vec<_> = frames.map(|(kind, flags, length)| (kind, frame(kind, flags, length))).collect();
        let expected = frames.iter().filter(|(kind, _)| *kind == GOAWAY).count();
        let stream: Vec<u8> = frames.into_iter().flat_map(|(_, bytes)| bytes).collect();

        let mut whole = FrameScanner::server();
        prop_assert_eq!(whole.scan(&stream).goaways as usize, expected);
        let mut scanner = FrameScanner::server();
        let (mut rest, mut goaways) = (&stream[..], 0);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            goaways += scanner.scan(piece).goaways;
            rest = later;
        }
        prop_assert_eq!(goaways as usize, expected);
        prop_assert_eq!(scanner.at_boundary(), whole.at_boundary());
    }

    #[test]
    fn garbage_is_scanned_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut scanner = FrameScanner::client();
        let ahead = scanner.first_boundary(&bytes);
        scanner.scan(&bytes);
        prop_assert!(ahead.is_none_or(|at| at <= bytes.len()));
        prop_assert!(ahead.is_some() || !scanner.at_boundary());
    }
}

#[test]
fn the_extended_connect_is_known_once_settings_have_ended() {
    for (pairs, expected) in
        [(&[][..], false), (&[(8, 1)], true), (&[(3, 9), (8, 1), (5, 70_000)], true), (&[(8, 0)], false)]
    {
        let first = settings(0, pairs);
        for size in 1..=first.len() {
            let mut scanner = FrameScanner::server();
            let mut seen: Vec<_> = first.chunks(size).map(|bytes| scanner.scan(bytes).extended_connect).collect();
            assert_eq!(seen.pop(), Some(Some(expected)), "{pairs:?} by {size}");
            assert!(seen.iter().all(Option::is_none), "{pairs:?} by {size}");
            assert_eq!(scanner.scan(&settings(1, &[])).extended_connect, None);
            assert_eq!(
                scanner.scan(&settings(0, &[(3, 1)])).extended_connect,
                Some(expected),
                "what was said before counts"
            );
        }
    }
}
