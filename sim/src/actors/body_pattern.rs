//! Bodies of which every byte depends on its request and its position, so that any mix-up is detected.

use bytes::Bytes;

/// The body of `request` with `length` bytes.
#[must_use]
pub fn body(request: u64, length: usize) -> Bytes {
    (0..length).map(|at| byte(request, at)).collect()
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
    pub fn check(&mut self, piece: &[u8]) {
        let expected = (self.read..).map(|at| byte(self.request, at));
        self.exact &= piece.iter().zip(expected).all(|(byte, expected)| *byte == expected);
        self.read += piece.len();
    }

    /// Whether every piece was right, and all of them have `length` bytes.
    #[must_use]
    pub const fn is_exactly(&self, length: usize) -> bool {
        self.exact && self.read == length
    }
}

fn byte(request: u64, at: usize) -> u8 {
    let mixed = (request.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed.to_le_bytes()[5]
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
