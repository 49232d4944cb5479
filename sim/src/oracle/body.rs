//! S10 ByteExactHandover: what one end writes the other reads, byte for byte, whatever becomes of the packets.

use std::time::Duration;

use super::Oracle;
use crate::history::{Answer, Fact};

/// See above.
pub(super) struct ByteExactHandover;

impl Oracle for ByteExactHandover {
    fn property(&self) -> &'static str {
        "ByteExactHandover"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Served { exact: false, .. } | Fact::Answered { answer: Answer::Served { exact: false, .. }, .. } => {
                Err(fact.to_string())
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
        let see = |fact| ByteExactHandover.see(Duration::ZERO, &fact);
        see(Fact::Served { request: 1, by: 0, exact: true }).expect("it is whole");
        see(Fact::Served { request: 1, by: 0, exact: false }).expect_err("the service got something else");
        see(Fact::Answered { request: 1, answer: Answer::Served { by: 0, exact: false } })
            .expect_err("the caller got something else");
        see(Fact::Answered { request: 1, answer: Answer::Broken }).expect("an error is no wrong byte");
    }
}
