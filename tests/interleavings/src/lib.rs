//! What threads share in revtun, under every order of them that matters.
//!
//! ```text
//!   runtime/src/responder/{shared,tick,lease,link,severable}.rs ─┐ included by path, as they ship
//!   runtime/src/{pump,counter}.rs, runtime/src/tls/keep.rs       ─┤
//!                                                               ├──▶ tests/loom     small models, every order
//!   tests/stage: sync.rs, world.rs, … in place of the rest      ─┘──▶ tests/shuttle  whole lives, random and PCT orders
//! ```
//!
//! [`planted`] are races put into copies of those files; each has to be found by the model named with it in
//! `tests/planted/bugs.toml`.
//!
//! A model that fails prints the assertion, or `deadlock` for a wake-up that was lost. To see the order that broke it,
//! run it alone and aloud: loom then numbers the runs, and says for each switch of threads where it was made. Read the
//! last run from its end.
//!
//! ```text
//! LOOM_LOG=trace LOOM_LOCATION=1 cargo test -p revtun-interleavings --test loom no_wake_up_is_lost -- --nocapture
//! ```
//!
//! shuttle prints the schedule that failed as one text, which replays it; and it takes as many as are asked for:
//!
//! ```text
//! REVTUN_SCHEDULE=9103f1... cargo test -p revtun-interleavings --test shuttle random -- --nocapture
//! REVTUN_SCHEDULES=10000000 cargo test -p revtun-interleavings --test shuttle orders -- --nocapture
//! ```

pub mod planted;
