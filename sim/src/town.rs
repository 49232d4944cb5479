//! A second opinion: the shipped runtime over another simulated network, whose connections carry whole writes and whose
//! partitions are absolute. One responder, one initiator with its service, one caller; each scenario is written by hand.
//!
//! ```text
//!   seed ──▶ Town ─┬─ caller ───────▶ responder ◀─── initiator ───▶ service     (four hosts, one thread)
//!                  │                      │              │
//!                  ├─ crash, bounce, hold, release, orders to drain
//!                  └─ Board ◀───── what hosts show ──────┘
//! ```
//!
//! Reading order: [`scenario`], this, [`hosts`], [`simulated`] (the world the runtime sees), [`journal`].

pub mod board;
pub mod hosts;
pub mod journal;
pub mod scenario;
pub mod simulated;

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use revtun::journal::Journal as Steps;

use self::board::{Board, Notices};
use self::hosts::{CALLER, COUNT, GREETING, INITIATOR, RESPONDER};
use self::journal::{Entries, Journal};
use self::simulated::Simulated;
use crate::journals::Journals;

/// Simulated time goes on by this much a step.
const TICK: Duration = Duration::from_millis(1);
/// No scenario goes on for longer, in simulated time.
const LONGEST: Duration = Duration::from_secs(600);

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name, as in the specification.
    pub property: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold: {}", self.property, self.seen)
    }
}

/// One responder, one initiator with its service, one caller, and the network between them.
pub struct Town {
    sim: turmoil::Sim<'static>,
    board: Board,
    journal: Journal,
}

impl Town {
    /// The town of `seed`: everything that is left to chance in it comes from there. Its machines' steps go to
    /// `journals`.
    #[must_use]
    pub fn of(seed: u64, journals: Option<&Journals>) -> Self {
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .epoch(UNIX_EPOCH)
            .tick_duration(TICK)
            .simulation_duration(LONGEST)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(20))
            .build();
        let (board, journal) = (Board::default(), Journal::default());
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut worlds =
            |host, journals: Option<&Journals>| worlds(host, dice.u64(..), journal.clone(), journals.cloned());

        let (begin, at) = (worlds(RESPONDER, journals), board.clone());
        sim.host(RESPONDER, move || hosts::responder(begin(), at.clone()));
        let (begin, at) = (worlds(INITIATOR, journals), board.clone());
        sim.host(INITIATOR, move || hosts::initiator(begin(), at.clone()));
        let (begin, at) = (worlds(CALLER, None), board.clone());
        sim.host(CALLER, move || hosts::caller(begin(), at.clone()));
        Self { sim, board, journal }
    }

    /// What happened so far.
    #[must_use]
    pub fn entries(&self) -> Entries {
        self.journal.read()
    }

    /// Lets time pass until `condition` holds, or fails with `property` after `limit`. S1 TargetBound is watched
    /// meanwhile.
    ///
    /// # Errors
    /// If a property does not hold, or a host gives up.
    pub fn until(
        &mut self,
        property: &'static str,
        limit: Duration,
        condition: impl Fn(&Notices) -> bool,
    ) -> Result<Duration, Failure> {
        let begun = self.sim.elapsed();
        while !condition(&self.board.notices()) {
            let waited = self.sim.elapsed() - begun;
            if waited > limit {
                let notices = self.board.notices();
                return Err(Failure { property, seen: format!("after {waited:?} {notices:?}") });
            }
            self.step()?;
        }
        Ok(self.sim.elapsed() - begun)
    }

    /// Lets `time` pass.
    ///
    /// # Errors
    /// If a property does not hold, or a host gives up.
    pub fn pass(&mut self, time: Duration) -> Result<(), Failure> {
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
    pub fn whole(&mut self, limit: Duration) -> Result<Duration, Failure> {
        self.until("TargetReached", limit, |notices| {
            let view = notices.initiator;
            view.up == COUNT && view.pending + view.draining == 0 && notices.responder.tunnels as usize == COUNT
        })
    }

    /// S14 NoSilentLoss: `requests` requests, one after the other, are all answered by the service.
    ///
    /// # Errors
    /// If one is not, or not within `limit`.
    pub fn ask(&mut self, requests: u32, limit: Duration) -> Result<(), Failure> {
        let property = "NoSilentLoss";
        {
            let mut notices = self.board.notices();
            notices.answers.clear();
            notices.requests = requests;
        }
        self.until(property, limit, |notices| notices.answers.len() == requests as usize)?;
        match self.board.notices().answers.iter().find(|answer| *answer != GREETING) {
            Some(answer) => Err(Failure { property, seen: answer.clone() }),
            None => Ok(()),
        }
    }

    /// Tells the responder to drain.
    pub fn drain(&mut self, grace: Duration) {
        self.board.notices().drain = Some(grace);
    }

    /// Ends what runs on `host`; peers see their connections closed.
    pub fn crash(&mut self, host: &'static str) {
        self.note(format_args!("{host} crashes"));
        self.sim.crash(host);
        if host == RESPONDER {
            self.board.notices().responder = crate::town::board::ResponderView::default();
        }
    }

    /// Starts `host` again.
    pub fn bounce(&mut self, host: &'static str) {
        self.note(format_args!("{host} starts again"));
        self.sim.bounce(host);
    }

    /// Nothing passes between the initiator and the responder until [`Self::release`]; what is sent is kept.
    pub fn hold(&mut self) {
        self.note("the network holds its breath");
        self.sim.hold(INITIATOR, RESPONDER);
    }

    /// Everything that was held is delivered, and whatever comes after it.
    pub fn release(&mut self) {
        self.note("the network goes on");
        self.sim.release(INITIATOR, RESPONDER);
    }

    fn note(&self, what: impl fmt::Display) {
        let nanos = u64::try_from(self.sim.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.journal.note(revtun_core::Instant::from_nanos(nanos), "town", what);
    }

    fn step(&mut self) -> Result<(), Failure> {
        let told = |error: hosts::Trouble| Failure { property: "NoHostGivesUp", seen: error.to_string() };
        let _no_clients = self.sim.step().map_err(told)?;
        let view = self.board.notices().initiator;
        if view.pending + view.up > COUNT {
            return Err(Failure { property: "TargetBound", seen: format!("{view:?}") });
        }
        Ok(())
    }
}

/// Makes the world of `host` for each of its starts, with dice of its own for each.
fn worlds(host: &'static str, seed: u64, journal: Journal, journals: Option<Journals>) -> impl Fn() -> Simulated {
    let starts = Cell::new(0);
    move || {
        let start = starts.replace(starts.get() + 1);
        let steps = journals.as_ref().map_or(Steps::OFF, |journals| journals.begin(host, start));
        Simulated::new(host, seed.wrapping_add(start), journal.clone(), steps)
    }
}
