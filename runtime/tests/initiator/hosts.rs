//! Names that resolve to other addresses as time goes by.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use revtun::initiator::HostPort;
use revtun_core::hosts::LookupFamily;

use crate::fake::{A_WHILE, FakeResponder, soon, until};
use crate::scripted::Scripted;
use crate::start::{config, pong, pong_in};

/// How long a host with a tunnel has to be missing.
const REMOVAL_DELAY: Duration = Duration::from_millis(100);

fn by_name() -> revtun::initiator::InitiatorConfig {
    let endpoints = vec![HostPort { host: "responder.example".to_owned(), port: 1 }];
    let mut config = config(2, &[]);
    config.endpoints = endpoints;
    config.hosts.removal_delay = REMOVAL_DELAY;
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
async fn a_name_that_cannot_be_resolved_at_the_start_is_tried_again() {
    let responder = FakeResponder::listen().await;
    let world = Scripted::resolving_to(&[]);
    let initiator = pong_in(&world, by_name()).await;
    until("a failure", || initiator.endpoints()[0].last_error.is_some()).await;
    let endpoint = initiator.endpoints().remove(0);
    assert_eq!(endpoint.endpoint.to_string(), "responder.example:1");
    assert_eq!(endpoint.last_error.as_deref(), Some("no such name"));
    assert!(initiator.health(A_WHILE).is_ok() && !initiator.ready());

    world.set(&[responder.address()]);
    let _tunnels = [responder.tunnel().await, responder.tunnel().await];
    until("no error", || initiator.endpoints()[0].last_error.is_none()).await;
}

#[tokio::test]
async fn a_wrong_answer_drains_nothing_until_another_host_has_a_tunnel() {
    let [responder, other] = [FakeResponder::listen().await, FakeResponder::listen().await];
    let unused = FakeResponder::listen().await.address();
    let world = Scripted::resolving_to(&[responder.address()]);
    let initiator = pong_in(&world, by_name()).await;
    let mut tunnels = [responder.tunnel().await, responder.tunnel().await];

    world.set(&[unused]);
    until("the wrong host", || initiator.hosts().iter().any(|host| host.address == unused)).await;
    let refused = || initiator.hosts().iter().any(|host| host.address == unused && host.last_error.is_some());
    until("a refused dial", refused).await;
    tokio::time::sleep(2 * REMOVAL_DELAY).await;
    assert_eq!(initiator.hosts().iter().filter(|host| host.up).count(), 1, "{:?}", initiator.hosts());
    tunnels[0].stays_quiet().await;

    world.set(&[other.address()]);
    let _other_tunnels = [other.tunnel().await, other.tunnel().await];
    for tunnel in &mut tunnels {
        tunnel.expect_end().await;
    }
}

#[tokio::test]
async fn addresses_of_both_families_get_tunnels_of_one_unless_asked() {
    let Some([v6, v4]) = FakeResponder::listen_at_both_families().await else { return };
    let world = Scripted::resolving_to(&[v4.address(), v6.address()]);
    let mut config = by_name();
    let initiator = pong_in(&world, config.clone()).await;
    let _tunnels = [v6.tunnel().await, v6.tunnel().await];
    v4.stays_alone().await;
    drop(initiator);

    config.hosts.lookup_family = LookupFamily::All;
    let _initiator = pong_in(&world, config).await;
    let _tunnels = [v6.tunnel().await, v6.tunnel().await, v4.tunnel().await, v4.tunnel().await];
}

#[tokio::test]
async fn a_family_at_which_nobody_listens_is_passed_over() {
    let v4 = FakeResponder::listen().await;
    let refused = SocketAddr::from((Ipv6Addr::LOCALHOST, v4.address().port()));
    let world = Scripted::resolving_to(&[refused, v4.address()]);
    let initiator = pong_in(&world, by_name()).await;
    let _tunnels = [v4.tunnel().await, v4.tunnel().await];
    until("one family", || initiator.hosts().iter().map(|host| host.address).eq([v4.address()])).await;
}

#[tokio::test]
async fn a_name_on_another_machine_is_forbidden_without_tls() {
    let world = Scripted::resolving_to(&[SocketAddr::from(([192, 0, 2, 1], 1))]);
    let mut config = by_name();
    config.allow_plaintext = false;
    let initiator = pong_in(&world, config).await;
    let forbidden = soon("the answer", initiator.forbidden()).await;
    let text =
        "will not dial responder.example:1: 192.0.2.1 is another machine, and tunnels to it would not be encrypted";
    assert_eq!(forbidden.to_string(), text);
    assert_eq!(initiator.totals().dials, 0);
}

#[tokio::test]
async fn an_address_needs_no_resolver_and_nobody_listening() {
    let unused = FakeResponder::listen().await.address();
    let initiator = pong(config(1, &[unused])).await;
    soon("a dial", until("a dial", || initiator.totals().dials > 0)).await;
}
