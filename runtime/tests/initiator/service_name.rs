//! A local service that is known by its name: no caller waits for a name server, or for an address that swallows packets.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use revtun::initiator::HostPort;
use revtun_core::initiator::Config;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::fake::{A_WHILE, soon};
use crate::forwarding::{Caller, raw_service, read_up_to};
use crate::scripted::Scripted;
use crate::start::quick;

/// Nothing is kept, so that each request needs a connection of its own.
fn one_connection_each() -> Config {
    Config { service_connect_timeout: Duration::from_secs(1), service_idle: Duration::ZERO, ..quick() }
}

fn service() -> HostPort {
    HostPort { host: "service.example".to_owned(), port: 80 }
}

/// Answers one request on each connection, and hangs up.
async fn answers() -> SocketAddr {
    let (listener, address) = raw_service().await;
    tokio::spawn(answer(listener));
    address
}

async fn answer(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        read_up_to(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
}

#[tokio::test]
async fn an_address_that_swallows_packets_costs_nobody_an_error() {
    let works = answers().await;
    let [dead_v6, dead_v4] =
        [SocketAddr::from((Ipv6Addr::LOCALHOST, 1)), SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 1))];
    for dead in [dead_v6, dead_v4] {
        let world = Scripted::resolving_to(&[dead, works]);
        world.swallow(dead);
        let mut caller = Caller::within(&world, service(), &one_connection_each()).await;
        for _ in 0..3 {
            assert_eq!(caller.get().await.status(), 200, "{dead}");
        }
    }
}

#[tokio::test]
async fn a_name_server_that_fails_or_is_stuck_costs_nobody_an_error() {
    let works = answers().await;
    let world = Scripted::resolving_to(&[works]);
    let mut caller = Caller::within(&world, service(), &one_connection_each()).await;
    assert_eq!(caller.get().await.status(), 200);
    world.set(&[]);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(caller.get().await.status(), 200, "the last addresses stay");
    world.stop_resolver();
    tokio::time::sleep(A_WHILE).await;
    for _ in 0..3 {
        assert_eq!(caller.get().await.status(), 200);
    }
}

#[tokio::test]
async fn a_service_that_moves_is_found_and_one_that_cannot_be_resolved_is_a_prompt_error() {
    let world = Scripted::resolving_to(&[]);
    let mut caller = Caller::within(&world, service(), &one_connection_each()).await;
    let answer = caller.get().await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-revtun-reason"]),
        (502, &"service-unreachable".parse().unwrap())
    );

    world.set(&[answers().await]);
    let found = async {
        while caller.get().await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("the new address", found).await;
}
