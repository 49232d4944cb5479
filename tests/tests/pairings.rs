//! The four pairings of makers: what a user sees must not depend on who made either end.
//!
//! Envoy with Envoy is the control: a clause that fails there is a fault of the test.

use std::time::Duration;

use http::{Request, Version};
use revtun_tests::body::{self, MIB};
use revtun_tests::client::{Caller, ask_for, post, to_node, whole};
use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::patience::{LATER, SOON, throughout, until, within};
use revtun_tests::relay::Relay;
use revtun_tests::service::Service;

const NODE: &str = "node-a";
const CLUSTER: &str = "cluster-a";

/// A responder, an initiator and the service behind it, connected.
struct Pair {
    responder: Responder,
    initiator: Initiator,
    service: Service,
    initiator_make: Make,
    responder_make: Make,
}

impl Pair {
    /// None where Envoy cannot be had.
    async fn start(initiator_make: Make, responder_make: Make) -> Option<Self> {
        let service = Service::start("backend").await;
        let responder = Responder::start(responder_make).await?;
        let hosts = [responder.tunnel()];
        let dialling = Dialling { make: initiator_make, count: 2, ..Dialling::from_revtun(&hosts, service.addr()) };
        let initiator = Initiator::start(dialling).await?;
        responder.reaches(NODE).await;
        Some(Self { responder, initiator, service, initiator_make, responder_make })
    }
}

async fn a_small_request_finds_a_node_and_a_cluster(initiator: Make, responder: Make) {
    let Some(pair) = Pair::start(initiator, responder).await else { return };
    let by_node = pair.responder.ask_node(NODE, "/small?a=1").await;
    assert_eq!(by_node.status, 200);
    assert_eq!(by_node.json()["target"], "/small?a=1");
    let by_cluster = pair.responder.ask_cluster(CLUSTER, "/").await;
    assert_eq!(by_cluster.status, 200);
    assert_eq!(by_cluster.json()["service"], "backend");
    assert_eq!(pair.responder.ask_node("node-z", "/").await.status, 503);
}

async fn large_bodies_pass_unharmed_both_ways(initiator: Make, responder: Make) {
    let Some(pair) = Pair::start(initiator, responder).await else { return };
    let size = 100 * MIB;
    let down = async {
        let mut caller = Caller::connect(pair.responder.egress(), Version::HTTP_11).await.expect("a connection");
        let request = to_node(NODE, &format!("/bytes/{size}")).body(body::empty()).expect("a request");
        let response = caller.send(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(body::checked(response.into_body()).await.expect("a whole body").bytes, size);
    };
    let up = async {
        let request = to_node(NODE, "/upload").method("POST").body(body::generated(size)).expect("a request");
        let answer = ask_for(LATER, pair.responder.egress(), request).await.expect("an answer");
        assert_eq!(answer.json()["bytes"], size);
    };
    within(LATER, "100 MiB down and up", async { tokio::join!(down, up) }).await;
}

async fn two_hundred_requests_are_under_way_at_once(initiator: Make, responder: Make) {
    const MANY: usize = 200;
    let Some(pair) = Pair::start(initiator, responder).await else { return };
    let egress = pair.responder.egress();
    let request = || to_node(NODE, "/hold").body(body::empty()).expect("a request");
    let asked: Vec<_> = (0..MANY).map(|_| tokio::spawn(ask_for(LATER, egress, request()))).collect();
    pair.service.holds(MANY).await;
    pair.service.release();
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").expect("an answer").status, 200);
    }
}

async fn an_idle_tunnel_lives_on_under_pings(initiator: Make, responder: Make) {
    let service = Service::start("backend").await;
    let Some(end) = Responder::start(responder).await else { return };
    let relay = Relay::start(end.tunnel()).await;
    let hosts = [relay.addr()];
    let dialling = Dialling { make: initiator, ..Dialling::from_revtun(&hosts, service.addr()) };
    let Some(_initiator) = Initiator::start(dialling).await else { return };
    until(SOON, "the tunnel comes up", async || relay.open().pop()).await;
    throughout(Duration::from_secs(15), "the tunnel is never replaced", async || {
        relay.lines().len() == 1 && relay.open().len() == 1
    })
    .await;
    assert_eq!(end.ask_node(NODE, "/").await.status, 200);
    assert_eq!(relay.lines().len(), 1, "the request went through the tunnel that idled");
}

async fn a_killed_responder_is_found_again(initiator: Make, responder: Make) {
    let Some(mut pair) = Pair::start(initiator, responder).await else { return };
    pair.responder.kill();
    pair.responder.start_again().await;
    pair.responder.reaches(NODE).await;
}

async fn a_killed_initiator_comes_back(initiator: Make, responder: Make) {
    let Some(mut pair) = Pair::start(initiator, responder).await else { return };
    pair.initiator.kill();
    until(SOON, "the loss is told", async || {
        // Whoever was under way just then is told 502, and everybody afterwards 503.
        let status = pair.responder.ask_node(NODE, "/").await.status;
        assert!(status.is_server_error(), "{status}");
        (status == 503).then_some(())
    })
    .await;
    pair.initiator.start_again().await;
    pair.responder.reaches(NODE).await;
}

