//! Envoys at either end: requests are served through them and by them, and what they say is what was measured.

use revtun_sim::history::{Answer, Fact};
use revtun_sim::net::Place;
use revtun_sim::plan::{Cuts, Plan};
use revtun_sim::region::{self, Outcome};
use revtun_sim::scenario::Scenario;

fn quiet(seed: u64) -> Plan {
    let mut plan = Scenario::find("envoy-cloud").expect("it is there").plan(seed, &Cuts::default());
    plan.faults.clear();
    plan
}

/// How many of the requests were served, in thousandths.
fn served(outcome: &Outcome) -> usize {
    let count = |is: fn(&Fact) -> bool| outcome.facts.iter().filter(|(_, fact)| is(fact)).count();
    let served = count(|fact| matches!(fact, Fact::Answered { answer: Answer::Served { exact: true, .. }, .. }));
    1000 * served / count(|fact| matches!(fact, Fact::Asked(_)))
}

#[test]
fn where_nothing_goes_wrong_envoys_at_any_end_serve_every_request() {
    let responders = [Place::Responder(0), Place::Responder(1)];
    let initiators = [Place::Initiator(0), Place::Initiator(1)];
    for envoys in [&responders[..], &initiators[..], &[Place::Responder(0), Place::Initiator(1)]] {
        for tls in [false, true] {
            let mut plan = quiet(1);
            plan.envoys = envoys.iter().copied().collect();
            plan.tls = tls;
            let outcome = region::play(&plan, None);
            assert_eq!(outcome.failure, None, "{envoys:?}");
            assert_eq!(served(&outcome), 1000, "{envoys:?}");
        }
    }
}

#[test]
fn envoys_are_as_much_the_seeds_as_everything_else() {
    for name in ["envoy-cloud", "envoy-edge"] {
        let scenario = Scenario::find(name).expect("it is there");
        let play = || scenario.play(3, &Cuts::default(), None);
        assert_eq!(play(), play(), "{name}");
    }
}
