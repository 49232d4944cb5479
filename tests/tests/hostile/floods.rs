//! HTTP/2 frames that no library would send, from a caller, from an initiator and from a responder.

use std::time::Duration;

use revtun_tests::body::{self, MIB};
use revtun_tests::client::{ask, to_node};
use revtun_tests::ends::{Dialling, Initiator};
use revtun_tests::fake;
use revtun_tests::frames::{
    END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, continuations, frame, goaway, kind, list, rapid_resets, read, request,
};
use revtun_tests::patience::{SOON, until};
use revtun_tests::raw::{HTTP2_HELLO, Raw};

use crate::scene::{BAD, GOOD, NODE, Scene, asked, bad};

/// What no flood may add to the memory of a process.
const GROWTH: u64 = 32 * MIB;

/// Questions that have to be answered, from somebody who does not read the answers.
fn questions(count: usize) -> Vec<u8> {
    [frame(kind::PING, 0, 0, b"whatever"), frame(kind::SETTINGS, 0, 0, &[])].concat().repeat(count)
}

async fn http2(to: std::net::SocketAddr) -> Raw {
    let mut raw = Raw::connect(to).await;
    raw.send(HTTP2_HELLO).await;
    raw
}

#[tokio::test]
async fn a_caller_who_opens_and_resets_streams_without_end_is_cut_off() {
    let mut scene = Scene::set("").await;
    let bystander = scene.bystander();
    let mut caller = http2(scene.responder.egress()).await;
    caller.send(&rapid_resets(&request(NODE, GOOD, &[]), 10_000)).await;
    caller.read_to_end(SOON, "the connection ends").await;
    assert_eq!(goaway(caller.received()), Some(ENHANCE_YOUR_CALM));
    scene.counts("revtun_responder_downstream_errors_total{reason=\"flood\"}", 1).await;
    bystander.was_served().await;
    until(SOON, "no request is left", async || {
        (scene.count("revtun_responder_requests_in_progress").await == 0).then_some(())
    })
    .await;
    assert_eq!(scene.responder.process().ended(), None);
}

#[tokio::test]
async fn a_callers_headers_that_never_end_are_cut_off() {
    let mut scene = Scene::set("").await;
    let bystander = scene.bystander();
    let before = scene.responder.process().resident_bytes();
    for bytes in [1, 10_000] {
        let mut caller = http2(scene.responder.egress()).await;
        caller.send(&continuations(&request(NODE, GOOD, &[]), 1, 4_000, bytes)).await;
        caller.read_to_end(SOON, "the connection ends").await;
        assert!(scene.service.seen().iter().all(|seen| !seen.headers.contains_key("x-more")));
    }
    assert!(scene.responder.process().resident_bytes() < before + GROWTH);
    bystander.was_served().await;
}

#[tokio::test]
async fn a_caller_who_asks_and_does_not_listen_swells_nothing() {
    let mut scene = Scene::set("").await;
    let bystander = scene.bystander();
    let before = scene.responder.process().resident_bytes();
    let mut caller = http2(scene.responder.egress()).await;
    let flood = questions(10_000);
    // The responder stops reading once its answers do not leave any more.
    let _stuck = tokio::time::timeout(Duration::from_secs(1), async {
        for _ in 0..200 {
            caller.send(&flood).await;
        }
    })
    .await;
    assert!(scene.responder.process().resident_bytes() < before + GROWTH);
    bystander.was_served().await;
}

/// What a dishonest initiator says once a request has reached it.
#[tokio::test]
async fn whatever_an_initiator_floods_its_tunnel_with_ends_that_tunnel_alone() {
    let mut scene = Scene::set("").await;
    let bystander = scene.bystander();
    let before = scene.responder.process().resident_bytes();
    let answer = list(&[(":status", "200")]);
    let pushed = [&2_u32.to_be_bytes()[..], &request(NODE, GOOD, &[])].concat();
    let floods = [
        ("small pieces of a head", continuations(&answer, 1, 20_000, 1)),
        ("large pieces of a head", continuations(&answer, 1, 500, 10_000)),
        ("a push", frame(5, END_HEADERS, 1, &pushed)),
        ("streams of its own", frame(kind::HEADERS, END_HEADERS, 2, &answer)),
        ("a window beyond all bounds", frame(8, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(2)),
        ("a frame too large", frame(kind::DATA, 0, 1, &vec![0; 100_000])),
    ];
    for (what, flood) in floods {
        let mut tunnel = bad("n").dial(scene.responder.tunnel()).await;
        // What may not be sent twice.
        let asking = to_node("n", "/").method("POST").header("x-tenant-id", BAD);
        let asking = asking.body(body::empty()).expect("a legal request");
        let (answer, ()) = tokio::join!(ask(scene.responder.egress(), asking), async {
            tunnel.read_until(SOON, what, |bytes| asked(bytes).is_some()).await;
            tunnel.send(&[&HTTP2_HELLO[24..], &flood].concat()).await;
            tunnel.read_to_end(SOON, what).await;
        });
        let answer = answer.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (502, "tunnel-lost"), "{what}");
    }
    assert!(scene.responder.process().resident_bytes() < before + GROWTH);
    bystander.was_served().await;
    assert_eq!(scene.responder.process().ended(), None);
}

