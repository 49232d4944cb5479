//! The policy of hosts, as the runtime sees it; its stories stand beside it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use revtun_core::hosts::{Config, Event, Hosts, LookupFamily};
use revtun_core::initiator::{self, HostId};
use revtun_core::{Env, Instant};

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 80);

#[test]
fn each_choice_of_families_has_a_name_of_its_own() {
    let names: BTreeSet<_> = LookupFamily::ALL.iter().map(|family| family.name()).collect();
    assert_eq!(names.len(), LookupFamily::ALL.len());
}

#[test]
fn what_is_not_known_changes_nothing() {
    let mut hosts = Hosts::new(Config::default(), &initiator::Config::default(), 1);
    let before = hosts.clone();
    let env = Env { now: Instant::EPOCH, dice: 0 };
    let (host, endpoint) = (HostId(9), 9);
    for event in [
        Event::Resolved { endpoint, addresses: &[ADDRESS] },
        Event::ResolveFailed { endpoint },
        Event::Up { host },
        Event::Down { host },
        Event::DialFailed { host },
        Event::Forgotten { host },
    ] {
        assert_eq!(hosts.step(env, event), []);
    }
    assert_eq!(hosts.literal(endpoint, ADDRESS), []);
    assert_eq!(hosts.first_dial(host, 7), 7);
    hosts.accepted(host);
    assert_eq!((hosts.endpoint(host), hosts.next_resolve(endpoint)), (None, None));
    assert_eq!(hosts, before);
}
