//! A machine and the time, for telling stories.

use std::time::Duration;

use revtun_core::{Env, Instant, Machine};

pub(crate) struct Clock<M> {
    pub(crate) machine: M,
    pub(crate) now: Instant,
    /// What every throw comes to.
    pub(crate) dice: u64,
}

impl<M: Machine> Clock<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self { machine, now: Instant::from_nanos(100_000_000_000), dice: 0 }
    }

    /// Something happens now.
    pub(crate) fn tell(&mut self, event: M::Event<'_>) -> Vec<M::Effect> {
        let effects = self.machine.step(Env { now: self.now, dice: self.dice }, event);
        self.machine.check();
        effects.iter().collect()
    }

    /// Nothing happens for a while, not even what becomes due.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }

    /// Time goes on to the next timer, which fires.
    pub(crate) fn fire(&mut self) -> Vec<M::Effect> {
        self.now = self.machine.deadline().expect("a timer is armed").max(self.now);
        self.tell(M::TICK)
    }

    /// Everything that is due now is done.
    pub(crate) fn run(&mut self) -> Vec<M::Effect> {
        self.until(self.now)
    }

    /// Everything that becomes due up to `end` is done.
    pub(crate) fn until(&mut self, end: Instant) -> Vec<M::Effect> {
        let mut effects = Vec::new();
        while self.machine.deadline().is_some_and(|deadline| deadline <= end) {
            effects.extend(self.fire());
        }
        self.now = end;
        effects
    }
}
