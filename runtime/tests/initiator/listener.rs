//! Tunnels as byte streams, for servers that are not ours.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::initiator::TunnelStream;
use revtun::world::{Executor, Tokio};
use revtun::{ConnectError, ReverseListener};
use revtun_core::h2frame::PREFACE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::fake::{A_WHILE, FakeResponder, Peer, soon, until};
use crate::lifecycle::InUse;
use crate::start::{config, count};

const ADDRESS: &str = "rc://n:c:t@cloud:1";

async fn listening(to: &FakeResponder) -> ReverseListener {
    ReverseListener::connect(ADDRESS, [to.address()]).await.unwrap()
}

/// A listener, and one accepted tunnel: its stream, and the responder's end, which has sent `hi`.
async fn accepted(responder: &FakeResponder) -> (ReverseListener, TunnelStream<Tokio>, Peer) {
    let mut listener = listening(responder).await;
    let mut peer = responder.tunnel().await;
    peer.send(b"hi").await;
    let (stream, address) = soon("a tunnel", listener.accept()).await.unwrap();
    assert_eq!(address, responder.address());
    (listener, stream, peer)
}

async fn expect(stream: &mut TunnelStream<Tokio>, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    soon("bytes", stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(read, bytes);
}

#[tokio::test]
async fn a_tunnel_is_accepted_at_its_first_use() {
    let responder = FakeResponder::listen().await;
    let mut listener = listening(&responder).await;
    let mut peer = responder.tunnel().await;
    peer.send(b"RPING").await;
    peer.expect(b"RPING").await;
    assert!(listener.initiator().ready());
    peer.send(b"RPINGSSH-2.0-x\r\n").await;
    let (mut stream, _) = soon("a tunnel", listener.accept()).await.unwrap();
    peer.expect(b"RPING").await;
    expect(&mut stream, b"SSH-2.0-x\r\n").await;
    stream.write_all(b"SSH-2.0-y\r\n").await.unwrap();
    peer.expect(b"SSH-2.0-y\r\n").await;
    // From here on a ping is what its sender says, and nobody answers.
    peer.send(b"RPING").await;
    expect(&mut stream, b"RPING").await;
    assert_eq!(listener.initiator().tunnels()[0].stage, "in-use");
}

#[tokio::test]
async fn a_server_of_http1_serves_it_and_its_end_is_replaced() {
    let responder = FakeResponder::listen().await;
    let mut listener = listening(&responder).await;
    let mut peer = responder.tunnel().await;
    peer.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let (stream, _) = soon("a tunnel", listener.accept()).await.unwrap();
    let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("raw")))));
    let mut server = hyper::server::conn::http1::Builder::new();
    let served = server.auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    soon("a response", served).await.unwrap();
    peer.expect(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nraw").await;
    peer.expect_end().await;
    responder.tunnel().await;
    assert_eq!(count(&listener.initiator().totals().tunnels_closed, "lost"), 1);
}

#[tokio::test]
async fn the_end_of_a_responder_is_the_end_of_the_stream() {
    let responder = FakeResponder::listen().await;
    let (_listener, mut stream, peer) = accepted(&responder).await;
    drop(peer);
    expect(&mut stream, b"hi").await;
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    drop(stream);
    responder.tunnel().await;
}

