//! The initiator: one machine for each `rc://` address, and a task for each tunnel.
//!
//! ```text
//!             TargetSet                    Dial, SendHandshake, Deliver, Goaway, Close
//!   hosts ────────────────▶ ┌────────┐ ────────────────────────────────────────────────▶ tunnel ◀──▶ responder
//!                           │ driver │                                                     │
//!   handle ──── drain ────▶ └────────┘ ◀────────────────────────────────────────────────    │
//!                                       Connected, Answered, Heard, Used, Goaway, Ended      │ first use
//!                                                                                            ├─▶ serve ──▶ TunnelService
//!                                                                                            └─▶ handover ──▶ ReverseListener
//! ```
//!
//! Reading order: [`context`], [`driver`], [`tunnel`], [`handshake`], [`first_use`], [`serve`], [`handover`]; [`host_table`] is
//! where hosts come from, and [`resolve`] asks for their addresses. The usual [`TunnelService`] is [`upstream::Forward`](crate::upstream::Forward).

mod command;
mod context;
mod counters;
mod driver;
mod first_use;
mod handover;
mod handshake;
mod host_table;
mod resolve;
mod serve;
mod service;
mod task;
mod tunnel;
mod tunnel_log;
mod view;

pub use self::context::Run;
pub use self::counters::Totals;
pub use self::handover::TunnelStream;
pub use self::resolve::ForbiddenEndpoint;
pub use self::service::TunnelService;
pub use self::view::{EndpointInfo, HostInfo, STAGES, TunnelInfo};
pub use crate::error::BoxError;
pub use crate::host_port::{HostPort, HostPortError};
pub use crate::http::RequestBody;
pub use revtun_core::initiator::Targets;

use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use revtun_core::address::Address;
use revtun_core::handshake::{HeaderNames, PATH};
use revtun_core::hosts::{self, Hosts};
use revtun_core::initiator::{Config, Initiator};
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, error_span};

use self::context::{Context, KeepRunning};
use self::counters::Counters;
use self::driver::{Driver, State};
use self::first_use::UseTunnel;
use self::handover::Handover;
use self::host_table::HostTable;
use crate::host_port::check_reach;
use crate::http::HttpLimits;
use crate::http::limits::{IDLE_BYTES, STREAMS};
use crate::pump::pump;
use crate::supervise::{Supervisor, TaskPanicked, Unhealthy, in_time};
use crate::tls;
use crate::token::TokenFile;
use crate::world::World;

/// The capacity for inputs that the machine has not processed; a task whose input finds no room waits.
const INPUTS: usize = 1024;

/// The capacity for orders to drain.
const DRAINS: usize = 4;

/// The capacity for tunnels in use that nobody has accepted; others wait in their own tasks.
const ACCEPTED: usize = 16;

/// What the task is called that steps the machine.
const PUMP: &str = "initiator pump";

/// For how long what is due may wait in an initiator that is ready.
const READY_PATIENCE: Duration = Duration::from_secs(2);

/// The configuration of one listener of an initiator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InitiatorConfig {
    /// The identity, the upstream and the number of tunnels.
    pub address: Address,
    /// The endpoints of the address' upstream.
    pub endpoints: Vec<HostPort>,
    /// The configuration of the machine.
    pub core: Config,
    /// Which addresses of the endpoints' names get tunnels.
    pub hosts: hosts::Config,
    /// The path of the handshake request (reference §10).
    pub request_path: String,
    /// The names of the headers that carry our identity (reference §2.1).
    pub header_names: HeaderNames,
    /// Concurrent requests on one tunnel.
    pub max_streams: u32,
    /// Bytes of pings that may come at once, before HTTP begins.
    pub max_idle_bytes: u32,
    /// Limits on requests of responders.
    pub http: HttpLimits,
    /// Whether to ask for an upgrade, so that 101 and not 200 accepts (reference §2.1).
    pub upgrade: bool,
    /// TLS towards responders; none is plaintext tunnels.
    pub tls: Option<tls::Client>,
    /// The file of the token that proves our identity, read at each dial.
    pub token: Option<TokenFile>,
    /// Whether plaintext tunnels may leave this machine.
    pub allow_plaintext: bool,
}

