//! Deterministic simulation of the shipped runtime: the same code that runs in production, in a world whose network,
//! clock, dice and secrets come from one seed.
//!
//! ```text
//!   seed ──▶ Scenario ──▶ Plan ──▶ Region ──▶ Outcome: facts, the property that does not hold, digests
//!                           ▲         │
//!                        faults       ├─ cast: responders, initiators and their services, Envoys, callers, strangers
//!                                     ├─ net: a TCP/IP stack for each host, and what becomes of packets between them
//!                                     └─ History ──▶ oracles
//!
//!   campaign: many seeds on all cores        shrink: what is enough of a failure        town: a second opinion
//! ```
//!
//! Reading order: [`plan`], [`faults`], [`region`], [`net`], [`host`] (the world the runtime sees), [`secrets`], [`cast`],
//! [`history`], [`oracle`]; then [`scenario`], [`campaign`], [`shrink`], [`report`].

pub mod campaign;
pub mod cast;
pub mod clock;
pub mod dice;
pub mod faults;
pub mod history;
pub mod host;
pub mod journals;
pub mod net;
pub mod oracle;
pub mod plan;
pub mod region;
pub mod report;
pub mod scenario;
pub mod secrets;
pub mod shrink;
pub mod town;
