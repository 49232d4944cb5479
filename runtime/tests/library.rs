//! The two doors of the library, as its examples use them: a listener whose connections are tunnels, and a client of nodes.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "tests live in the real world")]

#[allow(dead_code, reason = "its main is not called")]
#[path = "../examples/client.rs"]
mod client_example;

#[cfg(feature = "axum")]
#[allow(dead_code, reason = "its main is not called")]
#[path = "../examples/axum.rs"]
mod axum_example;

use std::convert::Infallible;
use std::future::{pending, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use revtun::initiator::{self, InitiatorConfig, InitiatorHandle, RequestBody, Run, TunnelService};
use revtun::responder::{ClientError, EgressClient, LocalReply, ResponderConfig, ResponderHandle};
use revtun::world::Tokio;
use tokio::sync::Notify;
use tower_service::Service;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const ADDRESS: &str = "rc://edge-1:edge:acme@cloud:1";

/// What `future` yields, in good time.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(output) => output,
        Err(_) => panic!("took too long: {what}"),
    }
}

async fn responder(set: impl FnOnce(&mut ResponderConfig)) -> ResponderHandle<Tokio> {
    let mut config = ResponderConfig::at(LOOPBACK, LOOPBACK);
    config.core.wait = Duration::from_secs(10);
    set(&mut config);
    revtun::responder::start(Tokio::begin(), config).await.unwrap()
}

/// An initiator of node `edge-1`.
async fn initiator(of: &ResponderHandle<Tokio>, service: impl TunnelService) -> InitiatorHandle<Tokio> {
    let world = Tokio::begin();
    let config = InitiatorConfig::new(ADDRESS.try_into().unwrap(), vec![of.tunnel_addr().into()]);
    initiator::start(&world, config, Run::begin(&world), service).await.unwrap()
}

fn to_edge() -> http::request::Builder {
    Request::get("http://service.example/").header("x-node-id", "edge-1").header("x-tenant-id", "acme")
}

async fn refused(client: &mut EgressClient<Tokio>, request: http::request::Builder) -> LocalReply {
    let error = within("an error", client.call(request.body(Empty::<Bytes>::new()).unwrap())).await.map(drop);
    let ClientError::LocalReply(reply) = error.unwrap_err() else { panic!("no other errors so far") };
    reply
}

#[test]
fn the_readme_shows_the_examples_and_they_are_short() {
    let readme = include_str!("../../README.md");
    for example in [include_str!("../examples/axum.rs"), include_str!("../examples/client.rs")] {
        let (_, code) = example.split_once("\n\n").unwrap();
        assert!(readme.contains(&format!("```rust\n{code}```\n")), "the README shows something else than:\n{code}");
        let lines = code.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
        assert!(lines.count() <= 20, "{code}");
    }
}

#[tokio::test]
async fn the_example_of_a_client_gets_what_a_node_answers() {
    let responder = responder(|_| {}).await;
    let seen = service_fn(async |request: Request<RequestBody>| {
        assert_eq!(request.headers().len(), 2, "{:?}", request.headers());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("from the edge"))))
    });
    let _initiator = initiator(&responder, seen).await;
    let answer = within("an answer", client_example::get(responder.client(), "edge-1")).await.unwrap();
    assert_eq!(answer, "from the edge");
    assert_eq!(responder.counts().streams, 0);
}

