//! How runs are written down and replayed.
//!
//! A journal has one line a step. A machine is deterministic, so the lines of a run *are* the run:
//!
//! ```text
//! text   at=1500000000 dice=42 Answered tunnel=0.1 answer=Accepted revtun=true -> Deliver tunnel=0.1
//! TLA+   [a |-> "Answered", tunnel |-> <<"0", 1>>, answer |-> "Accepted", revtun |-> TRUE,
//!         effects |-> <<[a |-> "Deliver", tunnel |-> <<"0", 1>>]>>, stages |-> {<<"0", "Idle">>}]     (on one line)
//! ```
//!
//! The text form loses nothing and is read back by [`Line::parse`]; [`replay`] takes the same steps again and finds
//! the first line that is not what the machine does. Behind a [`Header`], which says what the machine was, it is a
//! journal. The TLA+ form leaves out time, which the specification does not have, and names a `Tick` by the timer that
//! it fired. The words of both are in one table for each type.

mod header;
mod replay;
mod sentence;
mod vocabulary;

pub use header::{CUT_SHORT, Header};
pub use replay::{Fault, FaultKind, replay, retake};
pub use sentence::{Sentence, Value};
pub use vocabulary::Journaled;

use alloc::vec::Vec;
use core::fmt;

use self::sentence::Tokens;
use crate::{Effects, Env, Instant};

/// One step: what came in and what went out. Owns its text, so that it can lend an event that borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    env: Env,
    event: Sentence,
    effects: Vec<Sentence>,
}

impl Line {
    /// Takes the step, and says what happened beside what is to be done.
    pub fn step<M: Journaled>(machine: &mut M, env: Env, event: M::Event<'_>) -> (Self, Effects<M::Effect>) {
        let mut told = M::tell_event(event);
        if told == M::tell_event(M::TICK)
            && machine.deadline().is_some_and(|deadline| deadline <= env.now)
            && let Some(timer) = machine.tell_timer()
        {
            told.add("timer", timer);
        }
        let effects = machine.step(env, event);
        (Self { env, event: told, effects: effects.iter().map(M::tell_effect).collect() }, effects)
    }

    /// Reads a line of the text form.
    ///
    /// # Errors
    /// If it is not `at=… dice=… Event … -> Effect … + Effect …`. Whether its words are known is asked later, by
    /// [`event`](Self::event) and [`effects`](Self::effects).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut tokens = Tokens::new(text);
        let now = Instant::from_nanos(tokens.number("at")?);
        let env = Env { now, dice: tokens.number("dice")? };
        let event = tokens.sentence()?;
        let mut effects = Vec::new();
        while tokens.conjunction(if effects.is_empty() { "->" } else { "+" })? {
            effects.push(tokens.sentence()?);
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
        M::hear_event(&self.event)
    }

    /// What was to be done; none if something is no effect of this machine.
    #[must_use]
    pub fn effects<M: Journaled>(&self) -> Option<Vec<M::Effect>> {
        self.effects.iter().map(M::hear_effect).collect()
    }

    /// The TLA+ form. `machine` is in the state after the step.
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

/// The text form.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at={} dice={} {}", self.env.now.as_nanos(), self.env.dice, self.event)?;
        for (index, effect) in self.effects.iter().enumerate() {
            write!(f, " {} {effect}", if index == 0 { "->" } else { "+" })?;
        }
        Ok(())
    }
}

/// Which form a journal is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
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
    form: Form,
    written: fmt::Result,
}

impl<W: fmt::Write> Recorder<W> {
    /// Writes lines of `form` to `to`.
    pub const fn new(to: W, form: Form) -> Self {
        Self { to, form, written: Ok(()) }
    }

    /// Takes the step, writes its line and hands on its effects.
    pub fn step<M: Journaled>(&mut self, machine: &mut M, env: Env, event: M::Event<'_>) -> Effects<M::Effect> {
        let (line, effects) = Line::step(machine, env, event);
        if self.written.is_ok() {
            self.written = match self.form {
                Form::Text => writeln!(self.to, "{line}"),
                Form::Tla => writeln!(self.to, "{}", line.tla(machine)),
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

/// What a line of the text form should have had and has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl core::error::Error for Malformed {}
