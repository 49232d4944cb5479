//! The composition: callers that come, wait, leave and come again, tunnels that come and go, the pump, and a drain.

use std::env;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use revtun_core::responder::{CloseReason, Event, Refusal};
use shuttle::future::{block_on, spawn, yield_now};

use super::client::TunnelClient;
use super::command::TunnelCommand;
use super::fixture::{Fixture, Tunnel};
use super::shared::{Acquire, Lease, PendingLease};
use super::tick;
use crate::figures;
use crate::world::Still;

/// Schedules of each kind, unless the environment names another number: as `REVTUN_SCHEDULES`.
const SCHEDULES: usize = 2_000;
/// Changes of priority in a PCT schedule: a bug that takes so many is found with a known chance.
const DEPTH: usize = 4;

/// How often each thing happened, over all schedules.
#[derive(Default)]
struct Tally {
    waited: AtomicU64,
    left: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
    served: AtomicU64,
    ordered: AtomicU64,
}

static TALLY: Tally = Tally {
    waited: AtomicU64::new(0),
    left: AtomicU64::new(0),
    refused: AtomicU64::new(0),
    lost: AtomicU64::new(0),
    served: AtomicU64::new(0),
    ordered: AtomicU64::new(0),
};

fn schedules() -> usize {
    env::var("REVTUN_SCHEDULES").map_or(SCHEDULES, |text| text.parse().expect("REVTUN_SCHEDULES is a number"))
}

#[test]
fn random_orders_of_whole_lives() {
    static LIVES: AtomicU64 = AtomicU64::new(0);
    let counted = || {
        life();
        count(&LIVES);
    };
    match env::var("REVTUN_SCHEDULE") {
        Ok(schedule) => shuttle::replay(life, &schedule),
        Err(_) => shuttle::check_random(counted, schedules()),
    }
    let seen = report("random", &LIVES);
    // Nothing may have become impossible without notice.
    assert!(env::var_os("REVTUN_SCHEDULE").is_some() || seen.iter().all(|(_, count)| *count > 0), "{seen:?}");
}

#[test]
fn pct_orders_of_whole_lives() {
    static LIVES: AtomicU64 = AtomicU64::new(0);
    let counted = || {
        life();
        count(&LIVES);
    };
    shuttle::check_pct(counted, schedules(), DEPTH);
    report("PCT", &LIVES);
}

/// Prints how many schedules ran to their end; all that were asked for have to, save where one is replayed.
fn report(kind: &str, lives: &AtomicU64) -> Vec<(&'static str, u64)> {
    let Tally { waited, left, refused, lost, served, ordered } = &TALLY;
    let seen = [("waited", waited), ("left", left), ("refused", refused), ("lost", lost), ("served", served)];
    let seen = seen.into_iter().chain([("ordered to close", ordered)]);
    let seen: Vec<_> = seen.map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect();
    let lives = lives.load(Ordering::Relaxed);
    assert!(
        env::var_os("REVTUN_SCHEDULE").is_some() || lives >= schedules() as u64,
        "only {lives} schedules were taken"
    );
    figures::tell(format_args!("{kind} schedules: {lives}, so far {seen:?}"));
    seen
}

fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

fn life() {
    block_on(async {
        let fixture = Fixture::new();
        let ticking = spawn(tick::until_drained(fixture.world.clone(), Arc::clone(&fixture.shared)));
        let steady = fixture.tunnel().expect("there is room");
        let tunnels = [spawn(carry(steady)), spawn(come_and_go(fixture.clone()))];
        let callers = [0, 1, 2].map(|patience| spawn(call(fixture.clone(), patience)));
        for _ in 0..6 {
            yield_now().await;
        }
        fixture.drain();
        for task in callers.into_iter().chain(tunnels) {
            task.await.expect("a caller or a tunnel");
        }
        ticking.await.expect("the pump ends");
        fixture.assert_idle();
    });
}

/// The task of a tunnel: starts when it is told to, and ends by order.
async fn carry(tunnel: Tunnel) {
    loop {
        match tunnel.handle.next_command().await {
            TunnelCommand::Start => tunnel.handle.set_client(Some(TunnelClient)),
            TunnelCommand::Close(CloseReason::Drained | CloseReason::GraceExpired) => break count(&TALLY.ordered),
            TunnelCommand::Close(reason) => panic!("nothing else ends it: {reason:?}"),
            TunnelCommand::Ping | TunnelCommand::Goaway => {}
        }
    }
    tunnel.handle.set_client(None);
}

/// A tunnel that breaks, and one that takes its place. The word of the break comes late, and once more.
async fn come_and_go(fixture: Fixture) {
    let Some(tunnel) = fixture.tunnel() else { return };
    yield_now().await;
    tunnel.handle.set_client(None);
    fixture.tell(Event::Closed { tunnel: tunnel.id });
    let Some(next) = fixture.tunnel() else { return };
    fixture.tell(Event::Closed { tunnel: tunnel.id });
    carry(next).await;
}

/// Two requests of one caller, which waits for so many moments.
async fn call(fixture: Fixture, patience: u32) {
    for _ in 0..2 {
        let lease = match fixture.open() {
            Acquire::Assigned(lease) => Ok(lease),
            Acquire::Pending(pending) => {
                count(&TALLY.waited);
                match wait(pending, patience).await {
                    Some(answer) => answer,
                    None => {
                        count(&TALLY.left);
                        continue;
                    }
                }
            }
            Acquire::Refused(refusal) => Err(refusal),
        };
        match lease {
            Ok(lease) => send(&fixture, lease).await,
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::NoTunnel | Refusal::Saturated | Refusal::Draining), "{refusal:?}");
                count(&TALLY.refused);
            }
        }
    }
}

async fn send(fixture: &Fixture, lease: Lease<Still>) {
    let tunnel = lease.tunnel();
    match lease.handle().client().await {
        Some(TunnelClient) => {
            yield_now().await;
            count(&TALLY.served);
        }
        None => {
            count(&TALLY.lost);
            drop(lease);
            fixture.tell(Event::GoawayReceived { tunnel });
        }
    }
}

/// Waits for `patience` moments; then leaves. The last caller waits as long as it takes.
async fn wait(pending: PendingLease<Still>, patience: u32) -> Option<Result<Lease<Still>, Refusal>> {
    if patience == 2 {
        return Some(pending.await);
    }
    let mut pending = pin!(pending);
    for _ in 0..=patience {
        let answer = poll_fn(|task| Poll::Ready(pending.as_mut().poll(task))).await;
        if let Poll::Ready(answer) = answer {
            return Some(answer);
        }
        yield_now().await;
    }
    None
}
