//! S12, S16 NoResourceLeak: a drained process leaves no task, no timer that a task waits for, no connection and no waiter.

use std::time::Duration;

use super::property::Oracle;
use crate::history::Event;

/// See above.
pub(super) struct NoResourceLeak;

impl Oracle for NoResourceLeak {
    fn property(&self) -> &'static str {
        "NoResourceLeak"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Leftovers { tasks, sockets, .. } if *tasks + *sockets > 0 => Err(event.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::HostId;

    #[test]
    fn a_task_or_a_socket_that_is_left_is_noticed() {
        let observe = |tasks, sockets| {
            NoResourceLeak.observe(Duration::ZERO, &Event::Leftovers { host: HostId::Responder(0), tasks, sockets })
        };
        observe(0, 0).expect("nothing is left");
        observe(1, 0).expect_err("a task is left");
        observe(0, 1).expect_err("a socket is left");
    }
}
