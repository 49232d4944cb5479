//! Requests and responses through a tunnel.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::caller::{self, get, http2_to_node, nothing, to_node, whole};
use super::initiator::{CLUSTER, TENANT, dial, echo_until_used, envoys_hello, read_head, serve, tunnel};
use super::{count, responder, until, within};

/// Answers with what it was asked, a header a line.
async fn tell(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let mut response = Response::new(Full::new(text.into()));
    response.headers_mut().insert("x-mine", "kept".parse().unwrap());
    response
}

/// Answers with the body of the request, as it comes, trailers included.
async fn echo(request: Request<Incoming>) -> Response<Incoming> {
    Response::new(request.into_body())
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let responder = responder(|_| {}).await;
    serve(tunnel(responder.tunnel_addr(), "n").await, tell);
    let request = to_node("n")
        .uri("/a?b=c")
        .header("connection", "x-hop, close")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("x-forwarded-for", "192.0.2.1")
        .header("expect", "100-continue")
        .header("cookie", "a=b");
    let answer = get(responder.egress_addr(), request).await;
    assert_eq!((answer.status, answer.reason()), (200, ""));
    assert_eq!(answer.headers["x-mine"], "kept");
    assert!(answer.headers.contains_key("date"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let (line, headers) = text.split_once('\n').unwrap();
    assert_eq!(line, "GET http://shop.example/a?b=c");
    let mut headers: Vec<_> = headers.lines().collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "cookie: a=b",
            "te: trailers",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-proto: http",
            "x-node-id: n",
            "x-tenant-id: t",
        ]
    );
}

#[tokio::test]
async fn nodes_clusters_and_tenants_find_their_tunnel() {
    let responder = responder(|config| config.core.wait = Duration::ZERO).await;
    for node in ["a", "b"] {
        let named = move |_| async move { Response::new(Full::new(Bytes::from(node))) };
        serve(tunnel(responder.tunnel_addr(), node).await, named);
    }
    let to = |name: &str, value: &str, tenant: &str| {
        Request::get("/").header("host", "h").header(name, value).header("x-tenant-id", tenant)
    };
    until("both are listed", || responder.tunnels().iter().filter(|tunnel| tunnel.stage == "idle").count() == 2).await;
    assert_eq!(get(responder.egress_addr(), to("x-node-id", "a", TENANT)).await.body, "a");
    assert_eq!(get(responder.egress_addr(), to("x-node-id", "b", TENANT)).await.body, "b");
    let some = get(responder.egress_addr(), to("x-cluster-id", CLUSTER, TENANT)).await.body;
    assert!(some == "a" || some == "b");
    for (name, value, tenant) in
        [("x-node-id", "a", "other"), ("x-node-id", CLUSTER, TENANT), ("x-cluster-id", "a", TENANT)]
    {
        let answer = get(responder.egress_addr(), to(name, value, tenant)).await;
        assert_eq!((answer.status, answer.reason()), (503, "no-tunnel"), "{name} {value} {tenant}");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    assert_eq!(count(&responder.totals().requests_refused, "no-tunnel"), 3);
}

#[tokio::test]
async fn a_request_without_a_possible_target_is_told_so() {
    let responder = responder(|_| {}).await;
    let request = || Request::get("/").header("host", "h");
    for (request, status, reason) in [
        (request(), 400, "no-target"),
        (request().header("x-node-id", "n"), 400, "no-tenant"),
        (request().header("x-node-id", "").header("x-tenant-id", TENANT), 400, "illegal-target"),
        (to_node("n").method("CONNECT").uri("a:0"), 400, "illegal-connect"),
    ] {
        let answer = get(responder.egress_addr(), request).await;
        assert_eq!((answer.status, answer.reason()), (status, reason));
        assert!(!answer.body.is_empty());
        assert_eq!(count(&responder.totals().local_replies, reason), 1);
    }
}

#[tokio::test]
async fn an_early_answer_is_heard_by_a_caller_that_still_sends() {
    let responder = responder(|config| config.core.wait = Duration::ZERO).await;
    let mut caller = TcpStream::connect(responder.egress_addr()).await.unwrap();
    let body = vec![b'x'; 900_000];
    let head = format!(
        "POST / HTTP/1.1\r\nhost: h\r\nx-node-id: n\r\nx-tenant-id: {TENANT}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    caller.write_all(head.as_bytes()).await.unwrap();
    until("it is answered", || count(&responder.totals().local_replies, "no-tunnel") == 1).await;
    within("the body is taken", caller.write_all(&body)).await.unwrap();
    let mut answer = vec![0; 12];
    within("the answer", caller.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 503");
}

#[tokio::test]
async fn callers_wait_for_a_tunnel_to_come() {
    let responder = responder(|config| config.core.wait = super::DEADLINE).await;
    let (to, counts) = (responder.egress_addr(), || responder.counts());
    let waiting = tokio::spawn(async move { get(to, to_node("n")).await });
    until("it waits", || counts().waiting == 1).await;
    // One that goes away is forgotten.
    let gone = tokio::spawn(async move { get(to, to_node("n")).await });
    until("the other waits", || counts().waiting == 2).await;
    gone.abort();
    until("the other is forgotten", || counts().waiting == 1).await;
    serve(tunnel(responder.tunnel_addr(), "n").await, tell);
    assert_eq!(within("an answer", waiting).await.unwrap().status, 200);
    until("it is over", || counts().streams == 0).await;
    assert_eq!(responder.totals().requests_waited, 2);
}

#[tokio::test]
async fn a_caller_for_whom_no_tunnel_comes_is_told_when_its_wait_is_over() {
    let responder = responder(|config| config.core.wait = Duration::from_millis(20)).await;
    let answer = within("an answer", get(responder.egress_addr(), to_node("n"))).await;
    assert_eq!((answer.status, answer.reason()), (503, "no-tunnel"));
    assert_eq!((responder.counts().waiting, responder.totals().requests_waited), (0, 1));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_given_up() {
    let responder = responder(|config| config.request_timeout = Duration::from_millis(50)).await;
    let never = |_| async { std::future::pending::<Response<Full<Bytes>>>().await };
    serve(tunnel(responder.tunnel_addr(), "n").await, never);
    let answer = get(responder.egress_addr(), to_node("n")).await;
    assert_eq!((answer.status, answer.reason()), (504, "timeout"));
    until("its tunnel is free", || responder.counts().streams == 0).await;
    assert_eq!(responder.counts().tunnels, 1);
}

#[tokio::test]
async fn bodies_and_trailers_flow_both_ways_at_once() {
    let responder = responder(|_| {}).await;
    serve(tunnel(responder.tunnel_addr(), "n").await, echo);
    let (mut frames, body) = Channel::<Bytes>::new(1);
    let mut sender = caller::http2(responder.egress_addr()).await;
    let request = http2_to_node("n").method("POST").body(body).unwrap();
    let response = within("a response", sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut back = response.into_body();
    for index in 0..64u8 {
        // Each piece comes back before the next goes out.
        let piece = Bytes::from(vec![index; 16 * 1024]);
        frames.send_data(piece.clone()).await.unwrap();
        let mut got = Vec::new();
        while got.len() < piece.len() {
            let frame = within("a piece", back.frame()).await.unwrap().unwrap();
            got.extend_from_slice(&frame.into_data().unwrap());
        }
        assert_eq!(got, piece);
    }
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "64".parse().unwrap())]);
    frames.send_trailers(trailers.clone()).await.unwrap();
    drop(frames);
    let last = within("trailers", back.frame()).await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), trailers);
    assert!(within("the end", back.frame()).await.is_none());
    until("it is over", || responder.counts().streams == 0).await;
}

