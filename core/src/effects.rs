//! A list of effects of bounded length: the bound is part of the contract.

use core::fmt::Debug;

/// No step asks for more than this; longer work (draining ten thousand tunnels) is spread over ticks.
const LIMIT: usize = 3;

/// What one step asks for, in order. By value and without allocation.
#[must_use = "effects are the only output of a step; dropping them wedges the machine"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects<E>([Option<E>; LIMIT]);

impl<E: Copy> Effects<E> {
    /// Nothing to do.
    pub const NONE: Self = Self([None; LIMIT]);

    /// One thing to do.
    pub fn one(effect: E) -> Self {
        Self::NONE.and(effect)
    }

    /// The same list with `effect` behind it.
    ///
    /// # Panics
    /// If the list is full, which is a bug of ours.
    pub fn and(mut self, effect: E) -> Self {
        let free = self.0.iter_mut().find(|slot| slot.is_none());
        *free.expect("a step stays within the limit of effects") = Some(effect);
        self
    }

    /// This list, then `later`.
    ///
    /// # Panics
    /// If both do not fit together, which is a bug of ours.
    pub fn then(self, later: Self) -> Self {
        later.into_iter().fold(self, Self::and)
    }

    /// The effects in order.
    pub fn iter(&self) -> impl Iterator<Item = E> + '_ {
        self.0.iter().map_while(|slot| *slot)
    }
}

impl<E> IntoIterator for Effects<E> {
    type Item = E;
    type IntoIter = core::iter::Flatten<core::array::IntoIter<Option<E>, LIMIT>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}
