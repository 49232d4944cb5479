//! Where both ends of every line stand, in the words of the specification.

use crate::system::System;

/// The stages at both ends of each line, as the specification calls them; `none` where nobody knows it.
pub(crate) struct Stages {
    pub(crate) here: Vec<&'static str>,
    pub(crate) there: Vec<&'static str>,
    /// The backoff that each initiator has with its host.
    pub(crate) backoff: [&'static str; 2],
    pub(crate) drains: [&'static str; 2],
    pub(crate) responder_drains: &'static str,
}

pub(crate) const UP: [&str; 4] = ["unproven", "proven", "http1", "http2"];
pub(crate) const STAYING: [&str; 4] = ["settling", "resting", "awaiting", "inuse"];
const DRAINING: [&str; 3] = ["retiring", "draining", "parting"];

pub(crate) fn is_member(stage: &str) -> bool {
    STAYING.contains(&stage) || DRAINING.contains(&stage)
}

impl Stages {
    pub(crate) fn of(system: &System) -> Self {
        let mut stages = Self {
            here: vec!["none"; system.lines.len()],
            there: vec!["none"; system.lines.len()],
            backoff: ["none"; 2],
            drains: ["no"; 2],
            responder_drains: "no",
        };
        for (party, machine) in system.initiators() {
            let spec_state = machine.spec_state();
            for tunnel in &spec_state.tunnels {
                stages.here[system.line_here(party, tunnel.id)] = tunnel.stage;
            }
            stages.backoff[party as usize] = spec_state.hosts.first().map_or("none", |(.., backoff)| backoff);
            stages.drains[party as usize] = spec_state.drain;
        }
        let spec_state = system.responder.spec_state();
        for tunnel in &spec_state.tunnels {
            stages.there[system.line_there(tunnel.id)] = tunnel.stage;
        }
        stages.responder_drains = spec_state.drain;
        stages
    }
}
