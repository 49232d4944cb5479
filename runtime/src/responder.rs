//! The responder: a listener for tunnels, an egress listener for callers, and the machine between them.
//!
//! ```text
//!   initiators ──▶ accept ──▶ tunnel ───── Event ─────▶ ┌────────┐ ◀─ acquire ── downstream ◀── callers
//!                               ▲                       │ shared │                   │
//!                               ├──── TunnelCommand ─── └────────┘ ──── Lease ──────▶│
//!                               │                                                    │
//!                               └───────────── requests, by TunnelClient ────────────┘
//! ```
//!
//! An [`EgressClient`] is a caller in the same process.
//!
//! Every task steps the machine itself ([`shared`]); the pump only ticks it. Reading order: [`context`], [`shared`], [`tick`],
//! [`accept`], [`handshake`], [`tunnel`], [`downstream`].

mod accept;
mod client;
mod command;
mod context;
mod counters;
mod credentials;
mod date;
mod downstream;
mod downstream_error;
mod egress_client;
mod error;
mod handle;
mod handshake;
mod listen;
mod local_reply;
mod revocation;
mod shared;
mod task;
mod tick;
mod tunnel;
mod tunnel_end;
mod view;

pub use self::counters::Totals;
pub use self::downstream::LeasedBody;
pub use self::egress_client::{ClientError, EgressClient};
pub use self::error::StartError;
pub use self::local_reply::LocalReply;
pub use self::revocation::Revocation;
pub use self::view::TunnelInfo;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use revtun_core::Machine;
use revtun_core::connections::ConnectionLimits;
use revtun_core::handshake::{HeaderNames, MAX_HEADERS, MAX_REQUEST_HEAD_BYTES, PATH, Rules};
use revtun_core::network::Networks;
use revtun_core::responder::shutdown::{self, Shutdown, Stage};
use revtun_core::responder::{Config, Counts, DrainScope, Event};
use revtun_core::upgrade::Upgrades;
use tokio::sync::watch;

use self::context::{Context, Phase};
use self::counters::Counters;
use self::date::DateCache;
use self::shared::Shared;
use crate::http::HttpLimits;
use crate::http::limits::IDLE_BYTES;
use crate::pump::sleep_until;
use crate::supervise::{Supervisor, TaskPanicked, Unhealthy, in_time};
use crate::tls::{Extent, Server, TunnelServer};
use crate::token::TokenVerifier;
use crate::world::World;

/// What the task is called that ticks the machine.
const PUMP: &str = "responder pump";

/// The configuration of a responder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponderConfig {
    /// The address that initiators dial; port 0 lets the system choose.
    pub tunnel_listen: SocketAddr,
    /// The address that callers connect to; port 0 lets the system choose.
    pub egress_listen: SocketAddr,
    /// The configuration of the machine.
    pub core: Config,
    /// The path of the handshake (reference §10).
    pub request_path: String,
    /// The names of the headers that carry an initiator's identity (reference §2.1).
    pub header_names: HeaderNames,
    /// Whether initiators have to ask for an upgrade, and get 101 instead of 200 (reference §2.1).
    pub upgrade: bool,
    /// The cluster name that handshakes have to name us by, if any (reference §2.2).
    pub required_cluster: Option<String>,
    /// How long a request may wait for the head of its response, the wait for a tunnel included; zero is no limit.
    pub request_timeout: Duration,
    /// The largest head of a handshake, in bytes.
    pub max_head_bytes: u32,
    /// Headers that a handshake may have.
    pub max_headers: u32,
    /// Bytes that an initiator may send between two pings, before HTTP begins.
    pub max_idle_bytes: u32,
    /// Limits on requests of callers, and on responses of initiators.
    pub http: HttpLimits,
    /// To what protocols callers may upgrade, beside UDP, of which the initiator decides.
    pub upgrades: Upgrades,
    /// Connections of callers at the same time.
    pub max_callers: u32,
    /// Those of them that come from one [`Source`](revtun_core::source::Source).
    pub max_callers_per_source: u32,
    /// How long the head of a request may take on an HTTP/1.1 connection, and the interval of keep-alive PINGs on an HTTP/2
    /// connection.
    pub caller_timeout: Duration,
    /// TLS for initiators; none is plaintext tunnels.
    pub tls: Option<TunnelServer>,
    /// Verifies the token of each handshake; none requires no token.
    pub token: Option<TokenVerifier>,
    /// What counts no more of what initiators prove; tunnels that it is about end when it changes.
    pub revocation: Revocation,
    /// TLS for callers.
    pub egress_tls: Option<Server>,
    /// Callers whose word counts about where a request comes from: proxies in front of the egress listener.
    pub trusted_hops: Networks,
}

