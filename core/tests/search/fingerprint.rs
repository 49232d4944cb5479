//! States by their fingerprints.

use std::hash::{DefaultHasher, Hash, Hasher};

/// 128 bits out of two hashes with fixed keys: among a million states two are taken for one with odds of 1 in 10^26,
/// among a hundred million with odds of 1 in 10^22.
pub(crate) fn fingerprint(state: &impl Hash) -> u128 {
    let mut bytes = Bytes(Vec::with_capacity(1024));
    state.hash(&mut bytes);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(&bytes.0);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}

/// What is hashed, gathered: two hashes over one run of bytes are far quicker than two over many small ones.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the bytes are hashed by somebody else")
    }
}
