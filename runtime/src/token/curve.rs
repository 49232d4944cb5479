//! Whether a public key is a point of its curve, and one that a signature means something with.
//!
//! What verifies signatures finds out as well, but only at the first token, and takes points of small order: with one of those
//! for a key, somebody who has no private key can make signatures. Everything here is public, so nothing has to take the same time
//! whatever it computes; a key takes a millisecond.

/// A number of 256 bits, the lowest word first.
type Number = [u64; 4];

/// The field of Ed25519: 2^255 - 19 (RFC 8032 §5.1).
const ED25519_P: Number = [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];

/// Its `d`.
const ED25519_D: Number = [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];

/// One of the two `y` of its points of order eight; the other is its negative.
const ED25519_ORDER_8: Number =
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1];

/// The field of P-256 (SEC 2 §2.4.2).
const P256_P: Number = [u64::MAX, 0xffff_ffff, 0, 0xffff_ffff_0000_0001];

/// Its `b`.
const P256_B: Number = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];

const ONE: Number = [1, 0, 0, 0];

/// Whether 32 bytes are a point of Ed25519, written in the one legal way, whose order is not small.
pub(super) fn is_ed25519(point: &[u8]) -> bool {
    let Ok(mut bytes) = <[u8; 32]>::try_from(point) else { return false };
    // The highest bit is the sign of x.
    bytes[31] &= 0x7f;
    bytes.reverse();
    let y = number(&bytes);
    let p = ED25519_P;
    let Some(minus_y) = minus([0; 4], y, p).filter(|_| less(y, p)) else { return false };
    let small = [[0; 4], ONE, ED25519_ORDER_8];
    if small.contains(&y) || small.contains(&minus_y) {
        return false;
    }
    // x² = (y² - 1) / (d y² + 1), which is a square if the product of both sides of the line is.
    let y2 = times(y, y, p);
    let above = minus(y2, ONE, p);
    let below = plus(times(ED25519_D, y2, p), ONE, p);
    above.is_some_and(|above| is_square(times(above, below, p), p))
}

/// Whether the 32 bytes of `x` and of `y` are a point of P-256.
pub(super) fn is_p256(x: &[u8], y: &[u8]) -> bool {
    let (Ok(x), Ok(y)) = (<[u8; 32]>::try_from(x), <[u8; 32]>::try_from(y)) else { return false };
    let (x, y, p) = (number(&x), number(&y), P256_P);
    if !less(x, p) || !less(y, p) {
        return false;
    }
    // y² = x³ - 3x + b
    let cube = times(times(x, x, p), x, p);
    let three = plus(plus(x, x, p), x, p);
    minus(plus(cube, P256_B, p), three, p) == Some(times(y, y, p))
}

/// Big-endian bytes.
fn number(bytes: &[u8; 32]) -> Number {
    let mut number = [0; 4];
    for (word, bytes) in number.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    number
}

fn less(one: Number, other: Number) -> bool {
    one.iter().rev().lt(other.iter().rev())
}

/// Both sums and differences with what is carried beyond the highest word.
fn add(one: Number, other: Number) -> (Number, bool) {
    let mut carry = false;
    let mut sum = [0; 4];
    for ((sum, one), other) in sum.iter_mut().zip(one).zip(other) {
        (*sum, carry) = carrying(one.overflowing_add(other), |sum| sum.overflowing_add(u64::from(carry)));
    }
    (sum, carry)
}

fn subtract(one: Number, other: Number) -> (Number, bool) {
    let mut borrow = false;
    let mut difference = [0; 4];
    for ((difference, one), other) in difference.iter_mut().zip(one).zip(other) {
        (*difference, borrow) = carrying(one.overflowing_sub(other), |it| it.overflowing_sub(u64::from(borrow)));
    }
    (difference, borrow)
}

fn carrying((word, carried): (u64, bool), last: impl FnOnce(u64) -> (u64, bool)) -> (u64, bool) {
    let (word, carried_last) = last(word);
    (word, carried || carried_last)
}

