//! What initiators make of a responder's answers and pings (reference §2.1, §2.4, §3).
//!
//! One initiator of each make dials as many responders as there are cases; each of them plays one.

use std::time::Duration;

use http::{Request, Version};
use revtun_tests::body;
use revtun_tests::client::{Caller, whole};
use revtun_tests::ends::{Dialling, Initiator, Make};
use revtun_tests::fake::{ACCEPTED, Responder};
use revtun_tests::patience::SOON;
use revtun_tests::raw::{PING, Raw, count};
use revtun_tests::service::Service;
use tokio::time::timeout;

use crate::differences::{Observed, cell, compare};

/// How long an initiator is watched. Both makes answer what they do answer within milliseconds.
const WATCHED: Duration = Duration::from_millis(1500);

struct Case {
    name: &'static str,
    /// What the responder says, each part in a write of its own and read on its own.
    parts: Vec<Vec<u8>>,
}

fn case(name: &'static str, parts: &[&[u8]]) -> Case {
    Case { name, parts: parts.iter().map(|part| part.to_vec()).collect() }
}

fn cases() -> Vec<Case> {
    let pinged = [ACCEPTED, PING].concat();
    let bare = |status: &str| format!("HTTP/1.1 {status}\r\n\r\n").into_bytes();
    vec![
        case("200", &[ACCEPTED]),
        case("200 in single bytes", &ACCEPTED.chunks(1).collect::<Vec<_>>()),
        case("200 of HTTP/1.0", &[b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"]),
        case("200 without a length", &[&bare("200 OK")]),
        case("200 with connection: close", &[b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"]),
        case("200 after 100", &[&bare("100 Continue"), ACCEPTED]),
        case("200 without a reason", &[&bare("200")]),
        case("204", &[&bare("204 No Content")]),
        case(
            "101 that nobody asked for",
            &[b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: reverse-tunnel\r\n\r\n"],
        ),
        case("302", &[b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"]),
        case("403", &[b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"]),
        case("500", &[b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"]),
        case("garbage", &[b"SSH-2.0-hello\r\n\r\n"]),
        case("HTTP/2 at once", &[b"\0\0\0\x04\0\0\0\0\0"]),
        case("one ping", &[ACCEPTED, PING]),
        case("three pings, one by one", &[ACCEPTED, PING, PING, PING]),
        case("200 and a ping in one write", &[&pinged]),
        case("a ping in two writes", &[ACCEPTED, b"RPI", b"NG"]),
        case("two pings in one write", &[ACCEPTED, b"RPINGRPING"]),
        case("a ping and a half, then the rest", &[ACCEPTED, b"RPINGRP", b"ING"]),
        case("almost a ping", &[ACCEPTED, b"RPINX"]),
        case("a ping in lower case", &[ACCEPTED, b"rping"]),
    ]
}

#[tokio::test]
async fn initiators_take_answers_and_pings_alike() {
    let Some(theirs) = play_all(Make::Envoy).await else { return };
    let ours = play_all(Make::Revtun).await.expect("revtun can always be had");
    let names = cases().into_iter().map(|case| case.name.to_owned());
    let observed: Observed = names.zip(theirs.into_iter().zip(ours)).collect();
    compare("Initiators", &observed);
}

#[tokio::test]
async fn initiators_say_the_same_in_their_handshake() {
    let Some(theirs) = handshake(Make::Envoy).await else { return };
    let ours = handshake(Make::Revtun).await.expect("revtun can always be had");
    let observed = Observed::from([("the handshake".to_owned(), (cell(theirs.as_bytes()), cell(ours.as_bytes())))]);
    compare("Handshake", &observed);
}

#[tokio::test]
async fn a_request_that_comes_with_the_200_is_served_by_ours_without_a_further_byte() {
    let service = Service::start("backend").await;
    let responder = Responder::start().await;
    let hosts = [responder.addr()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    let mut raw = responder.dialled(SOON).await.raw;
    let request = b"GET /coalesced HTTP/1.1\r\nhost: a\r\n\r\n";
    raw.send(&[ACCEPTED, PING, request].concat()).await;
    raw.read_until(SOON, "an echo and an answer", |bytes| count(bytes, b"/coalesced") == 1).await;
    assert!(raw.received().starts_with(b"RPINGHTTP/1.1 200 OK\r\n"), "{}", cell(raw.received()));
}

/// The handshake of one make, with what differs from run to run blotted out.
async fn handshake(make: Make) -> Option<String> {
    let responder = Responder::start().await;
    let hosts = [responder.addr()];
    let dialling = Dialling { make, ..Dialling::from_revtun(&hosts, responder.addr()) };
    let dialling = Dialling { node: "n", cluster: "c", tenant: "t", ..dialling };
    let _initiator = Initiator::start(dialling).await?;
    let head = responder.dialled(SOON).await.head.replace(&responder.addr().to_string(), "RESPONDER");
    let blot = |line: &str| match line.split_once(": ") {
        Some((name @ "x-envoy-reverse-tunnel-initiation-time", _)) => format!("{name}: MILLISECONDS"),
        Some((name @ "x-revtun-instance", value)) => format!("{name}: {} DIGITS", value.len()),
        Some((name @ "x-envoy-reverse-tunnel-upstream-cluster-name", _)) => format!("{name}: UPSTREAM"),
        _ => line.to_owned(),
    };
    Some(head.split("\r\n").map(blot).collect::<Vec<_>>().join("\r\n"))
}

async fn play_all(make: Make) -> Option<Vec<String>> {
    let service = Service::start("backend").await;
    let mut responders = Vec::new();
    for case in cases() {
        responders.push((case, Responder::start().await));
    }
    let hosts: Vec<_> = responders.iter().map(|(_, responder)| responder.addr()).collect();
    let dialling = Dialling { make, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::start(dialling).await?;
    let played: Vec<_> = responders.into_iter().map(|(case, responder)| tokio::spawn(play(case, responder))).collect();
    let mut outcomes = Vec::new();
    for played in played {
        outcomes.push(played.await.expect("no panic"));
    }
    Some(outcomes)
}

/// How many pings were echoed, and what became of the connection: closed, a tunnel that serves, or one that does not.
async fn play(case: Case, responder: Responder) -> String {
    let mut raw = responder.dialled(SOON).await.raw;
    for part in &case.parts {
        raw.send(part).await;
        // The initiator is to see the parts apart; how it takes them together is another case.
        raw.read_for(Duration::from_millis(if part.len() == 1 { 5 } else { 100 })).await;
    }
    raw.read_for(WATCHED).await;
    let echoes = count(raw.received(), PING);
    let rest = String::from_utf8_lossy(raw.received()).replace("RPING", "");
    let rest = rest.lines().next().map(|line| format!(", {}", cell(line.as_bytes()))).unwrap_or_default();
    let then = match raw.ended() {
        Some(_) => "closed",
        None if serves(raw).await => "serves",
        None => "does not serve",
    };
    format!("{echoes} echoed{rest}, {then}")
}

async fn serves(raw: Raw) -> bool {
    let Ok(mut caller) = Caller::over(raw.into_stream(), Version::HTTP_2).await else { return false };
    let request = Request::builder().uri("http://service.example/").body(body::empty()).expect("a legal request");
    let answered = timeout(2 * WATCHED, async { whole(caller.send(request).await?).await });
    matches!(answered.await, Ok(Ok(answer)) if answer.status == 200)
}
