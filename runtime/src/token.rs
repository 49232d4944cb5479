//! Bearer tokens, the second means by which an initiator proves who it is (reference §8).
//!
//! ```text
//!   initiator: file ──▶ TokenFile ──▶ authorization: Bearer …
//!
//!   responder: file ──▶ reload ──▶ Keys ─┐
//!                       authorization ──▶ JwtVerifier ──▶ what it says ──▶ core: is it for us, in time, and who is it?
//! ```

#[cfg(feature = "jwt")]
mod curve;
mod error;
mod file;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(feature = "jwt")]
mod keys;
#[cfg(feature = "jwt")]
mod provider;
mod read;
#[cfg(feature = "jwt")]
mod rsa;
mod verifier;

#[cfg(feature = "jwt")]
pub use self::error::{KeySetError, KeySetFileError};
pub use self::error::{ReadError, TokenFileError};
pub use self::file::{TokenFile, TokenText};
#[cfg(feature = "jwt")]
pub use self::jwt::JwtVerifier;
#[cfg(feature = "jwt")]
pub use self::keys::{JwksFile, Keys};
pub use self::verifier::{TokenVerifier, VerifiedToken, VerifyToken};
