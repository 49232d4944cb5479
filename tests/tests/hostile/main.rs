//! Peers that mean harm, or have lost their mind: none may stop, crash or swell either end.

mod callers;
mod descriptors;
mod floods;
mod idle_timeout;
mod limits;
mod names;
mod scene;
mod smuggling;
mod soak;
mod strangers;

use std::time::Duration;

use revtun_tests::body::MIB;
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::fake::{self, Handshake};
use revtun_tests::patience::{SOON, until};
use revtun_tests::raw::{HTTP2_HELLO, PING, Raw};
use revtun_tests::service::Service;

const NODE: &str = "node-a";
const OPEN: &[&str] = &["--tenant-isolation", "false"];

#[tokio::test]
async fn five_hundred_mute_connections_keep_no_honest_initiator_out() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let mut mute = Vec::new();
    for _ in 0..500 {
        mute.push(Raw::connect(responder.tunnel()).await);
    }
    let hosts = [responder.tunnel()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.reaches(NODE).await;
}

#[tokio::test]
async fn what_an_idle_tunnel_says_beside_pings_ends_it_and_nothing_else() {
    let mut responder = Responder::revtun(OPEN).await;
    let noise = vec![0xAA; 100_000];
    for (name, noise) in [("garbage", &noise[..]), ("HTTP/2", HTTP2_HELLO), ("HTTP/1.1", b"GET / HTTP/1.1\r\n\r\n")] {
        let mut tunnel = Handshake { node: name, cluster: "c", tenant: "t" }.dial(responder.tunnel()).await;
        tunnel.send(noise).await;
        tunnel.read_to_end(SOON, name).await;
        until(SOON, "it is forgotten", async || (responder.tunnels(name).await == 0).then_some(())).await;
    }
    assert_eq!(responder.process().ended(), None);
}

#[tokio::test]
async fn a_flood_of_echoes_does_not_swell_the_responder() {
    let mut responder = Responder::revtun(OPEN).await;
    let mut tunnel = Handshake { node: NODE, cluster: "c", tenant: "t" }.dial(responder.tunnel()).await;
    let before = responder.process().resident_bytes();
    let flood = PING.repeat(10_000);
    for _ in 0..100 {
        tunnel.send(&flood).await;
    }
    assert!(responder.process().resident_bytes() < before + 16 * MIB);
    assert_eq!(responder.process().ended(), None);
}

#[tokio::test]
async fn a_flood_of_pings_that_nobody_reads_back_does_not_swell_the_initiator() {
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    let mut initiator = Initiator::revtun(Dialling::from_revtun(&hosts, fake.addr())).await;
    let mut tunnel = fake.tunnel(SOON).await;
    let before = initiator.process().resident_bytes();
    let flood = PING.repeat(10_000);
    // The initiator stops reading once its echoes do not leave any more, and in the end closes; both are fine.
    let _stuck = tokio::time::timeout(Duration::from_secs(3), async {
        for _ in 0..200 {
            tunnel.send(&flood).await;
        }
    })
    .await;
    assert!(initiator.process().resident_bytes() < before + 16 * MIB);
    assert_eq!(initiator.process().ended(), None);
}

#[tokio::test]
async fn broken_http2_from_either_side_ends_one_tunnel_and_no_process() {
    let service = Service::start("backend").await;
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    let mut initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    let oversized_frame = [HTTP2_HELLO, &[0xFF; 64]].concat();
    let data_on_stream_zero = [HTTP2_HELLO, b"\0\0\x01\0\0\0\0\0\0x"].concat();
    for broken in [&oversized_frame, &data_on_stream_zero, &b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()] {
        let mut tunnel = fake.tunnel(SOON).await;
        tunnel.send(broken).await;
        tunnel.read_to_end(SOON, "the initiator closes").await;
    }
    fake.tunnel(SOON).await;
    assert_eq!(initiator.process().ended(), None);

    let mut responder = Responder::revtun(OPEN).await;
    for broken in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[0xFF; 64]] {
        let mut tunnel = Handshake { node: NODE, cluster: "c", tenant: "t" }.dial(responder.tunnel()).await;
        let (answer, ()) = tokio::join!(responder.ask_node(NODE, "/"), async {
            tunnel.read_until(SOON, "a request", |bytes| bytes.len() > 24 && bytes.starts_with(b"PRI")).await;
            tunnel.send(broken).await;
            tunnel.read_to_end(SOON, "the responder closes").await;
        });
        assert!(answer.status.is_server_error(), "{}", answer.status);
        assert_ne!(answer.header("x-revtun-reason"), "");
    }
    assert_eq!(responder.process().ended(), None);
}

#[tokio::test]
async fn an_identity_of_any_bytes_does_no_harm() {
    let mut responder = Responder::revtun(OPEN).await;
    for node in ["../../etc", "n\u{202e}", "\"}{\"", "a,b", "%00%s", "{node=\"x\"}"] {
        let mut tunnel = Handshake { node, cluster: node, tenant: node }.dial(responder.tunnel()).await;
        until(SOON, "it is in service under its own name", async || (responder.tunnels(node).await == 1).then_some(()))
            .await;
        tunnel.send(PING).await;
    }
    assert_eq!(responder.process().ended(), None);
}
