//! The models of the responder. Each says how it came out, and has to come out in more than one way.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};

use loom::thread;
use revtun_core::responder::Event;

use super::egress::Client;
use super::lease::{Lease, Opening};
use super::link::Link;
use super::orders::Order;
use super::tick;
use super::town::Town;
use crate::tool::{block_on, explore, spawn};
use crate::world::Still;

/// A lease that is counted while it is held.
fn use_once(lease: Lease<Still>, holders: &AtomicU32) {
    assert_eq!(holders.fetch_add(1, Ordering::Relaxed), 0, "two callers hold one tunnel");
    thread::yield_now();
    holders.fetch_sub(1, Ordering::Relaxed);
    drop(lease);
}

#[test]
fn a_tunnel_has_one_holder() {
    explore(3, || {
        let town = Town::new();
        let _tunnel = town.tunnel().expect("there is room");
        let holders = Arc::new(AtomicU32::new(0));
        let other = {
            let (town, holders) = (town.clone(), Arc::clone(&holders));
            thread::spawn(move || match town.open() {
                Opening::Assigned(lease) => use_once(lease, &holders),
                Opening::Waiting(waiting) => drop(waiting),
                Opening::Refused(refusal) => panic!("{refusal:?}"),
            })
        };
        let first = match town.open() {
            Opening::Assigned(lease) => {
                use_once(lease, &holders);
                true
            }
            Opening::Waiting(_) => false,
            Opening::Refused(refusal) => panic!("{refusal:?}"),
        };
        other.join().expect("the other caller");
        town.is_quiet();
        (first, town.seen().assigned)
    });
}

#[test]
fn no_wake_up_is_lost() {
    explore(3, || {
        let town = Town::new();
        let _tunnel = town.tunnel().expect("there is room");
        let Opening::Assigned(lease) = town.open() else { panic!("there is a tunnel") };
        let ticking = spawn(tick::until_drained(town.world.clone(), Arc::clone(&town.shared)));
        let holder = thread::spawn(move || drop(lease));
        let waited = match town.open() {
            Opening::Assigned(lease) => {
                drop(lease);
                false
            }
            Opening::Waiting(waiting) => {
                drop(block_on(waiting).expect("the tunnel comes free"));
                true
            }
            Opening::Refused(refusal) => panic!("{refusal:?}"),
        };
        holder.join().expect("the first caller");
        town.drain();
        ticking.join().expect("the pump ends");
        town.is_quiet();
        waited
    });
}

#[test]
fn a_waiter_that_leaves_gives_its_tunnel_back() {
    explore(3, || {
        let town = Town::new();
        let _tunnel = town.tunnel().expect("there is room");
        let Opening::Assigned(lease) = town.open() else { panic!("there is a tunnel") };
        let Opening::Waiting(waiting) = town.open() else { panic!("it is taken") };
        let server = {
            let town = town.clone();
            thread::spawn(move || {
                drop(lease);
                town.tell(Event::Tick);
            })
        };
        drop(waiting);
        server.join().expect("whoever serves the waiter");
        town.is_quiet();
        let seen = town.seen();
        (seen.assigned, seen.cancelled)
    });
}

#[test]
fn a_tunnel_that_closes_is_not_given_again() {
    explore(3, || {
        let town = Town::new();
        let tunnel = town.tunnel().expect("there is room");
        let gone = tunnel.id;
        let task = {
            let town = town.clone();
            thread::spawn(move || {
                tunnel.link.settle(None);
                town.tell(Event::Closed { tunnel: tunnel.id });
            })
        };
        // As a request does that finds its tunnel lost.
        let mut tries = 0;
        while let Opening::Assigned(lease) = town.open() {
            tries += 1;
            assert!(block_on(lease.link().client()).is_none());
            drop(lease);
            town.tell(Event::GoawayReceived { tunnel: gone });
        }
        assert!(tries <= 1, "asked again, it is given what was lost");
        task.join().expect("the tunnel's task");
        assert!(!matches!(town.open(), Opening::Assigned(_)), "a closed tunnel is given to a caller");
        town.is_quiet();
        tries
    });
}

#[test]
fn a_connection_is_reached_from_its_first_moment() {
    explore(3, || {
        let town = Town::new();
        let clock = {
            let town = town.clone();
            thread::spawn(move || {
                town.world.pass();
                town.tell(Event::Tick);
            })
        };
        let link = Link::new(([127, 0, 0, 1], 1).into());
        town.shared.accept(&link).expect("there is room");
        clock.join().expect("the pump");
        let closed = town.shared.arm().is_none();
        town.world.pass();
        town.tell(Event::Tick);
        assert!(matches!(block_on(link.ordered()), Order::Close(_)));
        closed
    });
}

#[test]
fn a_tunnel_is_started_once() {
    explore(3, || {
        let town = Town::new();
        let tunnel = town.tunnel().expect("there is room");
        let turn = Arc::new(AtomicU32::new(0));
        let caller = |link: Arc<Link>, turn: Arc<AtomicU32>| {
            thread::spawn(move || {
                assert_eq!(block_on(link.client()), Some(Client), "whoever asks is given the tunnel");
                turn.fetch_add(1, Ordering::Relaxed)
            })
        };
        let callers = [(); 2].map(|()| caller(Arc::clone(&tunnel.link), Arc::clone(&turn)));
        assert_eq!(block_on(tunnel.link.ordered()), Order::Start);
        tunnel.link.settle(Some(Client));
        let turns = callers.map(|caller| caller.join().expect("a caller"));
        town.tell(Event::Closed { tunnel: tunnel.id });
        let again = pin!(tunnel.link.ordered()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(again.is_pending(), "a tunnel is started twice");
        turns
    });
}
