//! Coarse models that see what a machine is told and what it asks for, and nothing of its inside: counts and sets.

pub(crate) mod initiator;
pub(crate) mod responder;

use std::collections::BTreeMap;

use revtun_core::journal::{Journaled, Value};
use revtun_core::{Env, Instant};

/// An independent view of a machine, fed with every step.
pub(crate) trait Model<M: Journaled> {
    /// Asserts that the effects are right answers to the event.
    fn see(&mut self, env: Env, event: M::Event<'static>, effects: &[M::Effect]);

    /// Asserts what must be true when nothing happened since `since`.
    fn settled(&self, since: Instant, now: Instant);
}

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Tally {
    /// How many runs.
    pub(crate) runs: u32,
    /// How often each effect, with each reason.
    effects: BTreeMap<String, u32>,
}

impl Tally {
    pub(crate) fn count<M: Journaled>(&mut self, effects: &[M::Effect]) {
        for effect in effects {
            let record = M::encode_effect(*effect);
            let reasons = ["reason", "rejection", "refusal"].iter().filter_map(|name| record.get(name));
            let reason = reasons.map(|value| match value {
                Value::Symbol(symbol) => format!(" {symbol}"),
                Value::Number(_) | Value::Id(..) | Value::Text(_) => unreachable!("a reason is a symbol"),
            });
            *self.effects.entry(record.tag().to_owned() + &reason.collect::<String>()).or_default() += 1;
        }
    }

    /// Asserts that each of `expected` was seen at least so often, and nothing else at all.
    pub(crate) fn reaches(&self, floor: u32, expected: &[String]) {
        for name in self.effects.keys() {
            assert!(expected.contains(name), "{name} has no floor");
        }
        self.has(floor, expected);
    }

    /// Asserts that each of `expected` was seen at least so often.
    pub(crate) fn has(&self, floor: u32, expected: &[String]) {
        for name in expected {
            let seen = self.effects.get(name).copied().unwrap_or(0);
            assert!(seen >= floor, "{name} was seen {seen} times only: the walk has gone blind\n{:#?}", self.effects);
        }
    }
}
