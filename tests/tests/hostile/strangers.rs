//! Strangers who connect to the tunnel listener again and again and say nothing.

use std::net::{IpAddr, Ipv4Addr};

use revtun_tests::fake::Handshake;
use revtun_tests::patience::SOON;
use revtun_tests::raw::Raw;

use crate::scene::{GOOD, Scene};

const DROPPED: &str = "revtun_responder_handshakes_dropped_total";

#[tokio::test]
async fn four_addresses_keep_no_honest_initiator_out() {
    let scene = Scene::set("max_handshakes = 256\nmax_handshakes_per_source = 64\nhandshake_timeout = \"1m\"").await;
    let bystander = scene.bystander();
    let mut strangers = Vec::new();
    let mut last = 0;
    for round in 0..60 {
        // More of them than may be pending from their addresses, or in all; fewer at once than the room that is kept, since those who
        // are dropped count until their tasks have ended.
        for _ in 0..8 {
            last = last % 4 + 1;
            let source = IpAddr::V4(Ipv4Addr::new(127, 0, 1, last));
            strangers.push(Raw::connect_from(source, scene.responder.tunnel()).await.expect("a connection"));
        }
        let node = format!("honest-{round}");
        let hello = Handshake { node: &node, cluster: "c", tenant: GOOD }.request();
        let mut honest = Raw::connect(scene.responder.tunnel()).await;
        honest.send(hello.as_bytes()).await;
        honest.read_until(SOON, "an answer", |bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n")).await;
        let answer = String::from_utf8_lossy(honest.received()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 "), "round {round}: {answer:?}");
    }
    assert!(scene.count(DROPPED).await > 0);
    bystander.was_served().await;
}
