//! A second opinion: the shipped runtime over another simulated network, turmoil's own, whose links can be held: nothing is
//! dropped and nothing arrives, and on release everything that was sent meanwhile arrives, in order. One responder, one
//! initiator with its service, one caller.
//!
//! It shows what [`world`](crate::world) cannot. There a partition drops packets, so what arrives after it was sent again
//! by a TCP that still had the connection. Here both ends have given up their tunnels long before their last bytes arrive:
//! connection attempts, handshakes, pings and closes that are as old as the outage, all at once. Everything else that can
//! happen to these ends happens in [`world`](crate::world).
//!
//! ```text
//!   seed ──▶ TurmoilWorld ─┬─ caller ───────▶ responder ◀─── initiator ───▶ service     (three hosts, one thread)
//!                          │                      │              │
//!                          ├─ hold, release       │              │
//!                          └─ SharedState ◀───────┴─ observed ───┘
//! ```
//!
//! Reading order: this, [`hosts`], [`host_world`] (what the runtime sees), [`event_log`].

pub mod event_log;
pub mod host_world;
pub mod hosts;
pub mod shared_state;

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use self::event_log::{Entries, EventLog};
use self::host_world::HostWorld;
use self::hosts::{CALLER, COUNT, INITIATOR, RESPONDER, RESPONSE};
use self::shared_state::{SharedState, State};

/// Length of a simulation step.
const TICK: Duration = Duration::from_millis(1);
/// Limit of a simulation, in simulated time.
const LONGEST: Duration = Duration::from_secs(600);

const SECOND: Duration = Duration::from_secs(1);

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name, as in the specification.
    pub property: &'static str,
    /// What was observed instead.
    pub observed: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold: {}", self.property, self.observed)
    }
}

/// How a simulation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether every property held.
    pub result: Result<(), Failure>,
    /// What happened.
    pub entries: Entries,
}

/// Plays the only scenario: the network holds everything for longer than both ends wait for each other, then delivers it.
/// The tunnels are given up within ten seconds, come back after the release, and requests are served again.
#[must_use]
pub fn hold_and_release(seed: u64) -> Outcome {
    let mut world = TurmoilWorld::of(seed);
    let result = world.hold_and_release();
    Outcome { result, entries: world.entries() }
}

/// One responder, one initiator with its service, one caller, and the network between them.
pub struct TurmoilWorld {
    sim: turmoil::Sim<'static>,
    state: SharedState,
    log: EventLog,
}

impl TurmoilWorld {
    /// The world of `seed`, from which everything random in it comes.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .epoch(UNIX_EPOCH)
            .tick_duration(TICK)
            .simulation_duration(LONGEST)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(20))
            .build();
        let (state, log) = (SharedState::default(), EventLog::default());
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut host_world = |host| HostWorld::new(host, dice.u64(..), log.clone());

        let (world, shared) = (host_world(RESPONDER), state.clone());
        sim.host(RESPONDER, move || hosts::responder(world.clone(), shared.clone()));
        let (world, shared) = (host_world(INITIATOR), state.clone());
        sim.host(INITIATOR, move || hosts::initiator(world.clone(), shared.clone()));
        let (world, shared) = (host_world(CALLER), state.clone());
        sim.host(CALLER, move || hosts::caller(world.clone(), shared.clone()));
        Self { sim, state, log }
    }

    /// What happened so far.
    #[must_use]
    pub fn entries(&self) -> Entries {
        self.log.read()
    }

    /// Lets time pass until `condition` holds, or fails with `property` after `limit`. S1 TargetBound is checked at every
    /// step.
    ///
    /// # Errors
    /// If a property does not hold, or a host fails.
    pub fn until(
        &mut self,
        property: &'static str,
        limit: Duration,
        condition: impl Fn(&State) -> bool,
    ) -> Result<Duration, Failure> {
        let begun = self.sim.elapsed();
        while !condition(&self.state.lock()) {
            let waited = self.sim.elapsed() - begun;
            if waited > limit {
                let state = self.state.lock();
                return Err(Failure { property, observed: format!("after {waited:?} {state:?}") });
            }
            self.step()?;
        }
        Ok(self.sim.elapsed() - begun)
    }

    /// Lets `time` pass.
    ///
    /// # Errors
    /// If a property does not hold, or a host fails.
    pub fn advance(&mut self, time: Duration) -> Result<(), Failure> {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    /// L1 TargetReached: exactly the target is up at both ends.
    ///
    /// # Errors
    /// If that takes longer than `limit`, or another property does not hold.
    pub fn reach_target(&mut self, limit: Duration) -> Result<Duration, Failure> {
        self.until("TargetReached", limit, |state| {
            let view = state.initiator;
            view.up == COUNT && view.pending + view.draining == 0 && state.responder_tunnels as usize == COUNT
        })
    }

    /// S14 NoSilentLoss: `requests` requests, one after the other, are all answered by the service.
    ///
    /// # Errors
    /// If one is not, or not within `limit`.
    pub fn send_requests(&mut self, requests: u32, limit: Duration) -> Result<(), Failure> {
        let property = "NoSilentLoss";
        {
            let mut state = self.state.lock();
            state.responses.clear();
            state.requests = requests;
        }
        self.until(property, limit, |state| state.responses.len() == requests as usize)?;
        match self.state.lock().responses.iter().find(|response| *response != RESPONSE) {
            Some(response) => Err(Failure { property, observed: response.clone() }),
            None => Ok(()),
        }
    }

    /// Nothing passes between the initiator and the responder until [`Self::release`]; what is sent is kept.
    pub fn hold(&mut self) {
        self.note("the network holds everything");
        self.sim.hold(INITIATOR, RESPONDER);
    }

    /// Everything that was held is delivered, and whatever comes after it.
    pub fn release(&mut self) {
        self.note("the network delivers what it held");
        self.sim.release(INITIATOR, RESPONDER);
    }

    fn hold_and_release(&mut self) -> Result<(), Failure> {
        self.reach_target(SECOND)?;
        self.send_requests(5, SECOND * 5)?;
        self.hold();
        // L3 HalfOpenReaped: with default settings both ends notice within ten seconds.
        self.until("HalfOpenReaped", SECOND * 10, |state| state.initiator.up + state.responder_tunnels as usize == 0)?;
        self.advance(SECOND * 5)?;
        self.release();
        // The longest backoff after failures of this kind by then, and a dial.
        self.reach_target(SECOND * 20)?;
        self.send_requests(2, SECOND * 2)
    }

    fn note(&self, what: impl fmt::Display) {
        let nanos = u64::try_from(self.sim.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.log.note(revtun_core::Instant::from_nanos(nanos), "network", what);
    }

    fn step(&mut self) -> Result<(), Failure> {
        let failed = |error: hosts::HostError| Failure { property: "NoHostFails", observed: error.to_string() };
        let _no_clients = self.sim.step().map_err(failed)?;
        let view = self.state.lock().initiator;
        if view.pending + view.up > COUNT {
            return Err(Failure { property: "TargetBound", observed: format!("{view:?}") });
        }
        Ok(())
    }
}
