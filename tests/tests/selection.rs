//! Nodes, clusters, tenants; what a caller is told when there is none; waiting for a tunnel that comes.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Request, request};
use revtun_tests::body;
use revtun_tests::client::{Answer, ask, to_cluster, to_node};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::fake::Handshake;
use revtun_tests::patience::{SOON, until};
use revtun_tests::raw::{PING, Raw, holds};
use revtun_tests::service::Service;
use tokio::time::Instant;

const OPEN: &[&str] = &["--tenant-isolation", "false"];

/// Three nodes behind one responder: `node-a` and `node-b` in `cluster-a`, `node-c` in `cluster-c`.
struct Three {
    responder: Responder,
    _initiators: Vec<Initiator>,
    _services: Vec<Service>,
}

impl Three {
    async fn start() -> Self {
        let responder = Responder::revtun(OPEN).await;
        let mut three = Self { responder, _initiators: vec![], _services: vec![] };
        for (node, cluster) in [("node-a", "cluster-a"), ("node-b", "cluster-a"), ("node-c", "cluster-c")] {
            let service = Service::start(node).await;
            let hosts = [three.responder.tunnel()];
            let dialling = Dialling { node, cluster, ..Dialling::from_revtun(&hosts, service.addr()) };
            three._initiators.push(Initiator::revtun(dialling).await);
            three._services.push(service);
            three.responder.has_within(SOON, node, 1).await;
        }
        three
    }
}

fn who(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["service"].as_str().expect("its name").to_owned()
}

#[tokio::test]
async fn a_node_is_reached_by_its_id_and_a_cluster_through_any_of_its_nodes() {
    let three = Three::start().await;
    for node in ["node-a", "node-b", "node-c"] {
        assert_eq!(who(&three.responder.ask_node(node, "/").await), node);
    }
    let mut answered = BTreeSet::new();
    for _ in 0..64 {
        answered.insert(who(&three.responder.ask_cluster("cluster-a", "/").await));
    }
    assert_eq!(answered, BTreeSet::from(["node-a".to_owned(), "node-b".to_owned()]));
    assert_eq!(who(&three.responder.ask_cluster("cluster-c", "/").await), "node-c");
    let both = |cluster| to_node("node-c", "/").header("x-cluster-id", cluster);
    assert_eq!(who(&three.responder.ask(both("cluster-c")).await), "node-c");
    assert_eq!(three.responder.ask(both("cluster-a")).await.status, 503, "there is no such node in that cluster");
}

#[tokio::test]
async fn nodes_and_clusters_have_name_spaces_of_their_own() {
    let three = Three::start().await;
    assert_eq!(three.responder.ask_node("cluster-a", "/").await.status, 503);
    assert_eq!(three.responder.ask_cluster("node-a", "/").await.status, 503);
}

#[tokio::test]
async fn a_node_may_stand_in_several_clusters() {
    let service = Service::start("both").await;
    let responder = Responder::revtun(OPEN).await;
    let hosts = [responder.tunnel()];
    let first = Dialling::from_revtun(&hosts, service.addr());
    let address = "rc://node-a:cluster-z:tenant-a@cloud:1";
    let _initiator = Initiator::revtun(Dialling { flags: &["--address", address], ..first }).await;
    responder.has_within(SOON, "node-a", 2).await;
    assert_eq!(who(&responder.ask_cluster("cluster-a", "/").await), "both");
    assert_eq!(who(&responder.ask_cluster("cluster-z", "/").await), "both");
}

