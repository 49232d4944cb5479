//! TLS around tunnels and callers: who proves what, and how far it reaches.
//!
//! ```text
//!   files ──▶ Server / Client ──▶ reload: read again when they change, or on SIGHUP
//!                   │
//!                   ▼ accept / connect
//!   stream ──▶ MaybeTlsStream: the stream in the clear, or inside TLS ──▶ handshake, tunnel, HTTP
//! ```
//!
//! Between two revtun ends a tunnel stays inside TLS from its first byte to its last ([`Extent::Whole`]); each end says
//! so in the handshake and takes no peer that does not. An Envoy leaves TLS behind the answer to the handshake
//! (reference §8), and an operator who wants that has to ask for it by name. With [`Extent::Inner`] requests are inside
//! a second TLS then, whose client is the responder.
//!
//! No session is resumed where certificates prove who somebody is: each handshake judges them again.

mod accept_any;
mod certificate;
mod client;
mod counting_io;
mod error;
mod failure;
mod files;
mod full_handshake;
mod inner_client;
mod maybe_tls;
mod proof;
mod record_reader;
mod reload;
mod revocation;
mod server;

pub use self::certificate::{Certificate, NotX509};
pub use self::client::Client;
pub(crate) use self::counting_io::ByteCounts;
pub use self::error::TlsFileError;
pub use self::files::{ClientFiles, ServerFiles};
pub use self::inner_client::InnerClient;
pub use self::maybe_tls::MaybeTlsStream;
pub use self::proof::Proof;
pub use self::reload::{CertificateStatus, CertificateStore, Current, Reloadable};
pub use self::revocation::{ClientVerifier, ClientVerifierFiles, DenyFile, DenyFileError};
pub use self::server::{ClosedUnused, Server, TunnelServer};

/// How much of a tunnel is inside TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it, and the peer has to agree.
    #[default]
    Whole,
    /// The handshake alone, as with an Envoy: pings and requests are in the clear.
    Handshake,
    /// The handshake, and then requests in a second TLS in which the responder is the client. Pings are in the clear.
    Inner,
}

impl Extent {
    /// Whether the TLS of the handshake ends behind the answer.
    #[must_use]
    pub const fn leaves(self) -> bool {
        match self {
            Self::Whole => false,
            Self::Handshake | Self::Inner => true,
        }
    }

    /// Reads `whole`, `plaintext-after-handshake` or `inner`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "whole" => Some(Self::Whole),
            "plaintext-after-handshake" => Some(Self::Handshake),
            "inner" => Some(Self::Inner),
            _ => None,
        }
    }
}
