//! Envoys at either end: requests are served through them and by them, and what they say is what was measured.

use revtun_sim::history::{Event, RequestOutcome};
use revtun_sim::net::HostId;
use revtun_sim::plan::{Overrides, Plan};
use revtun_sim::scenario::Scenario;
use revtun_sim::world::{self, Outcome};

fn quiet(seed: u64) -> Plan {
    let mut plan = Scenario::find("envoy-responder").expect("it is there").plan(seed, &Overrides::default());
    plan.faults.clear();
    plan
}

/// How many of the requests were served, in thousandths.
fn served(outcome: &Outcome) -> usize {
    let count = |is: fn(&Event) -> bool| outcome.events.iter().filter(|(_, event)| is(event)).count();
    let served =
        count(|event| matches!(event, Event::RequestEnded { outcome: RequestOutcome::Served { exact: true, .. }, .. }));
    1000 * served / count(|event| matches!(event, Event::RequestSent(_)))
}

#[test]
fn where_nothing_goes_wrong_envoys_at_any_end_serve_every_request() {
    let responders = [HostId::Responder(0), HostId::Responder(1)];
    let initiators = [HostId::Initiator(0), HostId::Initiator(1)];
    for envoys in [&responders[..], &initiators[..], &[HostId::Responder(0), HostId::Initiator(1)]] {
        for tls in [false, true] {
            let mut plan = quiet(1);
            plan.envoys = envoys.iter().copied().collect();
            plan.tls = tls;
            let outcome = world::play(&plan, None);
            assert_eq!(outcome.failure, None, "{envoys:?}");
            assert_eq!(served(&outcome), 1000, "{envoys:?}");
        }
    }
}

#[test]
fn envoys_are_as_much_the_seeds_as_everything_else() {
    for name in ["envoy-responder", "envoy-initiator"] {
        let scenario = Scenario::find(name).expect("it is there");
        let play = || scenario.play(3, &Overrides::default(), None);
        assert_eq!(play(), play(), "{name}");
    }
}
