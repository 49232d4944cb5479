//! The main world: a few seeds of every scenario hold, equal seeds give equal runs to the byte, and a broken world is noticed.

use std::time::Duration;

use revtun_sim::faults::{Death, Fault};
use revtun_sim::history::{Answer, Fact};
use revtun_sim::net::Place;
use revtun_sim::plan::{Cuts, Plan};
use revtun_sim::region::{self, Outcome};
use revtun_sim::scenario::{SCENARIOS, Scenario};

fn swarm() -> Scenario {
    Scenario::find("swarm").expect("it is there")
}

#[test]
fn every_scenario_holds() {
    for scenario in SCENARIOS {
        for seed in 1_000..1_002 {
            let outcome = scenario.play(seed, &Cuts::default(), None);
            let replay = format!("revtun-sim replay {seed} --scenario {}", scenario.name);
            assert_eq!(outcome.failure, None, "{replay}");
            assert!(outcome.toll.sent > 1_000, "{replay}: something went over the network");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 8] {
        let (once, again) = (swarm().play(seed, &Cuts::default(), None), swarm().play(seed, &Cuts::default(), None));
        assert_eq!(once.facts, again.facts, "seed {seed}");
        assert_eq!(once, again, "seed {seed}: the same facts, but other packets or moments");
    }
}

#[test]
fn another_seed_gives_another_run() {
    let quiet = Scenario::find("quiet").expect("it is there");
    let packets = |seed| quiet.play(seed, &Cuts::default(), None).packets;
    assert_ne!(packets(1), packets(2));
}

fn served(outcome: &Outcome) -> usize {
    let served = |fact: &Fact| matches!(fact, Fact::Answered { answer: Answer::Served { exact: true, .. }, .. });
    outcome.facts.iter().filter(|(_, fact)| served(fact)).count()
}

#[test]
fn a_quiet_world_answers_every_request() {
    let quiet = Scenario::find("quiet").expect("it is there");
    let mut plan = quiet.plan(1, &Cuts::default());
    plan.responder.max_streams = 100;
    let outcome = region::play(&plan, None);
    let asked = outcome.facts.iter().filter(|(_, fact)| matches!(fact, Fact::Asked(_))).count();
    assert_eq!(outcome.failure, None);
    assert!(asked > 10 && served(&outcome) > asked * 9 / 10, "{} of {asked} served", served(&outcome));
}

/// The canary: a world whose tunnels come later than they should has to be noticed.
#[test]
fn a_world_that_does_not_heal_in_time_is_noticed() {
    let mut plan: Plan = Scenario::find("quiet").expect("it is there").plan(4, &Cuts::default());
    let down = Duration::from_secs(1);
    plan.faults
        .push((Duration::from_secs(6), Fault::Crash { place: Place::Responder(0), how: Death::PowerLoss, down }));
    plan.times.heal = Duration::from_millis(6_500);
    plan.times.whole = plan.times.heal;
    let failure = region::play(&plan, None).failure.expect("nobody can be back that soon");
    assert_eq!(failure.property, "TargetReached");
}
