//! An initiator and anything that may happen to it, late words about what is gone included.

use revtun_core::initiator::Initiator;

use super::model::initiator::InitiatorModel;
use super::stride::stride;
use super::walk::initiator::small;

/// Eight bytes a step.
pub fn run(data: &[u8]) {
    let config = small();
    stride(Initiator::new(config), InitiatorModel::new(config), data);
}