/// A node of one name in two clusters: neither is displaced by the other, gets what is meant for the other, or uses up the
/// other's limits; and its name alone is no target.
#[tokio::test]
async fn a_node_of_the_same_name_in_another_cluster_is_another_node() {
    const MANY: &str = "rc://node-a:lab:tenant-a@cloud:4";
    let settings = "[responder]\ntenant_isolation = false\nmax_tunnels_per_node = 4\n";
    let responder = Responder::configured(settings).await;
    let (prod, lab) = (Service::start("prod").await, Service::start("lab").await);
    let hosts = [responder.tunnel()];
    let dial = |cluster, service: &Service| Dialling {
        node: "node-a",
        cluster,
        ..Dialling::from_revtun(&hosts, service.addr())
    };
    let _prod = Initiator::revtun(dial("prod", &prod)).await;
    responder.has_within(SOON, "node-a", 1).await;
    let to = |cluster| to_node("node-a", "/").header("x-cluster-id", cluster);
    assert_eq!(who(&responder.ask_node("node-a", "/").await), "prod", "its name alone is enough while it has it alone");

    let _lab = Initiator::revtun(Dialling { flags: &["--address", MANY], ..dial("lab-too", &lab) }).await;
    responder.has_within(SOON, "node-a", 6).await;
    for _ in 0..20 {
        assert_eq!(who(&responder.ask(to("prod")).await), "prod");
        assert_eq!(who(&responder.ask(to("lab")).await), "lab");
        assert_eq!(who(&responder.ask_cluster("prod", "/").await), "prod");
    }
    let answer = responder.ask_node("node-a", "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (409, "ambiguous-node"));
    assert!(answer.text().contains("x-cluster-id"), "{}", answer.text());
    // A newer process displaces its own cluster's only; and is kept beside it, as that turns out to be alive.
    let _second = Initiator::revtun(dial("prod", &prod)).await;
    responder.has_within(SOON, "node-a", 7).await;
    assert_eq!(who(&responder.ask(to("prod")).await), "prod");
    assert_eq!(who(&responder.ask(to("lab")).await), "lab");
}

#[tokio::test]
async fn by_choice_a_name_that_several_clusters_have_means_any_of_them() {
    let responder = Responder::revtun(&["--tenant-isolation", "false", "--refuse-ambiguous-node", "false"]).await;
    let (prod, lab) = (Service::start("prod").await, Service::start("lab").await);
    let hosts = [responder.tunnel()];
    let dial = |cluster, service: &Service| Dialling {
        node: "node-a",
        cluster,
        ..Dialling::from_revtun(&hosts, service.addr())
    };
    let _prod = Initiator::revtun(dial("prod", &prod)).await;
    let _lab = Initiator::revtun(dial("lab", &lab)).await;
    responder.has_within(SOON, "node-a", 2).await;
    let mut answered = BTreeSet::new();
    for _ in 0..64 {
        answered.insert(who(&responder.ask_node("node-a", "/").await));
    }
    assert_eq!(answered, BTreeSet::from(["lab".to_owned(), "prod".to_owned()]));
}

#[tokio::test]
async fn a_caller_who_names_no_place_is_told_so() {
    let responder = Responder::revtun(OPEN).await;
    let bare = || Request::builder().uri("/").header("host", "service.example");
    for (call, reason) in [
        (bare(), "no-target"),
        (bare().header("x-node-id", ""), "illegal-target"),
        (bare().header("x-node-id", "n".repeat(256)), "illegal-target"),
        (bare().header("x-cluster-id", ""), "illegal-target"),
    ] {
        let answer = responder.ask(call).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (400, reason));
        assert!(answer.text().len() > 10, "a short text");
    }
}

#[tokio::test]
async fn an_absent_node_costs_the_configured_wait_and_a_503() {
    let responder = Responder::configured("[responder]\ntenant_isolation = false\nwait = \"700ms\"\n").await;
    for call in [to_node("nobody", "/"), to_cluster("nobody", "/")] {
        let begin = Instant::now();
        let answer = responder.ask(call).await;
        let took = begin.elapsed();
        assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (503, "no-tunnel"));
        assert_eq!(answer.header("retry-after"), "1");
        assert!(took >= Duration::from_millis(700) && took < Duration::from_secs(3), "{took:?}");
    }
}

