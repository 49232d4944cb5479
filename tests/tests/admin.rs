//! The admin listener of both ends.

use http::StatusCode;
use revtun_tests::client::{get, post};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::patience::{SOON, until};
use revtun_tests::prometheus::Metrics;
use revtun_tests::service::Service;
use std::net::SocketAddr;

struct Pair {
    responder: Responder,
    initiator: Initiator,
    _service: Service,
}

impl Pair {
    async fn start(responder: &[&str]) -> Self {
        let service = Service::start("service").await;
        let responder = Responder::revtun(responder).await;
        let hosts = [responder.tunnel()];
        let initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
        Self { responder, initiator, _service: service }
    }
}

async fn status(admin: SocketAddr, path: &str) -> StatusCode {
    get(admin, path).await.expect("an answer").status
}

async fn becomes(admin: SocketAddr, path: &str, wanted: u16) {
    let what = format!("{path} answers {wanted}");
    until(SOON, &what, async || (status(admin, path).await == wanted).then_some(())).await;
}

async fn metrics(admin: SocketAddr) -> Metrics {
    let answer = get(admin, "/metrics").await.expect("an answer");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    Metrics::parse(&answer.text())
}

#[tokio::test]
async fn each_page_has_its_method_and_nothing_else_is_there() {
    let responder = Responder::revtun(&[]).await;
    for path in ["/healthz", "/readyz", "/tunnels", "/metrics"] {
        assert_eq!(status(responder.admin(), path).await, 200, "{path}");
        let answer = post(responder.admin(), path).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET"), "{path}");
    }
    let answer = get(responder.admin(), "/drain").await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    assert_eq!(status(responder.admin(), "/").await, 404);
    assert_eq!(status(responder.admin(), "/healthz/").await, 404);
}

#[tokio::test]
async fn an_initiator_is_ready_only_while_a_tunnel_is_heard() {
    let mut pair = Pair::start(&[]).await;
    let admin = pair.initiator.admin();
    becomes(admin, "/readyz", 200).await;
    pair.responder.kill();
    becomes(admin, "/readyz", 503).await;
    let answer = get(admin, "/readyz").await.expect("an answer");
    assert!(answer.text().contains("rc://"), "it names the address: {}", answer.text());
    assert_eq!(status(admin, "/healthz").await, 200);
}

#[tokio::test]
async fn metrics_keep_the_format_and_count_what_happens() {
    let pair = Pair::start(&["--tenant-isolation", "false"]).await;
    becomes(pair.initiator.admin(), "/readyz", 200).await;
    let before = metrics(pair.responder.admin()).await;
    let node = get(pair.responder.admin(), "/tunnels").await.expect("an answer").json()["tunnels"][0]["node"].clone();
    assert_eq!(pair.responder.ask_node(node.as_str().expect("a node"), "/").await.status, 200);
    assert_eq!(pair.responder.ask_node("nobody\"{}\\", "/").await.status, 503);
    let after = metrics(pair.responder.admin()).await;
    assert_eq!(after.value("revtun_responder_requests_assigned_total"), 1);
    assert_eq!(after.value("revtun_responder_local_replies_total{reason=\"no-tunnel\"}"), 1);
    assert_eq!(after.value("revtun_responder_nodes"), 1);
    assert!(before.series().eq(after.series()), "what peers and callers send makes no new series");
    let initiator = metrics(pair.initiator.admin()).await;
    assert_eq!(initiator.value("revtun_initiator_requests_total"), 1);
    assert_eq!(initiator.value("revtun_initiator_listeners_ready"), 1);
}

#[tokio::test]
async fn a_drain_of_everything_is_answered_and_ends_the_process() {
    let mut pair = Pair::start(&[]).await;
    becomes(pair.initiator.admin(), "/readyz", 200).await;
    for process in [pair.initiator.admin(), pair.responder.admin()] {
        let answer = post(process, "/drain?grace=5s").await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (202, "draining everything\n"));
    }
    assert_eq!(pair.initiator.process().end(SOON).await.code(), Some(0));
    assert_eq!(pair.responder.process().end(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_drain_that_makes_no_sense_is_refused() {
    let pair = Pair::start(&[]).await;
    for (admin, query) in [
        (pair.responder.admin(), "nodes=a"),
        (pair.responder.admin(), "node=a"),
        (pair.responder.admin(), "tenant=a&grace=5"),
        (pair.initiator.admin(), "tunnel=0.0"),
        (pair.initiator.admin(), "node=nobody"),
    ] {
        let answer = post(admin, &format!("/drain?{query}")).await.expect("an answer");
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    becomes(pair.initiator.admin(), "/readyz", 200).await;
}
