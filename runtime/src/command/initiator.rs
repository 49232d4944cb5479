//! `revtun initiator`.

use std::collections::BTreeMap;
use std::sync::Arc;

use revtun::admin::{self, InitiatorSubject};
use revtun::config::{InitiatorSettings, Listener, Origin};
use revtun::initiator::{self, Forward, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::world::Tokio;
use revtun_core::address::Address;

use super::process::{self, File};
use super::traces::Traces;
use crate::cli::InitiatorArgs;
use crate::failure::Failure;
use crate::log;
use crate::signals::Signals;

type Listeners = Vec<(Address, InitiatorHandle<Tokio>)>;

/// Runs an initiator until it is drained.
pub(super) fn run(args: &InitiatorArgs) -> Result<(), Failure> {
    let file = File::read_any(args.process.config.as_deref())?;
    let settings = file.as_ref().map(|file| file.settings.clone()).unwrap_or_default();
    log::start(&args.process.log.over(settings.log));
    let settings = with_flags(settings.initiator.unwrap_or_default(), args);
    let source = file.as_ref().map(File::source);
    let plans = settings.plan().map_err(|problems| Failure::problems(&problems, source))?;
    let traces = Traces::create(settings.trace.as_deref(), plans.len())?;
    let outcome = process::on_threads(settings.threads, serve(settings, plans, &traces));
    traces.finish();
    outcome
}

fn with_flags(mut settings: InitiatorSettings, args: &InitiatorArgs) -> InitiatorSettings {
    let InitiatorArgs { process, address, upstream, forward, admin_listen } = args;
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
    settings
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
    let signals = Signals::listen().map_err(Failure::own)?;
    let listeners = Arc::new(start(&world, plans, traces).await?);
    let subject = InitiatorSubject::new(Arc::clone(&listeners), settings.drain_grace);
    let admin = admin::start(&world, settings.admin_listen, subject).await;
    let admin = admin.map_err(|error| process::unbound(&error))?;
    process::announce("admin", admin.addr());
    let grace = signals.until_drain(&world, &admin).await.unwrap_or(settings.drain_grace);
    for (_, listener) in listeners.iter() {
        listener.drain(grace);
    }
    for (_, listener) in listeners.iter() {
        listener.wait().await;
    }
    Ok(())
}

async fn start(world: &Tokio, plans: Vec<(InitiatorConfig, HostPort)>, traces: &Traces) -> Result<Listeners, Failure> {
    let run = Run::begin(world);
    let mut listeners = Vec::with_capacity(plans.len());
    for (machine, (config, service)) in plans.into_iter().enumerate() {
        let world = &world.traced(traces.of(machine));
        let forward = Forward::new(world, service, &config.core).map_err(Failure::user)?;
        let address = config.address.clone();
        let handle = initiator::start(world, config, run.clone(), forward).await.map_err(|error| {
            Failure::user(format!(
                "{error} (upstream {:?}); correct the name, or see to the resolver",
                address.upstream()
            ))
        })?;
        listeners.push((address, handle));
    }
    Ok(listeners)
}