impl InitiatorConfig {
    /// The defaults, for `address` and the endpoints of its upstream.
    #[must_use]
    pub fn new(address: Address, endpoints: Vec<HostPort>) -> Self {
        Self {
            address,
            endpoints,
            core: Config::default(),
            hosts: hosts::Config::default(),
            request_path: PATH.to_owned(),
            header_names: HeaderNames::default(),
            max_streams: STREAMS,
            max_idle_bytes: IDLE_BYTES,
            http: HttpLimits::default(),
            upgrade: false,
            tls: None,
            token: None,
            allow_plaintext: false,
        }
    }
}

/// Dials and keeps the tunnels up; `service` responds to the requests that come through them.
///
/// Waits for nothing: names are resolved meanwhile, and tried again for as long as that fails. [`InitiatorHandle::endpoints`]
/// tells which are not.
///
/// # Errors
/// If an endpoint is an address on another machine, and plaintext tunnels must not leave this one. Of a name that turns out
/// later: see [`InitiatorHandle::forbidden`].
pub async fn start<W: World, S: TunnelService>(
    world: &W,
    config: InitiatorConfig,
    run: Run,
    service: S,
) -> Result<InitiatorHandle<W>, ForbiddenEndpoint> {
    start_using(world, config, run, service).await
}

/// As [`start`], but tunnels in use go to whoever receives them, as streams with the responder's address.
pub(crate) async fn start_listening<W: World>(
    world: &W,
    config: InitiatorConfig,
    run: Run,
) -> Result<(InitiatorHandle<W>, mpsc::Receiver<(TunnelStream<W>, SocketAddr)>), ForbiddenEndpoint> {
    let (tunnels, accepted) = mpsc::channel(ACCEPTED);
    Ok((start_using(world, config, run, Handover(tunnels)).await?, accepted))
}

async fn start_using<W: World, S: UseTunnel<W>>(
    world: &W,
    config: InitiatorConfig,
    run: Run,
    service: S,
) -> Result<InitiatorHandle<W>, ForbiddenEndpoint> {
    let InitiatorConfig {
        address,
        endpoints,
        core,
        hosts,
        request_path,
        header_names,
        max_streams,
        max_idle_bytes,
        ..
    } = config;
    let InitiatorConfig { http, upgrade, tls, token, allow_plaintext, .. } = config;
    let allow_remote = tls.is_some() || allow_plaintext;
    for endpoint in &endpoints {
        if let Some(Err(error)) = endpoint.literal().map(|address| check_reach(&[address], allow_remote))
            && let Some(forbidden) = ForbiddenEndpoint::of(endpoint, &error)
        {
            return Err(forbidden);
        }
    }

    let (inputs, received) = mpsc::channel(INPUTS);
    let (drains, ordered) = mpsc::channel(DRAINS);
    let machine = Initiator::new(core);
    world.journal().begin(&machine);
    let table = HostTable::new(Hosts::new(hosts, &core, endpoints.len()), &endpoints);
    let (state, watched) = watch::channel(State { machine, table, forbidden: None, drained: false });
    let counters = Arc::<Counters>::default();
    let supervisor = Supervisor::default();
    let handle = InitiatorHandle {
        world: world.clone(),
        state: watched,
        drains,
        counters: Arc::clone(&counters),
        supervisor: supervisor.clone(),
    };
    let context = Arc::new(Context {
        world: world.clone(),
        address,
        core,
        request_path,
        header_names,
        max_streams,
        max_idle_bytes,
        http,
        upgrade,
        tls,
        token,
        allow_remote,
        endpoints,
        run,
        service,
        counters,
        inputs,
    });

    // Whatever is logged says which listener it is about, by identity and upstream; at whatever level, so the span has the
    // highest.
    let span = error_span!("initiator", address = %context.address);
    let mut driver = Driver::new(Arc::clone(&context), supervisor.clone(), state, received, ordered);
    let driving = async move {
        driver.begin();
        pump(&context.world, &mut driver).await;
    };
    supervisor.spawn(world, PUMP, driving.instrument(span));
    Ok(handle)
}

