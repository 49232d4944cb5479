//! Pings, and the first bytes that are none, however they are cut.

use tokio::io::AsyncReadExt;

use revtun_core::h2frame::PREFACE;

use crate::fake::{ACCEPTED, FakeResponder, REQUEST, soon, until};
use crate::start::{config, count, pong};

#[tokio::test]
async fn every_ping_is_echoed_however_they_are_cut() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.tunnel().await;
    assert!(!initiator.ready(), "an answer alone proves nothing");
    for pings in [&b"RPING"[..], b"RPINGRPINGRP", b"I", b"NGRPING", b"R", b"PINGRPING"] {
        peer.send(pings).await;
    }
    peer.expect(&b"RPING".repeat(7)).await;
    peer.stays_quiet().await;
    assert!(initiator.ready());
    assert_eq!(initiator.totals().pings_echoed, 7);
}

#[tokio::test]
async fn answer_pings_and_request_may_come_together_or_in_pieces() {
    let sent = [ACCEPTED, b"RPINGRPING", PREFACE, REQUEST].concat();
    let cuts = ACCEPTED.len() - 2..sent.len();
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(u16::try_from(cuts.len()).unwrap(), &[responder.address()])).await;
    let mut peers = Vec::new();
    for cut in cuts.clone() {
        let mut peer = responder.greeted().await;
        peer.send(&sent[..cut]).await;
        peers.push((cut, peer));
    }
    for (cut, mut peer) in peers {
        peer.send(&sent[cut..]).await;
        peer.expect(b"RPINGRPING").await;
        assert_eq!(peer.status_on_stream_1().await, 200, "cut {cut}");
    }
    assert_eq!(initiator.totals().requests, cuts.len() as u64);
}

#[tokio::test]
async fn http_1_is_served_too_even_if_it_begins_like_a_ping_or_a_preface() {
    let responder = FakeResponder::listen().await;
    let _initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.tunnel().await;
    for request in ["RPIN", "T / HTTP/1.1\r\nhost: a\r\n\r\n", "P", "RI / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        peer.send(request.as_bytes()).await;
    }
    for _ in 0..2 {
        peer.expect(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong").await;
    }
}

#[tokio::test]
async fn what_was_held_back_as_the_start_of_a_ping_is_not_lost() {
    let responder = FakeResponder::listen().await;
    let _initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.tunnel().await;
    peer.send(b"RPINGR").await;
    // The echo shows that the letter behind the ping was read, and so is kept apart from what follows.
    peer.expect(b"RPING").await;
    peer.send(b" / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    peer.expect(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong").await;
}

#[tokio::test]
async fn garbage_ends_the_tunnel_and_it_is_replaced() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.tunnel().await;
    peer.send(b"RPING\0\0\0\r\n\r\n").await;
    peer.expect(b"RPING").await;
    let mut rest = Vec::new();
    soon("the end", peer.stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 400 "), "{}", rest.escape_ascii());
    responder.tunnel().await;
    until("the count", || count(&initiator.totals().tunnels_closed, "lost") == 1).await;
}
