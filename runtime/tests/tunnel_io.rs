//! The byte stream of a tunnel: what it takes out, puts in and notices, however the bytes are cut.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use std::io::IoSlice;
use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use revtun::tls::MaybeTlsStream;
use revtun::tunnel_io::{Notice, TunnelIo};
use revtun::world::Tokio;
use revtun_core::h2frame::{GOAWAY_NO_ERROR, PREFACE};
use revtun_core::initiator::Protocol;
use revtun_core::rping::PingFilter;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const DATA: [u8; 12] = [0, 0, 3, 0, 0, 0, 0, 0, 1, 7, 7, 7];
/// HEADERS without END_HEADERS, then the CONTINUATION that ends them.
const HEADERS: [u8; 10] = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x82];
const HEADERS_BEGUN: [u8; 10] = [0, 0, 1, 1, 0, 0, 0, 0, 3, 0x82];
const CONTINUATION: [u8; 10] = [0, 0, 1, 9, 4, 0, 0, 0, 3, 0x84];

fn drain(notices: &mut mpsc::Receiver<Notice>) -> Vec<Notice> {
    std::iter::from_fn(|| notices.try_recv().ok()).collect()
}

async fn write_in_two(peer: &mut DuplexStream, bytes: &[u8], cut: usize) {
    peer.write_all(&bytes[..cut]).await.unwrap();
    peer.write_all(&bytes[cut..]).await.unwrap();
}

#[tokio::test]
async fn late_echoes_are_taken_out_wherever_they_are_cut() {
    let data = [&SETTINGS[..], &DATA, b"RPING is data now"].concat();
    for held in 0..=5 {
        for cut in 0..12 {
            let (mut peer, stream) = tokio::io::duplex(1024);
            let mut echoes = PingFilter::new();
            let echoed = echoes.feed(&b"RPING"[..held]).pings;
            assert_eq!(echoed, u32::from(held == 5));
            let (mut io, mut notices, _order) =
                TunnelIo::requesting(&Tokio::begin(), MaybeTlsStream::plain(stream), echoes);

            let sent = [&b"RPINGRPING"[held..], &data].concat();
            write_in_two(&mut peer, &sent, cut).await;
            drop(peer);
            let mut got = Vec::new();
            io.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, data, "held {held}, cut {cut}");
            assert_eq!(drain(&mut notices), [Notice::Heard]);
        }
    }
}

#[tokio::test]
async fn data_that_begins_like_an_echo_is_given_back_whole() {
    let (mut peer, stream) = tokio::io::duplex(1024);
    let mut echoes = PingFilter::new();
    echoes.feed(b"RPI");
    let (mut io, _notices, _order) = TunnelIo::requesting(&Tokio::begin(), MaybeTlsStream::plain(stream), echoes);
    peer.write_all(b"X").await.unwrap();
    let mut got = [0; 4];
    io.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"RPIX");
}

#[tokio::test]
async fn what_was_read_before_comes_first() {
    let (mut peer, stream) = tokio::io::duplex(1024);
    let first = Bytes::from_static(PREFACE);
    let (mut io, mut notices) =
        TunnelIo::serving(&Tokio::begin(), MaybeTlsStream::plain(stream), Protocol::Http2, first);
    peer.write_all(&SETTINGS).await.unwrap();
    let mut got = [0; 24 + 9];
    // Through a buffer smaller than what is replayed.
    io.read_exact(&mut got[..10]).await.unwrap();
    io.read_exact(&mut got[10..]).await.unwrap();
    assert_eq!(got[..24], PREFACE[..]);
    assert_eq!(got[24..], SETTINGS);
    assert_eq!(drain(&mut notices), [Notice::Heard]);
}

#[tokio::test]
async fn a_goaway_is_noticed_once_however_it_is_cut() {
    let sent = [&SETTINGS[..], &DATA, &GOAWAY_NO_ERROR, &GOAWAY_NO_ERROR].concat();
    for cut in 0..sent.len() {
        let (mut peer, stream) = tokio::io::duplex(1024);
        let first = Bytes::from_static(PREFACE);
        let (mut io, mut notices) =
            TunnelIo::serving(&Tokio::begin(), MaybeTlsStream::plain(stream), Protocol::Http2, first);
        let reader = async {
            let mut got = Vec::new();
            io.read_to_end(&mut got).await.unwrap();
            got
        };
        let writer = async {
            write_in_two(&mut peer, &sent, cut).await;
            drop(peer);
        };
        let (got, ()) = tokio::join!(reader, writer);
        assert_eq!(got[24..], sent);
        assert_eq!(drain(&mut notices), [Notice::Heard, Notice::GoawayReceived], "cut {cut}");
    }
}

