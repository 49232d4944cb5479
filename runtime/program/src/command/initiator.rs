//! `revtun initiator`.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use revtun::initiator::{self, ForbiddenEndpoint, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::tls::{self, CertificateStore};
use revtun::upstream::Forward;
use revtun::world::Tokio;
use revtun_core::address::Address;
use revtun_core::descriptors::DescriptorShares;
use revtun_program::admin::{self, InitiatorSubject};
use revtun_program::config::{ConfigError, End, InitiatorSettings};
use tokio::sync::watch;

use super::journals::Journals;
use super::process::{self, Loaded};
use crate::cli::Given;
use crate::error::CliError;
use crate::log::{self, Logged};
use crate::signals::Signals;

type Listeners = Vec<(Address, InitiatorHandle<Tokio>)>;

/// Runs an initiator until it is drained.
pub(super) fn run(given: &Given) -> Result<(), CliError> {
    let loaded = Loaded::read(given, Some(End::Initiator))?;
    log::start(&loaded.settings.log).map_err(CliError::own)?;
    let settings = loaded.settings.initiator.clone().unwrap_or_default();
    let plans = settings.plan().map_err(|missing| CliError::diagnostics(&missing, loaded.source()))?;
    let journals = Journals::create(settings.journal.as_deref(), plans.len())?;
    let admin = DescriptorShares::of(process::raise_descriptor_limit(), 0, 0, 0).admin;
    let outcome = process::on_threads(settings.threads, serve(settings, plans, &journals, admin));
    journals.finish();
    outcome
}

async fn serve(
    settings: InitiatorSettings,
    plans: Vec<(InitiatorConfig, HostPort)>,
    journals: &Journals,
    admin_connections: u32,
) -> Result<(), CliError> {
    let world = Tokio::begin();
    let signals = Signals::listen(&world).map_err(CliError::own)?;
    let mut certificates = CertificateStore::default();
    let tls = secure(&world, &settings, signals.hangups(), &mut certificates).map_err(CliError::user)?;
    let listeners = Arc::new(start(&world, &settings, plans, tls, journals).await?);
    let subject = InitiatorSubject::new(Arc::clone(&listeners), settings.drain_grace, certificates);
    let admin = process::admin(settings.admin_listen, &settings.admin_hosts, admin_connections);
    let admin = admin::start(&world, admin, Logged(subject)).await;
    let admin = admin.map_err(|error| process::unbound(&error, error.kind()))?;
    process::announce("admin", admin.addr());
    let drained = async {
        let grace = signals.until_drain(&world, &admin, settings.shutdown_delay).await.unwrap_or(settings.drain_grace);
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

async fn start(
    world: &Tokio,
    settings: &InitiatorSettings,
    plans: Vec<(InitiatorConfig, HostPort)>,
    tls: Option<tls::Client>,
    journals: &Journals,
) -> Result<Listeners, CliError> {
    let run = Run::begin(world);
    let mut listeners = Vec::with_capacity(plans.len());
    for (machine, (mut config, service)) in plans.into_iter().enumerate() {
        let world = &world.with_journal(journals.of(machine));
        config.tls.clone_from(&tls);
        let forward = Forward::new(world, service, &config.core).map_err(CliError::user)?;
        let forward = forward.allow_upgrades(settings.upgrades.clone()).allow_tcp(settings.tcp_allow.clone());
        let address = config.address.clone();
        let handle = initiator::start(world, config, run.clone(), forward).await.map_err(|error| refusal(&error))?;
        listeners.push((address, handle));
    }
    Ok(listeners)
}
