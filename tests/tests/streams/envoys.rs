//! The same with an Envoy at either end, or at both, which is the control.
//!
//! What Envoys cannot: of a CONNECT over HTTP/1.1 they drop what comes behind the caller's half-close. Nobody asks that of them here.

use std::net::SocketAddr;

use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::envoy;
use revtun_tests::patience::SOON;
use revtun_tests::provision;
use revtun_tests::switching::Server;

use crate::clients::{websocket_client, websocket_server};
use crate::http2;
use crate::pair::{NODE, ask, expect};

/// A responder and an initiator before `service`, which takes streams; none where Envoy cannot be had.
async fn pair(responder: &envoy::Accepting, ends: [Make; 2], service: SocketAddr) -> Option<(Responder, Initiator)> {
    let responder = match ends[0] {
        Make::Revtun => Responder::start(Make::Revtun).await?,
        Make::Envoy => Responder::envoy(responder.clone()).await?,
    };
    let hosts = [responder.tunnel()];
    let dialling = envoy::Dialling { streams: true, ..envoy::Dialling::default() };
    let flags = ["--tcp-allow", "127.0.0.1:*"];
    let flags = if ends[1] == Make::Revtun { &flags[..] } else { &[] };
    let dialling =
        Dialling { make: ends[1], envoy: Some(&dialling), flags, count: 4, ..Dialling::from_revtun(&hosts, service) };
    let initiator = Initiator::start(dialling).await?;
    Some((responder, initiator))
}

fn http2() -> envoy::Accepting {
    envoy::Accepting { streams: true, ..envoy::Accepting::default() }
}

async fn websockets_see_no_difference(responder: envoy::Accepting, ends: [Make; 2]) {
    let Some(folder) = provision::websockets() else { return };
    let (_server, at) = websocket_server(&folder).await;
    let Some((responder, _initiator)) = pair(&responder, ends, at).await else { return };
    reaches(&responder).await;
    websocket_client(&folder, responder.egress()).await;
}

/// Waits until a request is answered from behind the tunnels, whatever the answer.
async fn reaches(responder: &Responder) {
    revtun_tests::patience::until(SOON, "a tunnel", async || {
        let status = responder.ask_node(NODE, "/refuse").await.status;
        (status != 503).then_some(())
    })
    .await;
}

async fn connect_is_joined(ends: [Make; 2]) {
    let echo = Server::echo().await;
    let Some((responder, _initiator)) = pair(&http2(), ends, echo.addr()).await else { return };
    let line = format!("CONNECT {} HTTP/1.1", echo.addr());
    let mut caller = revtun_tests::patience::until(SOON, "a tunnel", async || {
        let (head, caller) = ask(responder.egress(), &line, b"").await;
        head.starts_with("HTTP/1.1 200 ").then_some(caller)
    })
    .await;
    caller.send(b"over HTTP/1.1").await;
    expect(&mut caller, b"over HTTP/1.1").await;

    let mut requests = http2::connect(responder.egress()).await;
    let (response, mut send) = http2::open(&mut requests, &echo.addr().to_string(), None).await.expect("a response");
    assert_eq!(response.status(), 200);
    let mut stream = response.into_body();
    send.send_data("over HTTP/2".into(), false).expect("an open stream");
    http2::expect(&mut stream, b"over HTTP/2").await;
    send.send_data("last".into(), true).expect("an open stream");
    http2::expect(&mut stream, b"last").await;
    http2::expect_end(&mut stream).await;
}

async fn a_websocket_over_http_2_is_joined(ends: [Make; 2]) {
    let service = Server::switching().await;
    let Some((responder, _initiator)) = pair(&http2(), ends, service.addr()).await else { return };
    reaches(&responder).await;
    let mut requests = http2::connect(responder.egress()).await;
    let (response, mut send) =
        http2::open(&mut requests, "http://a/echo", Some("websocket")).await.expect("a response");
    assert_eq!(response.status(), 200);
    send.send_data("message".into(), false).expect("an open stream");
    http2::expect(&mut response.into_body(), b"message").await;
}

#[tokio::test]
async fn python_between_envoys() {
    websockets_see_no_difference(http2(), [Make::Envoy, Make::Envoy]).await;
}

#[tokio::test]
async fn python_before_an_initiator_of_envoy() {
    websockets_see_no_difference(http2(), [Make::Revtun, Make::Envoy]).await;
}

#[tokio::test]
async fn python_before_a_responder_of_envoy() {
    websockets_see_no_difference(http2(), [Make::Envoy, Make::Revtun]).await;
}

#[tokio::test]
async fn python_before_a_responder_of_envoy_over_http_1_1() {
    let accepting = envoy::Accepting { http1: true, ..http2() };
    websockets_see_no_difference(accepting, [Make::Envoy, Make::Revtun]).await;
}

#[tokio::test]
async fn connect_between_envoys() {
    connect_is_joined([Make::Envoy, Make::Envoy]).await;
}

#[tokio::test]
async fn connect_before_an_initiator_of_envoy() {
    connect_is_joined([Make::Revtun, Make::Envoy]).await;
}

#[tokio::test]
async fn connect_before_a_responder_of_envoy() {
    connect_is_joined([Make::Envoy, Make::Revtun]).await;
}

#[tokio::test]
async fn a_websocket_over_http_2_before_an_initiator_of_envoy() {
    a_websocket_over_http_2_is_joined([Make::Revtun, Make::Envoy]).await;
}

#[tokio::test]
async fn a_websocket_over_http_2_before_a_responder_of_envoy() {
    a_websocket_over_http_2_is_joined([Make::Envoy, Make::Revtun]).await;
}

#[tokio::test]
async fn an_envoy_that_takes_no_upgrades_is_told_by_name() {
    let service = Server::switching().await;
    let Some(responder) = Responder::start(Make::Revtun).await else { return };
    let hosts = [responder.tunnel()];
    let dialling = Dialling { make: Make::Envoy, ..Dialling::from_revtun(&hosts, service.addr()) };
    let Some(_initiator) = Initiator::start(dialling).await else { return };
    responder.has_within(SOON, NODE, 1).await;
    let upgrade = "GET /echo HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket";
    let (head, _) = ask(responder.egress(), upgrade, b"").await;
    assert!(head.starts_with("HTTP/1.1 501 ") && head.contains("upgrade-unsupported-by-node"), "{head}");
    assert_eq!(service.log(), <[String; 0]>::default());
}
