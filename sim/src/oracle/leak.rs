//! S12, S16 NothingLeft: a process that was told to wind down and had the time for it leaves no task, no timer that a task
//! waits for, no connection and no waiter.

use std::time::Duration;

use super::Oracle;
use crate::history::Fact;

/// See above.
pub(super) struct NothingLeft;

impl Oracle for NothingLeft {
    fn property(&self) -> &'static str {
        "NothingLeft"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Left { tasks, sockets, .. } if *tasks + *sockets > 0 => Err(fact.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Place;

    #[test]
    fn a_task_or_a_socket_that_is_left_is_noticed() {
        let see = |tasks, sockets| {
            NothingLeft.see(Duration::ZERO, &Fact::Left { place: Place::Responder(0), tasks, sockets })
        };
        see(0, 0).expect("nothing is left");
        see(1, 0).expect_err("a task is left");
        see(0, 1).expect_err("a socket is left");
    }
}
