//! Strangers who connect and say nothing keep no honest initiator out, however many they are, from few sources.

use std::collections::BTreeMap;
use std::time::Duration;

use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{CloseReason, Config, Effect, Event, Handshake, Responder, Source, Verdict};
use revtun_core::{Env, Instant, Machine, TunnelId};

/// From the connection of an honest initiator to its request: a long way, and TLS.
const HANDSHAKE_MILLIS: u64 = 300;
/// When an initiator that was refused or dropped tries again.
const RETRY_MILLIS: u64 = 1000;
/// How long it may take until all honest initiators are up.
const WITHIN_MILLIS: u64 = 10_000;
const HONEST: u64 = 40;

/// Where honest initiators come from, by number: each from a source of its own.
fn honest(number: u64) -> Source {
    Source(0x0a00_0000 + number)
}

struct World {
    machine: Responder,
    now: Instant,
    dice: u64,
    /// What the strangers have open.
    strangers: Vec<TunnelId>,
    dropped: u64,
    /// Which initiator a connection belongs to, and when its request will come.
    honest: BTreeMap<TunnelId, (u64, u64)>,
    /// When each initiator that is not connected tries next.
    next_try: BTreeMap<u64, u64>,
    up: Vec<u64>,
    tries: u64,
    steps: u64,
}

impl World {
    fn new(config: Config) -> Self {
        Self {
            machine: Responder::new(config),
            now: Instant::from_nanos(100_000_000_000),
            dice: 0,
            strangers: Vec::new(),
            dropped: 0,
            honest: BTreeMap::new(),
            next_try: (0..HONEST).map(|number| (number, number * 37)).collect(),
            up: Vec::new(),
            tries: 0,
            steps: 0,
        }
    }

    fn connect(&mut self, source: Source) -> Option<TunnelId> {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match self.step(Event::Accepted { source })[..] {
            [Effect::Admit { tunnel }] => Some(tunnel),
            [Effect::RefuseConnection { .. }] => None,
            ref effects => panic!("{effects:?}"),
        }
    }

    /// A step; the invariants, which look at everything, are asserted behind one in a thousand.
    fn step(&mut self, event: Event<'_>) -> Vec<Effect> {
        self.steps += 1;
        let effects = self.machine.step(Env { now: self.now, dice: self.dice }, event);
        if self.steps.is_multiple_of(1000) {
            self.machine.check();
        }
        effects.iter().collect()
    }

    /// Whatever is due is done.
    fn tick(&mut self, millis: u64) {
        while self.machine.deadline().is_some_and(|deadline| deadline <= self.now) {
            for effect in self.step(Event::Tick) {
                let Effect::Close { tunnel, reason } = effect else { continue };
                self.dropped += u64::from(reason == CloseReason::HandshakeDropped);
                if let Some((number, _)) = self.honest.remove(&tunnel) {
                    self.next_try.insert(number, millis + RETRY_MILLIS);
                }
            }
        }
    }

    /// A millisecond, in which each of these strangers connects.
    fn pass(&mut self, millis: u64, strangers: &[Source]) {
        for source in strangers {
            let stranger = self.connect(*source);
            self.strangers.extend(stranger);
            self.tick(millis);
        }
        let trying: Vec<u64> = self.next_try.iter().filter(|(_, at)| **at <= millis).map(|(who, _)| *who).collect();
        for number in trying {
            self.tries += 1;
            self.next_try.remove(&number);
            match self.connect(honest(number)) {
                Some(tunnel) => drop(self.honest.insert(tunnel, (number, millis + HANDSHAKE_MILLIS))),
                None => drop(self.next_try.insert(number, millis + RETRY_MILLIS)),
            }
            self.tick(millis);
        }
        let ready: Vec<_> =
            self.honest.iter().filter(|(_, (_, at))| *at <= millis).map(|(id, who)| (*id, who.0)).collect();
        for (tunnel, number) in ready {
            self.honest.remove(&tunnel);
            let name = number.to_string();
            let identity = Identity {
                node: NodeId::new(&name).expect("legal"),
                cluster: ClusterId::new("c").expect("legal"),
                tenant: TenantId::new("t").expect("legal"),
            };
            let instance = Some(Instance(u128::from(number)));
            let handshake = Handshake { identity, instance, verdict: Verdict::Authenticated };
            let effects = self.step(Event::HandshakeReceived { tunnel, handshake });
            assert!(effects.contains(&Effect::Accept { tunnel }), "{effects:?}");
            self.up.push(number);
        }
        self.now = self.now.after(Duration::from_millis(1));
    }
}