impl ResponderConfig {
    /// The defaults, with these addresses.
    #[must_use]
    pub fn at(tunnel_listen: SocketAddr, egress_listen: SocketAddr) -> Self {
        Self {
            tunnel_listen,
            egress_listen,
            core: Config::default(),
            request_path: PATH.to_owned(),
            header_names: HeaderNames::default(),
            upgrade: false,
            required_cluster: None,
            request_timeout: Duration::ZERO,
            max_head_bytes: MAX_REQUEST_HEAD_BYTES as u32,
            max_headers: MAX_HEADERS as u32,
            max_idle_bytes: IDLE_BYTES,
            http: HttpLimits::default(),
            upgrades: Upgrades::default(),
            max_callers: 16_384,
            max_callers_per_source: 4096,
            caller_timeout: Duration::from_secs(300),
            tls: None,
            token: None,
            revocation: Revocation::default(),
            egress_tls: None,
            trusted_hops: Networks::default(),
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            names: self.header_names.clone(),
            path: self.request_path.as_str().into(),
            upgrade: self.upgrade,
            tenant_isolation: self.core.tenant_isolation,
            required_cluster: self.required_cluster.as_deref().map(Into::into),
            whole_tls: self.tls.as_ref().is_some_and(|tls| tls.extent == Extent::Whole),
            max_head_bytes: self.max_head_bytes as usize,
            max_headers: self.max_headers as usize,
        }
    }
}

/// Starts a responder: both listeners are bound when this returns.
///
/// # Errors
/// If a listener cannot be bound.
pub async fn start<W: World>(world: W, config: ResponderConfig) -> Result<ResponderHandle<W>, StartError> {
    let (tunnels, tunnel_addr) = bind(&world, "tunnel", config.tunnel_listen).await?;
    let (callers, egress_addr) = bind(&world, "egress", config.egress_listen).await?;
    let context = Arc::new(Context {
        shared: Shared::new(world.clone(), config.core),
        config: config.core,
        rules: config.rules(),
        max_idle_bytes: config.max_idle_bytes as usize,
        http: config.http,
        upgrades: config.upgrades,
        request_timeout: config.request_timeout,
        caller_timeout: config.caller_timeout,
        tls: config.tls,
        token: config.token,
        revocation: config.revocation,
        egress_tls: config.egress_tls,
        trusted_hops: config.trusted_hops,
        counters: Counters::default(),
        dates: DateCache::new(),
        world: world.clone(),
    });
    let limits = ConnectionLimits { total: config.max_callers, per_source: config.max_callers_per_source };
    let (phase, _) = watch::channel(Phase::Serving);
    let supervisor = Supervisor::default();
    supervisor.spawn(&world, PUMP, tick::until_drained(world.clone(), Arc::clone(&context.shared)));
    supervisor.spawn(&world, "tunnel listener", {
        let pauses = Arc::clone(&context.counters.accept_pauses);
        let context = Arc::clone(&context);
        let spawner = world.clone();
        let serve = move |stream, peer| spawner.spawn(accept::serve(Arc::clone(&context), stream, peer));
        listen::accept_all(world.clone(), tunnels, phase.subscribe(), pauses, serve)
    });
    let egress = downstream::listen(Arc::clone(&context), limits, callers, phase.subscribe());
    supervisor.spawn(&world, "egress listener", egress);
    tracing::info!(tunnel = %tunnel_addr, egress = %egress_addr, "responder listening");
    Ok(ResponderHandle { context, phase, supervisor, tunnel_addr, egress_addr })
}

/// What is told of a step that panicked, in whatever task: that one has said more.
fn broken() -> TaskPanicked {
    TaskPanicked { task: "responder", message: "within a step of its machine, as the line before says".to_owned() }
}

async fn bind<W: World>(
    world: &W,
    listener: &'static str,
    addr: SocketAddr,
) -> Result<(W::Listener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { listener, addr, source };
    let bound = world.listen(addr).await.map_err(failed)?;
    let at = world.local_addr(&bound).map_err(failed)?;
    Ok((bound, at))
}

/// A running responder. Dropping the handle stops it at once, and drops requests in flight.
pub struct ResponderHandle<W: World> {
    context: Arc<Context<W>>,
    phase: watch::Sender<Phase>,
    supervisor: Supervisor,
    tunnel_addr: SocketAddr,
    egress_addr: SocketAddr,
}

