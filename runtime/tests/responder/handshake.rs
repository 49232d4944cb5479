//! Who may have a tunnel, byte for byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::initiator::{dial, envoys_hello, hello, read_head};
use super::{Responder, count, responder, until, within};

async fn answer_to(responder: &Responder, request: &[u8]) -> String {
    let mut stream = dial(responder.tunnel_addr()).await;
    stream.write_all(request).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    within("the end of the connection", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn an_envoy_gets_an_envoys_answer_and_then_a_moment_of_peace() {
    let responder = responder(|_| {}).await;
    let mut stream = dial(responder.tunnel_addr()).await;
    stream.write_all(&envoys_hello("n")).await.unwrap();
    let mut first = [0; 256];
    let read = within("an answer", stream.read(&mut first)).await.unwrap();
    assert_eq!(&first[..read], b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let read = within("a ping", stream.read(&mut first)).await.unwrap();
    assert_eq!(&first[..read], b"RPING");
    assert_eq!(responder.totals().handshakes_accepted, 1);
}

#[tokio::test]
async fn a_revtun_learns_that_it_met_its_like() {
    let responder = responder(|_| {}).await;
    let mut stream = dial(responder.tunnel_addr()).await;
    stream.write_all(&hello("n", 1)).await.unwrap();
    assert_eq!(read_head(&mut stream).await, "HTTP/1.1 200 OK\r\nx-revtun: 1\r\ncontent-length: 0\r\n\r\n");
    let tunnels = responder.tunnels();
    assert_eq!(tunnels.len(), 1);
    assert_eq!(tunnels[0].node.as_deref(), Some("n"));
    assert_eq!(tunnels[0].peer, Some(stream.local_addr().unwrap()));
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte_and_with_bytes_behind_it() {
    let responder = responder(|_| {}).await;
    let mut stream = dial(responder.tunnel_addr()).await;
    for byte in envoys_hello("n") {
        stream.write_u8(byte).await.unwrap();
    }
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let mut stream = dial(responder.tunnel_addr()).await;
    stream.write_all(&[envoys_hello("n"), b"too early".to_vec()].concat()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let mut ping = [0; 5];
    within("a ping", stream.read_exact(&mut ping)).await.unwrap();
    assert_eq!(&ping, b"RPING");
    assert_eq!(responder.counts().tunnels, 2);
}

#[tokio::test]
async fn who_is_turned_away_is_told_why_and_then_disconnected() {
    let responder = responder(|_| {}).await;
    let answer = answer_to(&responder, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(
        answer,
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n\
         1c\r\nNot a reverse tunnel request\r\n0\r\n\r\n"
    );
    assert!(answer_to(&responder, b"hello?\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    let totals = responder.totals();
    assert_eq!(count(&totals.handshakes_rejected, "not-a-tunnel-request"), 1);
    assert_eq!(count(&totals.handshakes_rejected, "bad-request"), 1);
    assert_eq!(totals.handshakes_accepted, 0);
    until("nothing is left", || responder.counts().handshakes == 0).await;
}

#[tokio::test]
async fn who_says_nothing_is_disconnected_without_a_word() {
    let responder = responder(|config| config.core.handshake_timeout = Duration::from_millis(50)).await;
    assert_eq!(answer_to(&responder, b"GET /rev").await, "");
    assert_eq!(responder.totals().handshake_timeouts, 1);
    assert_eq!(responder.counts().handshakes, 0);
}

#[tokio::test]
async fn there_are_only_so_many_handshakes_at_a_time() {
    let responder = responder(|config| config.core.max_handshakes = 1).await;
    let _silent = dial(responder.tunnel_addr()).await;
    until("the silent one is seen", || responder.counts().handshakes == 1).await;
    let mut second = dial(responder.tunnel_addr()).await;
    let answer = rest(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"), "{answer}");
    assert_eq!(count(&responder.totals().handshakes_rejected, "too-many-handshakes"), 1);
}

#[tokio::test]
async fn a_peer_that_goes_away_leaves_nothing_behind() {
    let responder = responder(|_| {}).await;
    drop(dial(responder.tunnel_addr()).await);
    until("it is counted", || responder.totals().handshakes_abandoned == 1).await;
    until("it is forgotten", || responder.counts().handshakes == 0).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = responder(|_| {}).await;
    let mut config = revtun::responder::ResponderConfig::at(first.tunnel_addr(), super::LOOPBACK);
    let world = revtun::world::Tokio::begin();
    let error = revtun::responder::start(world.clone(), config.clone()).await.err().unwrap();
    let at = first.tunnel_addr();
    assert!(error.to_string().starts_with(&format!("cannot bind the tunnel listener to {at}: ")), "{error}");
    (config.tunnel_listen, config.egress_listen) = (super::LOOPBACK, first.egress_addr());
    let error = revtun::responder::start(world, config).await.err().unwrap();
    assert!(error.to_string().starts_with("cannot bind the egress listener to "), "{error}");
}
