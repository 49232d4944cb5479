//! The side of callers: sends their requests into tunnels.

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

use super::idle_pool::{IdlePool, Node};
use super::protocol::{CONNECTION_WINDOW, STREAM_WINDOW};
use super::state::{EnvoyState, Peer, Stage};
use super::tunnel_stream::{End, TunnelControl, TunnelStream};
use crate::clock;
use crate::process_world::{ProcessWorld, sleep, timeout};

/// The time for a whole response.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);
/// `connection_keepalive`.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(4));

/// How long a local reply waits for the end of its request.
const DELAYED_CLOSE: Duration = Duration::from_secs(1);

type Failed = Box<dyn std::error::Error + Send + Sync>;
type ResponseFuture = Pin<Box<dyn Future<Output = Result<EnvoyResponse, Infallible>> + Send>>;
type EnvoyResponse = Response<UnsyncBoxBody<Bytes, Failed>>;

/// Chooses tunnels for requests.
#[derive(Clone)]
struct Routes(Arc<Inner>);

struct Inner {
    world: ProcessWorld,
    state: EnvoyState,
    pool: IdlePool,
    hosts: std::sync::Mutex<BTreeMap<Node, Arc<Mutex<Option<ActiveTunnel>>>>>,
    /// The position of the round robin, by tenant.
    round_robin: std::sync::Mutex<BTreeMap<String, usize>>,
}

/// A tunnel that runs HTTP/2.
struct ActiveTunnel {
    sender: SendRequest<SharedBody>,
    control: TunnelControl,
}

