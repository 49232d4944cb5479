//! What answers of a resolver do, one kind of trouble after the other.

use super::*;
use crate::Instant;

const RESOLVE: Duration = Duration::from_secs(5);

/// The hosts of one name, on a clock.
struct Name {
    hosts: Hosts,
    now: Instant,
}

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 443))
}

fn v6(last: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 443))
}

impl Name {
    fn new(lookup_family: LookupFamily) -> Self {
        let config = Config { lookup_family, ..Config::default() };
        let core = initiator::Config { resolve_interval: RESOLVE, ..initiator::Config::default() };
        let mut name = Self { hosts: Hosts::new(config, &core, 1), now: Instant::EPOCH };
        assert_eq!(name.tick(), [Effect::Resolve { endpoint: 0 }]);
        name
    }

    /// A name with these addresses, of which some have tunnels.
    fn with(addresses: &[SocketAddr], up: &[SocketAddr]) -> Self {
        let mut name = Self::new(LookupFamily::Auto);
        name.answer(addresses);
        up.iter().for_each(|address| name.up(*address));
        name
    }

    fn step(&mut self, event: Event<'_>) -> Vec<Effect> {
        self.hosts.step(Env { now: self.now, dice: u64::MAX }, event)
    }

    fn tick(&mut self) -> Vec<Effect> {
        self.step(Event::Tick)
    }

    fn answer(&mut self, addresses: &[SocketAddr]) {
        let _ = self.step(Event::Resolved { endpoint: 0, addresses });
    }

    fn host(&self, address: SocketAddr) -> HostId {
        *self.hosts.ids.get(&address).expect("it is known")
    }

    fn up(&mut self, address: SocketAddr) {
        let host = self.host(address);
        let _ = self.step(Event::Up { host });
    }

    fn down(&mut self, address: SocketAddr) {
        let host = self.host(address);
        let _ = self.step(Event::Down { host });
    }

    fn fails(&mut self, address: SocketAddr) {
        let host = self.host(address);
        let _ = self.step(Event::DialFailed { host });
    }

    /// Time passes, and every name that is resolved meanwhile has these addresses; without any, the resolver fails.
    fn pass(&mut self, seconds: u64, addresses: &[SocketAddr]) {
        let end = self.now.after(Duration::from_secs(seconds));
        while let Some(at) = self.hosts.deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "nothing is overdue");
            self.now = at;
            if self.tick().contains(&Effect::Resolve { endpoint: 0 }) {
                self.answer(addresses);
            }
        }
        self.now = end;
    }

    fn wanted(&self) -> Vec<SocketAddr> {
        let mut wanted: Vec<_> = self.hosts.wanted().map(|(_, address)| address).collect();
        wanted.sort();
        wanted
    }
}

