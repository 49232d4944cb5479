//! Recording the steps of a machine, and replaying them.
//!
//! A journal has one line a step. A machine is deterministic, so the lines of a run *are* the run:
//!
//! ```text
//! text   at=1500000000 dice=42 Answered tunnel=0.1 answer=Accepted revtun=true -> Deliver tunnel=0.1
//! TLA+   [a |-> "Answered", tunnel |-> <<"0", 1>>, answer |-> "Accepted", revtun |-> TRUE,
//!         effects |-> <<[a |-> "Deliver", tunnel |-> <<"0", 1>>]>>, stages |-> {<<"0", "Idle">>}]     (on one line)
//! ```
//!
//! The text format loses nothing and is read back by [`Line::parse`]; [`replay`] takes the same steps again and finds
//! the first line that is not what the machine does. A journal file begins with a [`Header`], which names the machine
//! and its settings. The TLA+ format leaves out time, which the specification does not have, and names a `Tick` by the
//! timer that it fired. What a record holds is declared once for each type.

mod codec;
mod header;
mod record;
mod replay;

pub use codec::Journaled;
pub use header::{Header, TRUNCATED};
pub use record::{Record, Value};
pub use replay::{ReplayError, ReplayErrorKind, replay, replay_line};

use alloc::vec::Vec;
use core::fmt;

use self::record::Tokens;
use crate::{Effects, Env, Instant};

/// One step: its event and its effects. Owns its text, so that events can borrow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    env: Env,
    event: Record,
    effects: Vec<Record>,
}

impl Line {
    /// Takes the step; returns its line beside its effects.
    pub fn step<M: Journaled>(machine: &mut M, env: Env, event: M::Event<'_>) -> (Self, Effects<M::Effect>) {
        let mut event_record = M::encode_event(event);
        if event_record == M::encode_event(M::TICK)
            && machine.deadline().is_some_and(|deadline| deadline <= env.now)
            && let Some(timer) = machine.encode_timer()
        {
            event_record.add("timer", timer);
        }
        let effects = machine.step(env, event);
        (Self { env, event: event_record, effects: effects.iter().map(M::encode_effect).collect() }, effects)
    }

    /// Reads a line of the text format.
    ///
    /// # Errors
    /// If it is not `at=… dice=… Event … -> Effect … + Effect …`. Whether its names are known is asked later, by
    /// [`event`](Self::event) and [`effects`](Self::effects).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut tokens = Tokens::new(text);
        let now = Instant::from_nanos(tokens.number("at")?);
        let env = Env { now, dice: tokens.number("dice")? };
        let event = tokens.record()?;
        let mut effects = Vec::new();
        while tokens.separator(if effects.is_empty() { "->" } else { "+" })? {
            effects.push(tokens.record()?);
        }
        Ok(Self { env, event, effects })
    }

    /// When the step was taken, and with which throw.
    #[must_use]
    pub const fn env(&self) -> Env {
        self.env
    }

    /// What happened; none if it is no event of this machine.
    #[must_use]
    pub fn event<M: Journaled>(&self) -> Option<M::Event<'_>> {
        M::decode_event(&self.event)
    }

    /// What was to be done; none if something is no effect of this machine.
    #[must_use]
    pub fn effects<M: Journaled>(&self) -> Option<Vec<M::Effect>> {
        self.effects.iter().map(M::decode_effect).collect()
    }

    /// The TLA+ format. `machine` is in the state after the step.
    pub fn tla<'a, M: Journaled>(&'a self, machine: &'a M) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            // A tick is named by the timer that it fired; one that fired nothing is a step of nobody's.
            self.event.as_action().write_tla_fields(f)?;
            f.write_str(", effects |-> <<")?;
            for (index, effect) in self.effects.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                effect.write_tla_fields(f)?;
                f.write_str("]")?;
            }
            f.write_str(">>, stages |-> {")?;
            for (index, (slot, stage)) in machine.stages().into_iter().enumerate() {
                write!(f, "{}<<\"{slot}\", \"{stage}\">>", if index == 0 { "" } else { ", " })?;
            }
            f.write_str("}]")
        })
    }
}

/// The text format.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at={} dice={} {}", self.env.now.as_nanos(), self.env.dice, self.event)?;
        for (index, effect) in self.effects.iter().enumerate() {
            write!(f, " {} {effect}", if index == 0 { "->" } else { "+" })?;
        }
        Ok(())
    }
}

/// Which format a journal is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people and for [`replay`].
    Text,
    /// For the trace validation of the specification.
    Tla,
}

/// Takes steps for somebody and writes each down.
///
/// A journal that cannot be written any more must not stop a machine: the steps go on, and [`finish`](Self::finish)
/// says that lines are missing.
#[derive(Clone, Debug)]
pub struct Recorder<W> {
    to: W,
    format: Format,
    written: fmt::Result,
}

impl<W: fmt::Write> Recorder<W> {
    /// Writes lines of `format` to `to`.
    pub const fn new(to: W, format: Format) -> Self {
        Self { to, format, written: Ok(()) }
    }

    /// Takes the step, writes its line and hands on its effects.
    pub fn step<M: Journaled>(&mut self, machine: &mut M, env: Env, event: M::Event<'_>) -> Effects<M::Effect> {
        let (line, effects) = Line::step(machine, env, event);
        if self.written.is_ok() {
            self.written = match self.format {
                Format::Text => writeln!(self.to, "{line}"),
                Format::Tla => writeln!(self.to, "{}", line.tla(machine)),
            };
        }
        effects
    }

    /// What was written.
    ///
    /// # Errors
    /// If the last lines are missing because one could not be written.
    pub fn finish(self) -> Result<W, fmt::Error> {
        self.written.map(|()| self.to)
    }
}

/// Why a line of the text format cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl core::error::Error for ParseError {}
