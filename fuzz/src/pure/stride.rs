//! One machine, alone, and bytes that choose what happens to it.

use super::model::Model;
use super::walk::{Walk, Walked};

/// Bytes of one step. Each of its draws takes one, and the longest, a handshake, takes fifteen.
const STEP: usize = 16;

/// Takes a step for every sixteen bytes. In front of them stand the weights of the kinds of events.
pub(super) fn stride<M: Walked>(machine: M, mut model: impl Model<M>, data: &[u8]) {
    let Some((weights, steps)) = data.split_at_checked(M::KINDS.len()) else { return };
    let mut walk = Walk::new(machine, false);
    for bytes in steps.chunks(STEP) {
        let mut throw = [0; STEP];
        throw[..bytes.len()].copy_from_slice(bytes);
        let (env, event) = walk.decode_bytes(u128::from_le_bytes(throw), weights);
        let effects: Vec<_> = walk.step(env, event).iter().collect();
        model.see(env, event, &effects);
    }
}
