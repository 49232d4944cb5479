//! The admin listener: what operators and their monitoring ask, over HTTP/1.1.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /healthz` | 200 as long as the process lives |
//! | `GET /readyz` | 200, or 503 with the reason |
//! | `GET /tunnels` | every tunnel, as JSON |
//! | `GET /metrics` | Prometheus' text format |
//! | `POST /drain?…` | 202; see [`DrainQuery`] |
//!
//! There is no authentication: it listens on loopback unless an operator says otherwise.

mod drain_query;

pub use drain_query::DrainQuery;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::metrics::{self, Exposition};
use crate::world::World;

/// Admin connections at the same time; more wait in the kernel's queue. A handful of scrapers needs a handful.
const CONNECTIONS: usize = 32;
/// How long one admin connection may last, so that those that say nothing cannot crowd out the others.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// How long accepting rests after an error, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the admin listener tells about and acts on: one end of tunnels.
pub trait Subject: Send + Sync + 'static {
    /// Whether this end can do its work now.
    ///
    /// # Errors
    /// If it cannot: why, for people.
    fn ready(&self) -> Result<(), String>;

    /// Every tunnel, as JSON.
    fn tunnels(&self) -> Value;

    /// Writes every metric.
    fn metrics(&self, page: &mut Exposition);

    /// Begins a drain; says what is drained, for people.
    ///
    /// # Errors
    /// If this end cannot drain what `query` asks for: why, for people.
    fn drain(&self, query: &DrainQuery) -> Result<String, String>;
}

/// Listens at `at` and answers about `subject` from now on; returns the bound address.
///
/// # Errors
/// If the address cannot be listened at.
pub async fn start<W: World>(world: &W, at: SocketAddr, subject: Arc<impl Subject>) -> io::Result<SocketAddr> {
    let listener = world.listen(at).await?;
    let bound = world.local_addr(&listener)?;
    let accepting = world.clone();
    world.spawn(async move { accept(accepting, listener, subject).await });
    Ok(bound)
}

async fn accept<W: World>(world: W, listener: W::Listener, subject: Arc<impl Subject>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        match world.accept(&listener).await {
            Ok((stream, _)) => {
                let (here, subject) = (world.clone(), Arc::clone(&subject));
                world.spawn(async move {
                    serve(&here, stream, &*subject).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                world.sleep_until(world.now().after(ACCEPT_PAUSE)).await;
            }
        }
    }
}

async fn serve<W: World>(world: &W, stream: W::Stream, subject: &impl Subject) {
    let service =
        service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(&request, subject)) });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.keep_alive(false).auto_date_header(false);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        // A client that breaks off has lost interest; there is nobody to tell.
        _ended = connection => {}
        () = world.sleep_until(world.now().after(CONNECTION_TIME)) => {}
    }
}

fn answer<B>(request: &Request<B>, subject: &impl Subject) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let allowed = match path {
        "/healthz" | "/readyz" | "/tunnels" | "/metrics" => Method::GET,
        "/drain" => Method::POST,
        _ => {
            let text = "no such page; there are /healthz, /readyz, /tunnels, /metrics and (by POST) /drain";
            return plain(StatusCode::NOT_FOUND, text.to_owned());
        }
    };
    if *request.method() != allowed {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, format!("{path} is asked by {allowed}"));
        let allow = HeaderValue::from_str(allowed.as_str()).expect("a method is a legal header value");
        refused.headers_mut().insert(ALLOW, allow);
        return refused;
    }
    match path {
        "/healthz" => plain(StatusCode::OK, "alive".to_owned()),
        "/readyz" => match subject.ready() {
            Ok(()) => plain(StatusCode::OK, "ready".to_owned()),
            Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}")),
        },
        "/tunnels" => page("application/json", format!("{:#}\n", subject.tunnels())),
        "/metrics" => {
            let mut text = Exposition::default();
            subject.metrics(&mut text);
            page(metrics::CONTENT_TYPE, text.into_text())
        }
        _ => drain(request.uri().query().unwrap_or(""), subject),
    }
}

fn drain(query: &str, subject: &impl Subject) -> Response<Full<Bytes>> {
    match DrainQuery::parse(query).and_then(|query| subject.drain(&query)) {
        Ok(what) => plain(StatusCode::ACCEPTED, format!("draining {what}")),
        Err(why) => plain(StatusCode::BAD_REQUEST, why),
    }
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
