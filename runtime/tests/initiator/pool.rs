//! Connections to the local service: when they are kept, and who moves them.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Channel, Full};
use revtun_core::initiator::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::soon;
use crate::forwarding::{Caller, raw_service, read_up_to};
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
