//! Whether some text fits two templates. Then one statement could prove a name in the place of another, and whoever holds a
//! certificate for one of them could be both.

use alloc::vec;
use alloc::vec::Vec;

use super::{Kind, Piece, Template};

/// What the next byte of a text may be.
#[derive(Clone, Copy)]
enum Next {
    /// This one.
    Byte(u8),
    /// One of a name, of which more may follow.
    OfName,
}

/// Whether there is a text that both templates match, each with some names.
pub(super) fn overlap(one: &Template, other: &Template) -> bool {
    if one.kind != other.kind {
        return false;
    }
    let (left, right) = (steps(one), steps(other));
    let width = right.len() + 1;
    // Pairs of positions that some common beginning leads to; from each, all that one more byte leads to.
    let mut seen = vec![false; (left.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((at, with)) = open.pop() {
        if core::mem::replace(&mut seen[at * width + with], true) {
            continue;
        }
        let (Some(here), Some(there)) = (left.get(at), right.get(with)) else {
            if at == left.len() && with == right.len() {
                return true;
            }
            continue;
        };
        if !meet(&one.kind, *here, *there) {
            continue;
        }
        for at in reached(at, *here) {
            open.extend(reached(with, *there).map(|with| (at, with)));
        }
    }
    false
}

/// A template, byte by byte.
fn steps(template: &Template) -> Vec<Next> {
    let mut steps = Vec::new();
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => steps.extend(text.bytes().map(Next::Byte)),
            Piece::Placeholder(_) => steps.push(Next::OfName),
        }
    }
    steps
}

/// Whether one byte can be both.
fn meet(kind: &Kind, one: Next, other: Next) -> bool {
    match (one, other) {
        (Next::Byte(one), Next::Byte(other)) => one == other,
        (Next::Byte(byte), Next::OfName) | (Next::OfName, Next::Byte(byte)) => kind.is_allowed(byte),
        (Next::OfName, Next::OfName) => true,
    }
}

/// Where a byte leads to from `at`: past it, or, in a name, to where it was.
fn reached(at: usize, next: Next) -> impl Iterator<Item = usize> {
    let stays = match next {
        Next::Byte(_) => None,
        Next::OfName => Some(at),
    };
    stays.into_iter().chain([at + 1])
}
