//! The admin listener: what operators and their monitoring ask, over HTTP/1.1.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /healthz` | 200, or 503 with what is broken beyond repair |
//! | `GET /readyz` | 200, or 503 with the reason; with `?verbose` a line for each local service as well |
//! | `GET /tunnels` | every tunnel, as JSON |
//! | `GET /metrics` | Prometheus' text format |
//! | `POST /drain?…` | 202; see [`DrainQuery`] |
//!
//! HEAD is answered where GET is, OPTIONS everywhere. There is no authentication: it listens on loopback unless an operator
//! says otherwise, and refuses what a web page in a browser of this machine may have asked for ([`origin`]).

mod certificates;
mod drain_query;
mod initiator;
mod origin;
mod pages;
mod responder;
mod subject;

pub use drain_query::DrainQuery;
pub use initiator::InitiatorSubject;
pub use responder::ResponderSubject;
pub use subject::Subject;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun_core::connections::ConnectionLimits;
use revtun_core::responder::retry::ACCEPT_BACKOFF;

use self::pages::Pages;
use revtun::connections::{ConnectionLimiter, ConnectionPlace};
use revtun::supervise::{Supervisor, TaskPanicked};
use revtun::world::{Timer, World};

/// Admin connections at the same time. A handful of scrapers needs a handful; beyond that, the oldest that has not asked for
/// anything makes room.
const CONNECTIONS: u32 = 32;
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(2);
/// How long one admin connection may last.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// Where an admin listener listens, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminConfig {
    /// The address.
    pub listen: SocketAddr,
    /// The names by which it may be asked, in a request's `host`, beside `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// Connections at the same time.
    pub max_connections: u32,
}

impl AdminConfig {
    /// A listener at `listen`, asked by no names.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, hosts: Vec::new(), max_connections: CONNECTIONS }
    }
}

/// An admin listener that runs.
#[derive(Debug)]
pub struct Admin {
    addr: SocketAddr,
    state: Arc<pages::State>,
    supervisor: Supervisor,
}

impl Admin {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until somebody asks for a drain of everything, and was answered; for how long requests may go on then, if
    /// that was said.
    pub async fn asked_to_drain(&self) -> Option<Duration> {
        *self.state.asked.wait().await
    }

    /// From now on `/readyz` answers 503: load balancers are to stop sending, although everything is still served.
    pub fn shut_down_soon(&self) {
        self.state.shut_down_soon();
    }

    /// Waits until the listener's task has panicked: nobody is answered any more.
    pub async fn failed(&self) -> TaskPanicked {
        self.supervisor.failed().await
    }
}

/// Listens and answers about `subject` from now on.
///
/// # Errors
/// If the address cannot be listened at; the text names it.
pub async fn start<W: World>(world: &W, config: AdminConfig, subject: impl Subject) -> io::Result<Admin> {
    let AdminConfig { listen, hosts, max_connections } = config;
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot bind the admin listener to {listen}: {error}"));
    let listener = world.listen(listen).await.map_err(named)?;
    let addr = world.local_addr(&listener).map_err(named)?;
    let state = Arc::<pages::State>::default();
    let limits = ConnectionLimits { total: max_connections, per_source: max_connections };
    let limiter = ConnectionLimiter::new(limits, Arc::clone(&state.connections));
    let pages = Arc::new(Pages::new(subject, hosts, Arc::clone(&state)));
    let supervisor = Supervisor::default();
    supervisor.spawn(world, "admin listener", accept(world.clone(), listener, limiter, pages));
    Ok(Admin { addr, state, supervisor })
}

async fn accept<W: World>(
    world: W,
    listener: W::Listener,
    mut limiter: ConnectionLimiter,
    pages: Arc<Pages<impl Subject>>,
) {
    loop {
        match world.accept(&listener).await {
            Ok((stream, peer)) => match limiter.admit(peer.ip()) {
                Ok(place) => {
                    let (here, pages) = (world.clone(), Arc::clone(&pages));
                    world.spawn(async move { serve(&here, stream, &pages, &place).await });
                }
                Err(refusal) => tracing::warn!(%peer, reason = refusal.name(), "admin connection refused"),
            },
            Err(error) => {
                tracing::warn!(%error, "admin listener cannot accept a connection");
                world.sleep_until(world.now().after(ACCEPT_BACKOFF)).await;
            }
        }
    }
}

/// Answers one request.
async fn serve<W: World>(world: &W, stream: W::Stream, pages: &Pages<impl Subject>, place: &ConnectionPlace) {
    let service = service_fn(|request: Request<Incoming>| {
        place.heard();
        let answer = pages.answer(&request);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(Timer::new(world)).header_read_timeout(HEAD_TIME).keep_alive(false).auto_date_header(false);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    let in_time = async {
        tokio::select! {
            biased;
            // A client that breaks off has lost interest; there is nobody to tell.
            _ended = connection => {}
            () = world.sleep_until(world.now().after(CONNECTION_TIME)) => {}
        }
    };
    // Who is displaced asked for nothing.
    let _displaced = place.hold(in_time).await;
    pages.answered();
}
