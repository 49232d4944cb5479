//! Random runs of both machines, watched from inside (`check`) and from outside (a coarse model), with floors under
//! every effect and reason, so that the walk can never go blind.
//!
//! The same runs every time. `PROPTEST_CASES=5000 REVTUN_SEED=7 cargo test --test random` makes others.

mod model;
mod walk;

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use revtun_core::Env;
use revtun_core::handshake::Rejection;
use revtun_core::initiator::Initiator;
use revtun_core::journal::Header;
use revtun_core::responder::Responder;

use model::initiator::InitiatorModel;
use model::responder::ResponderModel;
use model::{Model, Tally};
use walk::{Luck, Walk, Walked};

const CASES: u32 = 400;
const STEPS: usize = 400;
/// So many runs of each machine are recorded in the folder `REVTUN_JOURNALS`, if the environment names one.
const RECORDED: u32 = 120;
/// And so many of those that draw their settings: each is a run of TLC by itself.
const RECORDED_SETTINGS: u32 = 20;
/// With this in the environment nothing is asserted: whoever reads the journals judges.
const UNJUDGED: &str = "REVTUN_UNJUDGED";
/// How often every effect must have been seen, with every reason.
const FLOOR: u32 = 8;

/// One run: which kinds of events are how frequent, two switches of the configuration, and the throws.
#[derive(Clone, Debug)]
struct Run {
    weights: Vec<u8>,
    switches: (bool, bool),
    /// Out of which settings are drawn.
    settings: u64,
    throws: Vec<u64>,
    /// Print the journal when it fails.
    aloud: bool,
}

#[test]
fn an_initiator_holds_its_invariants_and_model() {
    let config = walk::initiator::small();
    let tally =
        explore(|run, tally| watch("walk-initiator", Initiator::new(config), InitiatorModel::new(config), run, tally));
    let close =
        ["ConnectTimeout", "HandshakeTimeout", "Refused", "Downgraded", "Malformed", "Silent", "Surplus", "Drained"];
    reaches(
        &tally,
        &[names(&["Dial", "SendHandshake", "Deliver", "Goaway", "Forget", "Drained"]), with_reason("Close", &close)]
            .concat(),
    );
}

#[test]
fn a_responder_holds_its_invariants_and_model() {
    let tally = explore(|run, tally| {
        let config = walk::responder::small(run.switches.0, run.switches.1);
        watch("walk-responder", Responder::new(config), ResponderModel::new(config), run, tally);
    });
    let at_the_door = [Rejection::TooManyHandshakes, Rejection::TooManyHandshakesFromSource, Rejection::RateLimited]
        .map(Rejection::name);
    let rejections = Rejection::ALL.map(Rejection::name);
    let rejections: Vec<_> = rejections.into_iter().filter(|name| !at_the_door.contains(name)).collect();
    let close = [
        "HandshakeTimeout",
        "LingerTimeout",
        "PingTimeout",
        "Silent",
        "Drained",
        "ConnectionLost",
        "GraceExpired",
        "Superseded",
        "Evicted",
        "CredentialsExpired",
        "CredentialsRevoked",
    ];
    reaches(
        &tally,
        &[
            names(&["Admit", "Accept", "Ping", "Assign", "Wait", "Goaway", "Contended", "Drained"]),
            with_reason("RefuseConnection", &at_the_door),
            with_reason("RefuseConnection", &[Rejection::Draining.name()]),
            with_reason("Reject", &rejections),
            with_reason(
                "Refuse",
                &[
                    "MissingTenant",
                    "NoTunnel",
                    "AmbiguousNode",
                    "Saturated",
                    "QueueFull",
                    "TenantSaturated",
                    "TenantQueueFull",
                    "Draining",
                ],
            ),
            with_reason("Close", &close),
        ]
        .concat(),
    );
}

