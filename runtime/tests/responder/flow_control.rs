//! Flow control: many requests on one tunnel, and readers and writers that stop.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use tokio::sync::{Barrier, Notify};

use super::caller::{self, get, http2_to_node, nothing, to_node, whole};
use super::initiator::{serve, tunnel};
use super::{responder, until, within};

const MIB: usize = 1 << 20;
const PIECE: usize = 64 * 1024;

/// A body of `left` bytes that counts those taken.
struct Endless {
    left: usize,
    taken: Arc<AtomicUsize>,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= PIECE;
        self.taken.fetch_add(PIECE, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; PIECE])))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_share_one_tunnel() {
    const REQUESTS: usize = 1000;
    let responder = responder(|_| {}).await;
    let all = Arc::new(Barrier::new(REQUESTS));
    let at_once = move |_| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            Response::new(Full::new(Bytes::from_static(b"here")))
        }
    };
    serve(tunnel(responder.tunnel_addr(), "n").await, at_once);
    let sender = caller::http2(responder.egress_addr()).await;
    let asked: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let response = sender.send_request(http2_to_node("n").body(nothing()).unwrap()).await.unwrap();
                whole(response).await.body
            })
        })
        .collect();
    for asked in asked {
        assert_eq!(within("an answer", asked).await.unwrap(), "here");
    }
    until("all are over", || responder.counts().streams == 0).await;
    assert_eq!(responder.counts().tunnels, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_harm_nobody_else() {
    const READERS: usize = 8;
    let responder = responder(|_| {}).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let big_or_small = move |request: Request<Incoming>| {
        let taken = Arc::clone(&counted);
        async move {
            Response::new(match request.uri().path() {
                "/big" => Either::Left(Endless { left: 100 * MIB, taken }),
                _ => Either::Right(Full::new(Bytes::from_static(b"small"))),
            })
        }
    };
    serve(tunnel(responder.tunnel_addr(), "n").await, big_or_small);
    let mut stopped = Vec::new();
    for _ in 0..READERS {
        let mut sender = caller::http1(responder.egress_addr()).await;
        let request = to_node("n").uri("/big").body(Full::default()).unwrap();
        let response = within("a response", sender.send_request(request)).await.unwrap();
        stopped.push((sender, response));
    }
    for _ in 0..100 {
        assert_eq!(get(responder.egress_addr(), to_node("n")).await.body, "small");
    }
    // Windows, and the buffers of the kernel at the caller's side.
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken < READERS * 24 * MIB, "{taken} bytes are under way");
    // Whoever reads on gets all of it.
    let (sender, response) = stopped.pop().unwrap();
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(frame) = within("more", body.frame()).await {
        read += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(read, 100 * MIB);
    drop(sender);
    drop(stopped);
    until("all are over", || responder.counts().streams == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_read_stops_the_caller_and_nobody_else() {
    let responder = responder(|_| {}).await;
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let late = move |request: Request<Incoming>| {
        let waits = Arc::clone(&waits);
        async move {
            if request.method() == "POST" {
                waits.notified().await;
                let read = request.into_body().collect().await.unwrap().to_bytes().len();
                return Response::new(Full::new(Bytes::from(read.to_string())));
            }
            Response::new(Full::new(Bytes::from_static(b"small")))
        }
    };
    serve(tunnel(responder.tunnel_addr(), "n").await, late);
    let taken = Arc::new(AtomicUsize::new(0));
    let upload = Endless { left: 64 * MIB, taken: Arc::clone(&taken) };
    let mut sender = caller::http2(responder.egress_addr()).await;
    let request = http2_to_node("n").method("POST").body(upload).unwrap();
    let asked = tokio::spawn(async move { whole(sender.send_request(request).await.unwrap()).await.body });
    until("it has begun", || taken.load(Ordering::Relaxed) >= MIB).await;
    for _ in 0..100 {
        assert_eq!(get(responder.egress_addr(), to_node("n")).await.body, "small");
    }
    let under_way = taken.load(Ordering::Relaxed);
    assert!(under_way < 24 * MIB, "{under_way} bytes are under way");
    go.notify_one();
    assert_eq!(within("an answer", asked).await.unwrap(), (64 * MIB).to_string());
}