#[tokio::test]
async fn a_caller_waits_for_a_tunnel_that_comes() {
    let service = Service::start("late").await;
    let responder = Responder::configured("[responder]\ntenant_isolation = false\nwait = \"15s\"\n").await;
    let egress = responder.egress();
    let waiting = |call: request::Builder| tokio::spawn(ask(egress, call.body(body::empty()).expect("a request")));
    let callers = [waiting(to_node("node-a", "/")), waiting(to_cluster("cluster-a", "/"))];
    let hosts = [responder.tunnel()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    for caller in callers {
        assert_eq!(who(&caller.await.expect("no panic").expect("an answer")), "late");
    }
}

#[tokio::test]
async fn more_callers_than_may_wait_are_turned_away_at_once() {
    let settings = "[responder]\ntenant_isolation = false\nwait = \"3s\"\nmax_waiting = 1\n";
    let responder = Responder::configured(settings).await;
    let egress = responder.egress();
    let call = || ask(egress, to_node("nobody", "/").body(body::empty()).expect("a request"));
    let (one, two) = tokio::join!(call(), call());
    let reasons = [one, two].map(|answer| answer.expect("an answer").header("x-revtun-reason").to_owned());
    assert_eq!(BTreeSet::from(reasons), BTreeSet::from(["no-tunnel".to_owned(), "too-many-waiting".to_owned()]));
}

#[tokio::test]
async fn a_tunnel_that_is_full_is_told_from_one_that_is_absent() {
    let service = Service::start("backend").await;
    let responder =
        Responder::configured("[responder]\ntenant_isolation = false\nwait = \"300ms\"\nmax_streams = 1\n").await;
    let hosts = [responder.tunnel()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.has_within(SOON, "node-a", 1).await;
    let egress = responder.egress();
    let held = tokio::spawn(ask(egress, to_node("node-a", "/hold").body(body::empty()).expect("a request")));
    service.holds(1).await;
    let answer = responder.ask_node("node-a", "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (503, "saturated"));
    service.release();
    assert_eq!(held.await.expect("no panic").expect("an answer").status, 200);
    assert_eq!(responder.ask_node("node-a", "/").await.status, 200);
}

#[tokio::test]
async fn a_tunnel_lost_before_the_answer_is_a_502_for_what_may_not_be_repeated() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let hosts = [responder.tunnel()];
    let mut initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.has_within(SOON, "node-a", 1).await;
    let post = to_node("node-a", "/hold").method("POST").body(body::full("once")).expect("a request");
    let asked = tokio::spawn(ask(responder.egress(), post));
    service.holds(1).await;
    initiator.kill();
    let answer = asked.await.expect("no panic").expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (502, "tunnel-lost"));
    assert_eq!(service.seen().len(), 1, "it was not repeated");
}

#[tokio::test]
async fn a_tunnel_lost_before_the_answer_is_no_matter_for_what_may_be_repeated() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let hosts = [responder.tunnel()];
    let mut doomed = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.has_within(SOON, "node-a", 1).await;
    let get = to_cluster("cluster-a", "/hold").body(body::empty()).expect("a request");
    let asked = tokio::spawn(ask(responder.egress(), get));
    service.holds(1).await;
    let spare = Dialling { node: "node-b", ..Dialling::from_revtun(&hosts, service.addr()) };
    let _spare = Initiator::revtun(spare).await;
    responder.has_within(SOON, "node-b", 1).await;
    doomed.kill();
    until(SOON, "it is asked again", async || (service.seen().len() == 2).then_some(())).await;
    service.release();
    assert_eq!(who(&asked.await.expect("no panic").expect("an answer")), "backend");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_504() {
    let service = Service::start("backend").await;
    let responder = Responder::configured("[responder]\ntenant_isolation = false\nrequest_timeout = \"300ms\"\n").await;
    let hosts = [responder.tunnel()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.has_within(SOON, "node-a", 1).await;
    let answer = responder.ask_node("node-a", "/hold").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (504, "timeout"));
    service.holds(0).await;
    assert_eq!(responder.ask_node("node-a", "/trickle/10/60").await.body.len(), 10, "only the head is timed");
}

/// Two tenants with the same names, kept apart.
struct Tenants {
    responder: Responder,
    _initiators: Vec<Initiator>,
    _services: Vec<Service>,
}

impl Tenants {
    async fn start() -> Self {
        let responder = Responder::configured("[responder]\nwait = \"0s\"\n").await;
        let mut tenants = Self { responder, _initiators: vec![], _services: vec![] };
        for (count, tenant) in ["tenant-a", "tenant-b"].into_iter().enumerate() {
            let service = Service::start(tenant).await;
            let hosts = [tenants.responder.tunnel()];
            let dialling = Dialling { tenant, ..Dialling::from_revtun(&hosts, service.addr()) };
            tenants._initiators.push(Initiator::revtun(dialling).await);
            tenants._services.push(service);
            tenants.responder.has_within(SOON, "node-a", count + 1).await;
        }
        tenants
    }
}

#[tokio::test]
async fn tenants_with_the_same_names_never_meet() {
    let tenants = Tenants::start().await;
    for tenant in ["tenant-a", "tenant-b"] {
        for _ in 0..16 {
            for call in [to_node("node-a", "/"), to_cluster("cluster-a", "/")] {
                assert_eq!(who(&tenants.responder.ask(call.header("x-tenant-id", tenant)).await), tenant);
            }
        }
    }
}

#[tokio::test]
async fn no_spelling_of_a_name_reaches_another_tenant() {
    let tenants = Tenants::start().await;
    let call = |tenant: &str, node: &str| to_node(node, "/").header("x-tenant-id", tenant);
    for (refused, status, reason) in [
        (to_node("node-a", "/"), 400, "no-tenant"),
        (call("", "node-a"), 400, "illegal-target"),
        (call("tenant-c", "node-a"), 503, "no-tunnel"),
        (call("tenant-c", "tenant-a:node-a"), 503, "no-tunnel"),
        (call("tenant-c", "tenant-a/cluster-a/node-a"), 503, "no-tunnel"),
        (call("TENANT-A", "node-a"), 503, "no-tunnel"),
        (call("tenant-a,tenant-b", "node-a"), 503, "no-tunnel"),
        (call("tenant-a:node-a", ""), 400, "illegal-target"),
    ] {
        let answer = tenants.responder.ask(refused).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (status, reason), "{}", answer.text());
    }
    let twice = call("tenant-a", "node-a").header("x-tenant-id", "tenant-b");
    let answer = tenants.responder.ask(twice).await;
    assert!(answer.status == 400 || who(&answer) == "tenant-a", "the first one counts, or none");
}

#[tokio::test]
async fn an_identity_that_would_blur_tenants_is_refused_at_the_handshake() {
    let responder = Responder::revtun(&[]).await;
    for (node, cluster, tenant) in [("a:b", "c", "t"), ("n", "c:d", "t"), ("n", "c", "t:u")] {
        let mut raw = Raw::connect(responder.tunnel()).await;
        raw.send(Handshake { node, cluster, tenant }.request().as_bytes()).await;
        raw.read_to_end(SOON, "a refusal").await;
        assert!(raw.received().starts_with(b"HTTP/1.1 400 "));
    }
}

#[tokio::test]
async fn the_first_of_two_node_ids_counts_in_a_handshake() {
    let responder = Responder::revtun(OPEN).await;
    let mut raw = Raw::connect(responder.tunnel()).await;
    let handshake = Handshake { node: "first", cluster: "c", tenant: "t" };
    raw.send(handshake.request_with(&["x-envoy-reverse-tunnel-node-id: second"]).as_bytes()).await;
    raw.read_until(SOON, "a ping", |bytes| holds(bytes, PING)).await;
    assert_eq!((responder.tunnels("first").await, responder.tunnels("second").await), (1, 0));
}