#[tokio::test]
async fn pieces_of_an_answer_that_hold_nothing_swell_nothing() {
    let mut scene = Scene::set("").await;
    let bystander = scene.bystander();
    let mut tunnel = bad("n").dial(scene.responder.tunnel()).await;
    let mut caller = Raw::connect(scene.responder.egress()).await;
    caller.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx-node-id: n\r\nx-tenant-id: {BAD}\r\n\r\n").as_bytes()).await;
    tunnel.read_until(SOON, "a request", |bytes| asked(bytes).is_some()).await;
    let head = frame(kind::HEADERS, END_HEADERS, 1, &list(&[(":status", "200")]));
    tunnel.send(&[&HTTP2_HELLO[24..], &head].concat()).await;
    caller.read_until(SOON, "the head", |bytes| bytes.starts_with(b"HTTP/1.1 200")).await;
    let before = scene.responder.process().resident_bytes();
    let nothing = frame(kind::DATA, 0, 1, &[]).repeat(10_000);
    let _stuck = tokio::time::timeout(Duration::from_secs(2), async {
        for _ in 0..100 {
            tunnel.send(&nothing).await;
        }
    })
    .await;
    assert!(scene.responder.process().resident_bytes() < before + GROWTH);
    bystander.was_served().await;
}

#[tokio::test]
async fn whatever_a_responder_floods_a_tunnel_with_ends_that_tunnel_alone() {
    // The same initiator has a tunnel to an honest responder, by way of which the bystander asks.
    let mut scene = Scene::set("").await;
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr(), scene.responder.tunnel()];
    scene.initiator.kill();
    scene.initiator = Initiator::revtun(Dialling::from_revtun(&hosts, scene.service.addr())).await;
    scene.responder.has_within(SOON, NODE, 1).await;
    let bystander = scene.bystander();
    let before = scene.initiator.process().resident_bytes();
    let ask = request(NODE, GOOD, &[]);
    for (what, flood, calm) in [
        ("streams opened and reset", rapid_resets(&ask, 10_000), true),
        ("small pieces of a head", continuations(&ask, 1, 20_000, 1), true),
        ("large pieces of a head", continuations(&ask, 1, 500, 10_000), false),
        ("a frame too large", frame(kind::DATA, 0, 1, &vec![0; 100_000]), false),
    ] {
        let mut tunnel = fake.tunnel(SOON).await;
        tunnel.send(&[HTTP2_HELLO, &flood].concat()).await;
        tunnel.read_to_end(SOON, what).await;
        let said = goaway(tunnel.received());
        assert!(!calm || said == Some(ENHANCE_YOUR_CALM), "{what}: {said:?} in {:?}", read(tunnel.received()));
    }
    fake.tunnel(SOON).await;
    assert!(scene.initiator.process().resident_bytes() < before + GROWTH);
    bystander.was_served().await;
    assert_eq!(scene.initiator.process().ended(), None);
}

#[tokio::test]
async fn a_responder_opens_so_many_streams() {
    let mut scene = Scene::set("").await;
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    scene.initiator.kill();
    let dialling = Dialling::from_revtun(&hosts, scene.service.addr());
    scene.initiator = Initiator::configured(dialling, "[initiator]\nmax_streams = 3\n").await;
    let mut tunnel = fake.tunnel(SOON).await;
    let hold = list(&[(":method", "GET"), (":scheme", "http"), (":path", "/hold"), (":authority", "service.example")]);
    let open = |stream: u32| frame(kind::HEADERS, END_STREAM | END_HEADERS, stream, &hold);
    tunnel.send(HTTP2_HELLO).await;
    tunnel.send(&[1, 3, 5, 7, 9].map(open).concat()).await;
    tunnel
        .read_until(SOON, "two streams are refused", |bytes| {
            read(bytes).iter().filter(|(kind, ..)| *kind == kind::RST_STREAM).count() == 2
        })
        .await;
    scene.service.holds(3).await;
}
