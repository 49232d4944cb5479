//! Schedules of a responder.

use std::fmt;

use revtun_core::journal::{Journaled, Record};
use revtun_core::responder::{Effect, Event, Moment, Responder, Timer};
use revtun_core::{CANONICAL_NOW, Effects, Env, Instant, Machine, TunnelId};

use super::{LATER, ago};

/// What decides is which timer fires, which pings are late, and who is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The timer whose moment has come.
    pub(crate) due: Option<Timer>,
    /// The tunnel whose ping is unanswered for so long that it is suspect.
    pub(crate) suspect: Option<TunnelId>,
    pub(crate) dice: u64,
}

impl Schedule {
    /// The step that `event` makes on this schedule.
    pub(crate) fn step(&self, machine: &Responder, event: Event<'_>) -> (Responder, Effects<Effect>) {
        let mut next = machine.retimed(|moment, _| self.clock(moment));
        let effects = next.step(Env { now: CANONICAL_NOW, dice: self.dice }, event);
        next.check();
        (next, effects)
    }

    /// What happens, named by its timer if one fires.
    pub(crate) fn name(&self, machine: &Responder, event: Event<'_>) -> Record {
        match self.due {
            Some(_) => machine.retimed(|moment, _| self.clock(moment)).encode_timer().expect("a timer is due"),
            None => Responder::encode_event(event),
        }
    }

    fn clock(&self, moment: Moment) -> Instant {
        match moment {
            Moment::Alarm(timer) if self.due == Some(timer) => CANONICAL_NOW,
            Moment::Alarm(_) | Moment::Until(_) | Moment::DrainUntil => CANONICAL_NOW.after(LATER),
            Moment::Pinged(id) if self.suspect == Some(id) => ago(60),
            Moment::Pinged(_) => CANONICAL_NOW,
        }
    }
}

/// The machine at rest, where nothing is due and no ping is late.
pub(crate) fn at_rest(machine: &Responder) -> Responder {
    machine.retimed(|moment, _| Schedule::default().clock(moment))
}

/// Every timer that is armed.
pub(crate) fn armed(machine: &Responder) -> Vec<Timer> {
    let mut armed = Vec::new();
    let _copy = machine.retimed(|moment, at| {
        if let Moment::Alarm(timer) = moment {
            armed.push(timer);
        }
        at
    });
    armed
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.suspect.map_or(Ok(()), |id| write!(f, " suspect={id}"))?;
        if self.dice > 0 { write!(f, " dice={}", self.dice) } else { Ok(()) }
    }
}