#[tokio::test]
async fn a_caller_is_told_to_go_on_with_its_body() {
    let responder = responder(|_| {}).await;
    // It knows nothing of 100 Continue, and is sent the body after a while.
    serve(tunnel(responder.tunnel_addr(), "n").await, |request| async {
        Response::new(Full::new(request.into_body().collect().await.unwrap().to_bytes()))
    });
    let mut stream = dial(responder.egress_addr()).await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: h\r\nx-node-id: n\r\nx-tenant-id: {TENANT}\r\nexpect: 100-continue\r\n\
         content-length: 3\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    let answer = read_head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let mut body = [0; 3];
    within("a body", stream.read_exact(&mut body)).await.unwrap();
    assert_eq!(&body, b"abc");
}

#[tokio::test]
async fn an_echo_that_comes_late_is_taken_out() {
    let responder = responder(|_| {}).await;
    let mut stream = dial(responder.tunnel_addr()).await;
    stream.write_all(&envoys_hello("n")).await.unwrap();
    read_head(&mut stream).await;
    let mut ping = [0; 5];
    within("a ping", stream.read_exact(&mut ping)).await.unwrap();
    let (to, asked) = (responder.egress_addr(), to_node("n"));
    let caller = tokio::spawn(async move { get(to, asked).await });
    assert!(within("the preface", echo_until_used(&mut stream)).await);
    // Only now the echo, in two pieces, and HTTP/2 right behind.
    stream.write_all(b"RP").await.unwrap();
    stream.write_all(b"ING").await.unwrap();
    serve(stream, tell);
    assert_eq!(within("an answer", caller).await.unwrap().status, 200);
}

#[tokio::test]
async fn http2_callers_are_served_too() {
    let responder = responder(|_| {}).await;
    serve(tunnel(responder.tunnel_addr(), "n").await, tell);
    let mut sender = caller::http2(responder.egress_addr()).await;
    let response = sender.send_request(http2_to_node("n").body(nothing()).unwrap());
    let answer = whole(within("a response", response).await.unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"GET http://shop.example/\n"), "{:?}", answer.body);
}
