//! An Envoy 1.40 at either end of tunnels, as it was measured. What it sends and ignores before HTTP/2 is written here byte
//! by byte and shares nothing with the code under test; HTTP/2 itself is hyper's.
//!
//! ```text
//!   callers ──▶ egress ─▶ idle_pool ─▶ responder ◀── our initiators       initiator ──▶ our responders
//!                 └────────── tunnel_stream: RPING, GOAWAY ───────────────────┘  └─ service
//! ```

pub mod egress;
mod idle_pool;
pub mod initiator;
mod protocol;
mod record_reader;
pub mod responder;
pub mod state;
mod tunnel_stream;

pub(super) use self::protocol::{Stream, read_head};
pub(super) use self::record_reader::TlsRecordReader;
