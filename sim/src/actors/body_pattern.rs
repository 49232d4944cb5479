//! Bodies of which every byte depends on its request and its position, so that any mix-up is detected.

use bytes::Bytes;

/// The body of `request` with `length` bytes.
#[must_use]
pub fn body(request: u64, length: usize) -> Bytes {
    let mut body = vec![0; length];
    for (index, piece) in body.chunks_mut(WORD).enumerate() {
        piece.copy_from_slice(&word(request, index)[..piece.len()]);
    }
    body.into()
}

/// Checks such a body piece by piece.
#[derive(Clone, Copy, Debug)]
pub struct PatternChecker {
    request: u64,
    read: usize,
    exact: bool,
}

impl PatternChecker {
    /// For the body of `request`.
    #[must_use]
    pub const fn new(request: u64) -> Self {
        Self { request, read: 0, exact: true }
    }

    /// Checks the next piece.
    pub fn check(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let expected = &word(self.request, self.read / WORD)[self.read % WORD..];
            let (now, rest) = piece.split_at(piece.len().min(expected.len()));
            self.exact &= *now == expected[..now.len()];
            self.read += now.len();
            piece = rest;
        }
    }

    /// Whether every piece was right, and all of them have `length` bytes.
    #[must_use]
    pub const fn is_exactly(&self, length: usize) -> bool {
        self.exact && self.read == length
    }
}

/// So many bytes are made at a time: a world carries many megabytes.
const WORD: usize = size_of::<u64>();

fn word(request: u64, index: usize) -> [u8; WORD] {
    let mixed = (request.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    // The low bits of a product know only the low bits of its factors.
    (mixed ^ (mixed >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_whatever_its_pieces() {
        let whole = body(7, 1000);
        let mut checker = PatternChecker::new(7);
        whole.chunks(33).for_each(|piece| checker.check(piece));
        assert!(checker.is_exactly(1000));
        assert!(!checker.is_exactly(999));
    }

    #[test]
    fn another_body_and_a_shifted_one_are_noticed() {
        for wrong in [body(8, 100), body(7, 101).slice(1..)] {
            let mut checker = PatternChecker::new(7);
            checker.check(&wrong);
            assert!(!checker.is_exactly(100));
        }
    }
}
