//! What is tried, and what must hold.

use std::path::Path;
use std::time::Duration;

use crate::journals::Journals;
use crate::town::hosts::RESPONDER;
use crate::town::journal::Entries;
use crate::town::{Failure, Town};

/// Something that happens to a town.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens and what must hold, in one sentence.
    pub about: &'static str,
    play: fn(&mut Town) -> Result<(), Failure>,
}

/// How a scenario went with one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether every property held.
    pub result: Result<(), Failure>,
    /// What happened.
    pub entries: Entries,
}

/// Every scenario.
pub const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "serve",
        about: "Tunnels come up to the exact count, requests go through, and a quiet minute changes nothing.",
        play: serve,
    },
    Scenario {
        name: "crash",
        about: "The responder crashes and comes back: every tunnel is there again within a second.",
        play: crash,
    },
    Scenario {
        name: "hold",
        about: "The network swallows everything for longer than anybody is patient, then heals: so do the tunnels.",
        play: hold,
    },
    Scenario {
        name: "drain",
        about: "The responder drains and is replaced: the drain ends within its grace, and the tunnels move over.",
        play: drain,
    },
];

impl Scenario {
    /// The scenario of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        SCENARIOS.into_iter().find(|scenario| scenario.name == name)
    }

    /// Plays it in the town of `seed`.
    #[must_use]
    pub fn play(&self, seed: u64) -> Outcome {
        self.play_recorded(seed, None)
    }

    /// Plays it and records the steps of every machine in a file in `folder`.
    ///
    /// # Panics
    /// If a file cannot be made.
    #[must_use]
    pub fn play_recorded(&self, seed: u64, folder: Option<&Path>) -> Outcome {
        let journals = folder.map(|folder| Journals::within(folder, &format!("{}-{seed}", self.name)));
        let mut town = Town::of(seed, journals.as_ref());
        let result = (self.play)(&mut town);
        let entries = town.entries();
        if let Some(journals) = journals {
            journals.finish();
        }
        Outcome { result, entries }
    }
}

const A_SECOND: Duration = Duration::from_secs(1);

fn serve(town: &mut Town) -> Result<(), Failure> {
    town.whole(A_SECOND)?;
    town.ask(5, A_SECOND * 5)?;
    town.pass(A_SECOND * 60)?;
    town.ask(1, A_SECOND)?;
    town.whole(Duration::ZERO)?;
    Ok(())
}

fn crash(town: &mut Town) -> Result<(), Failure> {
    town.whole(A_SECOND)?;
    town.ask(2, A_SECOND * 2)?;
    town.crash(RESPONDER);
    town.pass(A_SECOND * 5)?;
    town.bounce(RESPONDER);
    town.whole(A_SECOND)?;
    town.ask(2, A_SECOND * 2)
}

fn hold(town: &mut Town) -> Result<(), Failure> {
    town.whole(A_SECOND)?;
    town.hold();
    // L3 HalfOpenReaped: with default settings both ends notice within ten seconds.
    town.until("HalfOpenReaped", A_SECOND * 10, |notices| {
        notices.initiator.up + notices.responder.tunnels as usize == 0
    })?;
    town.pass(A_SECOND * 5)?;
    town.release();
    // The longest pause after failures of this kind by then, and a dial.
    town.whole(A_SECOND * 20)?;
    town.ask(2, A_SECOND * 2)
}

fn drain(town: &mut Town) -> Result<(), Failure> {
    town.whole(A_SECOND)?;
    town.ask(2, A_SECOND * 2)?;
    let grace = A_SECOND * 3;
    town.drain(grace);
    town.until("DrainEnds", grace + A_SECOND, |notices| notices.responder.drained)?;
    town.crash(RESPONDER);
    town.bounce(RESPONDER);
    town.whole(A_SECOND * 2)?;
    town.ask(2, A_SECOND * 2)
}
