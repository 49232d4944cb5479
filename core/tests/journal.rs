//! What is written down is what happened: it can be read again, replayed, and a lie in it is found.

mod walk;

use std::fmt;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use revtun_core::handshake::{Answer, Instance};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::initiator::{self, HostId, Initiator};
use revtun_core::journal::{Format, Header, Line, Recorder, ReplayErrorKind, replay};
use revtun_core::responder::{self, Handshake, Responder, Verdict};
use revtun_core::{Env, Instant, Machine as _, TunnelId};

use walk::{Walk, Walked};

const ENV: Env = Env { now: Instant::from_nanos(1_500_000_000), dice: 42 };
const EVERYTHING: [u8; 12] = [8; 12];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_of_an_initiator_round_trips_and_replays(throws in vec(any::<u64>(), 1..120)) {
        round_trip(Initiator::new(walk::initiator::small()), &throws);
    }

    #[test]
    fn a_journal_of_a_responder_round_trips_and_replays(throws in vec(any::<u64>(), 1..120)) {
        round_trip(Responder::new(walk::responder::small(true, true)), &throws);
    }
}

/// Walks, reads every line back, replays the whole, and replays it once more with the last line changed.
fn round_trip<M: Walked>(machine: M, throws: &[u64]) {
    let mut walk = Walk::new(machine.clone(), false);
    let mut journal = String::from("# a walk\n\n");
    for throw in throws {
        let (env, event) = walk.decode(*throw, &EVERYTHING);
        let (line, effects) = Line::step(&mut walk.machine.clone(), env, event);
        let read = Line::parse(&line.to_string()).expect("what was written can be read");
        assert_eq!(read, line);
        assert_eq!(read.env(), env);
        assert_eq!(format!("{:?}", read.event::<M>().expect("an event")), format!("{event:?}"));
        assert_eq!(read.effects::<M>().expect("effects"), effects.iter().collect::<Vec<_>>());
        assert_eq!(walk.step(env, event), effects);
        journal += &format!("{line}\n");
    }
    let mut again = machine.clone();
    assert_eq!(replay(&mut again, &journal), Ok(throws.len()));
    assert!(again == walk.machine, "a replay ends where the run ended");

    let journal = journal.trim_end();
    let last = journal.lines().next_back().expect("a step");
    let lie = format!("{journal} {} Drained", if last.contains(" -> ") { "+" } else { "->" });
    let fault = replay(&mut machine.clone(), &lie).expect_err("a lie");
    assert_eq!(fault.line, throws.len() + 2);
    assert!(matches!(fault.kind, ReplayErrorKind::Differs { .. }));
}

#[test]
fn the_text_format_is_as_documented() {
    let mut initiator = Initiator::new(initiator::Config::default());
    let mut journal = Recorder::new(String::new(), Format::Text);
    let mut tla = Recorder::new(String::new(), Format::Tla);
    let mut twin = initiator.clone();
    let tunnel = TunnelId::new(0, 0);
    for event in [
        initiator::Event::TargetSet { host: HostId(3), count: 1 },
        initiator::Event::Tick,
        initiator::Event::Connected { tunnel },
        initiator::Event::Answered { tunnel, answer: Answer::Accepted { revtun: true } },
        initiator::Event::DrainRequested { grace: Duration::from_secs(9) },
    ] {
        let effects = journal.step(&mut initiator, ENV, event);
        assert_eq!(tla.step(&mut twin, ENV, event), effects);
    }
    assert_eq!(
        journal.finish().unwrap(),
        "\
at=1500000000 dice=42 TargetSet host=3 count=1
at=1500000000 dice=42 Tick timer=Dial host=3 -> Dial tunnel=0.0 host=3
at=1500000000 dice=42 Connected tunnel=0.0 -> SendHandshake tunnel=0.0
at=1500000000 dice=42 Answered tunnel=0.0 answer=Accepted revtun=true -> Deliver tunnel=0.0
at=1500000000 dice=42 DrainRequested grace=9000000000
"
    );
    assert_eq!(
        tla.finish().unwrap(),
        r#"[a |-> "TargetSet", host |-> 3, count |-> 1, effects |-> <<>>, stages |-> {}]
[a |-> "Dial", host |-> 3, effects |-> <<[a |-> "Dial", tunnel |-> <<"0", 0>>, host |-> 3]>>, stages |-> {<<"0", "Dialing">>}]
[a |-> "Connected", tunnel |-> <<"0", 0>>, effects |-> <<[a |-> "SendHandshake", tunnel |-> <<"0", 0>>]>>, stages |-> {<<"0", "Handshaking">>}]
[a |-> "Answered", tunnel |-> <<"0", 0>>, answer |-> "Accepted", revtun |-> TRUE, effects |-> <<[a |-> "Deliver", tunnel |-> <<"0", 0>>]>>, stages |-> {<<"0", "Idle">>}]
[a |-> "DrainRequested", grace |-> "9000000000", effects |-> <<>>, stages |-> {<<"0", "Idle">>}]
"#
    );
}

