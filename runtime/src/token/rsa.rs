//! Whether a public key of RSA is worth anything.

use std::ops::RangeInclusive;

/// Bits of a modulus.
const BITS: RangeInclusive<usize> = 2048..=8192;

/// The least exponent (NIST SP 800-56B §6.2), and the bytes of the greatest: what verifies signatures takes no more.
const LEAST_EXPONENT: u64 = 65537;
const EXPONENT_BYTES: usize = 4;

/// Primes of which a modulus may have no factor: whoever made one that has did not take two large primes.
const SMALL_PRIMES: u64 = 1000;

/// What is wrong with the big-endian bytes of a modulus and an exponent, if anything.
pub(super) fn weakness(modulus: &[u8], exponent: &[u8]) -> Option<&'static str> {
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else { return Some("it has no modulus") };
    if *first == 0 || exponent.first().is_none_or(|first| *first == 0) {
        return Some("a number in it begins with zeros, or is empty");
    }
    if !BITS.contains(&(modulus.len() * 8 - first.leading_zeros() as usize)) {
        return Some("its modulus has less than 2048 or more than 8192 bits");
    }
    if last % 2 == 0 || (3..SMALL_PRIMES).step_by(2).any(|divisor| remainder(modulus, divisor) == 0) {
        return Some("its modulus has a small factor");
    }
    if exponent.len() > EXPONENT_BYTES {
        return Some("its exponent has more than 32 bits");
    }
    let exponent = exponent.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    if exponent < LEAST_EXPONENT || exponent % 2 == 0 {
        return Some("its exponent is less than 65537, or even");
    }
    None
}

fn remainder(number: &[u8], divisor: u64) -> u64 {
    number.iter().fold(0, |rest, byte| (rest << 8 | u64::from(*byte)) % divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2^2047 + 1025, which has no factor below a thousand.
    fn modulus() -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[0] = 0x80;
        [bytes[254], bytes[255]] = 1025_u16.to_be_bytes();
        bytes
    }

    #[test]
    fn weak_keys_are_told_by_name() {
        const E: [u8; 3] = [1, 0, 1];
        assert_eq!(weakness(&modulus(), &E), None);
        assert_eq!(weakness(&modulus(), &[0xff, 0xff, 0xff, 0xff]), None);
        let mut even = modulus();
        even[255] -= 1;
        let mut three = modulus();
        three[255] += 2;
        for (modulus, exponent, told) in [
            (&modulus()[..0], &E[..], "no modulus"),
            (&modulus()[1..], &E, "begins with zeros"),
            (&[&[0], &modulus()[..]].concat(), &E, "begins with zeros"),
            (&modulus(), &[], "begins with zeros"),
            (&modulus(), &[0, 1, 0, 1], "begins with zeros"),
            (&[&[0x7f], &modulus()[1..]].concat(), &E, "less than 2048"),
            (&[1; 255], &E, "less than 2048"),
            (&[0xff; 1025], &E, "less than 2048 or more than 8192"),
            (&even, &E, "small factor"),
            (&three, &E, "small factor"),
            (&modulus(), &[3], "exponent is less than 65537"),
            (&modulus(), &[1], "exponent is less than 65537"),
            (&modulus(), &[1, 0, 0], "exponent is less than 65537"),
            (&modulus(), &[1, 0, 2], "or even"),
            (&modulus(), &[1, 0, 0, 0, 1], "more than 32 bits"),
        ] {
            let found = weakness(modulus, exponent).unwrap_or("nothing");
            assert!(found.contains(told), "{found}, not {told}");
        }
    }
}