#[tokio::test]
async fn a_tunnel_that_is_closed_fails_both_halves_of_its_stream() {
    let responder = FakeResponder::listen().await;
    let (mut listener, mut stream, mut peer) = accepted(&responder).await;
    expect(&mut stream, b"hi").await;
    let (mut read, mut write) = tokio::io::split(stream);
    let reading = tokio::spawn(async move { read.read(&mut [0]).await.unwrap_err().kind() });
    // Until nobody takes any more.
    let writing = tokio::spawn(async move {
        loop {
            if let Err(error) = write.write(&[0; 65536]).await {
                return error.kind();
            }
        }
    });
    listener.initiator().drain(Duration::ZERO);
    let kinds = (soon("a read", reading).await.unwrap(), soon("a write", writing).await.unwrap());
    assert_eq!(kinds, (io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionAborted));
    soon("the drain", listener.initiator().wait()).await;
    assert!(soon("the end", listener.accept()).await.is_none());
    let mut rest = Vec::new();
    let _or_a_reset = soon("the end of the connection", peer.stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn over_http2_a_drain_is_said_for_the_server() {
    let responder = FakeResponder::listen().await;
    let mut listener = listening(&responder).await;
    let mut in_use = InUse::begin(responder.tunnel().await).await;
    let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let answer = tokio::spawn(in_use.ask());
    let (stream, _) = soon("a tunnel", listener.accept()).await.unwrap();
    let service = service_fn({
        let (came, go) = (Arc::clone(&came), Arc::clone(&go));
        move |_| {
            let (came, go) = (Arc::clone(&came), Arc::clone(&go));
            async move {
                came.notify_one();
                go.notified().await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("late"))))
            }
        }
    });
    let server = hyper::server::conn::http2::Builder::new(Executor::new(&Tokio::begin()));
    let server = tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
    soon("the request", came.notified()).await;
    listener.initiator().drain(Duration::from_secs(60));
    in_use.goaway_received().await;
    go.notify_one();
    assert_eq!(soon("the answer", answer).await.unwrap(), "late");
    drop(in_use);
    soon("the server", server).await.unwrap().unwrap();
    soon("the drain", listener.initiator().wait()).await;
}

#[tokio::test]
async fn a_responder_that_drains_gets_another_tunnel_at_once() {
    let responder = FakeResponder::listen().await;
    let mut listener = listening(&responder).await;
    let in_use = InUse::begin(responder.tunnel().await).await;
    let (mut stream, _) = soon("a tunnel", listener.accept()).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.map(|_| read)
    });
    in_use.goaway.send();
    responder.tunnel().await;
    assert!(!reading.is_finished());
}

#[tokio::test]
async fn an_accepted_tunnel_may_be_silent_for_as_long_as_it_likes() {
    let responder = FakeResponder::listen().await;
    let mut config = config(1, &[responder.address()]);
    config.core.silence = A_WHILE / 2;
    config.core.probe_interval = A_WHILE / 4;
    let mut listener = ReverseListener::with_config(config).await.unwrap();
    let mut in_use = responder.tunnel().await;
    in_use.send(PREFACE).await;
    let (mut stream, _) = soon("a tunnel", listener.accept()).await.unwrap();
    in_use.stays_quiet().await;
    expect(&mut stream, PREFACE).await;
    stream.write_all(b"still here").await.unwrap();
    in_use.expect(b"still here").await;
}

#[tokio::test]
async fn a_listener_that_is_dropped_leaves_what_was_accepted_to_its_server() {
    let responder = FakeResponder::listen().await;
    let address = "rc://n:c:t@cloud:2";
    let mut listener = ReverseListener::connect(address, [responder.address()]).await.unwrap();
    let (mut used, mut idle) = (responder.tunnel().await, responder.tunnel().await);
    used.send(b"hi").await;
    let (mut stream, _) = soon("a tunnel", listener.accept()).await.unwrap();
    until("both are up", || listener.initiator().totals().dials == 2).await;
    drop(listener);
    let mut rest = Vec::new();
    let _or_a_reset = soon("the end of the idle tunnel", idle.stream.read_to_end(&mut rest)).await;
    stream.write_all(b"hello").await.unwrap();
    used.expect(b"hello").await;
    drop(stream);
    used.expect_end().await;
    responder.stays_alone().await;
}

#[tokio::test]
async fn a_listener_that_cannot_start_says_why() {
    let error = async |address: &str, upstreams: &[&str]| {
        ReverseListener::connect(address, upstreams.iter().copied()).await.map(drop).unwrap_err().to_string()
    };
    assert!(error("n:c:t@cloud:1", &["a:1"]).await.starts_with("Address must start with 'rc://'"));
    assert_eq!(error(ADDRESS, &["localhost:1", "a"]).await, "upstream 1 has no port");
    assert_eq!(error(ADDRESS, &[]).await, "there is no upstream");
    let remote = ReverseListener::connect(ADDRESS, ["192.0.2.1:1"]).await.map(drop).unwrap_err();
    assert!(matches!(&remote, ConnectError::Forbidden(error) if error.endpoint.host == "192.0.2.1"), "{remote}");
}