#[tokio::test]
async fn bodies_stream_both_ways_and_need_not_be_unpin() {
    let responder = responder(|_| {}).await;
    let echo =
        service_fn(|request: Request<RequestBody>| ready(Ok::<_, Infallible>(Response::new(request.into_body()))));
    let _initiator = initiator(&responder, echo).await;
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let body = body.map_frame(|frame| frame);
    let sent = within("an answer", responder.client().call(to_edge().method("POST").body(body).unwrap()));
    let (response, ()) = tokio::join!(sent, async { sender.send_data(Bytes::from("a")).await.unwrap() });
    let mut echoed = response.unwrap().into_body();
    for piece in ["a", "b", "c"] {
        let frame = within("a piece", echoed.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
        if piece != "c" {
            let next = if piece == "a" { "b" } else { "c" };
            sender.send_data(Bytes::from(next)).await.unwrap();
        }
    }
    drop(sender);
    assert_eq!(within("the end", echoed.collect()).await.unwrap().to_bytes(), "");
}

#[tokio::test]
async fn dropping_the_future_cancels_the_request() {
    let responder = responder(|_| {}).await;
    let (came, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = service_fn({
        let (came, gone) = (Arc::clone(&came), Arc::clone(&gone));
        move |_: Request<RequestBody>| {
            /// Says that it was dropped.
            struct Dropped(Arc<Notify>);
            impl Drop for Dropped {
                fn drop(&mut self) {
                    self.0.notify_one();
                }
            }
            let dropped = Dropped(Arc::clone(&gone));
            came.notify_one();
            async move {
                pending::<()>().await;
                drop(dropped);
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        }
    });
    let _initiator = initiator(&responder, service).await;
    let mut client = responder.client();
    let mut response = client.call(to_edge().body(Empty::<Bytes>::new()).unwrap());
    tokio::select! {
        biased;
        _ = &mut response => panic!("there is no answer"),
        () = within("the request", came.notified()) => {}
    }
    assert_eq!(responder.counts().streams, 1);
    drop(response);
    assert_eq!(responder.counts().streams, 0);
    within("the service is told", gone.notified()).await;
}

#[tokio::test]
async fn local_replies_are_typed_errors_and_counted() {
    let responder = responder(|config| config.core.wait = Duration::ZERO).await;
    let mut client = responder.client();
    assert_eq!(refused(&mut client, Request::get("/")).await, LocalReply::NoTarget);
    assert_eq!(refused(&mut client, Request::get("/").header("x-node-id", "n")).await, LocalReply::NoTenant);
    assert_eq!(refused(&mut client, to_edge()).await, LocalReply::NoTunnel);
    let to_cluster = Request::get("/").header("x-cluster-id", "edge").header("x-tenant-id", "acme");
    assert_eq!(refused(&mut client, to_cluster).await, LocalReply::NoTunnel);
    let counted = responder.totals().local_replies;
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 4, "{counted:?}");
    let error = ClientError::LocalReply(LocalReply::NoTunnel);
    assert_eq!(error.to_string(), "no-tunnel: No tunnel to this node or cluster");
    assert_eq!(LocalReply::NoTunnel.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(responder);
    assert_eq!(refused(&mut client, to_edge()).await, LocalReply::Draining);
}

#[tokio::test]
async fn a_node_that_does_not_answer_in_time_is_a_typed_error_too() {
    let responder = responder(|config| config.request_timeout = Duration::from_millis(300)).await;
    let silent = service_fn(|_: Request<RequestBody>| pending::<Result<Response<Empty<Bytes>>, Infallible>>());
    let _initiator = initiator(&responder, silent).await;
    assert_eq!(refused(&mut responder.client(), to_edge()).await, LocalReply::Timeout);
}

#[cfg(feature = "axum")]
mod with_axum {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::{get, post};
    use revtun::ReverseListener;
    use tokio::sync::Barrier;

    use super::*;

    /// What the responder is asked while axum serves `app`.
    async fn serving(app: Router, responder: &ResponderHandle<Tokio>) -> Arc<InitiatorHandle<Tokio>> {
        let listener = ReverseListener::connect(ADDRESS, [responder.tunnel_addr()]).await.unwrap();
        let initiator = Arc::clone(listener.initiator());
        tokio::spawn(axum::serve(listener, app).into_future());
        initiator
    }

    #[tokio::test]
    async fn the_example_answers_through_its_tunnel() {
        let responder = responder(|_| {}).await;
        let address = responder.tunnel_addr().to_string();
        let serving = tokio::spawn(async move { axum_example::serve(&address).await.unwrap() });
        let answer = within("an answer", client_example::get(responder.client(), "edge-1")).await.unwrap();
        assert_eq!(answer, "Hello from the edge\n");
        assert!(!serving.is_finished());
        serving.abort();
    }

    #[tokio::test]
    async fn two_requests_at_once_share_a_tunnel() {
        let responder = responder(|_| {}).await;
        let both = Arc::new(Barrier::new(2));
        let app = Router::new().route(
            "/",
            get(async move || {
                both.wait().await;
            }),
        );
        let _initiator = serving(app, &responder).await;
        let ask = || within("an answer", client_example::get(responder.client(), "edge-1"));
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((one.unwrap(), other.unwrap()), (Bytes::new(), Bytes::new()));
        assert_eq!(responder.counts().tunnels, 1);
    }

    #[tokio::test]
    async fn bodies_stream_both_ways() {
        let responder = responder(|_| {}).await;
        let app = Router::new().route("/", post(async |body: Body| body));
        let _initiator = serving(app, &responder).await;
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let response = responder.client().call(to_edge().method("POST").body(body).unwrap());
        let mut echoed = within("an answer", response).await.unwrap().into_body();
        for piece in ["a", "b"] {
            sender.send_data(Bytes::from(piece)).await.unwrap();
            let frame = within("a piece", echoed.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
        }
    }

    #[tokio::test]
    async fn a_drain_lets_a_request_finish_and_ends_the_server() {
        let responder = responder(|config| config.core.wait = Duration::ZERO).await;
        let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let app = Router::new().route("/", {
            let (came, go) = (Arc::clone(&came), Arc::clone(&go));
            get(async move || {
                came.notify_one();
                go.notified().await;
                "late"
            })
        });
        let listener = ReverseListener::connect(ADDRESS, [responder.tunnel_addr()]).await.unwrap();
        let initiator = Arc::clone(listener.initiator());
        let drained = Arc::clone(&initiator);
        let server = axum::serve(listener, app).with_graceful_shutdown(async move { drained.wait().await });
        let server = tokio::spawn(server.into_future());
        within("a tunnel", async {
            while !initiator.ready() || responder.counts().tunnels == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        let answer = tokio::spawn(client_example::get(responder.client(), "edge-1"));
        within("the request", came.notified()).await;
        initiator.drain(Duration::from_secs(30));
        within("a GOAWAY between the frames of axum", async {
            while responder.tunnels().iter().any(|tunnel| tunnel.stage != "draining") {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        assert_eq!(refused(&mut responder.client(), to_edge()).await, LocalReply::NoTunnel);
        go.notify_one();
        assert_eq!(within("the answer", answer).await.unwrap().unwrap(), "late");
        within("the server", server).await.unwrap().unwrap();
        assert!(!initiator.ready());
    }

    #[tokio::test]
    async fn a_graceful_shutdown_of_the_server_alone_lets_a_request_finish_too() {
        let responder = responder(|_| {}).await;
        let (came, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let app = Router::new().route("/", {
            let (came, go) = (Arc::clone(&came), Arc::clone(&go));
            get(async move || {
                came.notify_one();
                go.notified().await;
                "late"
            })
        });
        let listener = ReverseListener::connect(ADDRESS, [responder.tunnel_addr()]).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = axum::serve(listener, app).with_graceful_shutdown(async move { drop(stopped.await) });
        let server = tokio::spawn(server.into_future());
        let answer = tokio::spawn(client_example::get(responder.client(), "edge-1"));
        within("the request", came.notified()).await;
        drop(stop);
        go.notify_one();
        assert_eq!(within("the answer", answer).await.unwrap().unwrap(), "late");
        within("the server", server).await.unwrap().unwrap();
    }
}
