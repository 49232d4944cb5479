//! Bodies of any size both ways, backpressure, trailers, headers, and many requests at once.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body::Frame;
use http_body_util::BodyExt;
use revtun_tests::body::{self, Body, MIB};
use revtun_tests::client::{Caller, ask_for, to_node, whole};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::patience::{LATER, SOON, until, within};
use revtun_tests::raw::{Raw, holds};
use revtun_tests::service::Service;

const NODE: &str = "node-a";

struct System {
    responder: Responder,
    initiator: Initiator,
    service: Service,
}

impl System {
    async fn start() -> Self {
        let service = Service::start("backend").await;
        let responder = Responder::revtun(&["--tenant-isolation", "false"]).await;
        let hosts = [responder.tunnel()];
        let initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
        responder.reaches(NODE).await;
        Self { responder, initiator, service }
    }

    fn egress(&self) -> SocketAddr {
        self.responder.egress()
    }

    async fn caller(&self, version: Version) -> Caller {
        Caller::connect(self.egress(), version).await.expect("a connection")
    }

    fn resident_bytes(&mut self) -> u64 {
        self.responder.process().resident_bytes() + self.initiator.process().resident_bytes()
    }
}

fn request(path: &str, body: Body) -> Request<Body> {
    let method = if path.starts_with("/upload") || path.starts_with("/mirror") { "POST" } else { "GET" };
    to_node(NODE, path).method(method).body(body).expect("a legal request")
}

/// The same for an HTTP/2 caller, whose host travels in the URI.
fn request2(path: &str, body: Body) -> Request<Body> {
    let mut request = request(path, body);
    *request.uri_mut() = format!("http://service.example{path}").parse().expect("a legal URI");
    request.headers_mut().remove("host");
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mebibyte_passes_unharmed_both_ways_over_either_http() {
    let system = System::start().await;
    let mut http1 = system.caller(Version::HTTP_11).await;
    let mut http2 = system.caller(Version::HTTP_2).await;
    down(&mut http1, request(&format!("/bytes/{MIB}"), body::empty()), MIB).await;
    up(&mut http1, request("/upload", body::generated(MIB)), MIB).await;
    down(&mut http2, request2(&format!("/bytes/{MIB}"), body::empty()), MIB).await;
    up(&mut http2, request2("/upload", body::generated(MIB)), MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_passes_unharmed_both_ways_in_bounded_memory() {
    let mut system = System::start().await;
    let size = 1024 * MIB;
    let before = system.resident_bytes();
    let mut caller = system.caller(Version::HTTP_11).await;
    down(&mut caller, request(&format!("/bytes/{size}"), body::empty()), size).await;
    up(&mut caller, request("/upload", body::generated(size)), size).await;
    let grown = system.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * MIB, "memory grew by {} MiB", grown / MIB);
}

async fn down(caller: &mut Caller, request: Request<Body>, size: u64) {
    within(2 * LATER, "the answer's body", async {
        let response = caller.send(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], size.to_string());
        assert_eq!(body::checked(response.into_body()).await.expect("a whole body").bytes, size);
    })
    .await;
}

async fn up(caller: &mut Caller, request: Request<Body>, size: u64) {
    within(2 * LATER, "the request's body", async {
        let response = caller.send(request).await.expect("an answer");
        assert_eq!(whole(response).await.expect("a whole answer").json()["bytes"], size);
    })
    .await;
}

#[tokio::test]
async fn each_piece_passes_before_the_next_is_sent() {
    let system = System::start().await;
    let mut caller = system.caller(Version::HTTP_2).await;
    let (feed, body) = body::piped();
    let response = within(SOON, "the head", caller.send(request2("/mirror", body))).await.expect("an answer");
    let mut mirrored = response.into_body();
    for piece in ["one", "two", "three"] {
        feed.send(Frame::data(Bytes::from_static(piece.as_bytes()))).await.expect("the request goes on");
        let frame = within(SOON, "the piece comes back", mirrored.frame()).await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), piece);
    }
    drop(feed);
    let rest = within(SOON, "the end comes back", mirrored.collect()).await.expect("an end in order");
    assert_eq!(rest.to_bytes(), "");
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let system = System::start().await;
    let mut http2 = system.caller(Version::HTTP_2).await;
    let mut asking = request2("/trailers", body::empty());
    asking.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let response = within(SOON, "an answer", http2.send(asking)).await.expect("an answer");
    let answer = within(SOON, "a whole answer", whole(response)).await.expect("a whole answer");
    assert_eq!(answer.text(), "body");
    assert_eq!(answer.trailers.expect("trailers")["x-checksum"], "42");

    let (feed, body) = body::piped();
    let mut upload = request2("/upload", body);
    upload.headers_mut().insert("trailer", HeaderValue::from_static("x-checksum"));
    let sent = async {
        let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), HeaderValue::from_static("43"))]);
        feed.send(Frame::trailers(trailers)).await.expect("the request goes on");
        drop(feed);
    };
    let (answer, ()) = within(SOON, "an answer", async { tokio::join!(http2.send(upload), sent) }).await;
    let answer = whole(answer.expect("an answer")).await.expect("a whole answer");
    assert_eq!(answer.json()["trailers"][0][1], "43", "{}", answer.text());

    let mut raw = Raw::connect(system.egress()).await;
    raw.send(b"GET /trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\nx-node-id: node-a\r\n\r\n").await;
    raw.read_until(SOON, "trailers over HTTP/1.1", |bytes| bytes.ends_with(b"\r\n\r\n") && holds(bytes, b"body")).await;
    assert!(holds(raw.received(), b"0\r\nx-checksum: 42\r\n\r\n"), "{}", String::from_utf8_lossy(raw.received()));
}

