//! What must hold, one property a file. An oracle sees facts alone: whatever made them, the same facts give the same verdict.

#![expect(clippy::wildcard_enum_match_arm, reason = "each of them looks at few kinds of facts")]

mod body;
mod calm;
mod caps;
mod drain;
mod gauges;
mod ghosts;
mod half_open;
mod handshake_ends;
mod herd;
mod isolation;
mod leak;
mod livelock;
mod memory;
mod panic;
mod recent;
mod replace;
mod silent_loss;
mod target_bound;
mod target_reached;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::history::Fact;
use crate::net::Place;
use crate::plan::Plan;

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name, as in the specification.
    pub property: &'static str,
    /// What was seen instead.
    pub seen: String,
    /// When.
    pub at: Duration,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold at {:.3} s: {}", self.property, self.at.as_secs_f64(), self.seen)
    }
}

/// One property.
trait Oracle {
    /// Its name.
    fn property(&self) -> &'static str;

    /// Something happened.
    ///
    /// # Errors
    /// If the property does not hold: what was seen.
    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String>;

    /// Nothing more happens.
    ///
    /// # Errors
    /// If the property does not hold: what was seen.
    fn end(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// A process holds so many bytes of memory by now.
    ///
    /// # Errors
    /// If the property does not hold: what was seen.
    fn weigh(&mut self, _at: Duration, _place: Place, _bytes: usize) -> Result<(), String> {
        Ok(())
    }

    /// What it measured, for people: what, and how much.
    fn measure(&self) -> Option<(&'static str, f64)> {
        None
    }

    /// Time passes. For properties with a bound.
    ///
    /// # Errors
    /// If the property does not hold: what was seen.
    fn pass(&mut self, _now: Duration) -> Result<(), String> {
        Ok(())
    }
}

/// Every oracle.
pub(crate) struct Panel {
    oracles: Vec<Box<dyn Oracle>>,
    seen: usize,
}

impl Panel {
    /// For what `plan` brings.
    pub(crate) fn of(plan: &Plan) -> Self {
        let oracles: Vec<Box<dyn Oracle>> = vec![
            Box::new(panic::NoPanic),
            Box::new(silent_loss::NoSilentLoss::of(plan)),
            Box::new(body::ByteExactHandover),
            Box::new(isolation::TenantIsolation::default()),
            Box::new(target_bound::TargetBound::of(plan)),
            Box::new(target_reached::TargetReached::of(plan)),
            Box::new(caps::CapExact::of(plan)),
            Box::new(gauges::GaugesAgree),
            Box::new(half_open::HalfOpenReaped::of(plan)),
            Box::new(handshake_ends::HandshakeEnds::of(plan)),
            Box::new(drain::DrainEnds::default()),
            Box::new(replace::ReplaceBeforeClose::of(plan)),
            Box::new(ghosts::SupersededGetNoWork::of(plan)),
            Box::new(leak::NothingLeft),
            Box::new(memory::BoundedMemory::of(plan)),
            Box::new(calm::NothingLostInCalm::of(plan)),
            Box::new(herd::HerdBounded::of(plan)),
            Box::new(livelock::NoLivelock::of(plan)),
        ];
        Self { oracles, seen: 0 }
    }

    /// Takes what is new among `facts`.
    pub(crate) fn see(&mut self, facts: &[(Duration, Fact)]) -> Option<Failure> {
        let now = crate::clock::now();
        let fresh = &facts[self.seen..];
        self.seen = facts.len();
        for oracle in &mut self.oracles {
            let property = oracle.property();
            for (at, fact) in fresh {
                if let Err(seen) = oracle.see(*at, fact) {
                    return Some(Failure { property, seen, at: *at });
                }
            }
            if let Err(seen) = oracle.pass(now) {
                return Some(Failure { property, seen, at: now });
            }
        }
        None
    }

    /// Takes what processes hold now, as far as it changed.
    pub(crate) fn weigh(&mut self, held: &[(Place, usize)]) -> Option<Failure> {
        let at = crate::clock::now();
        held.iter().find_map(|(place, bytes)| {
            self.oracles.iter_mut().find_map(|oracle| {
                let property = oracle.property();
                oracle.weigh(at, *place, *bytes).err().map(|seen| Failure { property, seen, at })
            })
        })
    }

    /// What was measured.
    pub(crate) fn measures(&self) -> BTreeMap<&'static str, f64> {
        self.oracles.iter().filter_map(|oracle| oracle.measure()).collect()
    }

    /// Nothing more comes.
    pub(crate) fn end(&mut self, at: Duration) -> Option<Failure> {
        self.oracles.iter_mut().find_map(|oracle| {
            let property = oracle.property();
            oracle.end().err().map(|seen| Failure { property, seen, at })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Question;

    /// A small request, for tests of oracles.
    pub(super) fn question(request: u64) -> Question {
        Question { request, via: 0, node: Some(0), tenant: 0, up: None, down: 0, takes: Duration::ZERO, stalls: false }
    }
}
