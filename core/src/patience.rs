//! How long a body may lie still: a pure answer to a question that no machine has to remember.

use core::time::Duration;

/// How often a body that does not move is looked at before it is given up. Between two looks any move counts once, so
/// nobody has to note when it was.
const LOOKS: u32 = 4;

/// What to do about a request after a look at its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Next {
    /// Look again after another [`Patience::pause`].
    Wait,
    /// Say that it is broken off, and look again.
    BreakOff,
    /// Nobody listens: drop it.
    Drop,
}

/// Looks at the bodies of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Patience {
    still: u32,
}

impl Patience {
    /// From one look to the next, if a body may lie still for `timeout`: it is then broken off after at least that time
    /// and at most a quarter more, and dropped a quarter later.
    #[must_use]
    pub fn pause(timeout: Duration) -> Duration {
        timeout / LOOKS
    }

    /// Takes note of whether anything `moved` since the last look.
    pub const fn look(&mut self, moved: bool) -> Next {
        if self.still <= LOOKS {
            self.still = if moved { 0 } else { self.still + 1 };
        }
        match self.still {
            ..LOOKS => Next::Wait,
            LOOKS => Next::BreakOff,
            _ => Next::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_moves_in_time_is_left_alone_and_who_does_not_is_told_first() {
        let mut patience = Patience::default();
        for moved in [false, false, false, true, false, false, false] {
            assert_eq!(patience.look(moved), Next::Wait);
        }
        assert_eq!(patience.look(false), Next::BreakOff);
        assert_eq!(patience.look(false), Next::Drop);
        assert_eq!(patience.look(true), Next::Drop, "too late");
    }

    #[test]
    fn nothing_is_broken_off_before_its_time() {
        let timeout = Duration::from_secs(300);
        let mut patience = Patience::default();
        let looks = (1..).take_while(|_| patience.look(false) == Next::Wait).count();
        let still = u32::try_from(looks).expect("few") + 1;
        assert_eq!(Patience::pause(timeout) * still, timeout);
    }
}
