//! How many connections callers may have.

use std::net::{IpAddr, Ipv4Addr};

use revtun_tests::patience::SOON;
use revtun_tests::raw::{Ended, Raw};

use crate::scene::{GOOD, NODE, Scene};

const DISPLACED: &str = "revtun_responder_downstream_connections_displaced_total";
const REFUSED: &str = "revtun_responder_downstream_connections_refused_total";

/// A caller from `last` of 127.0.0.0/24 who waits for an answer.
async fn holding(scene: &Scene, last: u8) -> Raw {
    let mut raw = from(scene, last).await;
    let request = format!("GET /hold HTTP/1.1\r\nhost: a\r\nx-node-id: {NODE}\r\nx-tenant-id: {GOOD}\r\n\r\n");
    raw.send(request.as_bytes()).await;
    raw
}

async fn from(scene: &Scene, last: u8) -> Raw {
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    Raw::connect_from(source, scene.responder.egress()).await.expect("a connection")
}

#[tokio::test]
async fn callers_have_so_many_connections_in_all() {
    let scene = Scene::set("max_callers = 3").await;
    let _held = [holding(&scene, 1).await, holding(&scene, 1).await, holding(&scene, 2).await];
    scene.service.holds(3).await;
    assert_eq!(scene.count("revtun_responder_downstream_connections").await, 3);
    let mut fourth = from(&scene, 3).await;
    fourth.read_to_end(SOON, "it is refused").await;
    assert_eq!(fourth.received(), b"");
    scene.counts(&format!("{REFUSED}{{reason=\"too-many-connections\"}}"), 1).await;
    assert_eq!(scene.count(DISPLACED).await, 0, "who waits for an answer stays");
}

#[tokio::test]
async fn callers_have_so_many_connections_from_one_address() {
    let scene = Scene::set("max_callers_per_source = 2").await;
    let _held = [holding(&scene, 2).await, holding(&scene, 2).await];
    scene.service.holds(2).await;
    let bystander = scene.bystander();
    from(&scene, 2).await.read_to_end(SOON, "it is refused").await;
    scene.counts(&format!("{REFUSED}{{reason=\"too-many-connections-from-source\"}}"), 1).await;
    bystander.was_served().await;
}

#[tokio::test]
async fn callers_without_a_request_make_room() {
    let scene = Scene::set("max_callers = 3").await;
    let mut first = from(&scene, 2).await;
    let _others = [from(&scene, 2).await, from(&scene, 2).await];
    scene.counts("revtun_responder_downstream_connections", 3).await;
    let bystander = scene.bystander();
    assert_eq!(first.read_to_end(SOON, "the oldest makes room").await, Ended::Fin);
    bystander.was_served().await;
    assert!(scene.count(DISPLACED).await > 0);
    assert_eq!(scene.count(&format!("{REFUSED}{{reason=\"too-many-connections\"}}")).await, 0);
}
