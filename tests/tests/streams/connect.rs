//! CONNECT of callers over HTTP/1.1, to destinations that the initiator allows.

use std::net::SocketAddr;
use std::time::Duration;

use revtun_tests::body::MIB;
use revtun_tests::patience::{LATER, SOON, throughout, within};
use revtun_tests::port::Port;
use revtun_tests::raw::Ended;
use revtun_tests::switching::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::pair::{Pair, expect};

async fn pair(allow: &str) -> Pair {
    let nobody = Port::reserve();
    Pair::start(nobody.addr(), "", &format!("tcp_allow = \"{allow}\"\nservice_connect_timeout = \"2s\"")).await
}

fn connect(to: SocketAddr) -> String {
    format!("CONNECT {to} HTTP/1.1")
}

#[tokio::test]
async fn bytes_pass_both_ways_with_half_closes() {
    let (echo, counting) = (Server::echo().await, Server::counting().await);
    let pair = pair("127.0.0.1:*").await;
    let (head, mut caller) = pair.ask(&connect(echo.addr()), b"at once").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("content-length"), "{head}");
    expect(&mut caller, b"at once").await;
    caller.send(b"later").await;
    expect(&mut caller, b"later").await;
    caller.finish().await;
    assert_eq!(caller.read_to_end(SOON, "the other end").await, Ended::Fin);
    assert_eq!(echo.logged(1).await, ["fin"]);

    let (_, mut caller) = pair.ask(&connect(counting.addr()), b"").await;
    expect(&mut caller, b"hello").await;
    caller.send(&[b'x'; 1000]).await;
    caller.finish().await;
    assert_eq!(caller.read_to_end(SOON, "what comes behind our end").await, Ended::Fin);
    assert_eq!(caller.take(), b"1000");
}

#[tokio::test]
async fn many_bytes_pass_in_order_and_in_little_memory() {
    const BYTES: usize = 32 * MIB as usize;
    let echo = Server::echo().await;
    let mut pair = pair("127.0.0.1:*").await;
    let (_, caller) = pair.ask(&connect(echo.addr()), b"").await;
    let bytes: Vec<u8> = (0..BYTES).map(|at| (at * 31 / 7) as u8).collect();
    // The echo stops reading as long as nobody reads from it: what is on its way then is what fits into windows and sockets.
    let (mut from, mut to) = caller.into_stream().into_split();
    let sent = bytes.clone();
    let sending = tokio::spawn(async move {
        to.write_all(&sent).await.expect("all is taken");
        to.shutdown().await.expect("the end too");
    });
    throughout(Duration::from_millis(500), "nobody buffers all of it", async || !sending.is_finished()).await;
    for process in [pair.responder.process(), pair.initiator.process()] {
        assert!(process.resident_bytes() < 64 * MIB, "{} bytes", process.resident_bytes());
    }
    let mut received = Vec::with_capacity(BYTES);
    let reading = from.read_to_end(&mut received);
    within(LATER, "the echo", reading).await.expect("no error");
    sending.await.expect("no panic");
    assert!(received == bytes, "{} bytes came, in another order or changed", received.len());
}

#[tokio::test]
async fn a_stream_of_single_bytes_lives() {
    let echo = Server::echo().await;
    let pair = pair("127.0.0.1:*").await;
    let (_, mut caller) = pair.ask(&connect(echo.addr()), b"").await;
    for at in 0..5000_u32 {
        caller.send(&[at as u8]).await;
        if at % 100 == 99 {
            caller.read_until(SOON, "every byte", |bytes| bytes.len() == at as usize + 1).await;
        }
    }
    assert!(caller.take().iter().enumerate().all(|(at, byte)| *byte == at as u8));
}

#[tokio::test]
async fn resets_are_resets_on_the_other_side() {
    let echo = Server::echo().await;
    let pair = pair("127.0.0.1:*").await;
    let (_, mut caller) = pair.ask(&connect(echo.addr()), b"x").await;
    expect(&mut caller, b"x").await;
    caller.reset();
    assert_eq!(echo.logged(1).await, ["reset"]);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_, mut caller) = pair.ask(&connect(listener.local_addr().unwrap()), b"").await;
    listener.accept().await.unwrap().0.set_zero_linger().unwrap();
    assert_eq!(caller.read_to_end(SOON, "the reset").await, Ended::Reset);
}

#[tokio::test]
async fn what_is_not_listed_is_refused_by_name() {
    let echo = Server::echo().await;
    let port = echo.addr().port();
    for allow in [String::new(), "db:*,10.0.0.0/8:*,0.0.0.0/0:*,*:*".to_owned(), "127.0.0.1:1".to_owned()] {
        let pair = pair(&allow).await;
        for to in [
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("127.1:{port}"),
            "169.254.169.254:80".to_owned(),
        ] {
            let (head, mut caller) = pair.ask(&format!("CONNECT {to} HTTP/1.1"), b"GET / HTTP/1.1\r\n\r\n").await;
            assert!(head.starts_with("HTTP/1.1 403 "), "{allow}: {to}: {head}");
            assert!(head.contains("x-revtun-reason: destination-not-allowed\r\n"), "{head}");
            caller.read_to_end(SOON, "the connection ends behind a refusal").await;
            assert!(!String::from_utf8_lossy(caller.received()).contains("HTTP/1.1"), "nothing else is answered");
        }
    }
    assert_eq!(echo.log(), <[String; 0]>::default());
}

#[tokio::test]
async fn a_name_is_dialled_where_its_address_is_listed() {
    let echo = Server::echo().await;
    let port = echo.addr().port();
    for allow in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let pair = pair(&allow).await;
        let (head, mut caller) = pair.ask(&format!("CONNECT localhost:{port} HTTP/1.1"), b"x").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{allow}: {head}");
        expect(&mut caller, b"x").await;
    }
}

#[tokio::test]
async fn what_cannot_be_reached_has_a_reason() {
    let pair = pair("127.0.0.1:*,*:*").await;
    let nobody = Port::reserve();
    for (to, status, reason) in [
        (nobody.addr().to_string(), 502, "destination-unreachable"),
        ("name.invalid:80".to_owned(), 502, "destination-unresolved"),
    ] {
        let (head, _) = pair.ask(&format!("CONNECT {to} HTTP/1.1"), b"").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{to}: {head}");
        assert!(head.contains(&format!("x-revtun-reason: {reason}\r\n")), "{to}: {head}");
    }
}

#[tokio::test]
async fn a_connect_without_a_port_or_with_a_body_is_illegal() {
    let pair = pair("*:*").await;
    for (line, rest) in [
        ("CONNECT a HTTP/1.1", &b""[..]),
        ("CONNECT a:0 HTTP/1.1", b""),
        ("CONNECT a:1 HTTP/1.1\r\ncontent-length: 2", b"no"),
        ("CONNECT a:1 HTTP/1.1\r\ntransfer-encoding: chunked", b"0\r\n\r\n"),
    ] {
        let (head, _) = pair.ask(line, rest).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{line}: {head}");
    }
}