async fn a_drained_initiator_finishes_what_it_began(initiator: Make, responder: Make) {
    let Some(mut pair) = Pair::start(initiator, responder).await else { return };
    let held = hold_one(&pair).await;
    match pair.initiator_make {
        Make::Revtun => pair.initiator.process().signal("TERM"),
        Make::Envoy => drain_envoy(pair.initiator.admin()).await,
    }
    finishes(&pair, held).await;
    if pair.initiator_make == Make::Revtun {
        assert_eq!(pair.initiator.process().end(SOON).await.code(), Some(0));
    }
}

async fn a_drained_responder_finishes_what_it_began(initiator: Make, responder: Make) {
    let Some(mut pair) = Pair::start(initiator, responder).await else { return };
    let held = hold_one(&pair).await;
    match pair.responder_make {
        Make::Revtun => pair.responder.process().signal("TERM"),
        Make::Envoy => drain_envoy(pair.responder.admin()).await,
    }
    finishes(&pair, held).await;
    if pair.responder_make == Make::Revtun {
        assert_eq!(pair.responder.process().end(SOON).await.code(), Some(0));
    }
}

async fn a_goaway_is_followed_by_a_new_tunnel(initiator: Make, responder: Make) {
    let service = Service::start("backend").await;
    let Some(end) = Responder::start(responder).await else { return };
    let relay = Relay::start(end.tunnel()).await;
    let hosts = [relay.addr()];
    let dialling = Dialling { make: initiator, ..Dialling::from_revtun(&hosts, service.addr()) };
    let Some(process) = Initiator::start(dialling).await else { return };
    end.reaches(NODE).await;
    let pair =
        Pair { responder: end, initiator: process, service, initiator_make: initiator, responder_make: responder };
    let held = hold_one(&pair).await;
    let old = relay.open();
    let order = match responder {
        Make::Revtun => format!("/drain?node={NODE}&grace=20s"),
        Make::Envoy => "/reverse_tunnel/drain_clusters?drain_time_ms=200".to_owned(),
    };
    let answer = post(pair.responder.admin(), &order).await.expect("its admin listener");
    assert!(answer.status.is_success(), "{}", answer.text());
    until(SOON, "a new tunnel beside the old one", async || (relay.open().len() > old.len()).then_some(())).await;
    assert!(old.iter().all(|line| line.is_open()), "the old tunnel has a request to finish");
    finishes(&pair, held).await;
    until(SOON, "the old tunnel goes", async || old.iter().all(|line| !line.is_open()).then_some(())).await;
    pair.responder.reaches(NODE).await;
}

type Held = tokio::task::JoinHandle<u16>;

async fn hold_one(pair: &Pair) -> Held {
    let egress = pair.responder.egress();
    let request: Request<body::Body> = to_node(NODE, "/hold").body(body::empty()).expect("a request");
    let held = tokio::spawn(async move {
        let mut caller = Caller::connect(egress, Version::HTTP_11).await.expect("a connection");
        let response = caller.send(request).await.expect("an answer");
        whole(response).await.expect("a whole answer").status.as_u16()
    });
    pair.service.holds(1).await;
    held
}

async fn drain_envoy(admin: std::net::SocketAddr) {
    assert_eq!(post(admin, "/drain_listeners?graceful").await.expect("its admin listener").status, 200);
}

async fn finishes(pair: &Pair, held: Held) {
    throughout(Duration::from_millis(500), "the request in flight is left alone", async || !held.is_finished()).await;
    pair.service.release();
    assert_eq!(within(SOON, "the held answer", held).await.expect("no panic"), 200);
}

macro_rules! pairing {
    ($name:ident: $initiator:ident to $responder:ident) => {
        mod $name {
            use revtun_tests::ends::Make;

            pairing!(@clauses $initiator $responder
                a_small_request_finds_a_node_and_a_cluster
                large_bodies_pass_unharmed_both_ways
                two_hundred_requests_are_under_way_at_once
                an_idle_tunnel_lives_on_under_pings
                a_killed_responder_is_found_again
                a_killed_initiator_comes_back
                a_drained_initiator_finishes_what_it_began
                a_drained_responder_finishes_what_it_began
                a_goaway_is_followed_by_a_new_tunnel
            );
        }
    };
    (@clauses $initiator:ident $responder:ident $first:ident $($rest:ident)*) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $first() {
            super::$first(Make::$initiator, Make::$responder).await;
        }
        pairing!(@clauses $initiator $responder $($rest)*);
    };
    (@clauses $initiator:ident $responder:ident) => {};
}

pairing!(envoy_to_envoy: Envoy to Envoy);
pairing!(envoy_to_revtun: Envoy to Revtun);
pairing!(revtun_to_envoy: Revtun to Envoy);
pairing!(revtun_to_revtun: Revtun to Revtun);
