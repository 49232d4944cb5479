//! Connections to the local service: when they are kept, and who moves them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Channel, Empty, Full};
use revtun_core::initiator::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::fake::soon;
use crate::forwarding::{Caller, Sent, raw_service, read_up_to};
use crate::start::quick;

const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_connection_that_is_free_for_too_long_is_closed() {
    let (listener, address) = raw_service().await;
    let core = Config { service_idle: Duration::from_millis(100), ..quick() };
    let mut caller = Caller::with(address, &core).await;
    for _ in 0..2 {
        let (answer, mut stream) = tokio::join!(caller.get(), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_up_to(&mut stream, "\r\n\r\n").await;
            stream.write_all(EMPTY).await.unwrap();
            stream
        });
        assert_eq!(answer.status(), 200);
        assert_eq!(soon("the pool lets go", stream.read(&mut [0])).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_service_that_hangs_up_after_each_answer_costs_nobody_an_error() {
    let (listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    for round in 0..20 {
        let request = Request::post("http://caller.example/").body(Full::new(Bytes::from("abc")).boxed()).unwrap();
        let (answer, ()) = tokio::join!(caller.ask(request), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_up_to(&mut stream, "abc").await;
            stream.write_all(EMPTY).await.unwrap();
        });
        assert_eq!(answer.status(), 200, "round {round}");
    }
}

#[tokio::test]
async fn a_request_goes_on_while_nobody_reads_its_answer_and_its_connection_is_kept() {
    // Far more than the windows and the kernel's buffers hold, either way.
    const PIECES: usize = 256;
    const PIECE: &[u8] = &[b'x'; 64 * 1024];
    let (listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    let service = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_up_to(&mut stream, "\r\n\r\n").await;
        let (mut reader, mut writer) = stream.split();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", PIECES * PIECE.len());
        let write = async {
            writer.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..PIECES {
                writer.write_all(PIECE).await.unwrap();
            }
        };
        let read = async {
            let mut left = PIECES * PIECE.len();
            let mut space = vec![0; PIECE.len()];
            while left > 0 {
                left -= reader.read(&mut space).await.unwrap();
            }
        };
        tokio::join!(write, read);
        read_up_to(&mut stream, "\r\n\r\n").await;
        stream.write_all(EMPTY).await.unwrap();
    });

    let (mut sending, body) = Channel::<Bytes, Infallible>::new(1);
    let request = Request::post("http://caller.example/").header("content-length", PIECES * PIECE.len());
    let mut answer = caller.ask(request.body(body.boxed()).unwrap()).await.into_body();
    for _ in 0..PIECES {
        soon("room", sending.send_data(Bytes::from_static(PIECE))).await.unwrap();
    }
    drop(sending);
    let mut received = 0;
    while let Some(frame) = soon("more", answer.frame()).await {
        received += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(received, PIECES * PIECE.len());
    assert_eq!(caller.get().await.status(), 200);
    soon("the service", service).await.unwrap();
}

#[tokio::test]
async fn what_a_burst_left_over_is_closed_although_requests_go_on() {
    const BURST: usize = 20;
    let (listener, address) = raw_service().await;
    let core = Config { service_idle: Duration::from_millis(400), ..quick() };
    let mut caller = Caller::with(address, &core).await;
    let (opened, mut connections) = mpsc::channel(BURST);
    let (closed, mut ends) = mpsc::channel(BURST);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (opened, closed) = (opened.clone(), closed.clone());
            tokio::spawn(async move {
                let (mut bytes, mut is_first) = (Vec::new(), true);
                while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
                    if bytes.ends_with(b"\r\n\r\n") {
                        if std::mem::take(&mut is_first) {
                            // Answered when all of the burst are there, each on a connection of its own.
                            let (answer, may_answer) = oneshot::channel::<()>();
                            opened.send(answer).await.unwrap();
                            let _answered = may_answer.await;
                        }
                        bytes.clear();
                        stream.write_all(EMPTY).await.unwrap();
                    }
                }
                closed.send(()).await.unwrap();
            });
        }
    });
    let mut asking = Vec::new();
    for _ in 0..BURST {
        asking.push(caller.start_get());
    }
    let mut waiting = Vec::new();
    for _ in 0..BURST {
        waiting.push(soon("a connection", connections.recv()).await.unwrap());
    }
    waiting.into_iter().for_each(|answer| answer.send(()).unwrap());
    for answer in asking {
        assert_eq!(soon("an answer", answer).await.unwrap().unwrap().status(), 200);
    }
    // One request after the other, without a pause: one connection is enough.
    let mut ended = 0;
    soon("the others are closed", async {
        while ended < BURST - 1 {
            assert_eq!(caller.get().await.status(), 200);
            while ends.try_recv().is_ok() {
                ended += 1;
            }
        }
    })
    .await;
    assert!(connections.try_recv().is_err(), "no connection was opened anew");
}

/// Asks a service that answers the first request of its first connection and hangs up on the second, and on other connections
/// answers or hangs up. The status of the answer to `request`, and how often the service saw it.
async fn ask_when_hung_up(request: Request<Sent>, then_answers: bool) -> (u16, usize) {
    let (listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_up_to(&mut stream, "\r\n\r\n").await;
        stream.write_all(EMPTY).await.unwrap();
        let mut first = None;
        loop {
            let head = read_up_to(&mut stream, "\r\n\r\n").await;
            assert_eq!(*first.get_or_insert(head.clone()), head, "the same again");
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            if then_answers && !is_first {
                stream.write_all(EMPTY).await.unwrap();
            }
            drop(stream);
            (stream, _) = listener.accept().await.unwrap();
        }
    });
    assert_eq!(caller.get().await.status(), 200);
    let status = caller.ask(request).await.status().as_u16();
    (status, seen.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_request_whose_connection_died_unanswered_is_repeated_once_if_that_does_no_harm() {
    let without_body = |method: &str| {
        let request = Request::builder().method(method).uri("http://caller.example/a?b=c").header("x-many", "a");
        request.header("x-many", "b").header("cookie", "c=d").body(Empty::new().boxed()).unwrap()
    };
    for method in ["GET", "DELETE", "OPTIONS"] {
        assert_eq!(ask_when_hung_up(without_body(method), true).await, (200, 2), "{method}");
    }
    assert_eq!(ask_when_hung_up(without_body("GET"), false).await, (502, 2), "once");
    assert_eq!(ask_when_hung_up(without_body("POST"), true).await, (502, 1), "it may have been done");
    let with_body = Request::put("http://caller.example/").body(Full::new(Bytes::from("\r\n\r\n")).boxed()).unwrap();
    assert_eq!(ask_when_hung_up(with_body, true).await, (502, 1), "its body is gone");
}
