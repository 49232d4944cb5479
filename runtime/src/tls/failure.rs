//! What to tell of a TLS handshake that failed.

use std::io;

use rustls::{Error, InvalidMessage};

/// `error` in words that say what to do about it, where the library's do not.
pub(super) fn explained(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    // Of bytes that are no record the library says in which way they are none.
    if let Some(Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)) =
        inner
    {
        return io::Error::new(error.kind(), "the peer does not speak TLS");
    }
    error
}
