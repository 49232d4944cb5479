//! Retries of requests whose tunnel or stream is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{Request, Response};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::caller::{self, get, http2_to_node, to_node, whole};
use super::initiator::{echo_until_used, serve, tunnel};
use super::{Responder, count, responder, until, within};

type Answering = SendResponse<Bytes>;

/// Serves a tunnel by hand: `answer` is asked for each request, with the number of those before it.
fn serve_by_hand(
    mut stream: TcpStream,
    mut answer: impl FnMut(usize, Request<h2::RecvStream>, Answering) + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        assert!(echo_until_used(&mut stream).await);
        let mut server = h2::server::handshake(stream).await.unwrap();
        let mut seen = 0;
        while let Some(Ok((request, answering))) = server.accept().await {
            answer(seen, request, answering);
            seen += 1;
        }
    })
}

/// A tunnel that takes one request, says so, and never answers.
async fn silent(responder: &Responder, arrived: &Arc<Notify>) -> JoinHandle<()> {
    let arrived = Arc::clone(arrived);
    serve(tunnel(responder.tunnel_addr(), "n").await, move |_| {
        arrived.notify_one();
        std::future::pending::<Response<Full<Bytes>>>()
    })
}

async fn fine(_: Request<hyper::body::Incoming>) -> Response<Full<Bytes>> {
    Response::new(Full::new("fine".into()))
}

#[tokio::test]
async fn a_request_that_may_have_been_acted_on_is_not_repeated() {
    let responder = responder(|_| {}).await;
    let arrived = Arc::new(Notify::new());
    let served = silent(&responder, &arrived).await;
    let to = responder.egress_addr();
    let asked = tokio::spawn(async move { get(to, to_node("n").method("POST")).await });
    within("the request", arrived.notified()).await;
    served.abort();
    let answer = within("an answer", asked).await.unwrap();
    assert_eq!((answer.status, answer.reason()), (502, "tunnel-lost"));
    assert_eq!(responder.totals().requests_retried, 0);
}

#[tokio::test]
async fn a_request_that_does_no_harm_twice_is_repeated_through_the_next_tunnel() {
    let responder = responder(|config| config.core.wait = super::DEADLINE).await;
    let arrived = Arc::new(Notify::new());
    let served = silent(&responder, &arrived).await;
    let to = responder.egress_addr();
    let asked = tokio::spawn(async move { get(to, to_node("n")).await });
    within("the request", arrived.notified()).await;
    served.abort();
    serve(tunnel(responder.tunnel_addr(), "n").await, fine);
    assert_eq!(within("an answer", asked).await.unwrap().body, "fine");
    assert_eq!(responder.totals().requests_retried, 1);
    until("it is over", || responder.counts().streams == 0).await;
}

#[tokio::test]
async fn a_refused_request_is_repeated_whatever_it_is_but_not_for_ever() {
    let responder = responder(|_| {}).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    serve_by_hand(tunnel(responder.tunnel_addr(), "n").await, move |earlier, _, mut answering| {
        seen.store(earlier + 1, Ordering::Relaxed);
        if earlier == 1 {
            answering.send_response(Response::new(()), true).unwrap();
        } else {
            answering.send_reset(Reason::REFUSED_STREAM);
        }
    });
    assert_eq!(get(responder.egress_addr(), to_node("n").method("POST")).await.status, 200);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let answer = get(responder.egress_addr(), to_node("n").method("POST")).await;
    assert_eq!((answer.status, answer.reason()), (502, "stream-reset"));
    assert_eq!(asked.load(Ordering::Relaxed), 6);
    assert_eq!(responder.totals().requests_retried, 4);
}

