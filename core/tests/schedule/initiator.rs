//! Schedules of an initiator.

use std::fmt;

use revtun_core::initiator::{Effect, Event, Initiator, Moment, Timer};
use revtun_core::journal::{Journaled, Record};
use revtun_core::{CANONICAL_NOW, Effects, Env, Instant, Machine, TunnelId};

use super::{LATER, ago};

/// What decides is which timer fires, how long tunnels lived, and which came after which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The timer whose moment has come.
    pub(crate) due: Option<Timer>,
    /// Tunnels were accepted long ago, not just now.
    pub(crate) old: bool,
    /// Tunnels were dialled just now, not long ago.
    pub(crate) fresh: bool,
    /// Tunnels were dialled before their host failed last, so they belong to the same wave.
    pub(crate) same_wave: bool,
    /// The tunnel that was dialled last.
    pub(crate) youngest: Option<TunnelId>,
}

impl Schedule {
    /// Those that make a difference to what is heard of a tunnel.
    pub(crate) fn of_news() -> [Self; 4] {
        let plain = Self::default();
        let fresh = Self { fresh: true, ..plain };
        [plain, Self { old: true, ..plain }, fresh, Self { same_wave: true, ..plain }]
    }

    /// Those that make a difference to `timer`, among `tunnels`.
    pub(crate) fn of_timer(timer: Timer, tunnels: impl Iterator<Item = TunnelId>) -> Vec<Self> {
        let due = Self { due: Some(timer), ..Self::default() };
        let youngest = tunnels.map(|id| Self { youngest: Some(id), ..due });
        [due, Self { same_wave: true, ..due }].into_iter().chain(youngest).collect()
    }

    /// The step that `event` makes on this schedule, and the machine behind it at rest, where nothing is due and
    /// nothing was long ago.
    pub(crate) fn step(&self, machine: &Initiator, event: Event) -> (Initiator, Effects<Effect>) {
        let mut next = machine.retimed(|moment, _| self.clock(moment));
        let effects = next.step(Env { now: CANONICAL_NOW, dice: 0 }, event);
        next.check();
        (next, effects)
    }

    /// What happens, named by its timer if one fires.
    pub(crate) fn name(&self, machine: &Initiator, event: Event) -> Record {
        match self.due {
            Some(_) => machine.retimed(|moment, _| self.clock(moment)).encode_timer().expect("a timer is due"),
            None => Initiator::encode_event(event),
        }
    }

    fn clock(&self, moment: Moment) -> Instant {
        match moment {
            Moment::Alarm(timer) if self.due == Some(timer) => CANONICAL_NOW,
            Moment::Alarm(_) => CANONICAL_NOW.after(LATER),
            Moment::Accepted(_) if self.old => ago(60),
            Moment::Dialed(_) if self.fresh => CANONICAL_NOW,
            Moment::Dialed(id) if self.youngest == Some(id) => ago(61),
            Moment::Dialed(_) => ago(62),
            Moment::Failed(_) if !self.same_wave => ago(63),
            Moment::Accepted(_) | Moment::Heard(_) | Moment::Failed(_) | Moment::Pause(_) => CANONICAL_NOW,
        }
    }
}

/// The machine at rest.
pub(crate) fn at_rest(machine: &Initiator) -> Initiator {
    machine.retimed(|moment, _| Schedule::default().clock(moment))
}

/// Every timer that is armed.
pub(crate) fn armed(machine: &Initiator) -> Vec<Timer> {
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
        let Self { due: _, old, fresh, same_wave, youngest } = self;
        f.write_str(if *old { " old" } else { "" })?;
        f.write_str(if *fresh { " fresh" } else { "" })?;
        f.write_str(if *same_wave { " same_wave" } else { "" })?;
        youngest.map_or(Ok(()), |id| write!(f, " youngest={id}"))
    }
}