#[test]
fn a_name_without_an_answer_is_resolved_again_with_growing_pauses_and_for_ever() {
    let mut name = Name::new(LookupFamily::Auto);
    let mut pauses = Vec::new();
    for failure in 0..1_000 {
        let _ = match failure % 2 {
            0 => name.step(Event::ResolveFailed { endpoint: 0 }),
            _ => name.step(Event::Resolved { endpoint: 0, addresses: &[] }),
        };
        let next = name.hosts.deadline().expect("it goes on");
        assert_eq!(name.hosts.next_resolve(0), Some(next));
        pauses.push(next.since(name.now).as_millis());
        name.now = next;
        assert_eq!(name.tick(), [Effect::Resolve { endpoint: 0 }]);
        assert_eq!(name.hosts.deadline(), None, "the resolver is asked once at a time");
    }
    assert_eq!(pauses[..6], [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    assert_eq!(pauses[999], 5_000);
    name.answer(&[v4(1)]);
    assert_eq!(name.wanted(), [v4(1)]);
    assert_eq!(name.hosts.deadline(), Some(name.now.after(RESOLVE)));
}

#[test]
fn pauses_after_failures_are_a_little_random() {
    let mut hosts = Hosts::new(Config::default(), &initiator::Config::default(), 1);
    let now = Instant::EPOCH;
    let _ = hosts.step(Env { now, dice: 0 }, Event::Tick);
    let _ = hosts.step(Env { now, dice: 0 }, Event::ResolveFailed { endpoint: 0 });
    assert_eq!(hosts.deadline(), Some(now.after(Duration::from_millis(250))));
}

#[test]
fn a_resolver_that_fails_later_changes_nothing() {
    let mut name = Name::with(&[v4(1), v4(2)], &[v4(1)]);
    name.pass(3_600, &[]);
    assert_eq!(name.wanted(), [v4(1), v4(2)]);
}

#[test]
fn a_wrong_answer_drains_nothing_until_its_host_is_proven() {
    let mut name = Name::with(&[v4(1)], &[v4(1)]);
    name.pass(3_600, &[v4(66)]);
    assert_eq!(name.wanted(), [v4(1), v4(66)], "nobody knows which is the right one");
    name.pass(6, &[v4(1)]);
    assert_eq!(name.wanted(), [v4(1)], "the wrong one never had a tunnel");

    name.pass(12, &[v4(66)]);
    name.up(v4(66));
    assert_eq!(name.wanted(), [v4(1), v4(66)], "it may be wrong for a while only");
    name.pass(31, &[v4(66)]);
    assert_eq!(name.wanted(), [v4(66)]);
}

#[test]
fn an_answer_that_leaves_out_some_hosts_for_a_while_drains_none() {
    let mut name = Name::with(&[v4(1), v4(2)], &[v4(1), v4(2)]);
    for _ in 0..10 {
        name.pass(25, &[v4(1)]);
        name.pass(10, &[v4(2), v4(1)]);
        assert_eq!(name.wanted(), [v4(1), v4(2)]);
    }
    name.pass(29, &[v4(1)]);
    assert_eq!(name.wanted(), [v4(1), v4(2)]);
    name.pass(10, &[v4(1)]);
    assert_eq!(name.wanted(), [v4(1)]);
}

#[test]
fn a_host_that_is_gone_and_has_no_tunnel_is_not_dialled_any_longer() {
    let mut name = Name::with(&[v4(1), v4(2)], &[v4(1)]);
    name.answer(&[v4(1)]);
    assert_eq!(name.wanted(), [v4(1)]);
    let mut name = Name::with(&[v4(1), v4(2)], &[]);
    name.answer(&[v4(1)]);
    assert_eq!(name.wanted(), [v4(1), v4(2)], "unless nothing else is known to be alive");
    name.up(v4(1));
    assert_eq!(name.wanted(), [v4(1)]);
}

#[test]
fn the_last_host_is_kept_for_as_long_as_no_other_has_a_tunnel() {
    let mut name = Name::with(&[v4(1)], &[v4(1)]);
    name.pass(60, &[v4(2)]);
    assert_eq!(name.wanted(), [v4(1), v4(2)]);
    name.up(v4(2));
    assert_eq!(name.wanted(), [v4(2)], "it has been missing for long enough");
}

#[test]
fn a_family_that_cannot_be_resolved_drains_nothing() {
    let mut name = Name::with(&[v6(1), v4(1)], &[v6(1)]);
    assert_eq!(name.wanted(), [v6(1)]);
    name.pass(25, &[v4(1)]);
    assert_eq!(name.wanted(), [v6(1)], "the tunnels of the missing family go on");
    name.pass(25, &[v4(1)]);
    assert_eq!(name.wanted(), [v4(1), v6(1)], "it is missing for long: the other family is dialled");
    name.up(v4(1));
    assert_eq!(name.wanted(), [v4(1)]);
}

#[test]
fn one_family_of_a_name_is_enough_and_ipv6_has_a_start() {
    let mut name = Name::with(&[v4(1), v6(1), v6(2)], &[]);
    assert_eq!(name.wanted(), [v6(1), v6(2)]);
    name.up(v6(1));
    name.pass(3_600, &[v4(1), v6(1), v6(2)]);
    assert_eq!(name.wanted(), [v6(1), v6(2)]);
}

#[test]
fn the_other_family_joins_after_a_second_or_when_the_first_has_failed() {
    let addresses = [v4(1), v6(1), v6(2)];
    let mut name = Name::with(&addresses, &[]);
    name.fails(v6(1));
    assert_eq!(name.wanted(), [v6(1), v6(2)]);
    name.fails(v6(2));
    assert_eq!(name.wanted(), [v4(1), v6(1), v6(2)], "at once, if nobody of the first is there");
    name.up(v4(1));
    assert_eq!(name.wanted(), [v4(1)]);

    let mut name = Name::with(&addresses, &[]);
    name.pass(1, &addresses);
    assert_eq!(name.wanted(), [v4(1), v6(1), v6(2)], "or else after a second");
    name.up(v6(2));
    assert_eq!(name.wanted(), [v6(1), v6(2)]);
}

#[test]
fn a_family_whose_tunnels_are_all_gone_races_again() {
    let addresses = [v4(1), v6(1)];
    let mut name = Name::with(&addresses, &[v6(1)]);
    name.down(v6(1));
    assert_eq!(name.wanted(), [v6(1)]);
    name.fails(v6(1));
    assert_eq!(name.wanted(), [v4(1), v6(1)]);
    name.up(v4(1));
    assert_eq!(name.wanted(), [v4(1)]);
    name.pass(3_600, &addresses);
    assert_eq!(name.wanted(), [v4(1)], "it does not go back without need");
}

#[test]
fn a_family_can_be_chosen() {
    let addresses = [v4(1), v6(1)];
    let wanted = |family| {
        let mut name = Name::new(family);
        name.answer(&addresses);
        name.wanted()
    };
    assert_eq!(wanted(LookupFamily::All), addresses);
    assert_eq!(wanted(LookupFamily::V4Only), [v4(1)]);
    assert_eq!(wanted(LookupFamily::V6Only), [v6(1)]);
    let mut name = Name::new(LookupFamily::V6Only);
    name.answer(&[v4(1)]);
    assert_eq!(name.wanted(), []);
    assert!(name.hosts.deadline().is_some_and(|at| at < name.now.after(RESOLVE)), "that is a failure");
}

#[test]
fn addresses_are_hosts_and_never_resolved() {
    let mut hosts = Hosts::new(Config::default(), &initiator::Config::default(), 2);
    let at = |endpoint| Effect::Wanted { host: HostId(endpoint), address: v4(1) };
    assert_eq!(hosts.literal(0, v4(1)), [at(0)]);
    assert_eq!(hosts.literal(1, v4(1)), [], "one host, though two endpoints name it");
    assert_eq!(hosts.deadline(), None);
    assert_eq!(hosts.next_resolve(0), None);
    let env = Env { now: Instant::EPOCH, dice: 0 };
    assert_eq!(hosts.step(env, Event::Resolved { endpoint: 0, addresses: &[v4(2)] }), []);
    assert_eq!(hosts.endpoint(HostId(0)), Some(0));
}

#[test]
fn a_host_of_two_endpoints_stays_until_both_lose_it() {
    let mut hosts = Hosts::new(Config::default(), &initiator::Config::default(), 2);
    let mut minutes = 0;
    let mut step = |event: Event<'_>| {
        minutes += 1;
        hosts.step(Env { now: Instant::EPOCH.after(Duration::from_secs(60 * minutes)), dice: 0 }, event)
    };
    let (first, second) = (HostId(0), HostId(1));
    let (old, new) = ([v4(1)], [v4(2)]);
    let added = |host, address| [Effect::Wanted { host, address }];
    assert_eq!(step(Event::Resolved { endpoint: 0, addresses: &old }), added(first, v4(1)));
    assert_eq!(step(Event::Resolved { endpoint: 1, addresses: &old }), []);
    assert_eq!(step(Event::Resolved { endpoint: 0, addresses: &new }), added(second, v4(2)));
    assert_eq!(step(Event::Up { host: second }), [], "the other endpoint has it still");
    assert_eq!(
        step(Event::Resolved { endpoint: 1, addresses: &new }),
        [Effect::Unwanted { host: first, address: v4(1) }]
    );
}

#[test]
fn a_host_that_returns_keeps_its_id_unless_it_was_forgotten() {
    let mut name = Name::with(&[v4(1), v4(2)], &[v4(1)]);
    let host = name.host(v4(2));
    name.answer(&[v4(1)]);
    assert_eq!(name.wanted(), [v4(1)]);
    name.answer(&[v4(1), v4(2)]);
    assert_eq!(name.host(v4(2)), host);
    name.answer(&[v4(1)]);
    assert_eq!(name.step(Event::Forgotten { host }), []);
    assert_eq!(name.hosts.address(host), None);
    name.answer(&[v4(1), v4(2)]);
    assert_eq!(name.host(v4(2)), HostId(2));
}

#[test]
fn retries_repeat_the_first_time_until_a_tunnel_is_accepted() {
    let mut name = Name::with(&[v4(1)], &[]);
    let host = name.host(v4(1));
    assert_eq!([name.hosts.first_dial(host, 7), name.hosts.first_dial(host, 9)], [7, 7]);
    name.hosts.accepted(host);
    assert_eq!(name.hosts.first_dial(host, 11), 11);
}

#[test]
fn what_is_stopped_does_nothing_any_more() {
    let mut name = Name::with(&[v4(1)], &[v4(1)]);
    let host = name.host(v4(1));
    name.hosts.stop();
    assert_eq!((name.hosts.deadline(), name.wanted()), (None, Vec::new()));
    assert_eq!(name.step(Event::Forgotten { host }), []);
    assert_eq!(name.step(Event::Resolved { endpoint: 0, addresses: &[v4(1)] }), []);
}

#[test]
fn answers_that_are_large_or_never_the_same_do_not_fill_the_memory() {
    let many = |from: u32| -> Vec<_> {
        (from..from + 1_000).map(|number| SocketAddr::from((number.to_be_bytes(), 1))).collect()
    };
    let mut name = Name::new(LookupFamily::Auto);
    for turn in 0..50 {
        name.answer(&many(turn * 1_000));
        let forgotten: Vec<_> =
            name.hosts.known.iter().filter(|(_, host)| !host.wanted).map(|(host, _)| *host).collect();
        for host in forgotten {
            let _ = name.step(Event::Forgotten { host });
        }
        assert!(name.hosts.known.len() <= MAX_ADDRESSES + 64);
    }
}

/// Whatever is answered, a host with a tunnel loses it only while another one has one.
#[test]
fn random_answers_never_drain_the_last_host_that_is_up() {
    let pool = [v4(1), v4(2), v4(3), v6(1), v6(2)];
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        usize::try_from(dice % 1_000_003).expect("small") % sides
    };
    let (mut drained, mut kept) = (0, 0);
    for family in LookupFamily::ALL {
        let mut name = Name::new(family);
        for _ in 0..20_000 {
            let known: Vec<_> = name.hosts.known.iter().map(|(id, host)| (*id, host.clone())).collect();
            let effects = match roll(4) {
                0 => {
                    let answer: Vec<_> = pool.into_iter().filter(|_| roll(2) == 0).collect();
                    name.step(Event::Resolved { endpoint: 0, addresses: &answer })
                }
                1 if !known.is_empty() => {
                    let (host, state) = &known[roll(known.len())];
                    let event = if state.up { Event::Down { host: *host } } else { Event::Up { host: *host } };
                    if state.wanted || state.up { name.step(event) } else { Vec::new() }
                }
                2 if !known.is_empty() => {
                    let (host, state) = &known[roll(known.len())];
                    let event = if state.up { Event::Tick } else { Event::DialFailed { host: *host } };
                    name.step(event)
                }
                _ => {
                    name.now = name.now.after(Duration::from_secs(roll(20) as u64));
                    name.tick()
                }
            };
            let mut up = name.hosts.wanted().filter(|(host, _)| name.hosts.is_up(*host));
            let unwanted = |effect: &Effect| match effect {
                Effect::Unwanted { host, .. } => name.hosts.is_up(*host),
                Effect::Resolve { .. } | Effect::Wanted { .. } => false,
            };
            if effects.iter().any(unwanted) {
                assert!(up.next().is_some(), "the last one: {effects:?}");
                drained += 1;
            } else {
                kept += 1;
            }
            let (deadline, resolve) = (name.hosts.deadline(), name.hosts.next_resolve(0));
            assert!(deadline.is_none() || deadline >= Some(name.now) || deadline == resolve);
        }
    }
    assert!(drained > 100 && kept > 10_000, "{drained} {kept}");
}
