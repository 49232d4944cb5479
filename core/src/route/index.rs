//! A table of hashes, filled once.

use alloc::vec;
use alloc::vec::Vec;

/// FNV-1a, byte by byte. Its keys are an operator's: a caller who knows it finds no place where many of them are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;

    /// That of no bytes, among keys of `space` alone.
    pub(super) const fn new(space: usize) -> Self {
        Self(Self::OFFSET ^ (space as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) const fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ byte as u64).wrapping_mul(Self::PRIME);
    }

    /// All bits have a part in the lowest ones.
    const fn mixed(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

/// Numbers by hash, with open addressing: a quarter full at most.
#[derive(Clone, Debug)]
pub(super) struct Index {
    slots: Vec<Option<(u64, usize)>>,
    len: usize,
}

impl Index {
    /// With room for `max`.
    pub(super) fn new(max: usize) -> Self {
        Self { slots: vec![None; (max.max(1) * 4).next_power_of_two()], len: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a number. No more may be added than there is room for.
    pub(super) fn insert(&mut self, hash: Hash, value: usize) {
        let hash = hash.mixed();
        let mut slot = self.slot(hash);
        while self.slots[slot].is_some() {
            slot = self.slot(slot as u64 + 1);
        }
        self.slots[slot] = Some((hash, value));
        self.len += 1;
    }

    /// The number with this hash that `is` it; counts the `looks` at slots.
    pub(super) fn find(&self, hash: Hash, looks: &mut u32, is: impl Fn(usize) -> bool) -> Option<usize> {
        let hash = hash.mixed();
        let mut slot = self.slot(hash);
        loop {
            *looks += 1;
            let (other, value) = self.slots[slot]?;
            if other == hash && is(value) {
                return Some(value);
            }
            slot = self.slot(slot as u64 + 1);
        }
    }

    const fn slot(&self, hash: u64) -> usize {
        (hash & (self.slots.len() as u64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_what_they_stand_for() {
        let mut index = Index::new(3);
        assert!(index.is_empty());
        // The same hash for all.
        for value in 0..3 {
            index.insert(Hash::new(7), value);
        }
        for value in 0..3 {
            assert_eq!(index.find(Hash::new(7), &mut 0, |found| found == value), Some(value));
        }
        let mut looks = 0;
        assert_eq!(index.find(Hash::new(7), &mut looks, |_| false), None);
        assert_eq!(looks, 4);
        assert!(!index.is_empty());
    }
}
