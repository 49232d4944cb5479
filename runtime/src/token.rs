//! Bearer tokens, the second means by which an initiator proves who it is (reference §8).
//!
//! ```text
//!   initiator: file ──▶ TokenFile ──▶ authorization: Bearer …
//!
//!   responder: file ──▶ keep ──▶ Keys ─┐
//!                     authorization ──▶ Verifier ──▶ what it says ──▶ core: is it for us, in time, and who is it?
//! ```

mod file;
mod keys;
mod provider;
mod verifier;

pub use self::file::{TokenFile, TokenText};
pub use self::keys::{JwksFile, Keys};
pub use self::verifier::Verifier;
