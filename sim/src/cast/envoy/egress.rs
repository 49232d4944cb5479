//! Requests of callers, into tunnels.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use revtun::world::{Executor, Timer, World};
use tokio::sync::Mutex;

use super::line::{End, Line, Remote};
use super::pool::{Node, Pool};
use super::state::{Peer, Stage, State};
use super::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::clock;
use crate::host::{Local, pause, within};

/// The time for a whole answer.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);
/// `connection_keepalive`.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(4));

/// How long an answer waits for the end of its request.
const DELAYED_CLOSE: Duration = Duration::from_secs(1);

type Failed = Box<dyn std::error::Error + Send + Sync>;
type Answering = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;
type Answer = Response<UnsyncBoxBody<Bytes, Failed>>;

/// Where requests go.
#[derive(Clone)]
struct Routes(Arc<Inner>);

struct Inner {
    world: Local,
    state: State,
    pool: Pool,
    hosts: std::sync::Mutex<BTreeMap<Node, Arc<Mutex<Option<Used>>>>>,
    /// Whose turn it is, by tenant.
    turns: std::sync::Mutex<BTreeMap<String, usize>>,
}

/// A tunnel with HTTP.
struct Used {
    sender: SendRequest<Kept>,
    remote: Remote,
}

/// Serves callers until the process ends.
pub(super) async fn run(world: Local, listener: <Local as World>::Listener, state: State, pool: Pool) {
    let routes = Routes(Arc::new(Inner {
        world: world.clone(),
        state,
        pool,
        hosts: std::sync::Mutex::default(),
        turns: std::sync::Mutex::default(),
    }));
    let leaving = routes.clone();
    world.spawn(async move { leaving.leave().await });
    while let Ok((stream, _)) = world.accept(&listener).await {
        let routes = routes.clone();
        let mut server = auto::Builder::new(Executor::new(&world));
        server.http1().auto_date_header(false);
        server.http2().auto_date_header(false).timer(Timer::new(&world));
        world.spawn(async move {
            let answer = service_fn(move |request| {
                let routes = routes.clone();
                Box::pin(async move { Ok(routes.answer(request).await) }) as Answering
            });
            let _hung_up = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl Routes {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let body = Kept(Arc::new(std::sync::Mutex::new(body)));
        let (unavailable, text) = match self.choose(&head.headers) {
            None => (StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream".to_owned()),
            Some(node) => {
                let until = clock::now() + ROUTE_TIMEOUT;
                let request = Request::from_parts(head, body.clone());
                match within(ROUTE_TIMEOUT, self.forward(&node, request)).await {
                    None => (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout".to_owned()),
                    Some(Err(why)) => {
                        let text = "upstream connect error or disconnect/reset before headers. reset reason: ";
                        (StatusCode::SERVICE_UNAVAILABLE, format!("{text}{why}"))
                    }
                    Some(Ok(answer)) => return pass_on(answer, until),
                }
            }
        };
        // An Envoy leaves the connection open for a moment, so that what still comes does not reset it.
        let mut rest = body;
        let _enough =
            within(DELAYED_CLOSE, async { while rest.frame().await.is_some_and(|frame| frame.is_ok()) {} }).await;
        own(unavailable, &text)
    }
    /// The node that is named, or the next of the cluster.
    fn choose(&self, headers: &HeaderMap) -> Option<Node> {
        let named = |name| headers.get(name).and_then(|value| value.to_str().ok()).filter(|name| !name.is_empty());
        let tenant = named("x-tenant-id")?;
        if let Some(node) = named("x-node-id") {
            return Some((tenant.to_owned(), node.to_owned()));
        }
        let cluster = named("x-cluster-id")?;
        let mut nodes: Vec<String> = Vec::new();
        for row in self.0.state.rows() {
            if let Peer::Node(of, node) = row.peer
                && row.stage != Stage::Handshake
                && of == tenant
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
        nodes.sort_unstable();
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(tenant.to_owned()).or_default();
        *turn += 1;
        // What is no cluster is taken for a node, known or not.
        let node = if nodes.is_empty() { cluster.to_owned() } else { nodes.swap_remove(*turn % nodes.len()) };
        Some((tenant.to_owned(), node))
    }

    async fn forward(&self, node: &Node, request: Request<Kept>) -> Result<Response<Incoming>, &'static str> {
        let mut sender = self.sender(node).await.ok_or("remote connection failure")?;
        let (mut head, body) = request.into_parts();
        let host = head.headers.remove(header::HOST);
        let authority = host.as_ref().and_then(|host| host.to_str().ok()).or(head.uri.host()).unwrap_or("service");
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("http://{authority}{path}").parse::<Uri>().map_err(|_| "protocol error")?;
        head.version = http::Version::HTTP_2;
        strip(&mut head.headers);
        head.headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
        head.headers.insert("x-envoy-expected-rq-timeout-ms", HeaderValue::from_static("15000"));
        sender.send_request(Request::from_parts(head, body)).await.map_err(|_| "connection termination")
    }

    /// The tunnel in use, or else a parked one that is used from now on.
    async fn sender(&self, node: &Node) -> Option<SendRequest<Kept>> {
        let Inner { world, pool, hosts, .. } = &*self.0;
        let host = Arc::clone(hosts.lock().unwrap_or_else(PoisonError::into_inner).entry(node.clone()).or_default());
        let mut host = host.lock().await;
        if let Some(used) = host.as_ref().filter(|used| !used.sender.is_closed()) {
            return Some(used.sender.clone());
        }
        *host = None;
        while let Some((stream, entry)) = pool.take(node).await {
            entry.stage(Stage::Used);
            let remote = Remote::new(End::Responder, entry);
            let line = Line::new(stream, &[], remote.clone());
            let mut client = http2::Builder::new(Executor::new(world));
            client
                .timer(Timer::new(world))
                .header_table_size(4096)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .keep_alive_interval(KEEPALIVE.0)
                .keep_alive_timeout(KEEPALIVE.1)
                .keep_alive_while_idle(true);
            let Ok((sender, connection)) = client.handshake(TokioIo::new(line)).await else { continue };
            world.spawn(async move {
                let _ended = connection.await;
            });
            *host = Some(Used { sender: sender.clone(), remote });
            return Some(sender);
        }
        None
    }

    /// `drain_clusters`: new requests go on as before until the time is over; then one GOAWAY says that no more come, and
    /// whatever is under way ends.
    async fn leave(&self) {
        let grace = self.0.state.told_to_leave().await;
        pause(grace).await;
        let hosts: Vec<_> = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for host in hosts {
            if let Some(used) = host.lock().await.take() {
                used.remote.go_away();
            }
        }
    }
}

fn pass_on(answer: Response<Incoming>, until: Duration) -> Answer {
    let (mut head, body) = answer.into_parts();
    strip(&mut head.headers);
    head.headers.insert(header::SERVER, HeaderValue::from_static("envoy"));
    let deadline = Box::pin(clock::sleep_until(until));
    Response::from_parts(head, UnsyncBoxBody::new(Timed { body, deadline }))
}

/// Takes away what belongs to one connection.
fn strip(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
}

fn own(status: StatusCode, text: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(Into::into);
    let mut answer = Response::new(UnsyncBoxBody::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(header::SERVER, HeaderValue::from_static("envoy"));
    answer
}

/// The body of a request, of which the rest can be read when nobody wants it any more.
#[derive(Clone)]
struct Kept(Arc<std::sync::Mutex<Incoming>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Kept {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

/// A body that has to end in time.
struct Timed<D> {
    body: Incoming,
    deadline: Pin<Box<D>>,
}

impl<D: Future<Output = ()>> Body for Timed<D> {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(task) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.deadline.as_mut().poll(task).map(|()| Some(Err("upstream request timeout".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
