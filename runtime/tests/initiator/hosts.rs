//! Names that resolve to other addresses as time goes by.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use revtun::initiator::{HostPort, Run, start};
use revtun::world::{Tokio, World};
use revtun_core::Instant;

use crate::fake::{A_WHILE, FakeResponder, soon, until};
use crate::start::{config, pong, pong_in};

/// The real world, but with a resolver that says what a test wants; nothing, and it fails.
#[derive(Clone, Debug)]
struct Scripted {
    real: Tokio,
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Scripted {
    fn resolving_to(addresses: &[SocketAddr]) -> Self {
        Self { real: Tokio::begin(), addresses: Arc::new(Mutex::new(addresses.to_vec())) }
    }

    fn set(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }
}

impl World for Scripted {
    type Stream = <Tokio as World>::Stream;
    type Listener = <Tokio as World>::Listener;

    fn now(&self) -> Instant {
        self.real.now()
    }

    fn unix_millis(&self) -> u64 {
        self.real.unix_millis()
    }

    fn random(&self) -> u64 {
        self.real.random()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.real.spawn(task);
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + Sync {
        self.real.sleep_until(deadline)
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        self.real.connect(to)
    }

    fn listen(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        self.real.listen(at)
    }

    fn local_addr(&self, listener: &Self::Listener) -> io::Result<SocketAddr> {
        self.real.local_addr(listener)
    }

    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send {
        self.real.accept(listener)
    }

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.addresses.lock().unwrap().clone();
        if addresses.is_empty() { Err(io::Error::other("no such name")) } else { Ok(addresses) }
    }
}

fn by_name() -> revtun::initiator::InitiatorConfig {
    let endpoints = vec![HostPort { host: "responder.example".to_owned(), port: 1 }];
    let mut config = config(2, &[]);
    config.endpoints = endpoints;
    config
}

#[tokio::test]
async fn hosts_that_appear_are_dialled_and_hosts_that_vanish_are_drained() {
    let [old, new] = [FakeResponder::listen().await, FakeResponder::listen().await];
    let world = Scripted::resolving_to(&[old.address()]);
    let initiator = pong_in(&world, by_name()).await;
    let mut old_tunnels = [old.tunnel().await, old.tunnel().await];

    world.set(&[new.address()]);
    let _new_tunnels = [new.tunnel().await, new.tunnel().await];
    for tunnel in &mut old_tunnels {
        tunnel.expect_end().await;
    }
    until("the new tunnels alone", || {
        initiator.tunnels().len() == 2 && initiator.tunnels().iter().all(|tunnel| tunnel.host == Some(new.address()))
    })
    .await;

    world.set(&[new.address(), old.address()]);
    let _again = [old.tunnel().await, old.tunnel().await];
    new.stays_alone().await;
}

#[tokio::test]
async fn a_resolver_that_fails_later_changes_nothing() {
    let responder = FakeResponder::listen().await;
    let world = Scripted::resolving_to(&[responder.address()]);
    let initiator = pong_in(&world, by_name()).await;
    let _tunnels = [responder.tunnel().await, responder.tunnel().await];
    world.set(&[]);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(initiator.tunnels().len(), 2);
    assert_eq!(initiator.totals().dials, 2);
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_at_the_start_is_an_error() {
    let world = Scripted::resolving_to(&[]);
    let service = hyper::service::service_fn(|_| async { Ok::<_, io::Error>(http::Response::new(String::new())) });
    let error = start(&world, by_name(), Run::begin(&world), service).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot resolve responder.example:1: no such name");
}

#[tokio::test]
async fn an_address_needs_no_resolver_and_nobody_listening() {
    let unused = FakeResponder::listen().await.address();
    let initiator = pong(config(1, &[unused])).await;
    soon("a dial", until("a dial", || initiator.totals().dials > 0)).await;
}
