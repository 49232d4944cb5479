//! `revtun responder`.

use std::sync::Arc;

use revtun::admin::{self, ResponderSubject};
use revtun::config::{Fault, ResponderSettings};
use revtun::responder::{self, ResponderConfig};
use revtun::tls::{Certificates, InnerClient, Server, TunnelServer};
use revtun::token::Verifier;
use revtun::trace::Trace;
use revtun::world::Tokio;
use tokio::sync::watch;

use super::process::{self, File};
use super::traces::Traces;
use crate::cli::ResponderArgs;
use crate::failure::Failure;
use crate::log::{self, Logged};
use crate::signals::Signals;

/// Runs a responder until it is drained.
pub(super) fn run(args: &ResponderArgs) -> Result<(), Failure> {
    let file = File::read_any(args.process.config.as_deref())?;
    let settings = file.as_ref().map(|file| file.settings.clone()).unwrap_or_default();
    log::start(&args.process.log.over(settings.log)?)?;
    let settings = with_flags(settings.responder.unwrap_or_default(), args);
    let missing = settings.missing();
    if !missing.is_empty() {
        return Err(Failure::problems(&missing, file.as_ref().map(File::source)));
    }
    let traces = Traces::create(settings.trace.as_deref(), 1)?;
    let trace = traces.of(0);
    let outcome = process::on_threads(settings.threads, serve(settings, trace));
    traces.finish();
    outcome
}

fn with_flags(mut settings: ResponderSettings, args: &ResponderArgs) -> ResponderSettings {
    let ResponderArgs { process, tunnel_listen, egress_listen, admin_listen, ping_interval, tenant_isolation, .. } =
        args;
    settings.threads = process.threads.or(settings.threads);
    settings.drain_grace = process.drain_grace.unwrap_or(settings.drain_grace);
    settings.trace = process.trace.clone().or(settings.trace);
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
) -> Result<(ResponderConfig, Certificates), Fault> {
    let mut config = settings.responder.clone();
    let mut certificates = Certificates::default();
    if let Some((keys, policy)) = settings.token.demands()? {
        let keys = certificates.keep(world, "token", keys, hup.clone())?;
        config.token = Some(Verifier { keys, policy: Arc::new(policy) });
    }
    if let Some((files, binding)) = settings.tls.tunnel(config.token.is_some())? {
        let anybody = files.client_ca.is_none() && config.token.is_none();
        let server = Server::new(certificates.keep(world, "tunnel", files, hup.clone())?);
        if anybody {
            tracing::warn!(
                "initiators are believed whoever they say they are: neither a client CA nor a key set for tokens is given"
            );
        }
        let inner = match &settings.inner_tls {
            None => None,
            Some(inner) => {
                let (files, server_name) = inner.inner()?;
                let config = certificates.keep(world, "inner", files, hup.clone())?;
                Some(InnerClient { config, server_name })
            }
        };
        config.tls = Some(TunnelServer { server, extent: settings.tls.extent, binding: binding.map(Arc::new), inner });
    }
    if let Some(files) = settings.egress_tls.egress()? {
        config.egress_tls = Some(Server::new(certificates.keep(world, "egress", files, hup.clone())?));
    }
    Ok((config, certificates))
}

async fn serve(settings: ResponderSettings, trace: Trace) -> Result<(), Failure> {
    let world = Tokio::begin();
    let signals = Signals::listen(&world).map_err(Failure::own)?;
    let (config, certificates) = secure(&world, &settings, &signals.hangups()).map_err(Failure::user)?;
    let handle = responder::start(world.traced(trace), config).await;
    let handle = Arc::new(handle.map_err(|error| process::unbound(&error))?);
    let subject = ResponderSubject::new(Arc::clone(&handle), &settings, certificates);
    let admin = admin::start(&world, settings.admin_listen, Logged(subject)).await;
    let admin = admin.map_err(|error| process::unbound(&error))?;
    process::announce("tunnel", handle.tunnel_addr());
    process::announce("egress", handle.egress_addr());
    process::announce("admin", admin.addr());
    let drained = async {
        let grace = signals.until_drain(&world, &admin).await.unwrap_or(settings.drain_grace);
        handle.drain(grace).await;
    };
    tokio::select! {
        biased;
        panicked = handle.failed() => Err(Failure::fatal(&panicked)),
        panicked = admin.failed() => Err(Failure::fatal(&panicked)),
        () = drained => Ok(()),
    }
}
