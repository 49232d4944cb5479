//! Callers over HTTP/2: CONNECT, and the extended CONNECT of RFC 8441.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use revtun_tests::patience::{SOON, until, within};
use revtun_tests::port::Port;
use revtun_tests::switching::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::pair::{NODE, Pair};

/// A caller's connection.
pub(crate) async fn connect(egress: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(egress).await.expect("a connection");
    let (requests, mut connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let mut pings = connection.ping_pong().expect("nobody took it");
    tokio::spawn(async move { drop(connection.await) });
    // An answer to a PING comes behind the SETTINGS.
    within(SOON, "an answer to a PING", pings.ping(h2::Ping::opaque())).await.expect("a live connection");
    requests.ready().await.expect("it takes requests")
}

pub(crate) type Stream = (Response<RecvStream>, SendStream<Bytes>);

pub(crate) async fn open(
    requests: &mut SendRequest<Bytes>,
    uri: &str,
    protocol: Option<&str>,
) -> Result<Stream, h2::Error> {
    let mut request = Request::connect(uri).header("x-node-id", NODE).body(()).expect("a legal request");
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from(protocol));
    }
    let (response, send) = requests.send_request(request, false)?;
    Ok((within(SOON, "a response", response).await?, send))
}

/// Reads until `expected` came; none is the end.
pub(crate) async fn expect(stream: &mut RecvStream, expected: &[u8]) {
    let mut received = Vec::new();
    while received.len() < expected.len() {
        let data = within(SOON, "bytes of a stream", stream.data()).await.expect("more").expect("no error");
        stream.flow_control().release_capacity(data.len()).expect("it was received");
        received.extend_from_slice(&data);
    }
    assert_eq!(String::from_utf8_lossy(&received), String::from_utf8_lossy(expected));
}

/// Reads the end: nothing, perhaps in a frame of its own.
pub(crate) async fn expect_end(stream: &mut RecvStream) {
    while let Some(data) = within(SOON, "the end", stream.data()).await {
        assert!(data.expect("no error").is_empty());
    }
    assert!(stream.is_end_stream());
}

#[tokio::test]
async fn a_websocket_over_http_2_gets_a_key_for_the_service() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    let mut requests = connect(pair.responder.egress()).await;
    assert!(requests.is_extended_connect_protocol_enabled());
    let (response, mut send) = open(&mut requests, "http://a/echo", Some("websocket")).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-kept"], "yes");
    for hop_by_hop in ["connection", "upgrade", "content-length"] {
        assert!(!response.headers().contains_key(hop_by_hop), "{hop_by_hop}");
    }
    let mut stream = response.into_body();
    send.send_data(Bytes::from_static(b"one"), false).expect("an open stream");
    expect(&mut stream, b"one").await;
    send.send_data(Bytes::from_static(b"two"), true).expect("an open stream");
    expect(&mut stream, b"two").await;
    expect_end(&mut stream).await;
    assert!(service.log().concat().contains("sec-websocket-key: "), "{:?}", service.log());
}

#[tokio::test]
async fn what_the_service_says_instead_is_a_response() {
    let service = Server::switching().await;
    let pair = Pair::start(service.addr(), "", "").await;
    let mut requests = connect(pair.responder.egress()).await;
    for (path, protocol, status, body) in [
        ("refuse", "websocket", 401, "no"),
        ("ignore", "websocket", 502, "the local service ignored the upgrade\n"),
        ("key", "websocket", 502, "The response is malformed, or its headers are too large.\n"),
        ("echo", "unheard-of", 501, "Upgrades to this protocol are not supported.\n"),
    ] {
        let (response, _send) =
            open(&mut requests, &format!("http://a/{path}"), Some(protocol)).await.expect("a response");
        assert_eq!(response.status(), status, "{path}");
        expect(&mut response.into_body(), body.as_bytes()).await;
    }
}

#[tokio::test]
async fn connect_is_joined_with_half_closes_and_resets() {
    let (echo, counting, nobody) = (Server::echo().await, Server::counting().await, Port::reserve());
    let pair = Pair::start(nobody.addr(), "", "tcp_allow = \"127.0.0.1:*\"").await;
    let mut requests = connect(pair.responder.egress()).await;
    let (response, mut send) = open(&mut requests, &counting.addr().to_string(), None).await.expect("a response");
    assert_eq!(response.status(), 200);
    let mut stream = response.into_body();
    expect(&mut stream, b"hello").await;
    send.send_data(Bytes::from_static(b"1234567"), true).expect("an open stream");
    expect(&mut stream, b"7").await;
    expect_end(&mut stream).await;

    let (response, mut send) = open(&mut requests, &echo.addr().to_string(), None).await.expect("a response");
    send.send_data(Bytes::from_static(b"x"), false).expect("an open stream");
    expect(&mut response.into_body(), b"x").await;
    send.send_reset(Reason::CANCEL);
    assert_eq!(echo.logged(1).await, ["reset"]);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = listener.local_addr().expect("it is bound").to_string();
    let (response, _send) = open(&mut requests, &to, None).await.expect("a response");
    listener.accept().await.expect("a connection").0.set_zero_linger().expect("an option");
    let error = within(SOON, "the reset", response.into_body().data()).await.expect("an end").expect_err("a reset");
    assert_eq!(error.reason(), Some(Reason::CONNECT_ERROR), "{error}");

    let (response, _send) = open(&mut requests, &nobody.addr().to_string(), None).await.expect("a response");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-revtun-reason"]),
        (502, &"destination-unreachable".parse().expect("a value"))
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_after_its_half_close_ends_the_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = Port::reserve();
    let pair = Pair::start(nobody.addr(), "", "tcp_allow = \"127.0.0.1:*\"").await;
    let mut requests = connect(pair.responder.egress()).await;
    let to = listener.local_addr().expect("it is bound").to_string();
    let (response, mut send) = open(&mut requests, &to, None).await.expect("a response");
    let (mut accepted, _) = listener.accept().await.expect("a connection");
    send.send_data(Bytes::from_static(b"last"), true).expect("an open stream");
    let mut all = Vec::new();
    within(SOON, "our end", accepted.read_to_end(&mut all)).await.expect("no error");
    assert_eq!(all, b"last");
    drop((response, send));
    until(SOON, "the service is told", async || accepted.write_all(b"x").await.is_err().then_some(())).await;
}
