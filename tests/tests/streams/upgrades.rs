//! Upgrades of callers over HTTP/1.1.

use revtun_tests::patience::{SOON, until};
use revtun_tests::process::Process;
use revtun_tests::raw::Ended;
use revtun_tests::switching::Server;

use crate::pair::{Pair, expect};

/// The request for a WebSocket, save for its last lines, with the key of RFC 6455 §1.3.
fn websocket(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    )
}

#[tokio::test]
async fn a_websocket_is_joined_with_the_service() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    let (head, mut caller) = pair.ask(&websocket("/echo"), b"").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for field in [
        "connection: upgrade",
        "upgrade: websocket",
        "x-kept: yes",
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ] {
        assert!(head.contains(&format!("{field}\r\n")), "{field}: {head}");
    }
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    for message in ["one", "two", "three"] {
        caller.send(message.as_bytes()).await;
        expect(&mut caller, message.as_bytes()).await;
    }
    caller.finish().await;
    assert_eq!(caller.read_to_end(SOON, "the end of the stream").await, Ended::Fin);
    let seen = service.log().concat().to_ascii_lowercase();
    assert!(seen.starts_with("get /echo http/1.1\r\n"), "{seen}");
    for field in [
        "host: a",
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-key: dghlihnhbxbszsbub25jzq==",
    ] {
        assert!(seen.contains(&format!("{field}\r\n")), "{field}: {seen}");
    }
}

#[tokio::test]
async fn bytes_before_the_answer_and_with_it_belong_to_the_stream() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    let (head, mut caller) = pair.ask(&websocket("/early"), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    expect(&mut caller, b"earlyGET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(service.log().len(), 1, "it was no second request");
}

#[tokio::test]
async fn only_listed_protocols_are_passed_on() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "upgrades = \"echo\"", "upgrades = \"echo,websocket\"").await;
    let echo = |names| format!("GET /echo HTTP/1.1\r\nconnection: upgrade\r\nupgrade: {names}");
    let (head, mut caller) = pair.ask(&echo("nothing, Echo"), b"ping").await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: Echo\r\n"), "{head}");
    expect(&mut caller, b"ping").await;
    let (head, _) = pair.ask(&websocket("/echo"), b"").await;
    assert!(head.starts_with("HTTP/1.1 501 ") && head.contains("x-revtun-reason: upgrade-unsupported\r\n"), "{head}");
    let other = Pair::start(service.addr(), "upgrades = \"echo\"", "").await;
    let (head, _) = other.ask(&echo("echo"), b"").await;
    assert!(head.starts_with("HTTP/1.1 501 ") && head.contains("x-revtun-reason: upgrade-not-allowed\r\n"), "{head}");
    assert_eq!(service.log().len(), 1, "nothing else reached the service");
}

#[tokio::test]
async fn what_refuses_is_passed_on_and_nothing_behind_it_is_a_request() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    for (path, status, what) in [
        ("/refuse", "401", "no"),
        ("/ignore", "502", "service-not-upgraded"),
        ("/other", "502", "service-upgrade-invalid"),
        ("/hangup", "502", "service-lost"),
    ] {
        let before = service.log().len();
        let (head, mut caller) =
            pair.ask(&websocket(path), b"GET /echo HTTP/1.1\r\nhost: a\r\nx-node-id: node-a\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        caller.read_to_end(SOON, "the connection ends behind a refusal").await;
        let answer = head + &String::from_utf8_lossy(caller.received());
        assert!(answer.contains(what) && !answer.contains("HTTP/1.1 200"), "{path}: {answer}");
        assert_eq!(service.log().len(), before + 1, "{path}: what stood behind the request reached nobody");
    }
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_none() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    let (head, _) = pair.ask(&(websocket("/echo") + "\r\ncontent-length: 2"), b"no").await;
    assert!(head.starts_with("HTTP/1.1 501 ") && head.contains("upgrade-unsupported"), "{head}");
    let (head, _) = pair.ask(&websocket("/echo").replace("GET", "POST"), b"").await;
    assert!(head.starts_with("HTTP/1.1 501 "), "{head}");
    assert_eq!(service.log(), <[String; 0]>::default());
}

#[tokio::test]
async fn in_http_1_0_an_upgrade_is_ignored() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    let (head, _) = pair.ask("GET /ignore HTTP/1.0\r\nconnection: upgrade\r\nupgrade: websocket", b"").await;
    assert!(head.contains(" 200 "), "{head}");
    assert!(!service.log().concat().contains("upgrade"), "{:?}", service.log());
}

#[tokio::test]
async fn a_reset_of_the_service_is_one_for_the_caller_and_the_tunnel_lives() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    let (other_head, mut other) = pair.ask(&websocket("/echo"), b"").await;
    assert!(other_head.starts_with("HTTP/1.1 101 "));
    let (head, mut caller) = pair.ask(&websocket("/reset"), b"12345").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(caller.read_to_end(SOON, "a reset").await, Ended::Reset);
    other.send(b"still").await;
    expect(&mut other, b"still").await;
    let (head, _) = pair.ask("GET /ignore HTTP/1.1", b"").await;
    assert!(head.contains(" 200 "), "{head}");
}

#[tokio::test]
async fn a_stream_without_a_byte_ends_after_its_own_timeout() {
    let service = Server::switching().await;
    let pair = Pair::start(
        service.addr(),
        "body_timeout = \"400ms\"\nupgrade_idle_timeout = \"2s\"",
        "body_timeout = \"400ms\"",
    )
    .await;
    let (head, mut caller) = pair.ask(&websocket("/echo"), b"").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let begun = std::time::Instant::now();
    assert_eq!(caller.read_to_end(SOON, "the timeout").await, Ended::Reset);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "the timeout of bodies does not concern it");
}

/// Waits until a process says that it drains.
async fn drains(process: &mut Process) {
    process.signal("TERM");
    until(SOON, "it drains", async || process.stderr().contains("drain").then_some(())).await;
}

#[tokio::test]
async fn a_drain_lets_streams_live_up_to_the_grace() {
    let service = Server::switching().await;
    let mut pair = Pair::start(service.addr(), "drain_grace = \"3s\"", "").await;
    let (head, mut caller) = pair.ask(&websocket("/echo"), b"").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    drains(pair.responder.process()).await;
    caller.send(b"while draining").await;
    expect(&mut caller, b"while draining").await;
    caller.read_to_end(SOON, "the grace ends").await;
    assert!(pair.responder.process().end(SOON).await.success());
}

#[tokio::test]
async fn a_drain_ends_with_the_last_stream() {
    let service = Server::switching().await;
    let mut pair = Pair::start(service.addr(), "", "drain_grace = \"1h\"").await;
    let (head, mut caller) = pair.ask(&websocket("/echo"), b"").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    pair.initiator.process().signal("TERM");
    until(SOON, "no new request is taken", async || {
        caller.send(b"while draining").await;
        expect(&mut caller, b"while draining").await;
        let (head, _) = pair.ask("GET /ignore HTTP/1.1", b"").await;
        head.contains(" 503 ").then_some(())
    })
    .await;
    caller.finish().await;
    assert_eq!(caller.read_to_end(SOON, "the end of the stream").await, Ended::Fin);
    assert!(pair.initiator.process().end(SOON).await.success());
}
