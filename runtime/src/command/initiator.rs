//! `revtun initiator`.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use revtun::admin::{self, InitiatorSubject};
use revtun::config::{Fault, InitiatorSettings, Listener, Origin};
use revtun::initiator::{self, Forward, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::supervise::TaskPanicked;
use revtun::tls::{self, Certificates};
use revtun::token::TokenFile;
use revtun::world::Tokio;
use revtun_core::address::Address;
use tokio::sync::watch;

use super::process::{self, File};
use super::traces::Traces;
use crate::cli::InitiatorArgs;
use crate::failure::Failure;
use crate::log::{self, Logged};
use crate::signals::Signals;

type Listeners = Vec<(Address, InitiatorHandle<Tokio>)>;

/// Runs an initiator until it is drained.
pub(super) fn run(args: &InitiatorArgs) -> Result<(), Failure> {
    let file = File::read_any(args.process.config.as_deref())?;
    let settings = file.as_ref().map(|file| file.settings.clone()).unwrap_or_default();
    log::start(&args.process.log.over(settings.log)?)?;
    let settings = with_flags(settings.initiator.unwrap_or_default(), args);
    let source = file.as_ref().map(File::source);
    let plans = settings.plan().map_err(|problems| Failure::problems(&problems, source))?;
    let traces = Traces::create(settings.trace.as_deref(), plans.len())?;
    let outcome = process::on_threads(settings.threads, serve(settings, plans, &traces));
    traces.finish();
    outcome
}

fn with_flags(mut settings: InitiatorSettings, args: &InitiatorArgs) -> InitiatorSettings {
    let InitiatorArgs { process, address, upstream, forward, admin_listen, .. } = args;
    settings.threads = process.threads.or(settings.threads);
    settings.drain_grace = process.drain_grace.unwrap_or(settings.drain_grace);
    settings.trace = process.trace.clone().or(settings.trace);
    settings.admin_listen = admin_listen.unwrap_or(settings.admin_listen);
    if !address.is_empty() {
        let listener =
            |address: &Address| Listener { address: address.clone(), forward: None, origin: Origin::Flag("--address") };
        settings.listeners = address.iter().map(listener).collect();
    }
    settings.upstreams.extend(by_name(upstream));
    if let Some(service) = forward {
        settings.forward_all(service);
    }
    set_tls(&mut settings, args);
    settings
}

fn set_tls(settings: &mut InitiatorSettings, args: &InitiatorArgs) {
    let InitiatorArgs {
        tls, tls_ca, tls_cert, tls_key, tls_server_name, tls_extent, token_file, allow_plaintext, ..
    } = args;
    let files = [tls_ca, tls_cert, tls_key];
    if *tls || files.into_iter().any(Option::is_some) || tls_server_name.is_some() || tls_extent.is_some() {
        let tls = settings.tls.get_or_insert_default();
        process::set(&mut tls.ca, tls_ca);
        process::set(&mut tls.cert, tls_cert);
        process::set(&mut tls.key, tls_key);
        process::set(&mut tls.server_name, tls_server_name);
        tls.extent = tls_extent.unwrap_or(tls.extent);
    }
    settings.token = token_file.clone().map(TokenFile::new).or_else(|| settings.token.take());
    settings.allow_plaintext |= allow_plaintext;
}

/// A name that is given several times stands for all that was said of it.
fn by_name(upstreams: &[(String, Vec<HostPort>)]) -> BTreeMap<String, Vec<HostPort>> {
    let mut named = BTreeMap::<_, Vec<_>>::new();
    for (name, endpoints) in upstreams {
        named.entry(name.clone()).or_default().extend(endpoints.iter().cloned());
    }
    named
}

async fn serve(
    settings: InitiatorSettings,
    plans: Vec<(InitiatorConfig, HostPort)>,
    traces: &Traces,
) -> Result<(), Failure> {
    let world = Tokio::begin();
    let signals = Signals::listen(&world).map_err(Failure::own)?;
    let mut certificates = Certificates::default();
    let tls = secure(&world, &settings, signals.hangups(), &mut certificates).map_err(Failure::user)?;
    let listeners = Arc::new(start(&world, plans, tls, traces).await?);
    let subject = InitiatorSubject::new(Arc::clone(&listeners), settings.drain_grace, certificates);
    let admin = admin::start(&world, settings.admin_listen, Logged(subject)).await;
    let admin = admin.map_err(|error| process::unbound(&error))?;
    process::announce("admin", admin.addr());
    let drained = async {
        let grace = signals.until_drain(&world, &admin).await.unwrap_or(settings.drain_grace);
        for (_, listener) in listeners.iter() {
            listener.drain(grace);
        }
        for (_, listener) in listeners.iter() {
            listener.wait().await;
        }
    };
    tokio::select! {
        biased;
        panicked = any_failed(&listeners) => Err(Failure::fatal(&panicked)),
        panicked = admin.failed() => Err(Failure::fatal(&panicked)),
        () = drained => Ok(()),
    }
}

/// Waits for the first listener that dies.
async fn any_failed(listeners: &Listeners) -> TaskPanicked {
    let mut failures: Vec<_> = listeners.iter().map(|(_, listener)| Box::pin(listener.failed())).collect();
    poll_fn(|cx| {
        let ready = failures.iter_mut().map(|failure| failure.as_mut().poll(cx)).find(Poll::is_ready);
        ready.unwrap_or(Poll::Pending)
    })
    .await
}

/// Reads the files, if there is to be TLS, and goes on doing so.
fn secure(
    world: &Tokio,
    settings: &InitiatorSettings,
    hup: watch::Receiver<u64>,
    certificates: &mut Certificates,
) -> Result<Option<tls::Client>, Fault> {
    if let Some(token) = &settings.token {
        token.read()?;
    }
    let Some(tls) = &settings.tls else { return Ok(None) };
    let config = certificates.keep(world, "upstream", tls.files()?, hup.clone())?;
    let inner = match &settings.inner_tls {
        None => None,
        Some(inner) => Some(tls::Server::new(certificates.keep(world, "inner", inner.inner()?, hup)?)),
    };
    Ok(Some(tls::Client { config, extent: tls.extent, server_name: tls.server_name.clone(), inner }))
}

async fn start(
    world: &Tokio,
    plans: Vec<(InitiatorConfig, HostPort)>,
    tls: Option<tls::Client>,
    traces: &Traces,
) -> Result<Listeners, Failure> {
    let run = Run::begin(world);
    let mut listeners = Vec::with_capacity(plans.len());
    for (machine, (mut config, service)) in plans.into_iter().enumerate() {
        let world = &world.traced(traces.of(machine));
        config.tls.clone_from(&tls);
        let forward = Forward::new(world, service, &config.core).map_err(Failure::user)?;
        let address = config.address.clone();
        let handle = initiator::start(world, config, run.clone(), forward).await.map_err(|error| {
            let remedy = match error.is_forbidden() {
                true => "give --tls, or --allow-plaintext if something else encrypts it",
                false => "correct the name, or see to the resolver",
            };
            Failure::user(format!("{error} (upstream {:?}); {remedy}", address.upstream()))
        })?;
        listeners.push((address, handle));
    }
    Ok(listeners)
}