#[tokio::test]
async fn a_caller_who_expects_100_is_told_to_continue() {
    let system = System::start().await;
    let mut raw = Raw::connect(system.egress()).await;
    raw.send(
        b"POST /upload HTTP/1.1\r\nhost: a\r\nx-node-id: node-a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    )
    .await;
    raw.read_until(SOON, "100", |bytes| bytes.ends_with(b"\r\n\r\n")).await;
    assert!(raw.received().starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(raw.received()));
    let body = body::generated(5).collect().await.expect("a whole body").to_bytes();
    raw.send(&body).await;
    raw.read_until(SOON, "the answer", |bytes| holds(bytes, b"HTTP/1.1 200 OK") && holds(bytes, b"\"bytes\":5")).await;
}

#[tokio::test]
async fn eight_stalled_readers_leave_every_other_request_unharmed_and_memory_bounded() {
    const LARGE: u64 = 100 * MIB;
    let mut system = System::start().await;
    let before = system.resident_bytes();
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut caller = system.caller(Version::HTTP_11).await;
        let response = caller.send(request(&format!("/bytes/{LARGE}"), body::empty())).await.expect("an answer");
        stalled.push((caller, response));
    }
    for _ in 0..50 {
        assert_eq!(system.responder.ask_node(NODE, "/").await.status, 200);
    }
    let mut caller = system.caller(Version::HTTP_11).await;
    down(&mut caller, request(&format!("/bytes/{}", 20 * MIB), body::empty()), 20 * MIB).await;
    let grown = system.resident_bytes().saturating_sub(before);
    assert!(grown < 96 * MIB, "memory grew by {} MiB", grown / MIB);
    let (_caller, response) = stalled.swap_remove(0);
    let read = within(LATER, "a stalled reader reads on", body::checked(response.into_body())).await;
    assert_eq!(read.expect("a whole body").bytes, LARGE);
}

#[tokio::test]
async fn eight_stalled_uploads_leave_every_other_request_unharmed() {
    let mut system = System::start().await;
    let before = system.resident_bytes();
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut caller = system.caller(Version::HTTP_11).await;
        let mut upload = request("/hold", body::generated(100 * MIB));
        *upload.method_mut() = http::Method::POST;
        stalled.push(tokio::spawn(async move { caller.send(upload).await.map(|response| response.status()) }));
    }
    system.service.holds(8).await;
    for _ in 0..50 {
        assert_eq!(system.responder.ask_node(NODE, "/").await.status, 200);
    }
    let grown = system.resident_bytes().saturating_sub(before);
    assert!(grown < 96 * MIB, "memory grew by {} MiB", grown / MIB);
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_are_under_way_at_once_over_one_tunnel() {
    const MANY: usize = 1000;
    let system = System::start().await;
    let egress = system.egress();
    let asked: Vec<_> =
        (0..MANY).map(|_| tokio::spawn(ask_for(LATER, egress, request("/hold", body::empty())))).collect();
    system.service.holds(MANY).await;
    assert_eq!(system.responder.tunnels(NODE).await, 1);
    system.service.release();
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").expect("an answer").status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_http2_caller_has_a_hundred_requests_under_way() {
    const MANY: usize = 100;
    let system = System::start().await;
    let caller = system.caller(Version::HTTP_2).await;
    let ask = |mut caller: Caller| async move {
        whole(caller.send(request2("/hold", body::empty())).await.expect("an answer")).await.expect("a whole answer")
    };
    let asked: Vec<_> = (0..MANY).map(|_| tokio::spawn(ask(caller.another()))).collect();
    system.service.holds(MANY).await;
    system.service.release();
    for answer in asked {
        assert_eq!(within(SOON, "an answer", answer).await.expect("no panic").status, 200);
    }
}

