//! `revtun initiator`.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use revtun::initiator::{self, ForbiddenEndpoint, InitiatorConfig, InitiatorHandle, Run};
use revtun::tls::{self, CertificateStore};
use revtun::upstream::{Forward, ServiceTls};
use revtun::world::Tokio;
use revtun_core::address::Address;
use revtun_core::descriptors::DescriptorShares;
use revtun_program::admin::InitiatorSubject;
use revtun_program::config::{ConfigError, End, ForwardPlan, InitiatorSettings};
use tokio::sync::watch;

use super::journals::Journals;
use super::process::{self, Loaded};
use crate::cli::Given;
use crate::error::CliError;
use crate::log;
use crate::signals::Signals;

type Listeners = Vec<(Address, InitiatorHandle<Tokio>)>;

/// Runs an initiator until it is drained.
pub(super) fn run(given: &Given) -> Result<(), CliError> {
    let loaded = Loaded::read(given, Some(End::Initiator))?;
    log::start(&loaded.settings.log).map_err(CliError::own)?;
    let settings = loaded.settings.initiator.clone().unwrap_or_default();
    let plans = settings.plan().map_err(|missing| CliError::diagnostics(&missing, loaded.source()))?;
    let journals = Journals::create(settings.process.journal.as_deref(), plans.len())?;
    let admin = DescriptorShares::of(process::raise_descriptor_limit(), 0, 0, 0).admin;
    let outcome = process::on_threads(settings.process.threads, serve(settings, plans, &journals, admin));
    journals.finish();
    outcome
}

async fn serve(
    settings: InitiatorSettings,
    plans: Vec<(InitiatorConfig, ForwardPlan)>,
    journals: &Journals,
    admin_connections: u32,
) -> Result<(), CliError> {
    let world = Tokio::begin();
    let signals = Signals::listen(&world).map_err(CliError::own)?;
    let mut certificates = CertificateStore::default();
    let tls = secure(&world, &settings, signals.hangups(), &mut certificates).map_err(CliError::user)?;
    let mut forwards = Vec::with_capacity(plans.len());
    for (config, plan) in &plans {
        let forward = forward(&world, plan, config, &signals.hangups(), &mut certificates).map_err(CliError::user)?;
        forwards.push(forward.allow_upgrades(settings.upgrades.clone()).allow_tcp(settings.tcp_allow.clone()));
    }
    let plans = plans.into_iter().map(|(config, _)| config).zip(forwards.iter().cloned()).collect();
    let listeners = Arc::new(start(&world, plans, tls, journals).await?);
    let subject = InitiatorSubject::new(Arc::clone(&listeners), forwards, settings.process.drain_grace, certificates);
    let admin = process::start_admin(&world, &settings.process, admin_connections, subject).await?;
    process::announce("admin", admin.addr());
    let drained = async {
        let grace = signals.until_drain(&world, &admin, &settings.process).await;
        for (_, listener) in listeners.iter() {
            listener.drain(grace);
        }
        for (_, listener) in listeners.iter() {
            listener.wait().await;
        }
    };
    tokio::select! {
        biased;
        panicked = any_of(&listeners, |listener| listener.failed()) => Err(CliError::fatal(&panicked)),
        forbidden = any_of(&listeners, |listener| listener.forbidden()) => Err(refusal(&forbidden)),
        panicked = admin.failed() => Err(CliError::fatal(&panicked)),
        () = drained => Ok(()),
    }
}

/// Waits for the first listener of which `ends` ends.
async fn any_of<'a, F: Future>(listeners: &'a Listeners, ends: impl Fn(&'a InitiatorHandle<Tokio>) -> F) -> F::Output {
    let mut waiting: Vec<_> = listeners.iter().map(|(_, listener)| Box::pin(ends(listener))).collect();
    poll_fn(|cx| {
        let ready = waiting.iter_mut().map(|end| end.as_mut().poll(cx)).find(Poll::is_ready);
        ready.unwrap_or(Poll::Pending)
    })
    .await
}

/// What to do about an endpoint that must not be dialled.
fn refusal(forbidden: &ForbiddenEndpoint) -> CliError {
    CliError::user(format!("{forbidden}; give --tls, or --allow-plaintext if something else encrypts the connection"))
}

/// Reads the files, if there is to be TLS, and goes on doing so.
fn secure(
    world: &Tokio,
    settings: &InitiatorSettings,
    hup: watch::Receiver<u64>,
    certificates: &mut CertificateStore,
) -> Result<Option<tls::Client>, ConfigError> {
    if let Some(token) = settings.token() {
        token.read()?;
    }
    let Some(tls) = &settings.tls else { return Ok(None) };
    let config = certificates.watch(world, "upstream", tls.files()?, hup.clone())?;
    let inner = match &settings.inner_tls {
        None => None,
        Some(inner) => Some(tls::Server::new(certificates.watch(world, "inner", inner.inner()?, hup)?)),
    };
    let mut client = tls::Client::new(config);
    client.extent = tls.extent;
    client.server_name.clone_from(&tls.server_name);
    client.inner = inner;
    Ok(Some(client))
}

/// What forwards the requests of one listener. Reads the files of its services' TLS, and goes on doing so.
fn forward(
    world: &Tokio,
    plan: &ForwardPlan,
    config: &InitiatorConfig,
    hup: &watch::Receiver<u64>,
    certificates: &mut CertificateStore,
) -> Result<Forward<Tokio>, String> {
    let mut services = Vec::with_capacity(plan.services.len());
    for plan in &plan.services {
        let mut service = plan.config.clone();
        if let Some((files, server_name)) = plan.tls.clone() {
            let name = format!("service {}", service.name);
            let current = certificates.watch(world, &name, files, hup.clone());
            let mut tls = ServiceTls::new(current.map_err(|error| ConfigError::from(error).to_string())?);
            tls.server_name = server_name;
            service.tls = Some(tls);
        }
        services.push(service);
    }
    Forward::with_routes(world, &services, plan.routes.clone(), &config.core).map_err(|error| error.to_string())
}

async fn start(
    world: &Tokio,
    plans: Vec<(InitiatorConfig, Forward<Tokio>)>,
    tls: Option<tls::Client>,
    journals: &Journals,
) -> Result<Listeners, CliError> {
    let run = Run::begin(world);
    let mut listeners = Vec::with_capacity(plans.len());
    for (machine, (mut config, forward)) in plans.into_iter().enumerate() {
        let world = &world.with_journal(journals.of(machine));
        config.tls.clone_from(&tls);
        let address = config.address.clone();
        let handle = initiator::start(world, config, run.clone(), forward).await.map_err(|error| refusal(&error))?;
        listeners.push((address, handle));
    }
    Ok(listeners)
}
