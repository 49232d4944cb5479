//! A responder and anything that may happen to it, late words about what is gone included.

use revtun_core::responder::Responder;

use super::model::responder::ResponderModel;
use super::stride::stride;
use super::walk::responder::small;

/// The first byte chooses the configuration; then sixteen bytes a step.
pub fn run(data: &[u8]) {
    let Some((choice, steps)) = data.split_first() else { return };
    let config = small(choice & 1 == 0, choice & 2 == 0);
    stride(Responder::new(config), ResponderModel::new(config), steps);
}
