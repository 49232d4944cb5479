//! Deterministic simulation of the shipped runtime: the code that runs in production, in a world whose network, clock,
//! random numbers and TLS secrets come from one seed.
//!
//! ```text
//!   seed ──▶ Scenario ──▶ Plan ──▶ world ──▶ Outcome: events, the property that failed, digests
//!                           ▲         │
//!                        faults       ├─ actors: responders, initiators and their services, Envoys, callers, hostile peers
//!                                     ├─ net: a TCP/IP stack for each host, and the network between them
//!                                     └─ History ──▶ oracles
//!
//!   campaign: many seeds on all cores     shrink: a failure made small     turmoil_world: another simulated network
//! ```
//!
//! Reading order: [`plan`], [`faults`], [`world`], [`net`], [`process_world`] (what the runtime sees), [`deterministic_tls`],
//! [`actors`], [`history`], [`oracle`]; then [`scenario`], [`campaign`], [`shrink`], [`report`].

pub mod actors;
pub mod campaign;
pub mod clock;
pub mod deterministic_tls;
pub mod dice;
pub mod faults;
pub mod history;
pub mod journals;
pub mod net;
pub mod oracle;
pub mod plan;
pub mod process_world;
pub mod regression_seeds;
pub mod report;
pub mod scenario;
pub mod shrink;
pub mod turmoil_world;
pub mod world;
