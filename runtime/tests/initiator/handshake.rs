//! What the initiator asks, and what it makes of the answer.

use std::time::{Duration, Instant};

use revtun_core::handshake::{ParsedRequest, RequestParser, Rules};

use crate::fake::{ACCEPTED, FakeResponder, until};
use crate::start::{config, count, pong};

#[tokio::test]
async fn the_request_says_who_asks_for_what() {
    let responder = FakeResponder::listen().await;
    let _initiator = pong(config(2, &[responder.address()])).await;
    let peers = [responder.greeted().await, responder.greeted().await];

    let rules = Rules::default();
    let mut seen = Vec::new();
    for peer in &peers {
        let mut parser = RequestParser::default();
        let parsed = parser.parse(&rules, &peer.request);
        let ParsedRequest::Complete { request, consumed } = parsed else { panic!("{parsed:?}") };
        assert_eq!(consumed, peer.request.len(), "nothing follows the request");
        assert_eq!(request.identity.to_string(), "tenant-a/cluster-a/node-a");
        assert_eq!(request.upstream, Some("upstream-a"));
        let host = format!("host: {}\r\n", responder.address());
        assert!(std::str::from_utf8(&peer.request).unwrap().contains(&host));
        seen.push((request.instance.unwrap(), request.connection.unwrap().to_owned()));
    }
    assert_eq!(seen[0].0, seen[1].0, "one process, one instance");
    assert_ne!(seen[0].1, seen[1].1, "every connection has its own number");
}

#[tokio::test]
async fn upgrade_mode_asks_for_it_and_wants_101() {
    let responder = FakeResponder::listen().await;
    let mut config = config(1, &[responder.address()]);
    config.upgrade = true;
    config.request_path = "/other/path".to_owned();
    let initiator = pong(config).await;

    let mut peer = responder.greeted().await;
    let request = String::from_utf8(peer.request.clone()).unwrap();
    assert!(request.starts_with("GET /other/path HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nupgrade: reverse-tunnel\r\n"), "{request}");
    peer.send(ACCEPTED).await;
    peer.expect_end().await;

    let mut peer = responder.greeted().await;
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: reverse-tunnel\r\n\r\n").await;
    peer.send(b"RPING").await;
    peer.expect(b"RPING").await;
    until("ready", || initiator.ready()).await;
}

#[tokio::test]
async fn every_answer_but_acceptance_ends_the_connection_and_is_counted() {
    let cases: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "4xx"),
        (b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "4xx"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "2xx"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "5xx"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "malformed"),
    ];
    for (answer, name) in cases {
        let responder = FakeResponder::listen().await;
        let initiator = pong(config(1, &[responder.address()])).await;
        let mut peer = responder.greeted().await;
        peer.send(answer).await;
        peer.expect_end().await;
        assert_eq!(count(&initiator.totals().handshakes, name), 1, "{name}");
        assert!(!initiator.ready());
    }
}

#[tokio::test]
async fn a_refusal_is_tried_again_but_not_before_the_responder_wishes() {
    let responder = FakeResponder::listen().await;
    let _initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.greeted().await;
    peer.send(b"HTTP/1.1 500 Internal Server Error\r\n\r\n").await;

    let mut peer = responder.greeted().await;
    let refused = Instant::now();
    peer.send(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\n\r\n").await;
    responder.greeted().await;
    assert!(refused.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let responder = FakeResponder::listen().await;
    let mut config = config(1, &[responder.address()]);
    config.core.handshake_timeout = Duration::from_millis(200);
    let initiator = pong(config).await;
    let mut silent = responder.greeted().await;
    silent.send(b"HTTP/1.1 200 O").await;
    silent.expect_end().await;
    assert_eq!(count(&initiator.totals().handshakes, "timed-out"), 1);

    drop(responder.greeted().await);
    until("the lost handshake", || count(&initiator.totals().handshakes, "lost") == 1).await;
}

#[tokio::test]
async fn an_answer_in_single_bytes_is_an_answer() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.greeted().await;
    for byte in b"HTTP/1.1 100 Continue\r\n\r\n".iter().chain(ACCEPTED) {
        peer.send(&[*byte]).await;
    }
    peer.send(b"RPING").await;
    peer.expect(b"RPING").await;
    until("ready", || initiator.ready()).await;
}

#[tokio::test]
async fn a_host_that_refuses_says_why_and_when_it_is_dialled_again() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n6\r\nno way\r\n0\r\n\r\n",
            "the responder answered 403: no way",
        ),
        (b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nslow", "the responder answered 429: slow"),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "the responder answered 503"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the response is no HTTP/1.1"),
    ];
    for (answer, error) in cases {
        let responder = FakeResponder::listen().await;
        let mut config = config(1, &[responder.address()]);
        config.core.backoff_cap = Duration::from_secs(60);
        config.core.backoff_base = Duration::from_secs(60);
        config.core.denied_base = Duration::from_secs(60);
        let initiator = pong(config).await;
        let mut peer = responder.greeted().await;
        // The text may come later than the head.
        let (head, text) = answer.split_at(answer.len() - 4);
        peer.send(head).await;
        peer.send(text).await;
        until("the error", || initiator.hosts()[0].last_error.is_some()).await;
        until("the next dial", || initiator.hosts()[0].next_dial_ms.is_some() || initiator.totals().dials > 1).await;
        let host = initiator.hosts().remove(0);
        assert_eq!((host.address, host.up), (responder.address(), false));
        assert_eq!(host.last_error.as_deref(), Some(error));
    }
}

#[tokio::test]
async fn a_tunnel_that_is_accepted_ends_the_trouble_of_its_host() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    responder.greeted().await.send(b"HTTP/1.1 503 No\r\n\r\n").await;
    until("the error", || initiator.hosts()[0].last_error.is_some()).await;
    let _tunnel = responder.tunnel().await;
    until("it is up", || initiator.hosts()[0].up).await;
    assert_eq!(initiator.hosts()[0].last_error, None);
}
