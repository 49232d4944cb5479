//! What the admin listener answers to each request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use tokio::sync::SetOnce;

use super::drain_query::DrainQuery;
use super::origin::{self, ForeignRequest};
use super::subject::Subject;
use crate::metrics::{self, Exposition};
use revtun::connections::ConnectionCounts;

/// What the connections of an admin listener share with its process.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Set once a drain of everything was asked for, and answered: the grace, if one was named.
    pub(super) asked: SetOnce<Option<Duration>>,
    pub(super) connections: Arc<ConnectionCounts>,
    /// What will be told by `asked`, once the answer is written.
    everything: OnceLock<Option<Duration>>,
    shutting_down: AtomicBool,
    foreign: [AtomicU64; ForeignRequest::NAMES.len()],
}

impl State {
    pub(super) fn shut_down_soon(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }
}

/// Answers requests about one end.
pub(super) struct Pages<S> {
    subject: S,
    /// The names by which the listener may be asked.
    hosts: Vec<String>,
    state: Arc<State>,
}

impl<S: Subject> Pages<S> {
    pub(super) fn new(subject: S, hosts: Vec<String>, state: Arc<State>) -> Self {
        Self { subject, hosts, state }
    }

    /// Answers one request.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if let Err(foreign) = origin::check(request, &self.hosts) {
            self.state.foreign[foreign.index()].fetch_add(1, Ordering::Relaxed);
            tracing::warn!(reason = ForeignRequest::NAMES[foreign.index()], "admin request refused");
            let status = match foreign {
                ForeignRequest::IllegalHost => StatusCode::BAD_REQUEST,
                ForeignRequest::ForeignHost(_) | ForeignRequest::ForeignOrigin | ForeignRequest::CrossSite => {
                    StatusCode::FORBIDDEN
                }
            };
            return plain(status, foreign.text());
        }
        let (path, method) = (request.uri().path(), request.method());
        let allowed = match path {
            "/healthz" | "/readyz" | "/tunnels" | "/metrics" => "GET, HEAD, OPTIONS",
            "/drain" => "POST, OPTIONS",
            // The listener as a whole (RFC 9110 §9.3.7).
            "*" if method == Method::OPTIONS => "GET, HEAD, POST, OPTIONS",
            _ => {
                let text = "not found; the pages are /healthz, /readyz, /tunnels, /metrics and (by POST) /drain";
                return plain(StatusCode::NOT_FOUND, text.to_owned());
            }
        };
        if method == Method::OPTIONS {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return allowing(allowed, response);
        }
        if !allowed.split(", ").any(|allowed| allowed == method.as_str()) {
            return allowing(allowed, plain(StatusCode::METHOD_NOT_ALLOWED, format!("{path} takes only {allowed}")));
        }
        let query = request.uri().query().unwrap_or("");
        match path {
            "/drain" => match self.drain(query) {
                Ok(what) => plain(StatusCode::ACCEPTED, format!("draining {what}")),
                Err(why) => plain(StatusCode::BAD_REQUEST, why),
            },
            "/readyz" if query == "verbose" => self.readiness(true),
            _ if !query.is_empty() => {
                plain(StatusCode::BAD_REQUEST, format!("{path} has no parameters; omit {query:?}"))
            }
            _ => self.page(path),
        }
    }

    /// An answer was written.
    pub(super) fn answered(&self) {
        if let Some(grace) = self.state.everything.get() {
            // Whoever asked first has set the grace.
            let _asked_before = self.state.asked.set(*grace);
        }
    }

    fn page(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/healthz" => match self.subject.healthy() {
                Ok(()) => plain(StatusCode::OK, "ok".to_owned()),
                Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("unhealthy: {why}")),
            },
            "/readyz" => self.readiness(false),
            "/tunnels" => page("application/json", format!("{:#}\n", self.subject.tunnels())),
            _ => page(metrics::CONTENT_TYPE, self.metrics()),
        }
    }

    fn readiness(&self, verbose: bool) -> Response<Full<Bytes>> {
        let (status, first) = match self.ready() {
            Ok(()) => (StatusCode::OK, "ready".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}")),
        };
        let details = if verbose { self.subject.details() } else { Vec::new() };
        plain(status, [vec![first], details].concat().join("\n"))
    }

    fn ready(&self) -> Result<(), String> {
        if self.state.shutting_down.load(Ordering::Relaxed) {
            return Err("shutting down".to_owned());
        }
        self.subject.ready()
    }

    fn metrics(&self) -> String {
        let mut text = Exposition::default();
        text.gauge("revtun_build_info", "Always 1; the version of revtun is the label.")
            .by("version", [(env!("CARGO_PKG_VERSION"), 1)]);
        self.subject.metrics(&mut text);
        let foreign = self.state.foreign.iter().map(|count| count.load(Ordering::Relaxed));
        text.counter("revtun_admin_requests_refused_total", "Requests of web pages refused, by reason.")
            .by("reason", ForeignRequest::NAMES.into_iter().zip(foreign));
        text.counter(
            "revtun_admin_connections_displaced_total",
            "Admin connections without a request that were closed because others needed their places.",
        )
        .value(self.state.connections.displaced());
        text.into_text()
    }

    fn drain(&self, query: &str) -> Result<String, String> {
        let query = DrainQuery::parse(query)?;
        if !query.is_everything() {
            return self.subject.drain(&query);
        }
        let _asked_before = self.state.everything.set(query.grace);
        Ok(format!("everything: {}", self.subject.everything()))
    }
}

fn allowing(allowed: &'static str, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
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