#[tokio::test]
async fn the_service_sees_the_callers_headers_and_where_they_came_from() {
    let system = System::start().await;
    let call = to_node(NODE, "/path?query=%20").header("x-own", "1").header("accept-encoding", "br");
    let answer = system.responder.ask(call.header("x-forwarded-for", "192.0.2.1")).await;
    let seen = system.service.seen().pop().expect("a request");
    assert_eq!(seen.target, "/path?query=%20");
    assert_eq!(seen.headers["host"], "service.example");
    assert_eq!(seen.headers["x-own"], "1");
    assert_eq!(seen.headers["accept-encoding"], "br");
    assert_eq!(seen.headers["x-node-id"], NODE, "the routing header goes along, as with Envoy");
    assert_eq!(seen.headers["x-forwarded-for"], "127.0.0.1", "only a trusted hop says what was before it");
    assert_eq!(seen.headers["x-forwarded-proto"], "http");
    assert_eq!(answer.header("x-revtun-reason"), "", "only answers of our own have a reason");
    assert_eq!(answer.header("server"), "", "we add none");
}

#[tokio::test]
async fn what_concerns_one_hop_stays_on_it() {
    let system = System::start().await;
    let call = to_node(NODE, "/")
        .header("connection", "keep-alive, x-mine")
        .header("x-mine", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "close")
        .header("te", "trailers, gzip");
    assert_eq!(system.responder.ask(call).await.status, 200);
    let headers = system.service.seen().pop().expect("a request").headers;
    for absent in ["x-mine", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(!headers.contains_key(absent), "{absent}: {headers:?}");
    }
    assert!(headers.get("te").is_none_or(|te| te == "trailers"), "{headers:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let system = System::start().await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut caller = system.caller(version).await;
        let asked = match version {
            Version::HTTP_2 => request2("/truncate", body::empty()),
            _ => request("/truncate", body::empty()),
        };
        // Whether the head got through before the break is a matter of timing.
        let Ok(response) = within(SOON, "a head", caller.send(asked)).await else { continue };
        assert!(response.status() == 200 || response.status() == 502, "{}", response.status());
        let status = response.status();
        let read = within(SOON, "an end", whole(response)).await;
        assert!(read.is_err() || status == 502, "a broken answer seems whole: {read:?}");
    }
    assert_eq!(system.responder.ask_node(NODE, "/").await.status, 200);
}

#[tokio::test]
async fn an_early_answer_passes_before_the_request_is_over() {
    let system = System::start().await;
    let mut caller = system.caller(Version::HTTP_11).await;
    let (_feed, body) = body::piped();
    let response = within(SOON, "an early answer", caller.send(request("/early", body))).await;
    assert_eq!(response.expect("an answer").status(), 413);
}

#[tokio::test]
async fn a_caller_who_leaves_takes_the_request_along() {
    let system = System::start().await;
    let mut caller = system.caller(Version::HTTP_11).await;
    let leaving = tokio::spawn(async move { caller.send(request("/hold", body::empty())).await.map(drop) });
    system.service.holds(1).await;
    leaving.abort();
    system.service.holds(0).await;
    until(SOON, "the tunnel is free again", async || {
        let tunnels = revtun_tests::client::get(system.responder.admin(), "/tunnels").await.ok()?.json();
        (tunnels["tunnels"][0]["streams"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_status_and_the_lack_of_a_body_pass_unchanged() {
    let system = System::start().await;
    for status in [200, 201, 204, 206, 301, 304, 400, 404, 418, 429, 500, 503] {
        let answer = system.responder.ask_node(NODE, &format!("/status/{status}")).await;
        assert_eq!(answer.status, status);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("x-revtun-reason"), "");
    }
    let head = system.responder.ask(to_node(NODE, "/bytes/5").method("HEAD")).await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (200, "5", 0));
    let options = system.responder.ask(to_node(NODE, "*").method("OPTIONS")).await;
    assert_eq!(options.json()["method"], "OPTIONS");
    assert_eq!(options.json()["target"], "*");
}

#[tokio::test]
async fn connections_to_the_service_are_kept_and_shared() {
    let system = System::start().await;
    for _ in 0..50 {
        assert_eq!(system.responder.ask_node(NODE, "/").await.status, 200);
    }
    assert!(system.service.connections() <= 5, "{} connections for 50 requests", system.service.connections());
}

#[tokio::test]
async fn a_service_that_is_down_is_told_apart_from_a_tunnel_that_is_down() {
    let nobody = revtun_tests::port::Port::reserve();
    let responder = Responder::revtun(&["--tenant-isolation", "false"]).await;
    let hosts = [responder.tunnel()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, nobody.addr())).await;
    responder.has_within(SOON, NODE, 1).await;
    let answer = responder.ask_node(NODE, "/").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-revtun-reason"), "service-unreachable");
    assert_eq!(responder.tunnels(NODE).await, 1);
}

#[tokio::test]
async fn a_slow_stream_is_left_alone_for_longer_than_any_liveness_window() {
    let system = System::start().await;
    let request = request("/trickle/11/1000", body::empty());
    let answer = ask_for(Duration::from_secs(40), system.egress(), request).await.expect("an answer");
    assert_eq!(answer.body.len(), 11);
}
