//! Handshakes in full, each of them.
//!
//! A resumed session repeats what an earlier handshake proved, and nobody looks at the certificates again: one that has expired
//! or was revoked would go on proving an identity for as long as sessions are resumed (RFC 8446 §8, RFC 5246 §F.1.4).

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::server::{NoServerSessionStorage, ServerConnection};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tokio::sync::watch;

use super::reload::Current;

/// A configuration that may let sessions be resumed.
pub(super) trait Resumable {
    /// The same without that.
    fn without_resumption(&self) -> Self;
}

impl Resumable for ServerConfig {
    /// No tickets, no sessions: nothing that a client could resume.
    fn without_resumption(&self) -> Self {
        let mut config = self.clone();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::new(NoTickets);
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        config
    }
}

impl Resumable for ClientConfig {
    fn without_resumption(&self) -> Self {
        let mut config = self.clone();
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config
    }
}

/// The configuration as it is now, without resumption, whoever made it. It is derived once from each that is loaded.
#[derive(Clone, Debug)]
pub(super) struct FullHandshake<C> {
    loaded: Current<C>,
    derived: Arc<watch::Sender<Derived<C>>>,
}

/// A configuration, and what it was derived from.
#[derive(Debug)]
struct Derived<C> {
    from: Arc<C>,
    config: Arc<C>,
}

impl<C: Resumable> Derived<C> {
    fn new(from: &Arc<C>) -> Self {
        Self { from: Arc::clone(from), config: Arc::new(from.without_resumption()) }
    }
}

impl<C: Resumable> FullHandshake<C> {
    pub(super) fn new(loaded: Current<C>) -> Self {
        let derived = Derived::new(&loaded.borrow());
        Self { loaded, derived: Arc::new(watch::Sender::new(derived)) }
    }

    /// What holds for a connection that begins now.
    pub(super) fn config(&self) -> Arc<C> {
        let loaded = Arc::clone(&self.loaded.borrow());
        let mut config = None;
        self.derived.send_if_modified(|derived| {
            if !Arc::ptr_eq(&derived.from, &loaded) {
                *derived = Derived::new(&loaded);
            }
            config = Some(Arc::clone(&derived.config));
            false
        });
        config.expect("it is called at once")
    }
}

/// The same configuration, now and later.
impl<C> PartialEq for FullHandshake<C> {
    fn eq(&self, other: &Self) -> bool {
        self.loaded.same_channel(&other.loaded)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Config {
        number: u32,
        resumes: bool,
    }

    impl Resumable for Config {
        fn without_resumption(&self) -> Self {
            Self { number: self.number, resumes: false }
        }
    }

    #[test]
    fn a_configuration_is_derived_when_it_is_loaded_and_not_again() {
        let loads = |number| Arc::new(Config { number, resumes: true });
        let (files, loaded) = watch::channel(loads(1));
        let full = FullHandshake::new(loaded);
        let first = full.config();
        assert_eq!(*first, Config { number: 1, resumes: false });
        assert!(Arc::ptr_eq(&first, &full.clone().config()), "every connection has the same");
        files.send_replace(loads(2));
        let second = full.config();
        assert_eq!(*second, Config { number: 2, resumes: false });
        assert!(Arc::ptr_eq(&second, &full.clone().config()), "every connection has the same");
    }
}
