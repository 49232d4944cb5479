//! Every limit on handshakes, tunnels and requests: who exceeds it is told so, it is counted, and nobody else notices.

use std::net::Ipv4Addr;
use std::time::Duration;

use http::request;
use revtun_tests::body;
use revtun_tests::certificates::Authority;
use revtun_tests::client::{ask_for, to_node};
use revtun_tests::ends::Responder;
use revtun_tests::patience::{LATER, SOON, until};
use revtun_tests::raw::{Ended, PING, Raw};
use tokio::time::Instant;

use crate::scene::{BAD, GOOD, NODE, Scene, asked, bad, has_reason, is_refusal};

const REJECTED: &str = "revtun_responder_handshakes_rejected_total";

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_closed() {
    let scene = Scene::set("handshake_timeout = \"500ms\"").await;
    let bystander = scene.bystander();
    let mut slow = scene.mute(3).await;
    slow[1].send(b"GET /reverse_connections/request HTTP/1.1\r\nhost: a\r\n").await;
    for raw in &mut slow {
        raw.read_to_end(SOON, "it is closed").await;
        assert_eq!(raw.received(), b"");
    }
    scene.counts("revtun_responder_handshake_timeouts_total", 3).await;
    bystander.was_served().await;
}

#[tokio::test]
async fn a_tls_handshake_counts_within_the_handshakes_time() {
    let authority = Authority::new();
    let files = authority.issue("responder", &["127.0.0.1"]);
    let settings = format!(
        "[responder]\nhandshake_timeout = \"500ms\"\n[responder.tls]\ncert = {:?}\nkey = {:?}\n",
        files.cert, files.key
    );
    let responder = Responder::configured(&settings).await;
    let mut raw = Raw::connect(responder.tunnel()).await;
    // The head of a record that never comes.
    raw.send(b"\x16\x03\x01\x02\x00").await;
    let began = Instant::now();
    raw.read_to_end(SOON, "it is closed").await;
    assert!(began.elapsed() >= Duration::from_millis(300), "only after its time");
    assert_eq!(raw.received(), b"");
}

#[tokio::test]
async fn a_head_may_be_so_long_and_have_so_many_headers() {
    let scene = Scene::set("max_head_bytes = 2048\nmax_headers = 20").await;
    let bystander = scene.bystander();
    let long = format!("x-long: {}", "a".repeat(2048));
    let (_, answer) = scene.greet(&bad("long").request_with(&[&long])).await;
    assert!(is_refusal(&answer, 431), "{answer}");
    let many = bad("many").request_with(&["x-one: 1"; 21]);
    let (_, answer) = scene.greet(&many).await;
    assert!(is_refusal(&answer, 431), "{answer}");
    let (_, answer) = scene.greet(&bad("some").request_with(&["x-one: 1"; 10])).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    scene.counts(&format!("{REJECTED}{{reason=\"head-too-large\"}}"), 2).await;
    bystander.was_served().await;
}

#[tokio::test]
async fn so_many_handshakes_may_be_under_way_in_all_and_from_one_address() {
    let scene = Scene::set("max_handshakes = 6\nmax_handshakes_per_source = 4").await;
    let bystander = scene.bystander();
    let _mute = scene.mute(4).await;
    scene.counts("revtun_responder_handshakes_in_progress", 4).await;
    let (_, answer) = scene.greet("").await;
    assert!(is_refusal(&answer, 429), "{answer}");
    scene.counts(&format!("{REJECTED}{{reason=\"too-many-handshakes-from-source\"}}"), 1).await;

    let elsewhere = Ipv4Addr::new(127, 0, 0, 2).into();
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(Raw::connect_from(elsewhere, scene.responder.tunnel()).await.expect("a connection"));
    }
    scene.counts("revtun_responder_handshakes_in_progress", 6).await;
    let third = Ipv4Addr::new(127, 0, 0, 3).into();
    let mut last = Raw::connect_from(third, scene.responder.tunnel()).await.expect("a connection");
    last.read_to_end(SOON, "it is turned away").await;
    assert!(is_refusal(&String::from_utf8_lossy(last.received()), 503));
    scene.counts(&format!("{REJECTED}{{reason=\"too-many-handshakes\"}}"), 1).await;
    bystander.was_served().await;
}