impl<W: World> ResponderHandle<W> {
    /// The address that initiators dial.
    #[must_use]
    pub fn tunnel_addr(&self) -> SocketAddr {
        self.tunnel_addr
    }

    /// The address that callers connect to.
    #[must_use]
    pub fn egress_addr(&self) -> SocketAddr {
        self.egress_addr
    }

    /// Sends requests to nodes and clusters as a caller at the egress listener does, without a connection to it.
    #[must_use]
    pub fn client(&self) -> EgressClient<W> {
        EgressClient::new(&self.context)
    }

    /// Drains callers, then tunnels, and returns when nothing is left, or soon after `grace`. There is no way back.
    ///
    /// Callers go first: no new connection is accepted, and requests that are in flight, or on their way over an open
    /// connection, still find their tunnels. Then the tunnels are drained; [`Shutdown`] says when.
    pub async fn drain(&self, grace: Duration) {
        let world = &self.context.world;
        tracing::info!(?grace, "draining");
        self.advance(Phase::Draining);
        let mut shutdown = Shutdown::begin(world.now(), grace);
        while shutdown.stage() != Stage::Stopped {
            let event = tokio::select! {
                biased;
                () = self.phase.closed(), if !shutdown.callers_gone() => shutdown::Event::CallersGone,
                () = self.context.shared.drained(), if shutdown.stage() == Stage::DrainTunnels => shutdown::Event::TunnelsGone,
                () = sleep_until(world, shutdown.deadline()) => shutdown::Event::Tick,
            };
            if shutdown.step(world.now(), event) == Some(Stage::DrainTunnels) {
                let grace = shutdown.grace(world.now());
                self.context.report(Event::DrainRequested { scope: DrainScope::All, grace });
            }
        }
        self.advance(Phase::Stopped);
        tracing::info!("drained");
    }

    /// Drains some tunnels: they get no new requests, those in flight may finish within `grace`, then they are closed. Does not
    /// wait. With [`DrainScope::All`] every new tunnel is refused too, from then on. Returns how many tunnels that are, of
    /// those which were not being drained before.
    pub fn drain_scope(&self, scope: DrainScope<'_>, grace: Duration) -> usize {
        let matched = self.context.shared.inspect(|machine, _| machine.drainable(&scope));
        self.context.report(Event::DrainRequested { scope, grace });
        matched
    }

    /// Returns when a drain of everything has closed the last tunnel.
    pub async fn wait(&self) {
        self.context.shared.drained().await;
    }

    /// Whether everything is being drained.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() != Phase::Serving || self.context.shared.inspect(|machine, _| machine.is_draining())
    }

    /// Whether the responder does its work: no step of its machine and none of its own tasks has panicked, and nothing that
    /// was due has waited for more than `patience`.
    ///
    /// # Errors
    /// If that is not so: why.
    pub fn health(&self, patience: Duration) -> Result<(), Unhealthy> {
        self.supervisor.check()?;
        if self.context.shared.is_broken() {
            return Err(Unhealthy::Panicked(broken()));
        }
        let deadline = self.context.shared.inspect(|machine, _| machine.deadline());
        in_time(PUMP, deadline, self.context.world.now(), patience)
    }

    /// Waits until something has panicked that the responder cannot live without. Its tunnels are of no use then: drop the
    /// handle, or end the process.
    pub async fn failed(&self) -> TaskPanicked {
        tokio::select! {
            biased;
            panicked = self.supervisor.failed() => panicked,
            () = self.context.shared.broken() => broken(),
        }
    }

    /// Every tunnel, by slot. Holds the lock of the machine meanwhile: not to be called often.
    #[must_use]
    pub fn tunnels(&self) -> Vec<TunnelInfo> {
        view::tunnels(&self.context)
    }

    /// How many tunnels, requests and waiters there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.context.shared.inspect(|machine, _| machine.counts())
    }

    /// The values of all counters.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.context.counters.totals()
    }

    fn advance(&self, to: Phase) {
        self.phase.send_replace(to);
    }
}

impl<W: World> Drop for ResponderHandle<W> {
    fn drop(&mut self) {
        if !self.context.shared.is_broken() {
            self.context.report(Event::DrainRequested { scope: DrainScope::All, grace: Duration::ZERO });
        }
        self.advance(Phase::Stopped);
    }
}
