//! Deterministic simulation of the shipped runtime: the same code that runs in production, in a world whose network,
//! clock and dice come from one seed.
//!
//! ```text
//!   seed ──▶ Town ─┬─ caller ───────▶ responder ◀─── initiator ───▶ service     (four hosts, one thread)
//!                  │                      │              │
//!                  ├─ crash, bounce, hold, release, orders to drain
//!                  └─ Board ◀───── what hosts show ──────┘
//!
//!   Scenario: what happens to a town, and the properties that must hold in it
//!   Journal:  every connection, and every byte with its moment; equal for equal seeds
//! ```
//!
//! Reading order: [`scenario`], [`town`], [`hosts`], [`simulated`] (the world the runtime sees), [`journal`],
//! [`traces`].

pub mod board;
pub mod hosts;
pub mod journal;
pub mod scenario;
pub mod simulated;
pub mod town;
pub mod traces;
