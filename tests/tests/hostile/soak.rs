//! All attacks at once, for a short time; `cargo run -p revtun-tests --example soak` takes as long as it is told to.

use std::time::Duration;

use revtun_tests::soak::{Plan, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_tenants_work_while_all_attacks_go_on_at_once() {
    let report = run(Plan { duration: Duration::from_secs(10), tenants: 2, attacks: true, restarts: None }).await;
    println!("{report}");
    assert_eq!(report.lost, 0);
}