/// Zeros and extremes, each setting by itself: what holds does not hang on the defaults.
#[test]
fn a_responder_holds_its_invariants_with_any_settings() {
    let tally = explore(|run, tally| {
        let config = walk::responder::any_settings(&mut Luck::of_seed(run.settings));
        watch("settings-responder", Responder::new(config), ResponderModel::new(config), run, tally);
    });
    has(
        &tally,
        &[
            names(&["Admit", "Accept", "Ping", "Assign", "Wait", "Goaway", "Drained"]),
            with_reason("Refuse", &["NoTunnel", "Saturated", "QueueFull", "TenantQueueFull"]),
        ]
        .concat(),
    );
}

/// Takes one run to its end, and then lets time pass without events.
fn watch<M: Walked>(name: &str, machine: M, mut model: impl Model<M>, run: &Run, tally: &mut Tally) {
    let recorded = if name.starts_with("settings") { RECORDED_SETTINGS } else { RECORDED };
    let journals = env::var_os("REVTUN_JOURNALS").filter(|_| tally.runs < recorded);
    let judged = env::var_os(UNJUDGED).is_none();
    let header = Header::of(&machine);
    let mut walk = Walk::new(machine, run.aloud || journals.is_some());
    let mut step = |walk: &mut Walk<M>, env, event| {
        let effects: Vec<_> = walk.take(env, event).iter().collect();
        if judged {
            walk.judge(env);
            model.see(env, event, &effects);
        }
        effects
    };
    for throw in &run.throws {
        let (env, event) = walk.decode(*throw, &run.weights);
        tally.count::<M>(&step(&mut walk, env, event));
    }
    let since = walk.now;
    // Long silence is looked at where it is cheap: in short runs.
    let longest = if run.throws.len() < STEPS / 8 { Duration::from_secs(17 * 60) } else { Duration::from_secs(20) };
    for throw in 0.. {
        assert!(throw < 100_000, "a machine that is left alone calms down");
        match walk.machine.deadline() {
            Some(deadline) if deadline <= since.after(longest) => walk.now = walk.now.max(deadline),
            Some(_) | None => break,
        }
        let env = Env { now: walk.now, dice: throw };
        step(&mut walk, env, M::TICK);
    }
    if judged {
        model.settled(since, since.after(longest));
    }
    if let Some(folder) = journals {
        let path = Path::new(&folder).join(format!("{name}-{}.journal", tally.runs));
        let journal = walk.journal.as_deref().unwrap_or_default();
        fs::write(path, format!("{header}\n{journal}")).expect("the folder for journals is writable");
    }
    tally.runs += 1;
}

fn explore(watch: impl Fn(&Run, &mut Tally)) -> Tally {
    let asked = env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let config = ProptestConfig { cases: if asked { config.cases } else { CASES }, ..config };
    let seed: u64 = env::var("REVTUN_SEED").map_or(1, |seed| seed.parse().expect("REVTUN_SEED is a number"));
    let seed = [seed; 4].map(u64::to_le_bytes).concat();
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let tally = std::cell::RefCell::new(Tally::default());
    let result = runner.run(&runs(), |run| {
        watch(&run, &mut tally.borrow_mut());
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(_, smallest)) => {
            watch(&Run { aloud: true, ..smallest }, &mut Tally::default());
            unreachable!("the same run fails again");
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    tally.into_inner()
}

fn runs() -> impl Strategy<Value = Run> {
    let weight = prop_oneof![1 => Just(0_u8), 4 => 1..=10_u8];
    let switches = (proptest::bool::weighted(0.7), proptest::bool::weighted(0.7));
    let runs = (vec(weight, 14), switches, any::<u64>(), vec(any::<u64>(), 1..STEPS));
    runs.prop_map(|(weights, switches, settings, throws)| Run { weights, switches, settings, throws, aloud: false })
}

fn reaches(tally: &Tally, expected: &[String]) {
    if env::var_os(UNJUDGED).is_none() {
        tally.reaches(FLOOR, expected);
    }
}

fn has(tally: &Tally, expected: &[String]) {
    if env::var_os(UNJUDGED).is_none() {
        tally.has(FLOOR, expected);
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn with_reason(effect: &str, reasons: &[&str]) -> Vec<String> {
    reasons.iter().map(|reason| format!("{effect} {reason}")).collect()
}
