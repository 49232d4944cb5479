//! Which connections a listener keeps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use revtun_core::connections::{Admission, ConnectionId, ConnectionLimits, ConnectionRefusal, Connections};
use revtun_core::source::Source;

const LIMITS: ConnectionLimits = ConnectionLimits { total: 6, per_source: 4 };

struct Listener(Connections);

impl Listener {
    fn new(limits: ConnectionLimits) -> Self {
        Self(Connections::new(limits))
    }

    fn admit(&mut self, source: u64) -> ConnectionId {
        match self.0.accepted(Source(source)) {
            Admission::Admit(id) => id,
            other @ (Admission::AdmitInPlaceOf(..) | Admission::Refuse(_)) => panic!("{other:?}"),
        }
    }

    /// A connection that is served in place of another one, which is returned.
    fn displace(&mut self, source: u64) -> ConnectionId {
        match self.0.accepted(Source(source)) {
            Admission::AdmitInPlaceOf(_, displaced) => displaced,
            other @ (Admission::Admit(_) | Admission::Refuse(_)) => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_oldest_mute_connection_of_the_fullest_source_makes_room() {
    let mut listener = Listener::new(LIMITS);
    let lonely = listener.admit(9);
    let crowd: Vec<_> = (0..4).map(|_| listener.admit(1)).collect();
    let other = listener.admit(2);
    assert_eq!(listener.displace(3), crowd[0]);
    assert_eq!(listener.displace(4), crowd[1]);
    // By now each has as many or nearly: from 1 there are two, from all others one.
    assert_eq!(listener.displace(5), crowd[2]);
    let _ = (lonely, other);
    listener.0.check();
}

#[test]
fn who_has_sent_a_request_stays() {
    let mut listener = Listener::new(LIMITS);
    let all: Vec<_> = [1, 1, 1, 2, 2, 2].map(|source| listener.admit(source)).into();
    all.iter().for_each(|id| listener.0.heard(*id));
    assert_eq!(listener.0.accepted(Source(3)), Admission::Refuse(ConnectionRefusal::TooMany));
    listener.0.closed(all[0]);
    let fresh = listener.admit(3);
    assert_eq!(listener.displace(4), fresh, "it is the only one that is mute");
    listener.0.check();
}

#[test]
fn a_source_at_its_limit_displaces_only_its_own() {
    let mut listener = Listener::new(LIMITS);
    let other = listener.admit(2);
    let own: Vec<_> = (0..4).map(|_| listener.admit(1)).collect();
    listener.0.heard(own[0]);
    assert_eq!(listener.displace(1), own[1]);
    [own[2], own[3]].iter().for_each(|id| listener.0.heard(*id));
    // What came in place of the displaced one is mute still.
    let newest = listener.displace(1);
    assert!(newest > own[3]);
    listener.0.closed(other);
    listener.0.check();
}

#[test]
fn mute_strangers_keep_nobody_out_however_many_sources_they_have() {
    let mut listener = Listener::new(ConnectionLimits { total: 100, per_source: 50 });
    for round in 0..10_000_u64 {
        listener.0.accepted(Source(round % 7));
        if round % 50 == 0 {
            let honest = match listener.0.accepted(Source(1_000 + round)) {
                Admission::Admit(id) | Admission::AdmitInPlaceOf(id, _) => id,
                Admission::Refuse(refusal) => panic!("round {round}: {refusal:?}"),
            };
            // It says something before others come, and is gone later.
            listener.0.heard(honest);
            listener.0.closed(honest);
        }
    }
    assert_eq!(listener.0.count(), 100);
    listener.0.check();
}

proptest! {
    #[test]
    fn limits_hold_whatever_comes(steps in prop::collection::vec((0_u8..4, 0_u64..5, 0_usize..64), 1..400)) {
        let mut connections = Connections::new(LIMITS);
        let mut open = BTreeMap::new();
        let mut known = Vec::new();
        for (what, source, which) in steps {
            match what {
                0 | 1 => match connections.accepted(Source(source)) {
                    Admission::Admit(id) => {
                        known.push(id);
                        open.insert(id, (source, false));
                    }
                    Admission::AdmitInPlaceOf(id, displaced) => {
                        let (_, heard) = open.remove(&displaced).expect("it was open");
                        prop_assert!(!heard, "only the mute are displaced");
                        known.push(id);
                        open.insert(id, (source, false));
                    }
                    Admission::Refuse(ConnectionRefusal::TooMany) => {
                        prop_assert_eq!(open.len(), LIMITS.total as usize);
                        prop_assert!(open.values().all(|(_, heard)| *heard));
                    }
                    Admission::Refuse(ConnectionRefusal::TooManyFromSource) => {
                        let own: Vec<_> = open.values().filter(|(of, _)| *of == source).collect();
                        prop_assert_eq!(own.len(), LIMITS.per_source as usize);
                        prop_assert!(own.iter().all(|(_, heard)| *heard));
                    }
                },
                2 if !known.is_empty() => {
                    let id = known[which % known.len()];
                    connections.heard(id);
                    open.entry(id).and_modify(|(_, heard)| *heard = true);
                }
                3 if !known.is_empty() => {
                    let id = known[which % known.len()];
                    connections.closed(id);
                    open.remove(&id);
                }
                _ => {}
            }
            connections.check();
            prop_assert_eq!(connections.count(), open.len());
        }
    }
}

#[test]
fn each_refusal_has_a_name_of_its_own() {
    let names: BTreeSet<_> = ConnectionRefusal::ALL.iter().map(|refusal| refusal.name()).collect();
    assert_eq!(names.len(), ConnectionRefusal::ALL.len());
}
