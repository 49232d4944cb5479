//! `revtun responder`.

use std::sync::Arc;

use revtun::journal::Journal;
use revtun::responder::{self, ResponderConfig, StartError};
use revtun::tls::{CertificateStore, InnerClient, Server, TunnelServer};
use revtun::token::{JwtVerifier, TokenVerifier};
use revtun::world::Tokio;
use revtun_program::admin::{self, ResponderSubject};
use revtun_program::config::{ConfigError, ResponderSettings};
use tokio::sync::watch;

use super::journals::Journals;
use super::process::{self, File};
use crate::cli::ResponderArgs;
use crate::error::CliError;
use crate::log::{self, Logged};
use crate::signals::Signals;

/// Runs a responder until it is drained.
pub(super) fn run(args: &ResponderArgs) -> Result<(), CliError> {
    let file = File::read_any(args.process.config.as_deref())?;
    let settings = file.as_ref().map(|file| file.settings.clone()).unwrap_or_default();
    log::start(&args.process.log.over(settings.log)?).map_err(CliError::own)?;
    let settings = with_flags(settings.responder.unwrap_or_default(), args);
    let missing = settings.missing();
    if !missing.is_empty() {
        return Err(CliError::diagnostics(&missing, file.as_ref().map(File::source)));
    }
    let journals = Journals::create(settings.journal.as_deref(), 1)?;
    let journal = journals.of(0);
    let outcome = process::on_threads(settings.threads, serve(settings, journal));
    journals.finish();
    outcome
}

fn with_flags(mut settings: ResponderSettings, args: &ResponderArgs) -> ResponderSettings {
    let ResponderArgs { process, tunnel_listen, egress_listen, admin_listen, ping_interval, tenant_isolation, .. } =
        args;
    settings.threads = process.threads.or(settings.threads);
    settings.drain_grace = process.drain_grace.unwrap_or(settings.drain_grace);
    settings.journal = process.journal.clone().or(settings.journal);
    settings.admin_listen = admin_listen.unwrap_or(settings.admin_listen);
    if let Some(interval) = ping_interval {
        settings.set_ping_interval(*interval);
    }
    if let Some(threshold) = args.ping_failure_threshold {
        settings.set_ping_failure_threshold(threshold);
    }
    let responder = &mut settings.responder;
    responder.tunnel_listen = tunnel_listen.unwrap_or(responder.tunnel_listen);
    responder.egress_listen = egress_listen.unwrap_or(responder.egress_listen);
    responder.core.tenant_isolation = tenant_isolation.unwrap_or(responder.core.tenant_isolation);
    set_tls(&mut settings, args);
    settings
}

fn set_tls(settings: &mut ResponderSettings, args: &ResponderArgs) {
    let tls = &mut settings.tls;
    process::set(&mut tls.cert, &args.tls_cert);
    process::set(&mut tls.key, &args.tls_key);
    process::set(&mut tls.client_ca, &args.tls_client_ca);
    tls.extent = args.tls_extent.unwrap_or(tls.extent);
    tls.allow_any_identity |= args.allow_any_identity;
    if let Some(templates) = &args.tls_identity {
        tls.set_identity(templates.clone());
    }
    process::set(&mut settings.egress_tls.cert, &args.egress_tls_cert);
    process::set(&mut settings.egress_tls.key, &args.egress_tls_key);
    let token = &mut settings.token;
    process::set(&mut token.jwks, &args.token_jwks);
    process::set(&mut token.issuer, &args.token_issuer);
    process::set(&mut token.audience, &args.token_audience);
    if let Some(templates) = &args.token_identity {
        token.set_identity(templates.clone());
    }
    settings.allow_plaintext |= args.allow_plaintext;
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
    if let Some((files, binding)) = settings.tls.tunnel(config.token.is_some())? {
        let anybody = files.client_ca.is_none() && config.token.is_none();
        let server = Server::new(certificates.watch(world, "tunnel", files, hup.clone())?);
        if anybody {
            tracing::warn!(
                "initiators are not authenticated: neither a client CA nor a key set for tokens is configured"
            );
        }
        let inner = match &settings.inner_tls {
            None => None,
            Some(inner) => {
                let (files, server_name) = inner.inner()?;
                let config = certificates.watch(world, "inner", files, hup.clone())?;
                Some(InnerClient::new(config, server_name))
            }
        };
        let mut tls = TunnelServer::new(server);
        tls.extent = settings.tls.extent;
        tls.binding = binding.map(Arc::new);
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

async fn serve(settings: ResponderSettings, journal: Journal) -> Result<(), CliError> {
    let world = Tokio::begin();
    let signals = Signals::listen(&world).map_err(CliError::own)?;
    let (config, certificates) = secure(&world, &settings, &signals.hangups()).map_err(CliError::user)?;
    let handle = responder::start(world.with_journal(journal), config).await;
    let handle = Arc::new(handle.map_err(|error| not_started(&error))?);
    let subject = ResponderSubject::new(Arc::clone(&handle), &settings, certificates);
    let admin = admin::start(&world, settings.admin_listen, Logged(subject)).await;
    let admin = admin.map_err(|error| process::unbound(&error, error.kind()))?;
    process::announce("tunnel", handle.tunnel_addr());
    process::announce("egress", handle.egress_addr());
    process::announce("admin", admin.addr());
    let drained = async {
        let grace = signals.until_drain(&world, &admin).await.unwrap_or(settings.drain_grace);
        handle.drain(grace).await;
    };
    tokio::select! {
        biased;
        panicked = handle.failed() => Err(CliError::fatal(&panicked)),
        panicked = admin.failed() => Err(CliError::fatal(&panicked)),
        () = drained => Ok(()),
    }
}
