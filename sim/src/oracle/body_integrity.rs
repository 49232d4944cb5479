//! S10 ByteExactHandover: what one end writes the other reads, byte for byte, whatever happens to packets.

use std::time::Duration;

use super::property::Oracle;
use crate::history::{Event, RequestOutcome};

/// See above.
pub(super) struct ByteExactHandover;

impl Oracle for ByteExactHandover {
    fn property(&self) -> &'static str {
        "ByteExactHandover"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::RequestServed { exact: false, .. }
            | Event::RequestEnded { outcome: RequestOutcome::Served { exact: false, .. }, .. } => {
                Err(event.to_string())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mangled_body_is_noticed_at_either_end() {
        let observe = |event| ByteExactHandover.observe(Duration::ZERO, &event);
        observe(Event::RequestServed { request: 1, by: 0, exact: true }).expect("it is whole");
        observe(Event::RequestServed { request: 1, by: 0, exact: false }).expect_err("the service got something else");
        observe(Event::RequestEnded { request: 1, outcome: RequestOutcome::Served { by: 0, exact: false } })
            .expect_err("the caller got something else");
        observe(Event::RequestEnded { request: 1, outcome: RequestOutcome::BodyError })
            .expect("an error is no wrong byte");
    }
}
