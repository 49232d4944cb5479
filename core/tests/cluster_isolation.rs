//! Two clusters of one tenant have nodes of the same names, and their own names look alike. Whoever names the cluster,
//! too, gets the same from it, to the nanosecond, whether the other is there or not: what is told apart by tenant in
//! `tenant_isolation` is told apart by cluster here. Only what a tenant may hold is common to both.

mod isolation;

use proptest::prelude::*;
use revtun_core::responder::Verdict;

use isolation::{ALIKE, Deed, Party, deed, story};

fn parties(clusters: [&'static str; 2]) -> [Party; 2] {
    clusters.map(|cluster| Party { tenant: "t", cluster: Some(cluster) })
}

proptest! {
    #[test]
    fn a_cluster_observes_nothing_of_the_others(
        pair in prop::sample::select(ALIKE.to_vec()),
        steps in prop::collection::vec((any::<bool>(), 0_u16..1500, any::<u64>(), deed()), 1..80),
    ) {
        let [one, other] = pair;
        for clusters in [[one, other], [other, one]] {
            prop_assert_eq!(story(parties(clusters), &steps, false), story(parties(clusters), &steps, true), "{:?}", clusters);
        }
    }
}

/// The property above is about something: both clusters get tunnels, requests through them, and refusals.
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
