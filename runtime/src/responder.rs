//! The responder's side: a listener for tunnels, a listener for callers, and the machine between them.
//!
//! ```text
//!   initiators ──▶ accept ──▶ tunnel ─── Event ──▶ ┌────────┐ ◀── open ─── egress ◀── callers
//!                               ▲                  │ shared │                  │
//!                               └───── Order ───── └────────┘ ──── Lease ─────▶│
//!                               ▲                                              │
//!                               └──────────────── requests ────────────────────┘
//! ```
//!
//! Every task steps the machine itself ([`shared`]); the pump only ticks it. Reading order: [`shared`], [`tick`], [`lease`],
//! [`accept`], [`tunnel`], [`egress`].

mod accept;
mod counters;
mod egress;
mod ending;
mod lease;
mod link;
mod listen;
mod orders;
mod shared;
mod tick;
mod tunnel;
mod view;

pub use self::counters::Totals;
pub use self::egress::OwnAnswer;
pub use self::view::TunnelInfo;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use revtun_core::Machine;
use revtun_core::handshake::{HeaderNames, MAX_HEADERS, MAX_REQUEST_HEAD_BYTES, PATH, Rules};
use revtun_core::responder::retry::{CALLERS_FIRST, LAST_REQUEST};
use revtun_core::responder::{Config, Counts, DrainScope, Event};
use tokio::sync::watch;

use self::counters::Counters;
use self::shared::Shared;
use crate::flow::{HttpLimits, IDLE_BYTES};
use crate::still::Watcher;
use crate::supervise::{Supervisor, TaskPanicked, Unhealthy, in_time};
use crate::tls::{Extent, Server, TunnelServer};
use crate::token::Verifier;
use crate::world::World;

/// What the task is called that ticks the machine.
const PUMP: &str = "responder pump";

/// What a responder is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderConfig {
    /// Where initiators dial to; port 0 lets the system choose.
    pub tunnel_listen: SocketAddr,
    /// Where callers send requests to; port 0 lets the system choose.
    pub egress_listen: SocketAddr,
    /// The settings of the machine.
    pub core: Config,
    /// The path of the handshake (reference §10).
    pub request_path: String,
    /// What the headers are called in which initiators say who they are (reference §2.1).
    pub header_names: HeaderNames,
    /// Whether initiators have to ask for an upgrade, and are answered 101 instead of 200 (reference §2.1).
    pub upgrade: bool,
    /// What initiators have to call us, if they have to (reference §2.2).
    pub required_cluster: Option<String>,
    /// How long a request may wait for the head of its answer, the wait for a tunnel included; zero is for ever.
    pub request_timeout: Duration,
    /// The longest head of a handshake in bytes.
    pub max_head_bytes: u32,
    /// Headers that a handshake may have.
    pub max_headers: u32,
    /// Bytes that an initiator may send from one ping to the next, before HTTP begins.
    pub max_idle_bytes: u32,
    /// What is taken from callers, and from initiators in answers.
    pub http: HttpLimits,
    /// How long a caller's HTTP/1.1 connection may wait for the head of a request, and after how much silence one of
    /// HTTP/2 has to prove that it lives.
    pub caller_timeout: Duration,
    /// TLS for initiators; none is tunnels in the clear.
    pub tls: Option<TunnelServer>,
    /// What tokens have to prove; none asks for none.
    pub token: Option<Verifier>,
    /// TLS for callers.
    pub egress_tls: Option<Server>,
}

impl ResponderConfig {
    /// The defaults, at these addresses.
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
            caller_timeout: Duration::from_secs(300),
            tls: None,
            token: None,
            egress_tls: None,
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

/// What all tasks of a responder share.
struct Context<W: World> {
    world: W,
    config: Config,
    rules: Rules,
    max_idle_bytes: usize,
    http: HttpLimits,
    request_timeout: Duration,
    tls: Option<TunnelServer>,
    token: Option<Verifier>,
    egress_tls: Option<Server>,
    shared: Arc<Shared<W>>,
    counters: Counters,
}

impl<W: World> Context<W> {
    /// What breaks off the requests of callers whose bodies lie still.
    fn watcher(&self) -> Watcher<W> {
        Watcher::new(&self.world, self.http.body_timeout, &self.counters.requests_broken_off)
    }

    /// Tells the machine of something that it answers to others, if at all.
    fn report(&self, event: Event<'_>) {
        let _for_others = self.shared.step(event);
    }
}

/// How far a responder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// New connections are welcome.
    Serving,
    /// No new connection; the old ones finish what they began.
    Draining,
    /// Whatever is left is dropped.
    Over,
}

