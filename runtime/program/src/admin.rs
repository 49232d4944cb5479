//! The admin listener: what operators and their monitoring ask, over HTTP/1.1.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /healthz` | 200, or 503 with what is broken beyond repair |
//! | `GET /readyz` | 200, or 503 with the reason |
//! | `GET /tunnels` | every tunnel, as JSON |
//! | `GET /metrics` | Prometheus' text format |
//! | `POST /drain?…` | 202; see [`DrainQuery`] |
//!
//! There is no authentication: it listens on loopback unless an operator says otherwise.

mod certificates;
mod drain_query;
mod initiator;
mod responder;
mod subject;

pub use drain_query::DrainQuery;
pub use initiator::InitiatorSubject;
pub use responder::ResponderSubject;
pub use subject::Subject;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun_core::responder::retry::ACCEPT_BACKOFF;
use tokio::sync::{Semaphore, SetOnce};

use crate::metrics::{self, Exposition};
use revtun::supervise::{Supervisor, TaskPanicked};
use revtun::world::World;

/// Admin connections at the same time; more wait in the kernel's queue. A handful of scrapers needs a handful.
const CONNECTIONS: usize = 32;
/// How long one admin connection may last, so that those that say nothing cannot crowd out the others.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// An admin listener that runs.
#[derive(Debug)]
pub struct Admin {
    addr: SocketAddr,
    asked: Arc<SetOnce<Option<Duration>>>,
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
        *self.asked.wait().await
    }

    /// Waits until the listener's task has panicked: nobody is answered any more.
    pub async fn failed(&self) -> TaskPanicked {
        self.supervisor.failed().await
    }
}

/// Listens at `at` and answers about `subject` from now on.
///
/// # Errors
/// If the address cannot be listened at; the text names it.
pub async fn start<W: World>(world: &W, at: SocketAddr, subject: impl Subject) -> io::Result<Admin> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot bind the admin listener to {at}: {error}"));
    let listener = world.listen(at).await.map_err(named)?;
    let addr = world.local_addr(&listener).map_err(named)?;
    let asked = Arc::new(SetOnce::new());
    let supervisor = Supervisor::default();
    let accepting = accept(world.clone(), listener, Arc::new(subject), Arc::clone(&asked));
    supervisor.spawn(world, "admin listener", accepting);
    Ok(Admin { addr, asked, supervisor })
}

async fn accept<W: World>(
    world: W,
    listener: W::Listener,
    subject: Arc<impl Subject>,
    asked: Arc<SetOnce<Option<Duration>>>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        match world.accept(&listener).await {
            Ok((stream, _)) => {
                let (here, subject, asked) = (world.clone(), Arc::clone(&subject), Arc::clone(&asked));
                world.spawn(async move {
                    if let Some(grace) = serve(&here, stream, &*subject).await {
                        // Whoever asked first has set the grace.
                        let _asked_before = asked.set(grace);
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin listener cannot accept a connection");
                world.sleep_until(world.now().after(ACCEPT_BACKOFF)).await;
            }
        }
    }
}

/// Answers one request; returns the grace if it asked for a drain of everything.
async fn serve<W: World>(world: &W, stream: W::Stream, subject: &impl Subject) -> Option<Option<Duration>> {
    let everything = OnceLock::new();
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, subject, &everything);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.keep_alive(false).auto_date_header(false);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        // A client that breaks off has lost interest; there is nobody to tell.
        _ended = connection => {}
        () = world.sleep_until(world.now().after(CONNECTION_TIME)) => {}
    }
    everything.into_inner()
}

fn answer<B>(
    request: &Request<B>,
    subject: &impl Subject,
    everything: &OnceLock<Option<Duration>>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let allowed = match path {
        "/healthz" | "/readyz" | "/tunnels" | "/metrics" => Method::GET,
        "/drain" => Method::POST,
        _ => {
            let text = "not found; the pages are /healthz, /readyz, /tunnels, /metrics and (by POST) /drain";
            return plain(StatusCode::NOT_FOUND, text.to_owned());
        }
    };
    if *request.method() != allowed {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, format!("{path} takes only {allowed}"));
        let allow = HeaderValue::from_str(allowed.as_str()).expect("a method is a legal header value");
        refused.headers_mut().insert(ALLOW, allow);
        return refused;
    }
    match path {
        "/healthz" => match subject.healthy() {
            Ok(()) => plain(StatusCode::OK, "ok".to_owned()),
            Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("unhealthy: {why}")),
        },
        "/readyz" => match subject.ready() {
            Ok(()) => plain(StatusCode::OK, "ready".to_owned()),
            Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}")),
        },
        "/tunnels" => page("application/json", format!("{:#}\n", subject.tunnels())),
        "/metrics" => {
            let mut text = Exposition::default();
            text.gauge("revtun_build_info", "Always 1; the version of revtun is the label.")
                .by("version", [(env!("CARGO_PKG_VERSION"), 1)]);
            subject.metrics(&mut text);
            page(metrics::CONTENT_TYPE, text.into_text())
        }
        _ => match drain(request.uri().query().unwrap_or(""), subject, everything) {
            Ok(what) => plain(StatusCode::ACCEPTED, format!("draining {what}")),
            Err(why) => plain(StatusCode::BAD_REQUEST, why),
        },
    }
}

fn drain(query: &str, subject: &impl Subject, everything: &OnceLock<Option<Duration>>) -> Result<String, String> {
    let query = DrainQuery::parse(query)?;
    if !query.is_everything() {
        return subject.drain(&query);
    }
    let _asked_before = everything.set(query.grace);
    Ok("everything".to_owned())
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = page("text/plain; charset=utf-8", text + "\n");
    *response.status_mut() = status;
    response
}

fn page(kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
