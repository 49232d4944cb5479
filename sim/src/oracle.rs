//! What must hold, one property a file. An oracle sees only events: the same events give the same verdict.

#![expect(clippy::wildcard_enum_match_arm, reason = "each of them looks at few kinds of events")]

mod body_integrity;
mod caps;
mod dial_rate;
mod drain;
mod fault_free;
mod fencing;
mod gauges;
mod half_open;
mod handshake_ends;
mod isolation;
mod livelock;
mod make_before_break;
mod memory;
mod names;
mod panic;
mod property;
mod rate_window;
mod resource_leak;
mod silent_loss;
mod target_bound;
mod target_reached;

pub use self::property::Failure;

use std::collections::BTreeMap;
use std::time::Duration;

use self::property::Oracle;
use crate::history::Event;
use crate::net::HostId;
use crate::plan::Plan;

/// Every oracle.
pub(crate) struct Oracles {
    oracles: Vec<Box<dyn Oracle>>,
    observed: usize,
}

impl Oracles {
    /// For what `plan` brings.
    pub(crate) fn of(plan: &Plan) -> Self {
        let oracles: Vec<Box<dyn Oracle>> = vec![
            Box::new(panic::NoPanic),
            Box::new(silent_loss::NoSilentLoss::of(plan)),
            Box::new(body_integrity::ByteExactHandover),
            Box::new(isolation::TenantIsolation::default()),
            Box::new(target_bound::TargetBound::of(plan)),
            Box::new(target_reached::TargetReached::of(plan)),
            Box::new(caps::CapExact::of(plan)),
            Box::new(gauges::GaugesAgree),
            Box::new(half_open::HalfOpenReaped::of(plan)),
            Box::new(handshake_ends::HandshakeEnds::of(plan)),
            Box::new(drain::DrainEnds::default()),
            Box::new(make_before_break::MakeBeforeBreak::of(plan)),
            Box::new(names::NamesDrainNothing::of(plan)),
            Box::new(fencing::SupersededGetNoWork::of(plan)),
            Box::new(resource_leak::NoResourceLeak),
            Box::new(memory::BoundedMemory::of(plan)),
            Box::new(fault_free::NoLossWithoutFaults::of(plan)),
            Box::new(dial_rate::DialRateBounded::of(plan)),
            Box::new(livelock::NoLivelock::of(plan)),
        ];
        Self { oracles, observed: 0 }
    }

    /// Checks the new ones of `events`.
    pub(crate) fn observe(&mut self, events: &[(Duration, Event)]) -> Option<Failure> {
        let now = crate::clock::now();
        let fresh = &events[self.observed..];
        self.observed = events.len();
        for oracle in &mut self.oracles {
            let property = oracle.property();
            for (at, event) in fresh {
                if let Err(observed) = oracle.observe(*at, event) {
                    return Some(Failure { property, observed, at: *at });
                }
            }
            if let Err(observed) = oracle.advance(now) {
                return Some(Failure { property, observed, at: now });
            }
        }
        None
    }

    /// Checks changes of memory.
    pub(crate) fn observe_memory(&mut self, held: &[(HostId, usize)]) -> Option<Failure> {
        let at = crate::clock::now();
        held.iter().find_map(|(host, bytes)| {
            self.oracles.iter_mut().find_map(|oracle| {
                let property = oracle.property();
                oracle.observe_memory(at, *host, *bytes).err().map(|observed| Failure { property, observed, at })
            })
        })
    }

    /// All measurements.
    pub(crate) fn measures(&self) -> BTreeMap<&'static str, f64> {
        self.oracles.iter().filter_map(|oracle| oracle.measure()).collect()
    }

    /// The simulation is over at `at`.
    pub(crate) fn end(&mut self, at: Duration) -> Option<Failure> {
        self.oracles.iter_mut().find_map(|oracle| {
            let property = oracle.property();
            oracle.end().err().map(|observed| Failure { property, observed, at })
        })
    }
}
