//! Worlds of the initiator: one upstream whose hosts and network do what `spec/Initiator.tla` lets them.

use std::collections::BTreeMap;

use revtun_core::handshake::Answer;
use revtun_core::initiator::{Cause, Config, Event, HostId, Initiator, Protocol, SpecState, SpecTunnel, Timer};

use crate::fingerprint::fingerprint;
use crate::graph::{Step, World};
use crate::schedule::initiator::{Schedule, armed, at_rest};
use crate::schedule::{LATER, Scheduled};
use crate::value::Value;

/// The constants of a configuration.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) hosts: u32,
    pub(crate) max_count: u16,
    pub(crate) changes: u8,
    pub(crate) faults: u8,
}

/// A machine at rest, where nothing is due and nothing was long ago, and how much was done to it.
#[derive(Clone)]
pub(crate) struct Upstream {
    machine: Initiator,
    bounds: Bounds,
    changes: u8,
    faults: u8,
}

/// What an event uses up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cost {
    Free,
    Change,
    Fault,
}

impl Upstream {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let machine = Initiator::new(Config { max_draining: bounds.max_count, ..Config::default() });
        Self { machine, bounds, changes: 0, faults: 0 }
    }

    fn budget(&self, cost: Cost) -> Option<Self> {
        let mut next = self.clone();
        match cost {
            Cost::Free => {}
            Cost::Change => next.changes += 1,
            Cost::Fault => next.faults += 1,
        }
        (next.changes <= self.bounds.changes && next.faults <= self.bounds.faults).then_some(next)
    }

    /// The step that `event` makes on `schedule`; none if it is stale or the world has done its harm.
    fn step(&self, cost: Cost, schedule: Schedule, event: Event) -> Option<Step<Self>> {
        let mut next = self.budget(cost)?;
        let told = schedule.name(&self.machine, event);
        let (machine, _effects) = schedule.step(&self.machine, event);
        if machine.stale() > 0 {
            assert_eq!(machine.spec_state(), self.machine.spec_state(), "a stale event changes nothing: {told}");
            return None;
        }
        next.machine = at_rest(&machine);
        Some(Step { told: Scheduled(told, schedule), next })
    }

    /// What an operator does.
    fn orders(&self, spec_state: &SpecState) -> Vec<Step<Self>> {
        let mut steps = Vec::new();
        for host in (0..self.bounds.hosts).map(HostId) {
            let target = spec_state.hosts.iter().find(|(id, ..)| *id == host).map_or(0, |(_, target, _)| *target);
            for count in (0..=self.bounds.max_count).filter(|count| *count != target) {
                steps.extend(self.step(Cost::Change, Schedule::default(), Event::TargetSet { host, count }));
            }
        }
        steps.extend(self.step(Cost::Free, Schedule::default(), Event::DrainRequested { grace: LATER }));
        steps
    }
}

impl World for Upstream {
    type Told = Scheduled<Schedule>;

    fn fingerprint(&self) -> u128 {
        fingerprint(&(&self.machine, self.changes, self.faults))
    }

    fn view(&self) -> String {
        let SpecState { tunnels, hosts, drain } = self.machine.spec_state();
        let tunnels = tunnels.iter().map(|it| tunnel(&host_name(it.host), it.stage, it.revtun)).collect();
        let hosts = hosts.iter().map(|(id, target, backoff)| (host_name(*id), target.to_string(), *backoff)).collect();
        tell(tunnels, hosts, drain, &self.changes.to_string(), &self.faults.to_string())
    }

    fn steps(&self) -> Vec<Step<Self>> {
        let spec_state = self.machine.spec_state();
        let mut steps = self.orders(&spec_state);
        for tunnel in &spec_state.tunnels {
            for (event, cost) in news(tunnel) {
                for schedule in Schedule::of_news() {
                    steps.extend(self.step(cost, schedule, event));
                }
            }
        }
        for timer in armed(&self.machine) {
            let cost = match timer {
                Timer::ConnectTimeout(_) | Timer::HandshakeTimeout(_) | Timer::Silence(_) => Cost::Fault,
                Timer::Dial(_) | Timer::Shed(_) | Timer::Grace(_) | Timer::DrainEnd => Cost::Free,
            };
            for schedule in Schedule::of_timer(timer, spec_state.tunnels.iter().map(|tunnel| tunnel.id)) {
                steps.extend(self.step(cost, schedule, Event::Tick));
            }
        }
        steps
    }
}

/// Everything that can be heard of a tunnel, most of it stale in most stages.
fn news(tunnel: &SpecTunnel) -> Vec<(Event, Cost)> {
    let SpecTunnel { id: tunnel, stage, .. } = *tunnel;
    let answer = |answer| Event::Answered { tunnel, answer };
    let end = if stage == "draining" { Cost::Free } else { Cost::Fault };
    vec![
        (Event::Connected { tunnel }, Cost::Free),
        (answer(Answer::Accepted { revtun: false }), Cost::Free),
        (answer(Answer::Accepted { revtun: true }), Cost::Free),
        (answer(Answer::Refused { status: 503, retry_after: None }), Cost::Fault),
        (answer(Answer::Refused { status: 403, retry_after: Some(LATER) }), Cost::Fault),
        (answer(Answer::Malformed), Cost::Fault),
        (Event::Heard { tunnel }, Cost::Free),
        (Event::Used { tunnel, protocol: Protocol::Http1 }, Cost::Free),
        (Event::Used { tunnel, protocol: Protocol::Http2 }, Cost::Free),
        (Event::Closed { tunnel, cause: Cause::Refused }, end),
        (Event::Closed { tunnel, cause: Cause::Lost }, end),
        (Event::GoawayReceived { tunnel }, Cost::Fault),
    ]
}

/// A state of the module as text, the same for the same state of the machine.
pub(crate) fn view(state: &BTreeMap<String, Value>) -> String {
    let m = &state["m"];
    let tunnels = m.of("stage").map().iter().filter(|(_, stage)| stage.word() != "none");
    let tunnels = tunnels.map(|(id, stage)| {
        let host = &m.of("host").map()[id];
        tunnel(host.word(), stage.word(), m.of("revtun").contains(id))
    });
    let hosts = m.of("target").map().iter().map(|(host, target)| {
        let backoff = &m.of("backoff").map()[host];
        (host.word().to_owned(), target.word().to_owned(), backoff.word())
    });
    let drain = m.of("drain").word();
    tell(tunnels.collect(), hosts.collect(), drain, state["changes"].word(), state["faults"].word())
}

fn tunnel(host: &str, stage: &str, revtun: bool) -> String {
    format!("{host} {stage}{}", if revtun { " revtun" } else { "" })
}

fn tell(
    mut tunnels: Vec<String>,
    hosts: Vec<(String, String, &str)>,
    drain: &str,
    changes: &str,
    faults: &str,
) -> String {
    tunnels.sort();
    let hosts = hosts.iter().filter(|(_, target, backoff)| (target.as_str(), *backoff) != ("0", "none"));
    let hosts: Vec<_> = hosts.map(|(host, target, backoff)| format!("{host}={target} {backoff}")).collect();
    format!("{} | {} | drain {drain} | {changes} {faults}", hosts.join(", "), tunnels.join(", "))
}

fn host_name(host: HostId) -> String {
    format!("h{}", host.0 + 1)
}