/// A running initiator. Dropping the handle closes its tunnels at once.
#[derive(Debug)]
pub struct InitiatorHandle<W> {
    world: W,
    state: watch::Receiver<State>,
    drains: mpsc::Sender<Duration>,
    counters: Arc<Counters>,
    supervisor: Supervisor,
}

impl<W: World> InitiatorHandle<W> {
    /// Starts a drain: no new tunnels, requests may finish within `grace`. There is no way back. See [`Self::wait`].
    pub fn drain(&self, grace: Duration) {
        // Without room earlier orders are still to be performed; without a receiver everything is drained already.
        let _ = self.drains.try_send(grace);
    }

    /// What keeps the initiator running when the handle is dropped.
    pub(crate) fn keep_running(&self) -> KeepRunning {
        KeepRunning { _drains: self.drains.clone() }
    }

    /// Waits until a drain is complete and no tunnel is left.
    pub async fn wait(&self) {
        // An error means that the pump has ended, and the tunnels with it.
        let _ = self.state.clone().wait_for(|state| state.drained).await;
    }

    /// Whether at least one tunnel is up, was heard since it was accepted, and is not draining; and whether that is the current
    /// state, not the one from before the initiator stopped.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.state.borrow().machine.is_ready() && self.health(READY_PATIENCE).is_ok()
    }

    /// Whether the initiator does its work: none of its own tasks has panicked, and nothing that was due has waited for more
    /// than `patience`.
    ///
    /// # Errors
    /// If that is not so: why.
    pub fn health(&self, patience: Duration) -> Result<(), Unhealthy> {
        self.supervisor.check()?;
        let (drained, deadline) = {
            let state = self.state.borrow();
            (state.drained, state.deadline())
        };
        if drained { Ok(()) } else { in_time(PUMP, deadline, self.world.now(), patience) }
    }

    /// Waits until a task has panicked that the initiator cannot live without. Its tunnels are of no use then: drop the
    /// handle, or end the process.
    pub async fn failed(&self) -> TaskPanicked {
        self.supervisor.failed().await
    }

    /// How many hosts there are, and how many tunnels to them are wanted.
    #[must_use]
    pub fn targets(&self) -> Targets {
        self.state.borrow().machine.targets()
    }

    /// Waits until an endpoint turns out to be on another machine, by the first answer of the resolver, although plaintext
    /// tunnels must not leave this one. That is a mistake of whoever configured it; later answers of that kind are failures of
    /// the resolver.
    pub async fn forbidden(&self) -> ForbiddenEndpoint {
        let mut state = self.state.clone();
        let forbidden = match state.wait_for(|state| state.forbidden.is_some()).await {
            Ok(state) => state.forbidden.clone(),
            Err(_) => None,
        };
        match forbidden {
            Some(forbidden) => forbidden,
            // The pump has ended.
            None => future::pending().await,
        }
    }

    /// Every endpoint that is a name: whether it is resolved.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointInfo> {
        view::endpoints(&self.state.borrow(), self.world.now())
    }

    /// Every host that shall have tunnels: whether it has some, and if not, why.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostInfo> {
        view::hosts(&self.state.borrow(), self.world.now())
    }

    /// Every tunnel.
    #[must_use]
    pub fn tunnels(&self) -> Vec<TunnelInfo> {
        view::tunnels(&self.state.borrow(), self.world.now())
    }

    /// The values of all counters.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.counters.totals()
    }
}
