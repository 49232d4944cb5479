//! Handshakes in full, each of them.
//!
//! A resumed session repeats what an earlier handshake proved, and nobody looks at the certificates again: one that has expired
//! or was revoked would go on proving an identity for as long as sessions are resumed (RFC 8446 §8, RFC 5246 §F.1.4).

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::server::{NoServerSessionStorage, ServerConnection};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};

/// `config` without anything that a client could resume: no tickets, no sessions.
pub(super) fn of_server(config: &ServerConfig) -> ServerConfig {
    let mut config = config.clone();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::new(NoTickets);
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

/// `config` without sessions to resume.
pub(super) fn of_client(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config
}

/// Refuses a client whose certificate was only remembered, where a configuration of somebody else's making lets sessions be resumed.
pub(super) fn demand(connection: &ServerConnection) -> io::Result<()> {
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    if resumed && connection.peer_certificates().is_some() {
        return Err(io::Error::other("a resumed TLS session proves no identity; a full handshake is required"));
    }
    Ok(())
}

/// Makes no tickets, and takes none.
#[derive(Debug)]
struct NoTickets;

impl rustls::server::ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
