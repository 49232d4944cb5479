//! Two tenants share a responder, and their names look alike. What happens to one of them follows from what it does
//! itself and from nothing that the other does: its story is the same, to the nanosecond, whether the other is there or
//! not. Only what the whole responder may hold is common to both, and is not reached here.

mod isolation;

use proptest::prelude::*;
use revtun_core::responder::Verdict;

use isolation::{ALIKE, Deed, Party, deed, story};

fn parties(tenants: [&'static str; 2]) -> [Party; 2] {
    tenants.map(|tenant| Party { tenant, cluster: None })
}

proptest! {
    #[test]
    fn a_tenant_observes_nothing_of_the_others(
        pair in prop::sample::select(ALIKE.to_vec()),
        steps in prop::collection::vec((any::<bool>(), 0_u16..1500, any::<u64>(), deed()), 1..80),
    ) {
        let [one, other] = pair;
        for tenants in [[one, other], [other, one]] {
            prop_assert_eq!(story(parties(tenants), &steps, false), story(parties(tenants), &steps, true), "{:?}", tenants);
        }
    }
}

/// The property above is about something: both tenants get tunnels, requests through them, and refusals.
#[test]
fn generated_schedules_reach_every_effect() {
    let dial =
        |others| (others, 1, 0, Deed::Dial { node: 0, cluster: 1, instance: None, verdict: Verdict::Authenticated });
    let ask = |others| (others, 200, 0, Deed::Ask(true, 0));
    let steps =
        [dial(false), dial(true), ask(false), ask(true), (true, 1, 0, Deed::DrainAll), dial(false), dial(false)];
    let told: Vec<_> = story(parties(["acme", "Acme"]), &steps, false).into_iter().map(|(_, what)| what).collect();
    for what in ["tunnel 0: accept", "tunnel 0: carries request 0", "tunnel 2: node-full", "tunnel 0: Silent"] {
        assert!(told.iter().any(|told| told == what), "{what}: {told:#?}");
    }
}
