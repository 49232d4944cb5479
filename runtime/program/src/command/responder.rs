//! `revtun responder`.

use std::sync::Arc;

use revtun::journal::Journal;
use revtun::responder::{self, ResponderConfig, StartError};
use revtun::tls::{CertificateStore, DenyFile, InnerClient, Server, TunnelServer};
use revtun::token::{JwtVerifier, TokenVerifier};
use revtun::world::Tokio;
use revtun_core::descriptors::DescriptorShares;
use revtun_program::admin::ResponderSubject;
use revtun_program::config::{ConfigError, End, ResponderSettings};
use tokio::sync::watch;

use super::journals::Journals;
use super::process::{self, Loaded};
use crate::cli::Given;
use crate::error::CliError;
use crate::log;
use crate::signals::Signals;

/// Runs a responder until it is drained.
pub(super) fn run(given: &Given) -> Result<(), CliError> {
    let loaded = Loaded::read(given, Some(End::Responder))?;
    log::start(&loaded.settings.log).map_err(CliError::own)?;
    let mut settings = loaded.settings.responder.clone().unwrap_or_default();
    loaded.check(&settings.missing())?;
    let descriptors = Descriptors::share(&mut settings, process::raise_descriptor_limit());
    let journals = Journals::create(settings.process.journal.as_deref(), 1)?;
    let journal = journals.of(0);
    let outcome = process::on_threads(settings.process.threads, serve(settings, journal, descriptors));
    journals.finish();
    outcome
}

/// The file descriptors of the process, shared out.
struct Descriptors {
    limit: u32,
    shares: DescriptorShares,
    /// Whether they are enough for all that the settings allow.
    suffice: bool,
}

impl Descriptors {
    /// Lowers the limits of `settings` to what `limit` file descriptors are enough for, so that neither callers nor initiators
    /// can take those of the others.
    fn share(settings: &mut ResponderSettings, limit: u32) -> Self {
        let config = &mut settings.responder;
        let allowed = (config.max_callers, config.core.max_handshakes, config.core.max_tunnels);
        let shares = DescriptorShares::of(limit, allowed.0, allowed.1, allowed.2);
        let granted = (shares.callers, shares.handshakes, shares.tunnels);
        (config.max_callers, config.core.max_handshakes, config.core.max_tunnels) = granted;
        Self { limit, shares, suffice: granted == allowed }
    }

    fn log(&self) {
        let Self { limit, shares: DescriptorShares { admin, callers, handshakes, tunnels }, suffice } = self;
        if *suffice {
            tracing::info!(limit, "file descriptors are enough for all connections that the settings allow");
        } else {
            tracing::info!(
                limit,
                callers,
                handshakes,
                tunnels,
                admin,
                "file descriptors are enough for fewer connections than the settings allow; raise their hard limit for more"
            );
        }
    }
}

/// Reads the files of both listeners, and goes on doing so.
fn secure(
    world: &Tokio,
    settings: &ResponderSettings,
    hup: &watch::Receiver<u64>,
) -> Result<(ResponderConfig, CertificateStore), ConfigError> {
    let mut config = settings.responder.clone();
    let mut certificates = CertificateStore::default();
    if let Some((keys, policy)) = settings.token.demands()? {
        let keys = certificates.watch(world, "token", keys, hup.clone())?;
        config.token = Some(TokenVerifier::new(JwtVerifier::new(keys, Arc::new(policy))));
    }
    if let Some(path) = settings.deny_list.clone() {
        config.revocation.deny = Some(certificates.watch(world, "deny-list", DenyFile::new(path), hup.clone())?);
    }
    if let Some(files) = settings.tls.verifier() {
        config.revocation.certificates = Some(certificates.watch(world, "revocation", files, hup.clone())?);
    }
    if let Some((files, binding)) = settings.tls.tunnel(config.token.is_some())? {
        let demands_certificates = files.client_ca.is_some();
        let anybody = !demands_certificates && config.token.is_none();
        let server = Server::new(certificates.watch(world, "tunnel", files, hup.clone())?);
        if anybody {
            tracing::warn!(
                "initiators are not authenticated: neither a client CA nor a key set for tokens is configured"
            );
        }
        let binding = binding.map(Arc::new);
        let inner = match &settings.inner_tls {
            None => None,
            Some(inner) => {
                let (files, server_name) = inner.inner()?;
                let config = certificates.watch(world, "inner", files, hup.clone())?;
                let mut inner = InnerClient::new(config, server_name);
                inner.binding.clone_from(&binding);
                Some(inner)
            }
        };
        let mut tls = TunnelServer::new(server);
        tls.extent = settings.tls.extent;
        tls.binding = binding.filter(|_| demands_certificates);
        tls.inner = inner;
        config.tls = Some(tls);
    }
    if let Some(files) = settings.egress_tls.egress()? {
        config.egress_tls = Some(Server::new(certificates.watch(world, "egress", files, hup.clone())?));
    }
    Ok((config, certificates))
}

fn not_started(error: &StartError) -> CliError {
    match error {
        StartError::Bind { source, .. } => process::unbound(error, source.kind()),
        other => CliError::own(other),
    }
}

async fn serve(settings: ResponderSettings, journal: Journal, descriptors: Descriptors) -> Result<(), CliError> {
    let world = Tokio::begin();
    let signals = Signals::listen(&world).map_err(CliError::own)?;
    let (config, certificates) = secure(&world, &settings, &signals.hangups()).map_err(CliError::user)?;
    let handle = responder::start(world.with_journal(journal), config).await;
    let handle = Arc::new(handle.map_err(|error| not_started(&error))?);
    let subject = ResponderSubject::new(Arc::clone(&handle), &settings, certificates);
    let admin = process::start_admin(&world, &settings.process, descriptors.shares.admin, subject).await?;
    descriptors.log();
    process::announce("tunnel", handle.tunnel_addr());
    process::announce("egress", handle.egress_addr());
    process::announce("admin", admin.addr());
    let drained = async {
        let grace = signals.until_drain(&world, &admin, &settings.process).await;
        handle.drain(grace).await;
    };
    tokio::select! {
        biased;
        panicked = handle.failed() => Err(CliError::fatal(&panicked)),
        panicked = admin.failed() => Err(CliError::fatal(&panicked)),
        () = drained => Ok(()),
    }
}