#[test]
fn the_tla_format_is_as_documented() {
    let mut responder = Responder::new(responder::Config { settle: Duration::ZERO, ..responder::Config::default() });
    let _ = responder.step(ENV, responder::Event::Accepted { source: responder::Source(1) });
    let _ = responder.step(ENV, responder::Event::Accepted { source: responder::Source(1) });
    let mut tla = Recorder::new(String::new(), Format::Tla);
    let identity = Identity {
        node: NodeId::new("n").unwrap(),
        cluster: ClusterId::new("c").unwrap(),
        tenant: TenantId::new("t").unwrap(),
    };
    for process in [1, 2, 1] {
        let effects = responder.step(ENV, responder::Event::Accepted { source: responder::Source(1) });
        let Some(responder::Effect::Admit { tunnel }) = effects.iter().next() else { panic!("{effects:?}") };
        let handshake = Handshake { identity, instance: Some(Instance(process)), verdict: Verdict::Authenticated };
        let _ = tla.step(&mut responder, ENV, responder::Event::HandshakeReceived { tunnel, handshake });
    }
    let drain = responder::Event::DrainRequested { scope: responder::DrainScope::All, grace: Duration::ZERO };
    let (line, _) = Line::step(&mut responder.clone(), ENV, drain);
    assert!(line.tla(&responder).to_string().starts_with(r#"[a |-> "DrainRequested", scope |-> "All", grace |-> 0"#));
    let told = tla.finish().unwrap();
    let last = told.lines().next_back().expect("three lines");
    assert_eq!(
        last,
        r#"[a |-> "HandshakeReceived", tunnel |-> <<"4", 0>>, node |-> "n", cluster |-> "c", tenant |-> "t", instance |-> "00000000000000000000000000000001", verdict |-> "Authenticated", effects |-> <<[a |-> "Accept", tunnel |-> <<"4", 0>>], [a |-> "Contended", tunnel |-> <<"4", 0>>]>>, stages |-> {<<"0", "Handshaking">>, <<"1", "Handshaking">>, <<"2", "Draining">>, <<"3", "Settling">>, <<"4", "Settling">>}]"#
    );
}

#[test]
fn a_value_of_the_wrong_type_is_not_decoded() {
    for text in [
        "TargetSet host=many count=1",
        "TargetSet host=1 count=1.0",
        "Connected tunnel=7",
        "Answered tunnel=0.0 answer=200",
        "Answered tunnel=0.0 answer=Accepted revtun=1",
        "Answered tunnel=0.0",
    ] {
        let line = Line::parse(&format!("at=1 dice=2 {text}")).expect("a line");
        assert_eq!(line.event::<Initiator>(), None, "{text}");
    }
    let line = Line::parse("at=1 dice=2 Answered tunnel=0.0 answer=Accepted revtun=false").expect("a line");
    let answer = Answer::Accepted { revtun: false };
    assert_eq!(line.event::<Initiator>(), Some(initiator::Event::Answered { tunnel: TunnelId::new(0, 0), answer }));
    let initiator = Initiator::new(initiator::Config::default());
    assert!(line.tla(&initiator).to_string().contains("revtun |-> FALSE"));
    for header in ["# revtun-journal 1 Initiator silence=1 -> Tick", "# revtun-journal 1 Initiator silence=\"x"] {
        assert!(Header::parse(header).is_err(), "{header}");
    }
}

#[test]
fn only_names_are_quoted() {
    let mut responder = Responder::new(responder::Config::default());
    let _ = responder.step(ENV, responder::Event::Accepted { source: responder::Source(1) });
    let identity = Identity {
        node: NodeId::new("a \"b\"\t\\").unwrap(),
        cluster: ClusterId::new("é -> + =").unwrap(),
        tenant: TenantId::new("7").unwrap(),
    };
    let handshake = Handshake { identity, instance: Some(Instance(255)), verdict: Verdict::Authenticated };
    let event = responder::Event::HandshakeReceived { tunnel: TunnelId::new(0, 0), handshake };
    let (line, _) = Line::step(&mut responder, ENV, event);
    assert_eq!(
        line.to_string(),
        "at=1500000000 dice=42 HandshakeReceived tunnel=0.0 node=\"a \\\"b\\\"\\u{9}\\\\\" cluster=\"é -> + =\" tenant=\"7\" \
         instance=\"000000000000000000000000000000ff\" verdict=Authenticated -> Accept tunnel=0.0"
    );
    assert_eq!(Line::parse(&line.to_string()).unwrap().event::<Responder>(), Some(event));
}

#[test]
fn a_header_restores_the_machine() {
    let config = responder::Config { settle: Duration::ZERO, max_streams: 7, ..walk::responder::small(false, true) };
    let responder = Responder::new(config);
    let header = Header::parse(&Header::of(&responder).to_string()).expect("what was written can be read");
    assert_eq!(header.machine(), Some(responder));
    assert_eq!(header.machine::<Initiator>(), None);

    let config = initiator::Config { silence: Duration::MAX, ..initiator::Config::default() };
    let text = Header::of(&Initiator::new(config)).to_string();
    assert!(text.starts_with("# revtun-journal 1 Initiator connect_timeout=5000000000 handshake_timeout="), "{text}");
    assert_eq!(Header::parse(&text).expect("a header").machine(), Some(Initiator::new(config)));

    let without_one = text.replace(" silence=", " quiet=");
    assert_eq!(Header::parse(&without_one).expect("a header").machine::<Initiator>(), None);
    for no_header in ["", "# a walk", "# revtun-journal 2 Initiator", "at=1 dice=2 Tick"] {
        assert!(Header::parse(no_header).is_err(), "{no_header}");
    }
}

#[test]
fn a_parse_error_names_the_line_and_what_was_expected() {
    let fault = |text: &str| replay(&mut Initiator::new(initiator::Config::default()), text).unwrap_err();
    let cases = [
        ("dice=2 at=1 Tick", "line 1: expected at=NANOSECONDS dice=NUMBER at the beginning"),
        ("at=1 dice=x Tick", "line 1: expected at=NANOSECONDS dice=NUMBER at the beginning"),
        ("\n# so far so good\nTick", "line 3: expected at=NANOSECONDS dice=NUMBER at the beginning"),
        ("at=1 dice=2", "line 1: expected the name of an event or an effect"),
        ("at=1 dice=2 Tick ->", "line 1: expected the name of an event or an effect"),
        ("at=1 dice=2 Tick + Drained", "line 1: expected ->"),
        ("at=1 dice=2 Closed tunnel=0.0", "line 1: not an event of this machine"),
        ("at=1 dice=2 Released tunnel=0.0", "line 1: not an event of this machine"),
        (
            "at=1 dice=2 Closed tunnel=0.0 cause=Lost -> Dr",
            "line 1: the machine does something else: at=1 dice=2 Closed tunnel=0.0 cause=Lost",
        ),
        ("at=1 dice=2 Tick node=\"x", "line 1: expected a text in quotes, with \\\", \\\\ and \\u{…} only"),
        ("at=1 dice=2 Tick node=\"\\n\"", "line 1: expected a text in quotes, with \\\", \\\\ and \\u{…} only"),
    ];
    for (text, message) in cases {
        assert_eq!(fault(text).to_string(), message, "{text:?}");
    }
}

#[test]
fn no_text_breaks_the_parser() {
    proptest!(|(text in "(at=1 dice=2 )?[-a-zA-Z=.\"\\\\ {}+>0-9é]{0,60}")| {
        if let Ok(line) = Line::parse(&text) {
            assert_eq!(Line::parse(&line.to_string()), Ok(line));
        }
    });
}

#[test]
fn a_write_error_stops_the_journal_and_not_the_machine() {
    struct Full;
    impl fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let mut recorder = Recorder::new(Full, Format::Text);
    let mut responder = Responder::new(responder::Config::default());
    for _ in 0..2 {
        assert_eq!(
            recorder
                .step(&mut responder, ENV, responder::Event::Accepted { source: responder::Source(1) })
                .iter()
                .count(),
            1
        );
    }
    assert!(recorder.finish().is_err());
}