#[tokio::test]
async fn so_many_connections_may_come_in_a_second() {
    let scene = Scene::set("max_accepts_per_second = 10").await;
    let bystander = scene.bystander();
    let mut turned_away = 0;
    // Twice as many as may come in a second, unless they take more than one.
    for mut raw in scene.mute(20).await {
        raw.read_for(Duration::from_millis(20)).await;
        turned_away += u64::from(is_refusal(&String::from_utf8_lossy(raw.received()), 429));
    }
    assert!(turned_away > 0, "nobody was turned away");
    scene.counts(&format!("{REJECTED}{{reason=\"rate-limited\"}}"), turned_away).await;
    // Once it is calm again anybody may come.
    let hello = bad("calm").request();
    until(SOON, "a handshake is accepted", async || {
        let (_, answer) = scene.greet(&hello).await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
    bystander.was_served().await;
}

#[tokio::test]
async fn a_node_a_cluster_a_tenant_and_the_responder_have_so_many_tunnels() {
    for (line, reason, other_nodes, other_clusters) in [
        ("max_tunnels_per_node = 2", "node-full", true, true),
        ("max_tunnels_per_cluster = 2", "cluster-full", false, true),
        ("max_tunnels_per_tenant = 2", "tenant-full", false, false),
        // The good tenant has one of them.
        ("max_tunnels = 3", "responder-full", false, false),
    ] {
        let scene = Scene::set(line).await;
        let bystander = scene.bystander();
        let _tunnels = [bad("n").dial(scene.responder.tunnel()).await, bad("n").dial(scene.responder.tunnel()).await];
        let (_, answer) = scene.greet(&bad("n").request()).await;
        assert!(is_refusal(&answer, 429), "{line}: {answer}");
        scene.counts(&format!("{REJECTED}{{reason=\"{reason}\"}}"), 1).await;
        let (_, answer) = scene.greet(&bad("m").request()).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200 "), other_nodes, "{line}, another node: {answer}");
        let elsewhere = revtun_tests::fake::Handshake { cluster: "cluster-c", ..bad("o") };
        let (_, answer) = scene.greet(&elsewhere.request()).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200 "), other_clusters, "{line}, another cluster: {answer}");
        bystander.was_served().await;
    }
}

#[tokio::test]
async fn a_ping_may_stay_unanswered_for_so_many_intervals() {
    let scene = Scene::set("ping_interval = \"300ms\"\nping_failure_threshold = 2").await;
    let bystander = scene.bystander();
    let mut deaf = bad("deaf").dial(scene.responder.tunnel()).await;
    deaf.read_until(SOON, "a ping", |bytes| bytes.ends_with(PING)).await;
    let began = Instant::now();
    deaf.read_to_end(SOON, "it is closed").await;
    assert!(began.elapsed() >= Duration::from_millis(500), "only after two intervals");
    assert!(!deaf.received().ends_with(b"RPINGRPING"), "never two pings under way");
    scene.counts("revtun_responder_tunnels_closed_total{reason=\"ping-timeout\"}", 1).await;
    bystander.was_served().await;
}

#[tokio::test]
async fn a_tunnel_that_is_not_used_may_say_so_much() {
    let scene = Scene::set("max_idle_bytes = 1024\nping_interval = \"1m\"").await;
    let bystander = scene.bystander();
    let mut loud = bad("loud").dial(scene.responder.tunnel()).await;
    loud.read_until(SOON, "a ping", |bytes| bytes.ends_with(PING)).await;
    loud.send(&PING.repeat(1000)).await;
    loud.read_to_end(SOON, "it is closed").await;
    scene.counts("revtun_responder_tunnels_closed_total{reason=\"echo-flood\"}", 1).await;
    let mut odd = bad("odd").dial(scene.responder.tunnel()).await;
    odd.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    odd.read_to_end(SOON, "it is closed").await;
    scene.counts("revtun_responder_tunnels_closed_total{reason=\"unexpected-bytes\"}", 1).await;
    bystander.was_served().await;
}

fn of(node: &str, tenant: &str, path: &str) -> request::Builder {
    to_node(node, path).header("x-tenant-id", tenant)
}

/// Requests for `path` that nobody answers.
fn ask_in_vain(
    scene: &Scene,
    count: usize,
    request: impl Fn() -> request::Builder,
) -> Vec<tokio::task::JoinHandle<()>> {
    let ask = |request: request::Builder| {
        let (egress, request) = (scene.responder.egress(), request.body(body::empty()).expect("a legal request"));
        tokio::spawn(async move { drop(ask_for(LATER, egress, request).await) })
    };
    (0..count).map(|_| ask(request())).collect()
}

#[tokio::test]
async fn a_tunnel_carries_so_many_requests() {
    let scene = Scene::set("max_streams = 2\nwait = \"200ms\"").await;
    let held = ask_in_vain(&scene, 2, || scene.request("/hold"));
    scene.service.holds(2).await;
    let answer = scene.responder.ask(scene.request("/")).await;
    assert!(has_reason(&answer, 503, "saturated"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(scene.count("revtun_responder_requests_refused_total{reason=\"saturated\"}").await, 1);
    held.into_iter().for_each(|held| held.abort());
    until(SOON, "there is room again", async || {
        (scene.responder.ask(scene.request("/")).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_has_so_many_requests_under_way_and_waiting() {
    let scene = Scene::set("max_streams_per_tenant = 4\nmax_waiting_per_tenant = 2\nwait = \"1m\"").await;
    let bystander = scene.bystander();
    let waiting = ask_in_vain(&scene, 2, || of("nowhere", BAD, "/"));
    scene.counts("revtun_responder_requests_waiting", 2).await;
    let answer = scene.responder.ask(of("nowhere", BAD, "/")).await;
    assert!(has_reason(&answer, 429, "tenant-waiting") && answer.header("retry-after") == "1", "{answer:?}");

    let mut tunnel = bad("n").dial(scene.responder.tunnel()).await;
    tunnel.read_until(SOON, "it can be used", |bytes| bytes.ends_with(PING)).await;
    let under_way = ask_in_vain(&scene, 2, || of("n", BAD, "/"));
    tunnel.read_until(SOON, "requests", |bytes| asked(bytes).is_some()).await;
    until(SOON, "both are under way", async || {
        let tunnels = revtun_tests::client::get(scene.responder.admin(), "/tunnels").await.ok()?.json();
        let ours = tunnels["tunnels"].as_array()?.iter().find(|tunnel| tunnel["node"] == "n")?.clone();
        (ours["streams"] == 2).then_some(())
    })
    .await;
    let answer = scene.responder.ask(of("n", BAD, "/")).await;
    assert!(has_reason(&answer, 429, "tenant-saturated") && answer.header("retry-after") == "1", "{answer:?}");
    for reason in ["tenant-waiting", "tenant-saturated"] {
        scene.counts(&format!("revtun_responder_requests_refused_total{{reason=\"{reason}\"}}"), 1).await;
    }
    bystander.was_served().await;
    waiting.into_iter().chain(under_way).for_each(|asking| asking.abort());
}

#[tokio::test]
async fn so_many_requests_wait_for_a_tunnel() {
    let scene = Scene::set("max_waiting = 2\nwait = \"1m\"").await;
    let bystander = scene.bystander();
    let waiting = ask_in_vain(&scene, 2, || of("nowhere", BAD, "/"));
    scene.counts("revtun_responder_requests_waiting", 2).await;
    let answer = scene.responder.ask(of("nowhere", "tenant-c", "/")).await;
    assert!(has_reason(&answer, 503, "too-many-waiting"), "{answer:?}");
    bystander.was_served().await;
    waiting.into_iter().for_each(|asking| asking.abort());
}

#[tokio::test]
async fn headers_may_be_so_long_over_either_http() {
    let scene = Scene::set("max_header_bytes = 4096").await;
    let bystander = scene.bystander();
    let long = "a".repeat(5000);
    let answer = scene.responder.ask(scene.request("/").header("x-long", &long)).await;
    assert!(has_reason(&answer, 431, "headers-too-large"), "{answer:?}");
    let many = (0..101).fold(scene.request("/"), |request, nr| request.header(format!("x-{nr}"), "1"));
    assert_eq!(scene.responder.ask(many).await.status, 431);
    assert_eq!(scene.service.seen().iter().filter(|seen| seen.headers.len() > 10).count(), 0);
    let answer = scene.responder.ask(to_node(NODE, "/").header("x-tenant-id", GOOD).header("x-short", "1")).await;
    assert_eq!(answer.status, 200);
    let mut endless = Raw::connect(scene.responder.egress()).await;
    endless.send(b"GET / HTTP/1.1\r\nhost: ").await;
    for _ in 0..64 {
        endless.send(&[b'a'; 16 * 1024]).await;
    }
    let ended = endless.read_to_end(SOON, "it is closed").await;
    assert!(ended == Ended::Reset || endless.received().starts_with(b"HTTP/1.1 4"), "{:?}", endless.received());
    bystander.was_served().await;
}
