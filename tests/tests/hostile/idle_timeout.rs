//! The stream idle timeout, in either direction and at either end: nobody holds a request for ever.

use std::time::Duration;

use http::Version;
use revtun_tests::body::{self, MIB};
use revtun_tests::client::{Caller, get};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::fake;
use revtun_tests::frames::{END_HEADERS, frame, goaway, kind, list, read};
use revtun_tests::patience::{SOON, until, within};
use revtun_tests::raw::{HTTP2_HELLO, Raw};

use crate::scene::{BAD, GOOD, NODE, Scene, asked, bad};

const TIMEOUTS: &str = "revtun_responder_stream_idle_timeouts_total";

async fn scene() -> Scene {
    Scene::set("body_timeout = \"800ms\"").await
}

async fn nothing_is_left(scene: &Scene) {
    until(SOON, "no request is left but the bystander's", async || {
        let tunnels = get(scene.responder.admin(), "/tunnels").await.ok()?.json();
        let streams =
            tunnels["tunnels"].as_array()?.iter().filter_map(|tunnel| tunnel["streams"].as_u64()).sum::<u64>();
        (streams <= 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_stops_sending_is_told_and_let_go() {
    let scene = scene().await;
    let bystander = scene.bystander();
    let mut caller = Raw::connect(scene.responder.egress()).await;
    let head = format!("POST /hold HTTP/1.1\r\nhost: a\r\nx-node-id: {NODE}\r\nx-tenant-id: {GOOD}\r\n");
    caller.send(format!("{head}content-length: 100\r\n\r\nhalf of").as_bytes()).await;
    caller.read_to_end(SOON, "it is told").await;
    let answer = String::from_utf8_lossy(caller.received()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("x-revtun-reason: stream-idle-timeout"), "{answer}");
    nothing_is_left(&scene).await;
    assert_eq!(scene.count(TIMEOUTS).await, 1);
    bystander.was_served().await;
}

#[tokio::test]
async fn a_caller_who_stops_reading_is_cut_off_over_either_http() {
    let mut scene = scene().await;
    let bystander = scene.bystander();
    for (version, timeouts) in [(Version::HTTP_11, 1), (Version::HTTP_2, 2)] {
        let mut caller = Caller::connect(scene.responder.egress(), version).await.expect("a connection");
        let mut request = scene.request(&format!("/bytes/{}", 100 * MIB)).body(body::empty()).expect("legal");
        if version == Version::HTTP_2 {
            *request.uri_mut() = format!("http://a/bytes/{}", 100 * MIB).parse().expect("legal");
            request.headers_mut().remove("host");
        }
        let response = within(SOON, "a head", caller.send(request)).await.expect("an answer");
        assert_eq!(response.status(), 200);
        // Nobody reads.
        scene.counts(TIMEOUTS, timeouts).await;
        nothing_is_left(&scene).await;
        let read = within(SOON, "an end", body::checked(response.into_body())).await;
        assert!(read.is_err(), "{version:?}: it cannot have been whole");
        if version == Version::HTTP_2 {
            let request = scene.request("/").uri("http://a/").body(body::empty()).expect("legal");
            let mut again = request;
            again.headers_mut().remove("host");
            assert_eq!(caller.send(again).await.expect("the connection lives on").status(), 200);
        }
    }
    bystander.was_served().await;
    assert_eq!(scene.responder.process().ended(), None);
}

#[tokio::test]
async fn an_initiator_that_stops_within_an_answer_is_let_go() {
    let scene = scene().await;
    let bystander = scene.bystander();
    let mut tunnel = bad("n").dial(scene.responder.tunnel()).await;
    let mut caller = Raw::connect(scene.responder.egress()).await;
    caller.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx-node-id: n\r\nx-tenant-id: {BAD}\r\n\r\n").as_bytes()).await;
    tunnel.read_until(SOON, "a request", |bytes| asked(bytes).is_some()).await;
    let head = frame(kind::HEADERS, END_HEADERS, 1, &list(&[(":status", "200")]));
    tunnel.send(&[&HTTP2_HELLO[24..], &head, &frame(kind::DATA, 0, 1, b"half of")].concat()).await;
    caller.read_to_end(SOON, "the answer breaks off").await;
    assert!(caller.received().ends_with(b"half of\r\n"), "{:?}", String::from_utf8_lossy(caller.received()));
    let behind = |bytes: &[u8]| asked(bytes).map(read).unwrap_or_default();
    tunnel
        .read_until(SOON, "the stream is reset", |bytes| {
            behind(bytes).iter().any(|(kind, stream, _)| (*kind, *stream) == (kind::RST_STREAM, 1))
        })
        .await;
    bystander.was_served().await;
}

#[tokio::test]
async fn an_initiator_that_takes_no_body_is_let_go() {
    let scene = scene().await;
    let bystander = scene.bystander();
    let mut tunnel = bad("n").dial(scene.responder.tunnel()).await;
    let mut caller = Raw::connect(scene.responder.egress()).await;
    let head =
        format!("POST / HTTP/1.1\r\nhost: a\r\nx-node-id: n\r\nx-tenant-id: {BAD}\r\ncontent-length: 300000\r\n\r\n");
    caller.send(head.as_bytes()).await;
    caller.send(&vec![b'x'; 200_000]).await;
    tunnel.read_until(SOON, "a request", |bytes| asked(bytes).is_some()).await;
    // Its window stays as it is: 65 535 bytes and no more.
    tunnel.send(&HTTP2_HELLO[24..]).await;
    caller.read_to_end(SOON, "the caller is told").await;
    assert!(caller.received().starts_with(b"HTTP/1.1 408 "), "{:?}", String::from_utf8_lossy(caller.received()));
    nothing_is_left(&scene).await;
    bystander.was_served().await;
}

/// The other end: a responder that opens a request and leaves it there, and one that asks and does not read.
#[tokio::test]
async fn a_responder_that_stops_within_a_request_has_its_stream_reset() {
    let responder = Responder::revtun(&[]).await;
    let scene = Scene::of(responder).await;
    let bystander = scene.bystander();
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    let dialling = Dialling::from_revtun(&hosts, scene.service.addr());
    let _initiator = Initiator::configured(dialling, "[initiator]\nbody_timeout = \"400ms\"\n").await;
    let head = |method: &str, path: &str| {
        list(&[(":method", method), (":scheme", "http"), (":path", path), (":authority", "service.example")])
    };
    let mut tunnel = fake.tunnel(SOON).await;
    tunnel.send(HTTP2_HELLO).await;
    tunnel.send(&frame(kind::HEADERS, END_HEADERS, 1, &head("POST", "/upload"))).await;
    tunnel.send(&frame(kind::HEADERS, END_HEADERS | 1, 3, &head("GET", &format!("/bytes/{MIB}")))).await;
    let alive = frame(kind::PING, 1, 0, b"whatever");
    let reset =
        |bytes: &[u8], of: u32| read(bytes).iter().any(|(kind, stream, _)| (*kind, *stream) == (kind::RST_STREAM, of));
    until(SOON, "both streams are reset", async || {
        // The tunnel itself is alive and well.
        tunnel.send(&alive).await;
        tunnel.read_for(Duration::from_millis(50)).await;
        (reset(tunnel.received(), 1) && reset(tunnel.received(), 3)).then_some(())
    })
    .await;
    assert_eq!((goaway(tunnel.received()), tunnel.ended()), (None, None));
    bystander.was_served().await;
}
