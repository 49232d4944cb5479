//! The simulated network: one TCP/IP stack for each host, and packets between them that arrive late, twice, out of order or
//! not at all.
//!
//! ```text
//!   tasks of a process ──▶ kernel ──┐                                        ┌──▶ kernel ──▶ tasks of another process
//!                                   ▼                                        │
//!                         network: flows ─▶ link_conditions ─▶ queue ─▶ tcp_fixups
//! ```
//!
//! The stacks are those of `turmoil-net`: handshake, windows, segments, retransmission. Everything between them is here.
//! Reading order: [`process`] (which task runs on which kernel), [`memory_account`] and [`socket`] (which memory counts as a
//! process'), [`network`], [`link_conditions`], [`flows`], [`tcp_fixups`].

pub mod flows;
mod host_id;
pub mod link_conditions;
pub mod memory_account;
pub mod network;
pub mod process;
pub mod socket;
pub mod tcp_fixups;

pub use self::host_id::HostId;
