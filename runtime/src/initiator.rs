//! The initiator's side: one machine for each `rc://` address, a task for each tunnel, and a way to the local service.
//!
//! ```text
//!              Resolved                    Dial, SendHandshake, Deliver, Goaway, Close
//!   hosts ────────────────▶ ┌────────┐ ────────────────────────────────────────────────▶ tunnel ◀──▶ responder
//!                           │ driver │                                                     │
//!   handle ──── drain ────▶ └────────┘ ◀────────────────────────────────────────────────  serve ──▶ forward
//!                                       Connected, Answered, Heard, Used, Goaway, Ended
//! ```
//!
//! Reading order: [`driver`], [`tunnel`], [`serve`], [`forward`]; [`hosts`] is where addresses come from.

mod connector;
mod counters;
mod driver;
mod forward;
mod hosts;
mod pool;
mod request_body;
mod serve;
mod tunnel;
mod view;

pub use self::counters::Totals;
pub use self::forward::{Forward, ForwardBody};
pub use self::hosts::{HostPort, Unresolvable};
pub use self::request_body::RequestBody;
pub use self::serve::{BoxError, TunnelService};
pub use self::view::TunnelInfo;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use revtun_core::Machine;
use revtun_core::address::Address;
use revtun_core::handshake::{HeaderNames, Instance, PATH};
use revtun_core::initiator::{Config, Initiator};
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, error_span};

use self::counters::Counters;
use self::driver::{Driver, Input, State};
use self::hosts::{Hosts, Resolved, keep_resolving};
use crate::flow::{HttpLimits, IDLE_BYTES, STREAMS};
use crate::pump::pump;
use crate::supervise::{Supervisor, TaskPanicked, Unhealthy, in_time};
use crate::tls;
use crate::token::TokenFile;
use crate::world::World;

/// What tunnels may have reported and the machine has not seen; a tunnel whose report finds no room waits.
const INPUTS: usize = 1024;

/// Orders to drain that the pump has not taken up.
const DRAINS: usize = 4;

/// What the task is called that steps the machine.
const PUMP: &str = "initiator pump";

/// For how long what is due may wait in an initiator that is ready.
const READY_PATIENCE: Duration = Duration::from_secs(2);

/// What one listener of an initiator is to do.
#[derive(Clone, Debug)]
pub struct InitiatorConfig {
    /// Who to be, what to dial and how often.
    pub address: Address,
    /// The endpoints of the address' upstream.
    pub endpoints: Vec<HostPort>,
    /// The settings of the machine.
    pub core: Config,
    /// The path of the handshake request (reference §10).
    pub request_path: String,
    /// What the headers are called that say who we are (reference §2.1).
    pub header_names: HeaderNames,
    /// What is taken from responders: requests on one tunnel at the same time.
    pub max_streams: u32,
    /// Bytes of pings that may come at once, before HTTP begins.
    pub max_idle_bytes: u32,
    /// What is taken from responders otherwise.
    pub http: HttpLimits,
    /// Whether to ask for an upgrade, so that 101 and not 200 accepts (reference §2.1).
    pub upgrade: bool,
    /// TLS towards responders; none is tunnels in the clear.
    pub tls: Option<tls::Client>,
    /// Where to read, at each dial, the token that proves who we are.
    pub token: Option<TokenFile>,
    /// Whether tunnels in the clear may leave this machine.
    pub allow_plaintext: bool,
}

