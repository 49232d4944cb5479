//! States by their fingerprints.

use std::hash::{Hash, Hasher};

/// 128 bits out of two hashes with fixed keys: among a million states two are taken for one with odds of 1 in 10^26,
/// among a hundred million with odds of 1 in 10^22. Nobody chooses these states, so the hashes need not withstand
/// anybody: they multiply and fold, as wyhash does, 16 bytes at a time.
pub(crate) fn fingerprint(state: &impl Hash) -> u128 {
    let mut bytes = Bytes(Vec::with_capacity(1024));
    state.hash(&mut bytes);
    let length = bytes.0.len() as u64;
    // Whole blocks only. The length, which is hashed too, tells these zeros from others.
    bytes.0.resize(bytes.0.len().next_multiple_of(16), 0);
    let (mut first, mut second) = (KEYS[0], KEYS[1]);
    for block in bytes.0.chunks_exact(16) {
        let (low, high) = (word(&block[..8]), word(&block[8..]));
        first = fold(low ^ KEYS[2], high ^ first);
        second = fold(high ^ KEYS[3], low ^ second);
    }
    let half = |lane: u64, other: u64, key: u64| u128::from(fold(fold(lane ^ key, length ^ KEYS[0]), other ^ KEYS[1]));
    (half(first, second, KEYS[2]) << 64) | half(second, first, KEYS[3])
}

/// The fraction of pi in hexadecimal, made odd.
const KEYS: [u64; 4] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89];

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// Both halves of the product, one over the other.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product ^ (product >> 64)) as u64
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
