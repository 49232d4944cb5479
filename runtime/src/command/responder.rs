//! `revtun responder`.

use std::sync::Arc;

use revtun::admin::{self, ResponderSubject};
use revtun::config::ResponderSettings;
use revtun::responder;
use revtun::trace::Trace;
use revtun::world::Tokio;

use super::process::{self, File};
use super::traces::Traces;
use crate::cli::ResponderArgs;
use crate::failure::Failure;
use crate::log;
use crate::signals::Signals;

/// Runs a responder until it is drained.
pub(super) fn run(args: &ResponderArgs) -> Result<(), Failure> {
    let settings = File::read_any(args.process.config.as_deref())?.map(|file| file.settings).unwrap_or_default();
    log::start(&args.process.log.over(settings.log));
    let settings = with_flags(settings.responder.unwrap_or_default(), args);
    let traces = Traces::create(settings.trace.as_deref(), 1)?;
    let trace = traces.of(0);
    let outcome = process::on_threads(settings.threads, serve(settings, trace));
    traces.finish();
    outcome
}

fn with_flags(mut settings: ResponderSettings, args: &ResponderArgs) -> ResponderSettings {
    let ResponderArgs { process, tunnel_listen, egress_listen, admin_listen, ping_interval, tenant_isolation } = args;
    settings.threads = process.threads.or(settings.threads);
    settings.drain_grace = process.drain_grace.unwrap_or(settings.drain_grace);
    settings.trace = process.trace.clone().or(settings.trace);
    settings.admin_listen = admin_listen.unwrap_or(settings.admin_listen);
    if let Some(interval) = ping_interval {
        settings.set_ping_interval(*interval);
    }
    let responder = &mut settings.responder;
    responder.tunnel_listen = tunnel_listen.unwrap_or(responder.tunnel_listen);
    responder.egress_listen = egress_listen.unwrap_or(responder.egress_listen);
    responder.core.tenant_isolation = tenant_isolation.unwrap_or(responder.core.tenant_isolation);
    settings
}

async fn serve(settings: ResponderSettings, trace: Trace) -> Result<(), Failure> {
    let world = Tokio::begin();
    let signals = Signals::listen().map_err(Failure::own)?;
    let handle = responder::start(world.traced(trace), settings.responder.clone()).await;
    let handle = Arc::new(handle.map_err(|error| process::unbound(&error))?);
    let subject = ResponderSubject::new(Arc::clone(&handle), &settings);
    let admin = admin::start(&world, settings.admin_listen, subject).await;
    let admin = admin.map_err(|error| process::unbound(&error))?;
    process::announce("tunnel", handle.tunnel_addr());
    process::announce("egress", handle.egress_addr());
    process::announce("admin", admin.addr());
    let grace = signals.until_drain(&world, &admin).await.unwrap_or(settings.drain_grace);
    handle.drain(grace).await;
    Ok(())
}
