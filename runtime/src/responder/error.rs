//! Why a responder does not start.

use std::error::Error;
use std::net::SocketAddr;
use std::{fmt, io};

/// Why a responder does not start. Each message is a short phrase without a full stop.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A listener cannot be bound.
    Bind {
        /// Which: `tunnel` or `egress`.
        listener: &'static str,
        /// Where it was to listen.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { listener, addr, source } => {
                write!(f, "cannot bind the {listener} listener to {addr}: {source}")
            }
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bind { source, .. } => Some(source),
        }
    }
}
