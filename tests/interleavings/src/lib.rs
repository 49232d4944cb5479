//! What threads share in revtun, under every order of them that matters.
//!
//! ```text
//!   runtime/src/responder/{shared,tick,handle,command}.rs       ─┐ included by path, as they ship
//!   runtime/src/{pump,counter}.rs, runtime/src/tls/reload.rs    ─┤
//!                                                               ├──▶ tests/loom     small models, every order
//!   tests/stage: sync.rs, world.rs, … in place of the rest      ─┘──▶ tests/shuttle  whole lives, random and PCT orders
//! ```
//!
//! [`planted`] are races put into copies of those files; each has to be found by the model named with it in
//! `tests/planted/bugs.toml`.
//!
//! A model that fails prints the assertion, or `deadlock` for a wake-up that was lost. To see the order that broke it, run
//! it alone and aloud: loom then says in which run it is, which thread goes on, and what that does to which object. It is
//! much, so look at the last run only, from its end. This is what it says of the planted race `asked-twice`, in which `handle.rs`
//! looks whether anybody has asked for a tunnel and then says that it has, in two steps; left out are locks and what
//! follows from the start of a tunnel:
//!
//! ```text
//! LOOM_LOG=trace LOOM_LOCATION=1 cargo test -p revtun-interleavings --test loom -- \
//!     --ignored --exact planted::asked_twice::models::a_tunnel_is_started_once --nocapture >LOG 2>&1
//! grep -E "$(grep -oE 'iter.[0-9]+' LOG | tail -1)\b|panicked" -A1 LOG
//!
//!  INFO iter{4988}:thread{id=1}: loom::rt::execution: ~~~~~~~~ THREAD 1 ~~~~~~~~
//! TRACE iter{4988}:thread{id=1}: loom::rt::atomic: Atomic::load state=Ref<loom::rt::atomic::State>(4) ordering=Relaxed
//! TRACE iter{4988}:thread{id=1}: loom::rt::atomic: Atomic::store state=Ref<loom::rt::atomic::State>(4) ordering=Relaxed
//!  INFO iter{4988}:thread{id=2}: loom::rt::execution: ~~~~~~~~ THREAD 2 ~~~~~~~~
//! TRACE iter{4988}:thread{id=2}: loom::rt::atomic: Atomic::load state=Ref<loom::rt::atomic::State>(4) ordering=Relaxed
//! TRACE iter{4988}:thread{id=2}: loom::rt::atomic: Atomic::store state=Ref<loom::rt::atomic::State>(4) ordering=Relaxed
//! thread 'planted::asked_twice::models::a_tunnel_is_started_once' panicked at loom.rs:4091:9:
//! assertion `left == right` failed: a tunnel is started twice
//! ```
//!
//! The number in brackets is the object: both threads load and store the same one. The second load still sees what was there
//! before the first store, as `Relaxed` allows, so both threads believe that they are the first. One `swap` cannot be split so.
//!
//! shuttle prints the schedule that failed as one text, which replays it; and it takes as many as are asked for:
//!
//! ```text
//! REVTUN_SCHEDULE=9103f1... cargo test -p revtun-interleavings --test shuttle random -- --nocapture
//! REVTUN_SCHEDULES=10000000 cargo test -p revtun-interleavings --test shuttle orders -- --nocapture
//! ```

pub mod planted;
