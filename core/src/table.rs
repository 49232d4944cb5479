//! A slab with generational keys: constant time by key, keys never reused.

use alloc::vec::Vec;
use core::marker::PhantomData;

/// The key of a value in a [`Table`].
pub(crate) trait Key: Copy {
    fn new(slot: u32, generation: u32) -> Self;
    fn slot(self) -> usize;
    fn generation(self) -> u32;
}

/// Values by key. A freed slot is reused with the next generation, the one freed last first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Table<K, T> {
    key: PhantomData<K>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    living: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<K: Key, T> Table<K, T> {
    pub(crate) const fn new() -> Self {
        Self { key: PhantomData, slots: Vec::new(), free: Vec::new(), living: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.living
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One past the highest slot that was ever used.
    pub(crate) fn end(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> K {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 values live at the same time")
        });
        let place = &mut self.slots[slot as usize];
        place.value = Some(value);
        self.living += 1;
        K::new(slot, place.generation)
    }

    pub(crate) fn get(&self, id: K) -> Option<&T> {
        let slot = self.slots.get(id.slot())?;
        if slot.generation == id.generation() { slot.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, id: K) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot())?;
        if slot.generation == id.generation() { slot.value.as_mut() } else { None }
    }

    /// Takes the value out. Its slot is free again, unless its generations are used up: then it stays empty.
    pub(crate) fn remove(&mut self, id: K) -> Option<T> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.generation == id.generation())?;
        let value = slot.value.take()?;
        self.living -= 1;
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(u32::try_from(id.slot()).expect("slots are counted in 32 bits"));
        }
        Some(value)
    }

    /// The value in `slot`.
    pub(crate) fn at(&self, slot: usize) -> Option<(K, &T)> {
        let place = self.slots.get(slot)?;
        let slot = u32::try_from(slot).expect("slots are counted in 32 bits");
        place.value.as_ref().map(|value| (K::new(slot, place.generation), value))
    }

    /// Everything, by slot.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &T)> + '_ {
        (0..self.slots.len()).filter_map(|slot| self.at(slot))
    }

    /// The same values with every generation zero, for comparing states (see `canonical`).
    pub(crate) fn map_canonical(&self, mut shift: impl FnMut(K, &T) -> T) -> Self {
        let slot = |slot| Slot { generation: 0, value: self.at(slot).map(|(key, value)| shift(bare(key), value)) };
        let slots: Vec<_> = (0..self.slots.len()).map(slot).collect();
        Self { key: PhantomData, slots, free: self.free.clone(), living: self.living }
    }
}

/// The same key in its slot's first generation.
pub(crate) fn bare<K: Key>(key: K) -> K {
    K::new(u32::try_from(key.slot()).expect("slots are counted in 32 bits"), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TunnelId;

    #[test]
    fn a_slot_whose_generations_are_used_up_stays_empty() {
        let mut table = Table::<TunnelId, char>::new();
        table.slots.push(Slot { generation: u32::MAX, value: Some('a') });
        table.living = 1;
        let last = TunnelId::new(0, u32::MAX);
        assert_eq!(table.remove(last), Some('a'));
        assert_eq!(table.get(last), None);
        assert_eq!(table.insert('b'), TunnelId::new(1, 0));
    }

    #[test]
    fn a_key_of_another_generation_finds_nothing() {
        let mut table = Table::<TunnelId, char>::new();
        let old = table.insert('a');
        assert_eq!(table.remove(old), Some('a'));
        let new = table.insert('b');
        assert_eq!((new.slot(), new.generation()), (old.slot(), 1));
        for stranger in [old, TunnelId::new(0, 2), TunnelId::new(1, 0)] {
            assert_eq!(table.get(stranger), None);
            assert_eq!(table.get_mut(stranger), None);
            assert_eq!(table.remove(stranger), None);
        }
        assert_eq!((table.get(new), table.len(), table.end()), (Some(&'b'), 1, 1));
    }
}
