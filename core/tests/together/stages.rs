//! Where both ends of every line stand, in the words of the specification.

use crate::system::System;

/// The stages at both ends of each line, as the specification calls them; `none` where nobody knows it.
pub(crate) struct Stages {
    pub(crate) here: Vec<&'static str>,
    pub(crate) there: Vec<&'static str>,
    /// The trouble that each initiator has with its host.
    pub(crate) trouble: [&'static str; 2],
    pub(crate) drains: [&'static str; 2],
    pub(crate) responder_drains: &'static str,
}

pub(crate) const UP: [&str; 4] = ["unproven", "proven", "http1", "http2"];
pub(crate) const STAYING: [&str; 4] = ["settling", "resting", "awaiting", "inuse"];
const LEAVING: [&str; 3] = ["retiring", "draining", "parting"];

pub(crate) fn is_member(stage: &str) -> bool {
    STAYING.contains(&stage) || LEAVING.contains(&stage)
}

impl Stages {
    pub(crate) fn of(system: &System) -> Self {
        let mut stages = Self {
            here: vec!["none"; system.lines.len()],
            there: vec!["none"; system.lines.len()],
            trouble: ["none"; 2],
            drains: ["no"; 2],
            responder_drains: "no",
        };
        for (party, machine) in system.initiators() {
            let sketch = machine.sketch();
            for tunnel in &sketch.tunnels {
                stages.here[system.line_here(party, tunnel.id)] = tunnel.stage;
            }
            stages.trouble[party as usize] = sketch.hosts.first().map_or("none", |(.., trouble)| trouble);
            stages.drains[party as usize] = sketch.drain;
        }
        let sketch = system.responder.sketch();
        for tunnel in &sketch.tunnels {
            stages.there[system.line_there(tunnel.id)] = tunnel.stage;
        }
        stages.responder_drains = sketch.drain;
        stages
    }
}
