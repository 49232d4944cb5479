//! S15 GaugesAgree: every gauge counts what is there.

use std::time::Duration;

use super::Oracle;
use crate::history::Fact;

/// See above.
pub(super) struct GaugesAgree;

impl Oracle for GaugesAgree {
    fn property(&self) -> &'static str {
        "GaugesAgree"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Responder { view, .. } if view.disagreement.is_some() => Err(fact.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ResponderView;
    use crate::net::Place;

    #[test]
    fn a_gauge_that_lies_is_told() {
        let view = ResponderView { disagreement: Some("3, not 4".to_owned()), ..ResponderView::default() };
        let fact = Fact::Responder { place: Place::Responder(0), view };
        GaugesAgree.see(Duration::ZERO, &fact).expect_err("they disagree");
    }
}
