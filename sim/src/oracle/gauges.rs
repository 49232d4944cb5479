//! S15 GaugesAgree: every gauge has the value that the listed tunnels give.

use std::time::Duration;

use super::property::Oracle;
use crate::history::Event;

/// See above.
pub(super) struct GaugesAgree;

impl Oracle for GaugesAgree {
    fn property(&self) -> &'static str {
        "GaugesAgree"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Responder { view, .. } if view.disagreement.is_some() => Err(event.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ResponderView;
    use crate::net::HostId;

    #[test]
    fn a_wrong_gauge_is_noticed() {
        let view = ResponderView { disagreement: Some("3, not 4".to_owned()), ..ResponderView::default() };
        let event = Event::Responder { host: HostId::Responder(0), view };
        GaugesAgree.observe(Duration::ZERO, &event).expect_err("they disagree");
    }
}
