//! Tunnels that wait to be used.

use std::time::Duration;

use revtun_core::h2frame::GOAWAY_UNUSED_SERVER;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::initiator::tunnel;
use super::{Responder, count, responder, until, within};

async fn quick() -> Responder {
    responder(|config| {
        config.core.ping_interval = Duration::from_millis(20);
        config.core.echo_timeout = Duration::from_millis(400);
    })
    .await
}

async fn read_ping(stream: &mut TcpStream) {
    let mut ping = [0; 5];
    within("a ping", stream.read_exact(&mut ping)).await.unwrap();
    assert_eq!(&ping, b"RPING");
}

async fn read_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _reset_or_end = within("the end", stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn echoes_count_however_they_are_cut() {
    let responder = quick().await;
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    for pieces in [&[&b"RPING"[..]][..], &[b"RPI", b"NG"], &[b"R", b"P", b"I", b"N", b"G"], &[b"RPINGRPING"]] {
        read_ping(&mut stream).await;
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
        }
    }
    read_ping(&mut stream).await;
    let totals = responder.totals();
    assert_eq!(totals.pings_echoed, 5);
    assert!(totals.pings_sent >= 5, "{totals:?}");
    assert_eq!(responder.counts().tunnels, 1);
}

#[tokio::test]
async fn who_does_not_echo_is_closed() {
    let responder = responder(|config| config.core.echo_timeout = Duration::from_millis(50)).await;
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    read_ping(&mut stream).await;
    read_end(&mut stream).await;
    until("it is counted", || count(&responder.totals().tunnels_closed, "ping-timeout") == 1).await;
    assert_eq!(responder.counts().tunnels, 0);
}

#[tokio::test]
async fn who_speaks_unasked_is_closed() {
    let responder = quick().await;
    for bytes in [&b"RPINX"[..], b"HTTP/1.1 200 OK\r\n\r\n", &GOAWAY_UNUSED_SERVER[..8], &[0; 64]] {
        let mut stream = tunnel(responder.tunnel_addr(), "n").await;
        stream.write_all(bytes).await.unwrap();
        if bytes == &GOAWAY_UNUSED_SERVER[..8] {
            stream.write_all(b"!").await.unwrap();
        }
        read_end(&mut stream).await;
    }
    until("all are counted", || count(&responder.totals().tunnels_closed, "unexpected-bytes") == 4).await;
    assert_eq!(responder.counts().tunnels, 0);
}

#[tokio::test]
async fn who_says_that_it_leaves_may_go() {
    let responder = quick().await;
    for cut in [0, 3, 9, 25] {
        let mut stream = tunnel(responder.tunnel_addr(), "n").await;
        stream.write_all(&GOAWAY_UNUSED_SERVER[..cut]).await.unwrap();
        stream.write_all(&GOAWAY_UNUSED_SERVER[cut..]).await.unwrap();
        read_end(&mut stream).await;
    }
    until("all are counted", || count(&responder.totals().tunnels_closed, "drained") == 4).await;
    assert_eq!(count(&responder.totals().tunnels_closed, "unexpected-bytes"), 0);
}

#[tokio::test]
async fn who_closes_is_forgotten_at_once() {
    let responder = quick().await;
    drop(tunnel(responder.tunnel_addr(), "n").await);
    until("it is forgotten", || responder.counts().tunnels == 0).await;
    // Unread bytes in a closed socket make a reset of the end.
    until("it is counted", || {
        let closed = responder.totals().tunnels_closed;
        count(&closed, "peer-closed") + count(&closed, "lost") == 1
    })
    .await;
}