/// Starts a responder: both listeners are bound when this returns.
///
/// # Errors
/// If a listener cannot be bound; the text names it and its address.
pub async fn start<W: World>(world: W, config: ResponderConfig) -> io::Result<ResponderHandle<W>> {
    let (tunnels, tunnel_addr) = bind(&world, "tunnel", config.tunnel_listen).await?;
    let (callers, egress_addr) = bind(&world, "egress", config.egress_listen).await?;
    let context = Arc::new(Context {
        shared: Shared::new(world.clone(), config.core),
        config: config.core,
        rules: config.rules(),
        max_idle_bytes: config.max_idle_bytes as usize,
        http: config.http,
        request_timeout: config.request_timeout,
        tls: config.tls,
        token: config.token,
        egress_tls: config.egress_tls,
        counters: Counters::default(),
        world: world.clone(),
    });
    let server = egress::server(&context, config.caller_timeout);
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
    let egress = egress::listen(Arc::clone(&context), server, callers, phase.subscribe());
    supervisor.spawn(&world, "egress listener", egress);
    tracing::info!(tunnel = %tunnel_addr, egress = %egress_addr, "responder listening");
    Ok(ResponderHandle { context, phase, supervisor, tunnel_addr, egress_addr })
}

/// What is told of a step that panicked, in whatever task: that one has said more.
fn broken() -> TaskPanicked {
    TaskPanicked { task: "responder", message: "within a step of its machine, as the line before says".to_owned() }
}

async fn bind<W: World>(world: &W, what: &str, at: SocketAddr) -> io::Result<(W::Listener, SocketAddr)> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot bind the {what} listener to {at}: {error}"));
    let listener = world.listen(at).await.map_err(named)?;
    let bound = world.local_addr(&listener).map_err(named)?;
    Ok((listener, bound))
}

/// A responder that runs. Dropping the handle ends it at once, requests under way included.
pub struct ResponderHandle<W: World> {
    context: Arc<Context<W>>,
    phase: watch::Sender<Phase>,
    supervisor: Supervisor,
    tunnel_addr: SocketAddr,
    egress_addr: SocketAddr,
}

impl<W: World> ResponderHandle<W> {
    /// Where initiators dial to.
    #[must_use]
    pub fn tunnel_addr(&self) -> SocketAddr {
        self.tunnel_addr
    }

    /// Where callers send requests to.
    #[must_use]
    pub fn egress_addr(&self) -> SocketAddr {
        self.egress_addr
    }

    /// Lets callers go, then tunnels, and returns when nothing is left, or soon after `grace`. For good.
    ///
    /// Callers go first: no new connection is taken, and requests that are under way, or on their way over an open
    /// connection, still find their tunnels. Then, or after [`CALLERS_FIRST`], the tunnels are drained.
    pub async fn drain(&self, grace: Duration) {
        let world = &self.context.world;
        let end = world.now().after(grace);
        tracing::info!(?grace, "draining");
        self.advance(Phase::Draining);
        tokio::select! {
            biased;
            () = self.phase.closed() => {}
            () = world.sleep_until(end.min(world.now().after(CALLERS_FIRST))) => {}
        }
        let grace = end.since(world.now());
        self.context.report(Event::DrainOrdered { scope: DrainScope::All, grace });
        self.context.shared.drained().await;
        // Whoever lost its tunnel to the end of the grace is still told so.
        tokio::select! {
            biased;
            () = self.phase.closed() => {}
            () = world.sleep_until(end.after(LAST_REQUEST)) => {}
        }
        self.advance(Phase::Over);
        tracing::info!("drained");
    }

    /// Takes tunnels out of use, lets their requests finish for at most `grace`, then closes them. Does not wait.
    /// With [`DrainScope::All`] every new tunnel is turned away too, for good.
    pub fn drain_scope(&self, scope: DrainScope<'_>, grace: Duration) {
        self.context.report(Event::DrainOrdered { scope, grace });
    }

    /// Returns when a drain of everything has closed the last tunnel.
    pub async fn wait(&self) {
        self.context.shared.drained().await;
    }

    /// Whether everything is being drained.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() != Phase::Serving || self.context.shared.look(|machine, _| machine.is_draining())
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
        let deadline = self.context.shared.look(|machine, _| machine.deadline());
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

    /// Every tunnel, by slot. Requests stand still meanwhile: for people, not for loops.
    #[must_use]
    pub fn tunnels(&self) -> Vec<TunnelInfo> {
        view::tunnels(&self.context)
    }

    /// How many there are of everything.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.context.shared.look(|machine, _| machine.counts())
    }

    /// What happened since the start.
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
            self.context.report(Event::DrainOrdered { scope: DrainScope::All, grace: Duration::ZERO });
        }
        self.advance(Phase::Over);
    }
}