#[tokio::test]
async fn plain_http_is_not_searched_for_frames() {
    let (mut peer, stream) = tokio::io::duplex(1024);
    let (mut io, mut notices) =
        TunnelIo::serving(&Tokio::begin(), MaybeTlsStream::plain(stream), Protocol::Http1, Bytes::new());
    peer.write_all(&GOAWAY_NO_ERROR).await.unwrap();
    io.read_exact(&mut [0; 17]).await.unwrap();
    assert_eq!(drain(&mut notices), [Notice::Heard]);
}

/// Writes all of `bytes` as an HTTP/2 library does: `step` bytes at a time, with vectored writes if `vectored`.
async fn write_as_http2(io: &mut TunnelIo<Tokio, DuplexStream>, bytes: &[u8], step: usize, vectored: bool) {
    for piece in bytes.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len() / 2);
            let written = match vectored {
                true => io.write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).await.unwrap(),
                false => io.write(rest).await.unwrap(),
            };
            rest = &rest[written..];
        }
    }
    io.flush().await.unwrap();
}

#[tokio::test]
async fn a_goaway_is_put_in_at_the_next_place_where_it_may_stand() {
    let stream_bytes = [&PREFACE[..], &SETTINGS, &HEADERS, &DATA, &HEADERS_BEGUN, &CONTINUATION, &DATA].concat();
    let legal = [33, 43, 55, 75, 87];
    for ordered_after in 0..=stream_bytes.len() {
        for (step, vectored) in [(1, false), (7, false), (7, true), (1000, false), (1000, true)] {
            let (mut peer, stream) = tokio::io::duplex(1024);
            let (mut io, _notices, order) =
                TunnelIo::requesting(&Tokio::begin(), MaybeTlsStream::plain(stream), PingFilter::new());
            write_as_http2(&mut io, &stream_bytes[..ordered_after], step, vectored).await;
            order.send();
            write_as_http2(&mut io, &stream_bytes[ordered_after..], step, vectored).await;
            drop(io);
            let mut got = Vec::new();
            peer.read_to_end(&mut got).await.unwrap();

            let place = *legal.iter().find(|place| **place >= ordered_after).unwrap();
            let mut expected = stream_bytes[..place].to_vec();
            expected.extend(GOAWAY_NO_ERROR);
            expected.extend(&stream_bytes[place..]);
            assert_eq!(got, expected, "ordered after {ordered_after}, step {step}, vectored {vectored}");
        }
    }
}

#[tokio::test]
async fn a_goaway_waits_for_a_slow_peer_without_being_torn() {
    // Room for less than a GOAWAY: it is written in pieces, with nothing in between.
    let (mut peer, stream) = tokio::io::duplex(5);
    let (mut io, _notices, order) =
        TunnelIo::requesting(&Tokio::begin(), MaybeTlsStream::plain(stream), PingFilter::new());
    let writer = async {
        io.write_all(&[&PREFACE[..], &SETTINGS].concat()).await.unwrap();
        order.send();
        io.write_all(&DATA).await.unwrap();
        drop(io);
    };
    let mut got = Vec::new();
    let (read, ()) = tokio::join!(peer.read_to_end(&mut got), writer);
    read.unwrap();
    assert_eq!(got, [&PREFACE[..], &SETTINGS, &GOAWAY_NO_ERROR, &DATA].concat());
}

#[tokio::test]
async fn a_tunnel_that_is_never_told_to_go_sends_nothing_of_its_own() {
    let (mut peer, stream) = tokio::io::duplex(1024);
    let (mut io, _notices, order) =
        TunnelIo::requesting(&Tokio::begin(), MaybeTlsStream::plain(stream), PingFilter::new());
    drop(order);
    io.write_all(&[&PREFACE[..], &SETTINGS, &DATA].concat()).await.unwrap();
    drop(io);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, [&PREFACE[..], &SETTINGS, &DATA].concat());
}

/// Whether the initiator's end is heard when its peer takes 8 bytes, of which `waiting` had no room before, and answers nothing.
async fn heard_when_taken(waiting: usize) -> bool {
    let (mut peer, stream) = tokio::io::duplex(8);
    let (mut io, mut notices) =
        TunnelIo::serving(&Tokio::begin(), MaybeTlsStream::plain(stream), Protocol::Http2, Bytes::new());
    let bytes = vec![7; 8 + waiting];
    let mut sending = pin!(io.write_all(&bytes));
    let mut task = Context::from_waker(Waker::noop());
    assert_eq!(sending.as_mut().poll(&mut task).is_pending(), waiting > 0);
    assert_eq!(drain(&mut notices), [], "nobody has taken anything yet");
    peer.read_exact(&mut [0; 8]).await.unwrap();
    if waiting > 0 {
        assert!(sending.poll(&mut task).is_ready(), "there is room again");
    }
    drain(&mut notices) == [Notice::Heard]
}

#[tokio::test]
async fn who_takes_bytes_from_a_full_path_is_alive() {
    assert!(heard_when_taken(8).await);
}

#[tokio::test]
async fn what_an_empty_path_takes_says_nothing() {
    assert!(!heard_when_taken(0).await);
}