#[tokio::test]
async fn a_request_whose_stream_is_reset_fails_alone_and_is_not_repeated() {
    let responder = responder(|_| {}).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    serve_by_hand(tunnel(responder.tunnel_addr(), "n").await, move |earlier, request, mut answering| {
        seen.store(earlier + 1, Ordering::Relaxed);
        if request.uri().path() == "/fine" {
            answering.send_response(Response::new(()), true).unwrap();
        } else {
            answering.send_reset(Reason::INTERNAL_ERROR);
        }
    });
    let answer = get(responder.egress_addr(), to_node("n")).await;
    assert_eq!((answer.status, answer.reason()), (502, "stream-reset"));
    assert_eq!(get(responder.egress_addr(), to_node("n").uri("/fine")).await.status, 200);
    assert_eq!((asked.load(Ordering::Relaxed), responder.totals().requests_retried), (2, 0));
    assert_eq!(responder.counts().tunnels, 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_taken_fails_alone_and_is_not_repeated() {
    let responder = responder(|config| config.http.header_bytes = 1024).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    serve_by_hand(tunnel(responder.tunnel_addr(), "n").await, move |earlier, request, mut answering| {
        seen.store(earlier + 1, Ordering::Relaxed);
        let length = if request.uri().path() == "/fine" { 100 } else { 2000 };
        let answer = Response::builder().header("x-long", "x".repeat(length)).body(()).unwrap();
        answering.send_response(answer, true).unwrap();
    });
    let answer = get(responder.egress_addr(), to_node("n")).await;
    assert_eq!((answer.status, answer.reason()), (502, "upstream-protocol-error"));
    assert_eq!(get(responder.egress_addr(), to_node("n").uri("/fine")).await.status, 200);
    assert_eq!((asked.load(Ordering::Relaxed), responder.totals().requests_retried), (2, 0));
}

#[tokio::test]
async fn headers_that_the_initiator_does_not_take_are_not_sent_to_it() {
    let responder = responder(|_| {}).await;
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        assert!(echo_until_used(&mut stream).await);
        let mut server = h2::server::Builder::new();
        let mut server = server.max_header_list_size(1000).handshake::<_, Bytes>(stream).await.unwrap();
        while let Some(Ok((_, mut answering))) = server.accept().await {
            seen.fetch_add(1, Ordering::Relaxed);
            answering.send_response(Response::new(()), true).unwrap();
        }
    });
    let long = |length: usize| to_node("n").header("x-long", "x".repeat(length));
    // The first answer comes behind the initiator's SETTINGS.
    assert_eq!(get(responder.egress_addr(), long(100)).await.status, 200);
    for method in ["GET", "POST"] {
        let answer = get(responder.egress_addr(), long(1000).method(method)).await;
        assert_eq!((answer.status, answer.reason()), (431, "headers-too-large-for-node"));
    }
    assert_eq!(get(responder.egress_addr(), long(100)).await.status, 200);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_with_its_tunnel_breaks_off_for_the_caller() {
    let responder = responder(|_| {}).await;
    let served = serve(tunnel(responder.tunnel_addr(), "n").await, |_| async {
        let (mut body, channel) = Channel::<Bytes>::new(1);
        tokio::spawn(async move {
            body.send_data("half".into()).await.unwrap();
            std::future::pending::<()>().await;
        });
        Response::new(channel)
    });
    let mut sender = caller::http1(responder.egress_addr()).await;
    let response = sender.send_request(to_node("n").body(Full::default()).unwrap());
    let mut body = within("a response", response).await.unwrap().into_body();
    let half = within("half of it", body.frame()).await.unwrap().unwrap();
    assert_eq!(half.into_data().unwrap(), "half");
    served.abort();
    assert!(within("the break", body.collect()).await.is_err());
    until("it is over", || responder.counts().streams == 0).await;
}

/// The frames of an answer to the first request, up to a reset without an error.
fn reset_answer(body: &[u8], whole: bool) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let status_200: &[u8] = &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
    let data: &[u8] = &[0, 0, length, 0, u8::from(whole), 0, 0, 0, 1];
    let no_error: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    [settings, status_200, data, body, no_error].concat()
}

