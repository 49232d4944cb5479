//! Every kind of loss, and how soon the tunnels are back.

use std::time::Duration;

use revtun_tests::client::to_node;
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::fake::{self, ACCEPTED, Handshake};
use revtun_tests::patience::{SOON, throughout, until};
use revtun_tests::port::Port;
use revtun_tests::raw::{PING, Raw};
use revtun_tests::relay::Relay;
use revtun_tests::service::Service;
use tokio::time::Instant;

const NODE: &str = "node-a";
const OPEN: &[&str] = &["--tenant-isolation", "false"];

/// What the product promises when a path swallows every byte.
const NOTICED: Duration = Duration::from_secs(10);

/// What a busy test machine may add to a promise in seconds.
const SLACK: Duration = Duration::from_secs(1);

#[tokio::test]
async fn after_a_sigkill_every_tunnel_is_back_within_a_second_of_the_open_port() {
    all_back_within_a_second(Duration::ZERO).await;
}

#[tokio::test]
async fn after_ten_seconds_of_absence_every_tunnel_is_back_within_a_second_of_the_open_port() {
    all_back_within_a_second(Duration::from_secs(10)).await;
}

async fn all_back_within_a_second(absence: Duration) {
    const COUNT: usize = 8;
    let service = Service::start("backend").await;
    let mut responder = Responder::revtun(OPEN).await;
    let hosts = [responder.tunnel()];
    let dialling = Dialling { count: 8, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    responder.has_within(SOON, NODE, COUNT).await;
    responder.kill();
    tokio::time::sleep(absence).await;
    responder.start_again().await;
    responder.has_within(Duration::from_secs(1), NODE, COUNT).await;
    assert_eq!(responder.ask_node(NODE, "/").await.status, 200);
}

#[tokio::test]
async fn an_initiator_counts_its_tunnels_once_whatever_its_threads() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let relay = Relay::start(responder.tunnel()).await;
    let hosts = [relay.addr()];
    let dialling = Dialling { count: 3, flags: &["--threads", "4"], ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    responder.has_within(SOON, NODE, 3).await;
    throughout(Duration::from_secs(2), "exactly three", async || {
        relay.lines().len() == 3 && relay.open().len() == 3 && responder.tunnels(NODE).await == 3
    })
    .await;
}

#[tokio::test]
async fn a_lost_tunnel_is_replaced_at_once() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let relay = Relay::start(responder.tunnel()).await;
    let hosts = [relay.addr()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.reaches(NODE).await;
    for cuts in 1..=3 {
        relay.cut();
        let begin = Instant::now();
        responder.reaches(NODE).await;
        assert!(begin.elapsed() < 2 * SLACK, "cut {cuts} was healed after {:?}", begin.elapsed());
        assert_eq!(relay.open().len(), 1);
        // A tunnel that lives this long is no part of a loop; each cut is a loss of its own.
        throughout(Duration::from_millis(1100), "one tunnel", async || relay.open().len() == 1).await;
    }
    assert_eq!(relay.lines().len(), 4);
}

#[tokio::test]
async fn an_idle_path_that_swallows_bytes_is_replaced_from_both_ends() {
    swallowed_path_is_replaced(false).await;
}

#[tokio::test]
async fn a_path_in_use_that_swallows_bytes_is_replaced_from_both_ends() {
    swallowed_path_is_replaced(true).await;
}

async fn swallowed_path_is_replaced(in_use: bool) {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let relay = Relay::start(responder.tunnel()).await;
    let hosts = [relay.addr()];
    let dialling = Dialling { count: 2, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    responder.has_within(SOON, NODE, 2).await;
    if in_use {
        until(SOON, "both tunnels in use", async || {
            responder.reaches(NODE).await;
            let tunnels = revtun_tests::client::get(responder.admin(), "/tunnels").await.ok()?.text();
            (tunnels.matches("in-use").count() == 2).then_some(())
        })
        .await;
    }
    let dead = relay.black_hole();
    assert_eq!(dead.len(), 2);
    until(NOTICED + SLACK, "both ends leave the dead path", async || {
        dead.iter().all(|line| line.near_gone() && line.far_gone()).then_some(())
    })
    .await;
    assert!(dead.iter().all(|line| line.swallowed() > 0), "nothing was swallowed");
    responder.has_within(SLACK, NODE, 2).await;
    assert_eq!(relay.open().len(), 2);
    assert_eq!(responder.ask_node(NODE, "/").await.status, 200);
}

#[tokio::test]
async fn a_responder_that_falls_silent_is_left() {
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, fake.addr())).await;
    let mut tunnel = fake.tunnel(SOON).await;
    tunnel.read_to_end(NOTICED + SLACK, "the initiator leaves").await;
    assert_eq!(tunnel.received(), b"", "an initiator says nothing unasked");
    fake.tunnel(SOON).await;
}

