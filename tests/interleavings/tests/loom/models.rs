//! The models of the responder. Each says how it came out, and has to come out in more than one way.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};

use loom::thread;
use revtun_core::responder::Event;

use super::client::TunnelClient;
use super::command::TunnelCommand;
use super::fixture::Fixture;
use super::handle::TunnelHandle;
use super::shared::{Acquire, Lease};
use super::tick;
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
        let fixture = Fixture::new();
        let _tunnel = fixture.tunnel().expect("there is room");
        let holders = Arc::new(AtomicU32::new(0));
        let other = {
            let (fixture, holders) = (fixture.clone(), Arc::clone(&holders));
            thread::spawn(move || match fixture.open() {
                Acquire::Assigned(lease) => use_once(lease, &holders),
                Acquire::Pending(pending) => drop(pending),
                Acquire::Refused(refusal) => panic!("{refusal:?}"),
            })
        };
        let first = match fixture.open() {
            Acquire::Assigned(lease) => {
                use_once(lease, &holders);
                true
            }
            Acquire::Pending(_) => false,
            Acquire::Refused(refusal) => panic!("{refusal:?}"),
        };
        other.join().expect("the other caller");
        fixture.assert_idle();
        (first, fixture.seen().assigned)
    });
}

#[test]
fn no_wake_up_is_lost() {
    explore(3, || {
        let fixture = Fixture::new();
        let _tunnel = fixture.tunnel().expect("there is room");
        let Acquire::Assigned(lease) = fixture.open() else { panic!("there is a tunnel") };
        let ticking = spawn(tick::until_drained(fixture.world.clone(), Arc::clone(&fixture.shared)));
        let holder = thread::spawn(move || drop(lease));
        let waited = match fixture.open() {
            Acquire::Assigned(lease) => {
                drop(lease);
                false
            }
            Acquire::Pending(pending) => {
                drop(block_on(pending).expect("the tunnel comes free"));
                true
            }
            Acquire::Refused(refusal) => panic!("{refusal:?}"),
        };
        holder.join().expect("the first caller");
        fixture.drain();
        ticking.join().expect("the pump ends");
        fixture.assert_idle();
        waited
    });
}

#[test]
fn a_waiter_that_leaves_gives_its_tunnel_back() {
    explore(3, || {
        let fixture = Fixture::new();
        let _tunnel = fixture.tunnel().expect("there is room");
        let Acquire::Assigned(lease) = fixture.open() else { panic!("there is a tunnel") };
        let Acquire::Pending(pending) = fixture.open() else { panic!("it is taken") };
        let server = {
            let fixture = fixture.clone();
            thread::spawn(move || {
                drop(lease);
                fixture.tell(Event::Tick);
            })
        };
        drop(pending);
        server.join().expect("whoever serves the waiter");
        fixture.assert_idle();
        let seen = fixture.seen();
        (seen.assigned, seen.cancelled)
    });
}

#[test]
fn a_tunnel_that_closes_is_not_given_again() {
    explore(3, || {
        let fixture = Fixture::new();
        let tunnel = fixture.tunnel().expect("there is room");
        let gone = tunnel.id;
        let task = {
            let fixture = fixture.clone();
            thread::spawn(move || {
                tunnel.handle.set_client(None);
                fixture.tell(Event::Closed { tunnel: tunnel.id });
            })
        };
        // As a request does that finds its tunnel lost.
        let mut tries = 0;
        while let Acquire::Assigned(lease) = fixture.open() {
            tries += 1;
            assert!(block_on(lease.handle().client()).is_none());
            drop(lease);
            fixture.tell(Event::GoawayReceived { tunnel: gone });
        }
        assert!(tries <= 1, "asked again, it is given what was lost");
        task.join().expect("the tunnel's task");
        assert!(!matches!(fixture.open(), Acquire::Assigned(_)), "a closed tunnel is given to a caller");
        fixture.assert_idle();
        tries
    });
}

#[test]
fn a_connection_is_reached_from_its_first_moment() {
    explore(3, || {
        let fixture = Fixture::new();
        let clock = {
            let fixture = fixture.clone();
            thread::spawn(move || {
                fixture.world.pass();
                fixture.tell(Event::Tick);
            })
        };
        let handle = TunnelHandle::new(([127, 0, 0, 1], 1).into());
        fixture.shared.accept(&handle).expect("there is room");
        clock.join().expect("the pump");
        let closed = fixture.shared.arm().is_none();
        fixture.world.pass();
        fixture.tell(Event::Tick);
        assert!(matches!(block_on(handle.next_command()), TunnelCommand::Close(_)));
        closed
    });
}

#[test]
fn a_tunnel_is_started_once() {
    explore(3, || {
        let fixture = Fixture::new();
        let tunnel = fixture.tunnel().expect("there is room");
        let turn = Arc::new(AtomicU32::new(0));
        let caller = |handle: Arc<TunnelHandle>, turn: Arc<AtomicU32>| {
            thread::spawn(move || {
                assert_eq!(block_on(handle.client()), Some(TunnelClient), "whoever asks is given the tunnel");
                turn.fetch_add(1, Ordering::Relaxed)
            })
        };
        let callers = [(); 2].map(|()| caller(Arc::clone(&tunnel.handle), Arc::clone(&turn)));
        assert_eq!(block_on(tunnel.handle.next_command()), TunnelCommand::Start);
        tunnel.handle.set_client(Some(TunnelClient));
        let turns = callers.map(|caller| caller.join().expect("a caller"));
        fixture.tell(Event::Closed { tunnel: tunnel.id });
        let again = pin!(tunnel.handle.next_command()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(again.is_pending(), "a tunnel is started twice");
        turns
    });
}
