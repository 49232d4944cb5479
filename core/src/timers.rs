//! Timers are data in one table; asking for the next one is free.

use alloc::collections::BTreeSet;
use core::hash::Hash;

use crate::Instant;

/// The one timer that an object may have armed. Stored in the object; changed only through [`Timers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Alarm<T>(Option<(Instant, T)>);

impl<T: Copy> Alarm<T> {
    pub(crate) const OFF: Self = Self(None);

    pub(crate) const fn get(&self) -> Option<(Instant, T)> {
        self.0
    }
}

/// Every armed timer, earliest first; equal moments in the order of the timers' names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Timers<T: Ord>(BTreeSet<(Instant, T)>);

impl<T: Copy + Ord + Hash> Timers<T> {
    pub(crate) const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Arms `timer` for `at` in place of whatever `alarm` had armed.
    pub(crate) fn set(&mut self, alarm: &mut Alarm<T>, at: Instant, timer: T) {
        self.clear(alarm);
        alarm.0 = Some((at, timer));
        let fresh = self.0.insert((at, timer));
        debug_assert!(fresh, "a timer belongs to one alarm");
    }

    /// Disarms whatever `alarm` had armed.
    pub(crate) fn clear(&mut self, alarm: &mut Alarm<T>) {
        if let Some(armed) = alarm.0.take() {
            let known = self.0.remove(&armed);
            debug_assert!(known, "an armed alarm is in the table");
        }
    }

    /// The earliest timer.
    pub(crate) fn first(&self) -> Option<(Instant, T)> {
        self.0.first().copied()
    }

    /// The earliest timer, if its moment has come. It stays armed: whoever handles it sets or clears its alarm.
    pub(crate) fn due(&self, now: Instant) -> Option<T> {
        self.first().filter(|(at, _)| *at <= now).map(|(_, timer)| timer)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, armed: &(Instant, T)) -> bool {
        self.0.contains(armed)
    }
}