/// The sum of two numbers below `p`.
fn plus(one: Number, other: Number, p: Number) -> Number {
    let (sum, carried) = add(one, other);
    if carried || !less(sum, p) { subtract(sum, p).0 } else { sum }
}

/// The difference of two numbers below `p`; none if they are not.
fn minus(one: Number, other: Number, p: Number) -> Option<Number> {
    if !less(one, p) || !less(other, p) {
        return None;
    }
    let (difference, borrowed) = subtract(one, other);
    Some(if borrowed { add(difference, p).0 } else { difference })
}

/// The product of two numbers below `p`, bit by bit.
fn times(one: Number, other: Number, p: Number) -> Number {
    bits(other).fold([0; 4], |product, bit| {
        let twice = plus(product, product, p);
        if bit { plus(twice, one, p) } else { twice }
    })
}

/// Whether a number below `p` is the square of one: by Euler, if its power of (p - 1) / 2 is not -1.
fn is_square(number: Number, p: Number) -> bool {
    let half = halve(subtract(p, ONE).0);
    let power = bits(half).fold(ONE, |power, bit| {
        let squared = times(power, power, p);
        if bit { times(squared, number, p) } else { squared }
    });
    power == ONE || power == [0; 4]
}

fn halve(number: Number) -> Number {
    let [a, b, c, d] = number;
    [a >> 1 | b << 63, b >> 1 | c << 63, c >> 1 | d << 63, d >> 1]
}

/// From the highest to the lowest.
fn bits(number: Number) -> impl Iterator<Item = bool> {
    number.into_iter().rev().flat_map(|word| (0..64).rev().map(move |bit| word >> bit & 1 == 1))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    use super::*;

    #[test]
    fn the_keys_that_are_made_are_points() {
        let random = SystemRandom::new();
        for _ in 0..4 {
            let made = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            let made = Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap();
            assert!(is_ed25519(made.public_key().as_ref()));
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let made = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap();
            let (x, y) = made.public_key().as_ref()[1..].split_at(32);
            assert!(is_p256(x, y));
            // The other point with the same x, and no point at all.
            let negative = subtract(P256_P, number(y.try_into().unwrap())).0;
            let negative: Vec<u8> = negative.iter().rev().flat_map(|word| word.to_be_bytes()).collect();
            assert!(is_p256(x, &negative));
            let mut wrong = y.to_vec();
            wrong[31] ^= 1;
            assert!(!is_p256(x, &wrong));
            assert!(!is_p256(&x[..31], y) && !is_p256(x, &[y, &[0]].concat()));
        }
    }

    #[test]
    fn half_of_all_numbers_are_no_point_of_ed25519() {
        let points = (2..34).filter(|low| {
            let mut bytes = [0; 32];
            bytes[0] = *low;
            is_ed25519(&bytes)
        });
        // Counted by another program.
        assert_eq!(points.count(), 22);
    }

    #[test]
    fn points_of_small_order_are_refused_however_they_are_written() {
        let negative = subtract(ED25519_P, ED25519_ORDER_8).0;
        let minus_one = subtract(ED25519_P, ONE).0;
        // The last two are zero and one again, where a reader forgets that they are not below p.
        let again = [ED25519_P, add(ED25519_P, ONE).0];
        for y in [[0; 4], ONE, minus_one, ED25519_ORDER_8, negative].into_iter().chain(again) {
            for sign in [0, 0x80] {
                let mut bytes: Vec<u8> = y.iter().flat_map(|word| word.to_le_bytes()).collect();
                bytes[31] |= sign;
                assert!(!is_ed25519(&bytes), "{bytes:x?}");
            }
        }
    }

    #[test]
    fn coordinates_beyond_the_field_are_refused() {
        let bytes: Vec<u8> = P256_P.iter().rev().flat_map(|word| word.to_be_bytes()).collect();
        assert!(!is_p256(&bytes, &bytes));
        assert!(!is_p256(&[0xff; 32], &[0xff; 32]));
        assert!(!is_ed25519(&[0xff; 32]) && !is_ed25519(&[2; 31]));
        assert!(!is_p256(&[0; 32], &[0; 32]));
    }
}
