//! Several services behind one initiator: which one a request reaches, and what it is there.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::upstream::{
    Forward, ForwardError, HostRewrite, Rewrite, RouteConfig, RouteTimeouts, ServiceConfig, ServiceEndpoint,
};
use revtun::world::Tokio;
use revtun_core::route::Rule;
use tokio::io::AsyncWriteExt;

use crate::fake::soon;
use crate::forwarding::{Caller, raw_service};
use crate::start::quick;

/// A service that says its name, and what it was asked for.
pub(crate) async fn named(name: &'static str) -> SocketAddr {
    let (listener, address) = raw_service().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(move |request: Request<Incoming>| async move {
                let header = |name| request.headers().get(name).map_or("-", |value| value.to_str().unwrap());
                let told = format!("{name} {} {} {}", header("host"), request.uri(), header("x-site"));
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(told))))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

pub(crate) fn service(name: &str, endpoints: &[SocketAddr]) -> ServiceConfig {
    let endpoints = endpoints.iter().map(|endpoint| ServiceEndpoint::Tcp((*endpoint).into()));
    ServiceConfig::new(name, endpoints.collect())
}

pub(crate) async fn routed(services: &[ServiceConfig], routes: Vec<RouteConfig>) -> (Caller, Forward<Tokio>) {
    let world = Tokio::begin();
    let forward = Forward::with_routes(&world, services, routes, &quick()).unwrap();
    (Caller::forwarding(&world, forward.clone()).await, forward)
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn rule(host: &str, path: &str) -> Rule {
    Rule::any().with_host(host).unwrap().with_path(path).unwrap()
}

#[tokio::test]
async fn a_request_reaches_the_service_of_its_route_as_that_says() {
    let services = [service("web", &[named("web").await]), service("api", &[named("api").await])];
    let mut api = RouteConfig::new(rule("*.example", "/api"), "api");
    api.rewrite = Rewrite::default();
    api.rewrite.host = HostRewrite::Fixed(HeaderValue::from_static("api.internal"));
    api.rewrite.strip_prefix = "/api".to_owned();
    api.rewrite.set_headers = vec![(HeaderName::from_static("x-site"), HeaderValue::from_static("oslo"))];
    let mut other = RouteConfig::new(rule("other.example", "/"), "api");
    other.rewrite.host = HostRewrite::Service;
    let api_host = services[1].endpoints[0].to_string();
    let (mut caller, _) = routed(&services, vec![RouteConfig::new(rule("*.example", "/"), "web"), api, other]).await;
    for (url, told) in [
        ("http://a.example/x?y", "web a.example /x?y -".to_owned()),
        ("http://a.example/api/x?y", "api api.internal /x?y oslo".to_owned()),
        ("http://A.Example:80/apis", "web A.Example:80 /apis -".to_owned()),
        ("http://other.example/", format!("api {api_host} / -")),
    ] {
        let response = caller.ask(Request::get(url).body(Empty::new().boxed()).unwrap()).await;
        assert_eq!(text(response).await, told, "{url}");
    }
}

#[tokio::test]
async fn a_request_without_a_route_gets_404_and_a_call_of_grpc_its_status() {
    let services = [service("web", &[named("web").await])];
    let (mut caller, _) = routed(&services, vec![RouteConfig::new(rule("a.example", "/"), "web")]).await;
    let response = caller.ask(Request::get("http://b.example/").body(Empty::new().boxed()).unwrap()).await;
    assert_eq!(
        (response.status().as_u16(), response.headers()["x-revtun-reason"].to_str().unwrap()),
        (404, "no-route")
    );
    let call = Request::post("http://b.example/a.B/C").header("content-type", "application/grpc+proto");
    let response = caller.ask(call.body(Empty::new().boxed()).unwrap()).await;
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let told = ["content-type", "grpc-status", "grpc-message", "x-revtun-reason"].map(header);
    assert_eq!(response.status(), 200);
    assert_eq!(told, ["application/grpc", "12", "no route of the initiator matches the request", "no-route"]);
}

#[tokio::test]
async fn a_route_limits_how_long_a_response_takes() {
    let (listener, address) = raw_service().await;
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    });
    let services = [service("slow", &[address])];
    let route = |path: &str, change: fn(&mut RouteTimeouts)| {
        let mut route = RouteConfig::new(rule("*", path), "slow");
        change(&mut route.timeouts);
        route
    };
    let routes = vec![
        route("/head", |timeouts| timeouts.first_byte = Duration::from_millis(20)),
        route("/whole", |timeouts| timeouts.whole = Duration::from_millis(20)),
        route("/", |_| {}),
    ];
    let (mut caller, _) = routed(&services, routes).await;
    for path in ["head", "whole"] {
        let url = format!("http://a/{path}");
        let response = caller.ask(Request::get(url).body(Empty::new().boxed()).unwrap()).await;
        let reason = response.headers()["x-revtun-reason"].to_str().unwrap();
        assert_eq!((response.status().as_u16(), reason), (504, "service-timeout"), "{path}");
    }
    let call = Request::post("http://a/").header("content-type", "application/grpc").header("grpc-timeout", "20m");
    let response = caller.ask(call.body(Empty::new().boxed()).unwrap()).await;
    assert_eq!((response.status().as_u16(), response.headers()["grpc-status"].to_str().unwrap()), (200, "4"));
}

/// A service that begins every response, and does not end it.
async fn unending() -> SocketAddr {
    let (listener, address) = raw_service().await;
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await.unwrap();
            held.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn a_response_that_is_not_complete_in_time_ends() {
    let mut idle = RouteConfig::new(rule("*", "/idle"), "unending");
    idle.timeouts.idle = Some(Duration::from_millis(40));
    let mut whole = RouteConfig::new(rule("*", "/whole"), "unending");
    whole.timeouts.whole = Duration::from_millis(40);
    let other = RouteConfig::new(rule("*", "/"), "unending");
    let (mut caller, _) = routed(&[service("unending", &[unending().await])], vec![idle, whole, other]).await;
    for path in ["idle", "whole"] {
        let url = format!("http://a/{path}");
        let response = caller.ask(Request::get(url).body(Empty::new().boxed()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert!(soon("its end", response.into_body().collect()).await.is_err(), "{path}");
    }
    let call = Request::post("http://a/").header("content-type", "application/grpc").header("grpc-timeout", "40m");
    let response = caller.ask(call.body(Empty::new().boxed()).unwrap()).await;
    let body = soon("its end", response.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "4");
    assert_eq!(body.to_bytes(), "x");
}

#[tokio::test]
async fn routes_and_services_have_to_fit() {
    let world = Tokio::begin();
    let error = |services: &[ServiceConfig], service: &str| {
        let routes = vec![RouteConfig::new(Rule::any(), service)];
        Forward::with_routes(&world, services, routes, &quick()).err().unwrap()
    };
    assert!(matches!(error(&[], "web"), ForwardError::UnknownService { service } if service == "web"));
    assert!(matches!(error(&[service("web", &[])], "web"), ForwardError::Endpoints { service } if service == "web"));
}
