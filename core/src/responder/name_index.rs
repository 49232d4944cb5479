//! Keys by name, found about as fast among a million names as among a thousand.
//!
//! A tree over hashes of names: a look-up compares integers that lie in the tree's nodes, and one name at the end.
//! Names with the same hash are kept in a tree of their own, so that colliding names, which anybody can make up, cost
//! no more than a logarithm.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct NameIndex<K>(BTreeMap<u64, Bucket<K>>);

/// The names with one hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Bucket<K> {
    One(Arc<str>, K),
    /// At least two.
    Several(BTreeMap<Arc<str>, K>),
}

impl<K: Copy> NameIndex<K> {
    pub(super) fn get(&self, name: &str) -> Option<K> {
        match self.0.get(&hash(name))? {
            Bucket::One(known, key) => (**known == *name).then_some(*key),
            Bucket::Several(names) => names.get(name).copied(),
        }
    }

    /// Enters a name that is not there.
    pub(super) fn insert(&mut self, name: Arc<str>, key: K) {
        let hash = hash(&name);
        let bucket = match self.0.remove(&hash) {
            None => Bucket::One(name, key),
            Some(Bucket::One(other, its)) => Bucket::Several([(other, its), (name, key)].into()),
            Some(Bucket::Several(mut names)) => {
                names.insert(name, key);
                Bucket::Several(names)
            }
        };
        self.0.insert(hash, bucket);
    }

    /// Takes out a name that is there.
    pub(super) fn remove(&mut self, name: &str) {
        let hash = hash(name);
        if let Some(Bucket::Several(mut names)) = self.0.remove(&hash) {
            names.remove(name);
            let left = match names.len() {
                1 => names.pop_first().map(|(name, key)| Bucket::One(name, key)),
                _ => Some(Bucket::Several(names)),
            };
            self.0.insert(hash, left.expect("there were at least two"));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same names for other keys.
    pub(super) fn map(&self, mut to: impl FnMut(K) -> K) -> Self {
        let mut mapped = self.clone();
        for bucket in mapped.0.values_mut() {
            match bucket {
                Bucket::One(_, key) => *key = to(*key),
                Bucket::Several(names) => names.values_mut().for_each(|key| *key = to(*key)),
            }
        }
        mapped
    }
}

impl<K> Default for NameIndex<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    #[cfg(test)]
    if name.starts_with(tests::ALIKE) {
        return 0;
    }
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that begin so have the same hash.
    pub(super) const ALIKE: &str = "alike-";

    fn names(of: &[(&str, u8)]) -> NameIndex<u8> {
        let mut names = NameIndex::default();
        for (name, key) in of {
            names.insert(Arc::from(*name), *key);
        }
        names
    }

    #[test]
    fn each_name_has_its_own_key() {
        let names = names(&[("a", 1), ("b", 2), ("", 3)]);
        assert_eq!(["a", "b", "", "c"].map(|name| names.get(name)), [Some(1), Some(2), Some(3), None]);
        assert_eq!(names.map(|key| key + 1).get("b"), Some(3));
    }

    #[test]
    fn names_with_the_same_hash_are_told_apart() {
        let one = names(&[("alike-a", 1)]);
        assert_eq!(one.get("alike-b"), None);
        let mut several = names(&[("alike-a", 1), ("alike-b", 2), ("alike-c", 3)]);
        assert_eq!(["alike-b", "alike-c", "alike-d"].map(|name| several.get(name)), [Some(2), Some(3), None]);
        assert_eq!(several.map(|key| key + 1).get("alike-c"), Some(4));
        several.remove("alike-b");
        several.remove("alike-c");
        assert_eq!(several, one, "what is left looks as if the others had never been there");
        several.remove("alike-a");
        assert!(several.is_empty());
    }

    #[test]
    fn hashes_are_those_that_the_definition_gives() {
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }
}
