//! A connection: what is under way on it in both directions, and what became of it so far.

use revtun_core::TunnelId;
use revtun_core::handshake::Rejection;

/// Which initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Party {
    First,
    Second,
}

/// One run of an initiator's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) party: Party,
    pub(crate) number: u8,
}

/// What one end says to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Word {
    Request,
    Accept,
    Reject(Rejection),
    Ping,
    Echo,
    Preface,
    Goaway,
    Fin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Way {
    /// To the responder.
    Up,
    /// To the initiator.
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Line {
    /// Who dialled.
    pub(crate) by: Process,
    /// What the initiator calls it; none if it does not know it any more.
    pub(crate) here: Option<TunnelId>,
    /// What the responder calls it; none if it does not know it any more, or not yet.
    pub(crate) there: Option<TunnelId>,
    up: Direction,
    down: Direction,
    /// The responder's kernel has taken it.
    pub(crate) met: bool,
    /// What the responder answered.
    pub(crate) verdict: Option<bool>,
    /// HTTP/2 connections that were begun on it.
    pub(crate) prefaces: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Direction {
    /// What is under way, the next to arrive first.
    words: Vec<Word>,
    /// Everything vanishes.
    cut: bool,
}

impl Line {
    pub(crate) fn new(by: Process, here: TunnelId) -> Self {
        let (up, down) = (Direction::default(), Direction::default());
        Self { by, here: Some(here), there: None, up, down, met: false, verdict: None, prefaces: 0 }
    }

    pub(crate) fn words(&self, way: Way) -> &[Word] {
        &self.direction(way).words
    }

    pub(crate) const fn is_cut(&self, way: Way) -> bool {
        self.direction(way).cut
    }

    /// Whether at least one direction is cut.
    pub(crate) const fn is_severed(&self) -> bool {
        self.up.cut || self.down.cut
    }

    /// Nothing is under way, and whatever is said arrives.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_severed() && self.up.words.is_empty() && self.down.words.is_empty()
    }

    /// The responder says no, and that this is all.
    pub(crate) fn turn_away(&mut self, rejection: Rejection) {
        self.verdict = Some(false);
        self.say(Way::Down, Word::Reject(rejection));
        self.say(Way::Down, Word::Fin);
    }

    pub(crate) fn say(&mut self, way: Way, word: Word) {
        let direction = self.direction_mut(way);
        if !direction.cut {
            direction.words.push(word);
        }
    }

    /// The next word arrives.
    pub(crate) fn take(&mut self, way: Way) -> Word {
        self.direction_mut(way).words.remove(0)
    }

    /// Silent from now on, and what is under way is lost.
    pub(crate) fn sever(&mut self, way: Way) {
        *self.direction_mut(way) = Direction { words: Vec::new(), cut: true };
    }

    const fn direction(&self, way: Way) -> &Direction {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }

    const fn direction_mut(&mut self, way: Way) -> &mut Direction {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

impl Word {
    /// As the specification has it, which does not say why somebody is turned away.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Accept => "accept",
            Self::Reject(_) => "reject",
            Self::Ping => "ping",
            Self::Echo => "echo",
            Self::Preface => "preface",
            Self::Goaway => "goaway",
            Self::Fin => "fin",
        }
    }
}
