//! A few seeds of every scenario hold, equal seeds give equal runs to the byte, and a broken world is noticed. If the
//! environment names a folder `REVTUN_JOURNALS`, the machines of some scenarios write their journals to files there.

use std::env;
use std::path::Path;
use std::time::Duration;

use revtun_sim::faults::{CrashKind, Fault};
use revtun_sim::history::{Event, RequestOutcome};
use revtun_sim::journals::Journals;
use revtun_sim::net::HostId;
use revtun_sim::plan::{Overrides, Plan};
use revtun_sim::scenario::{SCENARIOS, Scenario};
use revtun_sim::world::{self, Outcome};

fn swarm() -> Scenario {
    Scenario::find("swarm").expect("it is there")
}

/// Scenarios of which every machine's journal is small enough for a model checker.
const RECORDED: [&str; 5] = ["quiet", "restart", "blackhole", "drain", "fencing"];

#[test]
fn every_scenario_holds() {
    let folder = env::var_os("REVTUN_JOURNALS");
    for scenario in SCENARIOS {
        for seed in 1_000..1_002 {
            let folder = folder.as_deref().map(Path::new).filter(|_| RECORDED.contains(&scenario.name));
            let journals = folder.map(|folder| Journals::in_folder(folder, &format!("{}-{seed}", scenario.name)));
            let outcome = scenario.play(seed, &Overrides::default(), journals.as_ref());
            if let Some(journals) = journals {
                journals.finish();
            }
            let replay = format!("revtun-sim replay {seed} --scenario {}", scenario.name);
            assert_eq!(outcome.failure, None, "{replay}");
            assert!(outcome.network_stats.sent > 1_000, "{replay}: something went over the network");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 8] {
        let (once, again) =
            (swarm().play(seed, &Overrides::default(), None), swarm().play(seed, &Overrides::default(), None));
        assert_eq!(once.events, again.events, "seed {seed}");
        assert_eq!(once, again, "seed {seed}: the same events, but other packets or moments");
    }
}

#[test]
fn another_seed_gives_another_run() {
    let quiet = Scenario::find("quiet").expect("it is there");
    let packets = |seed| quiet.play(seed, &Overrides::default(), None).packets;
    assert_ne!(packets(1), packets(2));
}

fn served(outcome: &Outcome) -> usize {
    let served = |event: &Event| {
        matches!(event, Event::RequestEnded { outcome: RequestOutcome::Served { exact: true, .. }, .. })
    };
    outcome.events.iter().filter(|(_, event)| served(event)).count()
}

#[test]
fn a_quiet_world_answers_every_request() {
    let quiet = Scenario::find("quiet").expect("it is there");
    let mut plan = quiet.plan(1, &Overrides::default());
    plan.responder.max_streams = 100;
    let outcome = world::play(&plan, None);
    let asked = outcome.events.iter().filter(|(_, event)| matches!(event, Event::RequestSent(_))).count();
    assert_eq!(outcome.failure, None);
    assert!(asked > 10 && served(&outcome) > asked * 9 / 10, "{} of {asked} served", served(&outcome));
}

/// The canary: a world whose tunnels come later than they should has to be noticed.
#[test]
fn a_world_that_does_not_heal_in_time_is_noticed() {
    let mut plan: Plan = Scenario::find("quiet").expect("it is there").plan(4, &Overrides::default());
    let down = Duration::from_secs(1);
    plan.faults
        .push((Duration::from_secs(6), Fault::Crash { host: HostId::Responder(0), how: CrashKind::PowerLoss, down }));
    plan.times.heal = Duration::from_millis(6_500);
    plan.times.converged = plan.times.heal;
    let failure = world::play(&plan, None).failure.expect("nobody can be back that soon");
    assert_eq!(failure.property, "TargetReached");
}