/// All honest initiators come up in time while `per_milli` strangers connect each millisecond, from `source`s by number.
fn besieged(config: Config, per_milli: u64, source: impl Fn(u64) -> Source) -> World {
    let mut world = World::new(config);
    let mut strangers = 0;
    let mut wave = |count: u64| {
        let sources: Vec<_> = (strangers..strangers + count).map(&source).collect();
        strangers += count;
        sources
    };
    // They are there before anybody else, as many as there is room for.
    for _ in 0..config.max_handshakes {
        let stranger = wave(1);
        let stranger = world.connect(stranger[0]);
        world.strangers.extend(stranger);
        world.tick(0);
        world.now = world.now.after(Duration::from_micros(250));
    }
    let began = world.now;
    for millis in 0..WITHIN_MILLIS {
        let strangers = wave(per_milli);
        world.pass(millis, &strangers);
        let machine = world.machine.counts();
        assert!(machine.handshakes <= config.max_handshakes);
        if world.up.len() as u64 == HONEST {
            return world;
        }
    }
    let passed = world.now.since(began);
    panic!("{} of {HONEST} are up after {passed:?}, {} tries", world.up.len(), world.tries);
}

#[test]
fn four_addresses_keep_nobody_out() {
    for per_milli in [1, 5, 20] {
        let world = besieged(Config::default(), per_milli, |number| Source(0xc000_0200 + number % 4));
        assert_eq!(world.tries, HONEST, "nobody has to try twice, at {per_milli} strangers each millisecond");
        assert!(world.dropped > 0, "there was no room, at {per_milli}");
    }
}

#[test]
fn neither_do_hundreds_of_addresses() {
    for sources in [16, 256, 1024] {
        let world = besieged(Config::default(), 4, |number| Source(0xc000_0000 + number % sources));
        assert_eq!(world.tries, HONEST, "nobody has to try twice, with {sources} sources");
    }
}

#[test]
fn neither_does_a_whole_network_of_ipv6() {
    // Every stranger has a /64 of its own, all in one /48.
    let world = besieged(Config::default(), 4, |number| Source(0x2001_0db8_0001_0000 + number % 0x1_0000));
    assert_eq!(world.tries, HONEST);
    assert!(world.dropped > 0);
}

#[test]
fn a_handshake_is_dropped_only_when_there_is_hardly_any_room_and_never_the_only_one_of_its_source() {
    let config = Config { max_handshakes: 80, ..Config::default() };
    let mut world = World::new(config);
    for number in 0..80 {
        assert!(world.connect(Source(number)).is_some());
    }
    world.tick(0);
    assert_eq!(world.dropped, 0, "each has but one");
    let mut world = World::new(config);
    for _ in 0..70 {
        assert!(world.connect(Source(1)).is_some());
    }
    world.tick(0);
    assert_eq!(world.dropped, 0, "there is room");
    for number in 1..=5 {
        assert!(world.connect(Source(2)).is_some());
        world.tick(0);
        assert_eq!(world.dropped, number);
    }
    assert_eq!(world.machine.counts().handshakes, 70);
}

#[test]
fn who_is_dropped_but_quick_gets_its_tunnel_nevertheless() {
    let mut world = World::new(Config { max_handshakes: 8, ..Config::default() });
    let ids: Vec<_> = (0..8).map(|_| world.connect(Source(1)).expect("there is room")).collect();
    let due = world.machine.deadline().expect("each has a timer");
    assert!(due <= world.now, "one is dropped");
    for (number, tunnel) in ids.into_iter().enumerate() {
        let name = number.to_string();
        let identity = Identity {
            node: NodeId::new(&name).expect("legal"),
            cluster: ClusterId::new("c").expect("legal"),
            tenant: TenantId::new("t").expect("legal"),
        };
        let handshake = Handshake { identity, instance: Some(Instance(1)), verdict: Verdict::Authenticated };
        let effects = world.step(Event::HandshakeReceived { tunnel, handshake });
        assert!(effects.contains(&Effect::Accept { tunnel }), "{effects:?}");
    }
    world.tick(0);
    assert_eq!((world.dropped, world.machine.counts().handshakes), (0, 0));
}