/// Answers the first request with these frames, all at once.
fn serve_frames(mut stream: TcpStream, frames: Vec<u8>) -> JoinHandle<()> {
    tokio::spawn(async move {
        assert!(echo_until_used(&mut stream).await);
        // The preface, then frames up to the first HEADERS.
        stream.read_exact(&mut [0; 24]).await.unwrap();
        let mut kind = 0;
        while kind != 1 {
            let mut header = [0; 9];
            stream.read_exact(&mut header).await.unwrap();
            let mut payload = vec![0; u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize];
            stream.read_exact(&mut payload).await.unwrap();
            kind = header[3];
        }
        stream.write_all(&frames).await.unwrap();
        let _until_the_end = stream.read_to_end(&mut Vec::new()).await;
    })
}

#[tokio::test]
async fn an_answer_reset_without_an_error_is_no_whole_answer() {
    for http2 in [false, true] {
        let responder = responder(|_| {}).await;
        serve_frames(tunnel(responder.tunnel_addr(), "n").await, reset_answer(b"half", false));
        let response = if http2 {
            let request = http2_to_node("n").body(caller::nothing()).unwrap();
            let mut sender = caller::http2(responder.egress_addr()).await;
            within("a response", sender.send_request(request)).await
        } else {
            let mut sender = caller::http1(responder.egress_addr()).await;
            within("a response", sender.send_request(to_node("n").body(Full::default()).unwrap())).await
        };
        // The break may come before the head was on its way.
        if let Ok(response) = response {
            assert!(within("the break", response.into_body().collect()).await.is_err(), "HTTP/2: {http2}");
        }
    }
}

#[tokio::test]
async fn a_whole_answer_that_stops_the_upload_is_whole() {
    let responder = responder(|_| {}).await;
    serve_frames(tunnel(responder.tunnel_addr(), "n").await, reset_answer(b"enough", true));
    let (mut upload, body) = Channel::<Bytes>::new(1);
    let mut sender = caller::http2(responder.egress_addr()).await;
    let request = http2_to_node("n").method("POST").body(body).unwrap();
    upload.send_data("more to come".into()).await.unwrap();
    let answer = whole(within("a response", sender.send_request(request)).await.unwrap()).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"enough"[..]));
    drop(upload);
}

#[tokio::test]
async fn an_initiator_that_goes_away_finishes_and_gets_nothing_new() {
    let responder = responder(|_| {}).await;
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (says, waits) = (Arc::clone(&arrived), Arc::clone(&go));
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    let leaving = Arc::new(Notify::new());
    let leave = Arc::clone(&leaving);
    tokio::spawn(async move {
        assert!(echo_until_used(&mut stream).await);
        let mut server = h2::server::handshake(stream).await.unwrap();
        loop {
            tokio::select! {
                () = leave.notified() => server.graceful_shutdown(),
                request = server.accept() => {
                    let Some(Ok((_, mut answering))) = request else { return };
                    says.notify_one();
                    let waits = Arc::clone(&waits);
                    tokio::spawn(async move {
                        waits.notified().await;
                        answering.send_response(Response::new(()), true).unwrap();
                    });
                }
            }
        }
    });
    let to = responder.egress_addr();
    let first = tokio::spawn(async move { get(to, to_node("n")).await });
    within("the request", arrived.notified()).await;
    leaving.notify_one();
    until("the goaway", || responder.tunnels().iter().any(|tunnel| tunnel.stage == "draining")).await;
    serve(tunnel(responder.tunnel_addr(), "n").await, fine);
    assert_eq!(get(to, to_node("n")).await.body, "fine");
    go.notify_one();
    assert_eq!(within("an answer", first).await.unwrap().status, 200);
    // Whoever is faster closes it.
    until("it is closed", || {
        let closed = responder.totals().tunnels_closed;
        count(&closed, "drained") + count(&closed, "peer-closed") == 1
    })
    .await;
    assert_eq!(responder.counts().tunnels, 1);
}