/// Serves callers until the process ends.
pub(super) async fn run(
    world: ProcessWorld,
    listener: <ProcessWorld as World>::Listener,
    state: EnvoyState,
    pool: IdlePool,
) {
    let routes = Routes(Arc::new(Inner {
        world: world.clone(),
        state,
        pool,
        hosts: std::sync::Mutex::default(),
        round_robin: std::sync::Mutex::default(),
    }));
    let draining = routes.clone();
    world.spawn(async move { draining.drain().await });
    while let Ok((stream, _)) = world.accept(&listener).await {
        let routes = routes.clone();
        let mut server = auto::Builder::new(Executor::new(&world));
        server.http1().auto_date_header(false);
        server.http2().auto_date_header(false).timer(Timer::new(&world));
        world.spawn(async move {
            let answer = service_fn(move |request| {
                let routes = routes.clone();
                Box::pin(async move { Ok(routes.handle(request).await) }) as ResponseFuture
            });
            let _hung_up = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl Routes {
    async fn handle(&self, request: Request<Incoming>) -> EnvoyResponse {
        let (head, body) = request.into_parts();
        let body = SharedBody(Arc::new(std::sync::Mutex::new(body)));
        let (unavailable, text) = match self.choose_node(&head.headers) {
            None => (StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream".to_owned()),
            Some(node) => {
                let until = clock::now() + ROUTE_TIMEOUT;
                let request = Request::from_parts(head, body.clone());
                match timeout(ROUTE_TIMEOUT, self.forward(&node, request)).await {
                    None => (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout".to_owned()),
                    Some(Err(why)) => {
                        let text = "upstream connect error or disconnect/reset before headers. reset reason: ";
                        (StatusCode::SERVICE_UNAVAILABLE, format!("{text}{why}"))
                    }
                    Some(Ok(answer)) => return forward_response(answer, until),
                }
            }
        };
        // Envoy's delayed close: what still arrives must not reset the connection.
        let mut rest = body;
        let _enough =
            timeout(DELAYED_CLOSE, async { while rest.frame().await.is_some_and(|frame| frame.is_ok()) {} }).await;
        local_reply(unavailable, &text)
    }
    /// The named node, or the next one of the cluster.
    fn choose_node(&self, headers: &HeaderMap) -> Option<Node> {
        let named = |name| headers.get(name).and_then(|value| value.to_str().ok()).filter(|name| !name.is_empty());
        let tenant = named("x-tenant-id")?;
        if let Some(node) = named("x-node-id") {
            return Some((tenant.to_owned(), node.to_owned()));
        }
        let cluster = named("x-cluster-id")?;
        let mut nodes: Vec<String> = Vec::new();
        for connection in self.0.state.connections() {
            if let Peer::Node(of, node) = connection.peer
                && connection.stage != Stage::Handshake
                && of == tenant
                && !nodes.contains(&node)
            {
                nodes.push(node);
            }
        }
        nodes.sort_unstable();
        let mut round_robin = self.0.round_robin.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = round_robin.entry(tenant.to_owned()).or_default();
        *turn += 1;
        // An unknown cluster is taken for a node's name.
        let node = if nodes.is_empty() { cluster.to_owned() } else { nodes.swap_remove(*turn % nodes.len()) };
        Some((tenant.to_owned(), node))
    }

    async fn forward(&self, node: &Node, request: Request<SharedBody>) -> Result<Response<Incoming>, &'static str> {
        let mut sender = self.sender(node).await.ok_or("remote connection failure")?;
        let (mut head, body) = request.into_parts();
        let host = head.headers.remove(header::HOST);
        let authority = host.as_ref().and_then(|host| host.to_str().ok()).or(head.uri.host()).unwrap_or("service");
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("http://{authority}{path}").parse::<Uri>().map_err(|_| "protocol error")?;
        head.version = http::Version::HTTP_2;
        remove_hop_by_hop(&mut head.headers);
        head.headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
        head.headers.insert("x-envoy-expected-rq-timeout-ms", HeaderValue::from_static("15000"));
        sender.send_request(Request::from_parts(head, body)).await.map_err(|_| "connection termination")
    }

    /// The active tunnel, or else an idle one that becomes active.
    async fn sender(&self, node: &Node) -> Option<SendRequest<SharedBody>> {
        let Inner { world, pool, hosts, .. } = &*self.0;
        let host = Arc::clone(hosts.lock().unwrap_or_else(PoisonError::into_inner).entry(node.clone()).or_default());
        let mut host = host.lock().await;
        if let Some(used) = host.as_ref().filter(|used| !used.sender.is_closed()) {
            return Some(used.sender.clone());
        }
        *host = None;
        while let Some((stream, entry)) = pool.take(node).await {
            entry.set_stage(Stage::Active);
            let control = TunnelControl::new(End::Responder, entry);
            let tunnel = TunnelStream::new(stream, &[], control.clone());
            let mut client = http2::Builder::new(Executor::new(world));
            client
                .timer(Timer::new(world))
                .header_table_size(4096)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .keep_alive_interval(KEEPALIVE.0)
                .keep_alive_timeout(KEEPALIVE.1)
                .keep_alive_while_idle(true);
            let Ok((sender, connection)) = client.handshake(TokioIo::new(tunnel)).await else { continue };
            world.spawn(async move {
                let _ended = connection.await;
            });
            *host = Some(ActiveTunnel { sender: sender.clone(), control });
            return Some(sender);
        }
        None
    }

    /// `drain_clusters`: requests are sent as before until the grace ends; then one GOAWAY is sent on each active tunnel, and
    /// open requests end.
    async fn drain(&self) {
        let grace = self.0.state.drain_requested().await;
        sleep(grace).await;
        let hosts: Vec<_> = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for host in hosts {
            if let Some(used) = host.lock().await.take() {
                used.control.go_away();
            }
        }
    }
}

fn forward_response(answer: Response<Incoming>, until: Duration) -> EnvoyResponse {
    let (mut head, body) = answer.into_parts();
    remove_hop_by_hop(&mut head.headers);
    head.headers.insert(header::SERVER, HeaderValue::from_static("envoy"));
    let deadline = Box::pin(clock::sleep_until(until));
    Response::from_parts(head, UnsyncBoxBody::new(DeadlineBody { body, deadline }))
}

/// Removes hop-by-hop headers.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
}

fn local_reply(status: StatusCode, text: &str) -> EnvoyResponse {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(Into::into);
    let mut answer = Response::new(UnsyncBoxBody::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(header::SERVER, HeaderValue::from_static("envoy"));
    answer
}

/// The body of a request, whose rest can still be read after forwarding has failed.
#[derive(Clone)]
struct SharedBody(Arc<std::sync::Mutex<Incoming>>);

impl SharedBody {
    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for SharedBody {
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

/// A body with a deadline.
struct DeadlineBody<D> {
    body: Incoming,
    deadline: Pin<Box<D>>,
}

impl<D: Future<Output = ()>> Body for DeadlineBody<D> {
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