impl InitiatorConfig {
    /// The defaults, for `address` and what its upstream stands for.
    #[must_use]
    pub fn new(address: Address, endpoints: Vec<HostPort>) -> Self {
        Self {
            address,
            endpoints,
            core: Config::default(),
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

/// One run of an initiator process, which all its listeners have in common.
#[derive(Clone, Debug)]
pub struct Run {
    instance: Instance,
    connections: Arc<AtomicU64>,
}

impl Run {
    /// A run that begins now.
    #[must_use]
    pub fn begin(world: &impl World) -> Self {
        let instance = Instance(u128::from(world.random()) << 64 | u128::from(world.random()));
        Self { instance, connections: Arc::default() }
    }
}

/// What all tasks of an initiator share.
struct Context<W, S> {
    world: W,
    address: Address,
    core: Config,
    request_path: String,
    header_names: HeaderNames,
    max_streams: u32,
    max_idle_bytes: u32,
    http: HttpLimits,
    upgrade: bool,
    tls: Option<tls::Client>,
    token: Option<TokenFile>,
    /// Whether hosts may be elsewhere: the way to them is encrypted, or need not be.
    anywhere: bool,
    /// The hosts of the endpoints, as they were written.
    names: Vec<Arc<str>>,
    run: Run,
    service: S,
    counters: Arc<Counters>,
    inputs: mpsc::Sender<Input>,
}

/// Resolves the endpoints, then dials and keeps dialling; `service` answers what comes through the tunnels.
///
/// # Errors
/// If the name of an endpoint cannot be resolved, or a tunnel to it would leave this machine in the clear and must not.
/// An address always can be resolved; and a name that is lost later keeps its last addresses.
pub async fn start<W: World, S: TunnelService>(
    world: &W,
    config: InitiatorConfig,
    run: Run,
    service: S,
) -> Result<InitiatorHandle<W>, Unresolvable> {
    let InitiatorConfig { address, endpoints, core, request_path, header_names, max_streams, max_idle_bytes, .. } =
        config;
    let InitiatorConfig { http, upgrade, tls, token, allow_plaintext, .. } = config;
    let anywhere = tls.is_some() || allow_plaintext;
    let mut answers = Vec::with_capacity(endpoints.len());
    for (endpoint, place) in endpoints.iter().enumerate() {
        match place.resolve(world, anywhere).await {
            Ok(addresses) => answers.push(Resolved { endpoint, addresses }),
            Err(error) => return Err(Unresolvable { endpoint: place.clone(), error }),
        }
    }

    let (inputs, reported) = mpsc::channel(INPUTS);
    let (drains, ordered) = mpsc::channel(DRAINS);
    let machine = Initiator::new(core);
    world.trace().begin(&machine);
    let (state, watched) = watch::channel(State { machine, hosts: Hosts::default(), drained: false });
    let counters = Arc::<Counters>::default();
    let supervisor = Supervisor::default();
    let handle = InitiatorHandle {
        world: world.clone(),
        state: watched,
        drains,
        counters: Arc::clone(&counters),
        supervisor: supervisor.clone(),
    };
    let names = endpoints.iter().map(|endpoint| endpoint.host.as_str().into()).collect();
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
        anywhere,
        names,
        run,
        service,
        counters,
        inputs,
    });

    // Whatever is logged says which listener it is about, by identity and upstream; at whatever level, so the span has the
    // highest.
    let span = error_span!("initiator", address = %context.address);
    for (index, endpoint) in endpoints.into_iter().enumerate() {
        let resolving = keep_resolving(Arc::clone(&context), index, endpoint);
        supervisor.spawn(world, "resolver", resolving.instrument(span.clone()));
    }
    let mut driver = Driver::new(Arc::clone(&context), state, reported, ordered);
    let driving = async move {
        for answer in answers {
            driver.resolved(answer);
        }
        pump(&context.world, &mut driver).await;
    };
    supervisor.spawn(world, PUMP, driving.instrument(span));
    Ok(handle)
}

/// A running initiator. Dropped, it closes its tunnels at once.
#[derive(Debug)]
pub struct InitiatorHandle<W> {
    world: W,
    state: watch::Receiver<State>,
    drains: mpsc::Sender<Duration>,
    counters: Arc<Counters>,
    supervisor: Supervisor,
}

impl<W: World> InitiatorHandle<W> {
    /// Begins to wind down: no new tunnel, requests may go on for at most `grace`. For good. See [`Self::wait`].
    pub fn drain(&self, grace: Duration) {
        // No room means that earlier orders are about to be obeyed; no receiver, that everything is drained already.
        let _ = self.drains.try_send(grace);
    }

    /// Waits until a drain is over and no tunnel is left.
    pub async fn wait(&self) {
        // An error means that the pump is gone, and the tunnels with it.
        let _ = self.state.clone().wait_for(|state| state.drained).await;
    }

    /// Whether at least one tunnel is up, was heard since it was accepted, and is not being drained; and whether that is what
    /// is, not what was before the initiator stood still.
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
            (state.drained, state.machine.deadline())
        };
        if drained { Ok(()) } else { in_time(PUMP, deadline, self.world.now(), patience) }
    }

    /// Waits until a task has panicked that the initiator cannot live without. Its tunnels are of no use then: drop the
    /// handle, or end the process.
    pub async fn failed(&self) -> TaskPanicked {
        self.supervisor.failed().await
    }

    /// Every tunnel.
    #[must_use]
    pub fn tunnels(&self) -> Vec<TunnelInfo> {
        view::tunnels(&self.state.borrow(), self.world.now())
    }

    /// What happened so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.counters.totals()
    }
}