#[tokio::test]
async fn an_initiator_that_falls_silent_is_left() {
    let responder = Responder::revtun(OPEN).await;
    let mut tunnel = Handshake { node: NODE, cluster: "c", tenant: "t" }.dial(responder.tunnel()).await;
    tunnel.read_to_end(NOTICED + SLACK, "the responder leaves").await;
    assert!(tunnel.received().starts_with(PING));
    assert_eq!(responder.tunnels(NODE).await, 0);
}

#[tokio::test]
async fn a_returning_node_is_served_past_its_own_ghost() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let relay = Relay::start(responder.tunnel()).await;
    let hosts = [relay.addr()];
    let mut initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.reaches(NODE).await;
    // The old process dies unheard: its FIN never arrives.
    assert_eq!(relay.black_hole().len(), 1);
    initiator.kill();
    initiator.start_again().await;
    until(SOON, "the new process is known", async || (relay.open().len() == 1).then_some(())).await;
    responder.reaches_within(Duration::from_secs(2), NODE).await;
    for _ in 0..20 {
        assert_eq!(responder.ask(to_node(NODE, "/")).await.status, 200);
    }
}

#[tokio::test]
async fn a_port_that_opens_late_is_found_within_a_second() {
    let port = Port::reserve();
    let hosts = [port.addr()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, port.addr())).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let fake = fake::Responder::start_at(port.addr()).await;
    fake.tunnel(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_denied_initiator_does_not_hammer() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found"] {
        assert!(pause_after(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await > Duration::from_secs(2));
    }
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let pause =
        pause_after("HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n".into()).await;
    assert!(pause >= Duration::from_secs(3) && pause < Duration::from_secs(5), "{pause:?}");
}

/// How long an initiator stays away after `answer`.
async fn pause_after(answer: String) -> Duration {
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, fake.addr())).await;
    let mut dialled = fake.dialled(SOON).await;
    dialled.raw.send(answer.as_bytes()).await;
    dialled.raw.read_to_end(SOON, "the initiator closes").await;
    let begin = Instant::now();
    fake.accept(SOON).await;
    begin.elapsed()
}

#[tokio::test]
async fn garbage_is_answered_with_distance_and_the_next_good_answer_is_taken() {
    let service = Service::start("backend").await;
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(100 * 1024));
    for garbage in ["\0\0\0\0\r\n\r\n", "hello\r\n\r\n", "HTTP/1.1 999999 OK\r\n\r\n", &long_head] {
        let mut dialled = fake.dialled(SOON).await;
        dialled.raw.send(garbage.as_bytes()).await;
        dialled.raw.read_to_end(SOON, "the initiator closes").await;
    }
    let mut tunnel = fake.tunnel(SOON).await;
    tunnel.send(PING).await;
    tunnel.read_until(SOON, "an echo", |bytes| bytes == PING).await;
}

#[tokio::test]
async fn a_slow_answer_is_taken_and_one_that_never_comes_is_given_up() {
    let fake = fake::Responder::start().await;
    let hosts = [fake.addr()];
    let dialling = Dialling::from_revtun(&hosts, fake.addr());
    let _initiator = Initiator::configured(dialling, "[initiator]\nhandshake_timeout = \"2s\"\n").await;
    let mut mute = fake.dialled(SOON).await.raw;
    let begin = Instant::now();
    mute.read_to_end(SOON, "the initiator gives up").await;
    assert!(begin.elapsed() > Duration::from_secs(1), "it gave up after {:?}", begin.elapsed());
    let mut slow = fake.dialled(SOON).await.raw;
    for byte in ACCEPTED {
        slow.send(&[*byte]).await;
        slow.read_for(Duration::from_millis(20)).await;
    }
    slow.send(PING).await;
    slow.read_until(SOON, "an echo", |bytes| bytes == PING).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let responder = Responder::configured("[responder]\ntenant_isolation = false\nhandshake_timeout = \"1s\"\n").await;
    let mut mute = Raw::connect(responder.tunnel()).await;
    mute.read_to_end(SOON, "the responder gives up").await;
    let mut trickling = Raw::connect(responder.tunnel()).await;
    let begin = Instant::now();
    while trickling.ended().is_none() {
        assert!(begin.elapsed() < SOON, "a trickle keeps it waiting");
        trickling.send(b"x").await;
        trickling.read_for(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn one_dead_host_does_no_harm_to_the_other() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let dead = Port::reserve();
    let hosts = [dead.addr(), responder.tunnel()];
    let dialling = Dialling { count: 2, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    responder.has_within(SOON, NODE, 2).await;
    throughout(Duration::from_secs(2), "both tunnels stay", async || responder.tunnels(NODE).await == 2).await;
}
