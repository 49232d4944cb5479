//! HTTP/2 on a tunnel, whatever the service is.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::http::limits::{CONNECTION_WINDOW, FRAME_BYTES, HEADER_LIST_BYTES, STREAM_WINDOW};
use revtun::initiator::{BoxError, RequestBody};
use revtun::world::{Executor, Tokio};
use revtun_core::h2frame::PREFACE;
use tokio::io::AsyncReadExt;

use crate::fake::{FakeResponder, Peer, REQUEST, soon};
use crate::start::{config, pong, serving};

/// A service that says more of its connection than HTTP/2 has words for, or breaks off.
async fn outspoken(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, BoxError> {
    let mut answer = Response::new(Full::new(Bytes::from("four")));
    match request.uri().path() {
        "/of-the-hop" => {
            for (name, value) in
                [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=9"), ("transfer-encoding", "chunked")]
            {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        "/own-length" => drop(answer.headers_mut().insert("content-length", "4".parse().unwrap())),
        "/long" => drop(answer.headers_mut().insert("x-long", "x".repeat(2000).parse().unwrap())),
        "/broken" => return Err("no answer today".into()),
        _ => {}
    }
    Ok(answer)
}

#[tokio::test]
async fn an_answer_says_how_long_it_is_and_nothing_of_its_connection() {
    let responder = FakeResponder::listen().await;
    let _initiator = serving(config(1, &[responder.address()]), service_fn(outspoken)).await;
    let io = TokioIo::new(responder.tunnel().await.stream);
    let world = Tokio::begin();
    let (mut requests, connection) = soon("HTTP/2", http2::handshake(Executor::new(&world), io)).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async |path: &str| {
        let request = Request::get(format!("http://service.example{path}")).body(Empty::<Bytes>::new()).unwrap();
        soon("an answer", requests.send_request(request)).await
    };
    let only_its_length = HeaderMap::from_iter([("content-length".parse().unwrap(), "4".parse().unwrap())]);
    for path in ["/", "/of-the-hop", "/own-length"] {
        let answer = ask(path).await.unwrap();
        assert_eq!(answer.headers(), &only_its_length, "{path}");
        assert_eq!(soon("the body", answer.into_body().collect()).await.unwrap().to_bytes(), "four");
    }
    let error = ask("/broken").await.unwrap_err();
    let reset = error.source().and_then(|error| error.downcast_ref::<h2::Error>()).unwrap();
    assert!(reset.is_reset() && reset.is_remote(), "{reset}");
    assert_eq!(reset.reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(ask("/").await.unwrap().status(), 200);
}

/// The next frame's type and payload.
async fn frame(peer: &mut Peer) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    soon("a frame", peer.stream.read_exact(&mut head)).await.unwrap();
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    soon("its payload", peer.stream.read_exact(&mut payload)).await.unwrap();
    (head[3], payload)
}

#[tokio::test]
async fn a_responder_is_told_at_once_what_it_may_do() {
    const SETTINGS: u8 = 4;
    const WINDOW_UPDATE: u8 = 8;
    let responder = FakeResponder::listen().await;
    let mut config = config(1, &[responder.address()]);
    config.max_streams = 7;
    let _initiator = pong(config).await;
    let mut peer = responder.tunnel().await;
    peer.send(&[&PREFACE[..], REQUEST].concat()).await;

    let (kind, settings) = frame(&mut peer).await;
    assert_eq!(kind, SETTINGS);
    let settings: BTreeMap<_, _> = settings
        .chunks(6)
        .map(|setting| {
            let (name, value) = setting.split_at(2);
            (u16::from_be_bytes(name.try_into().unwrap()), u32::from_be_bytes(value.try_into().unwrap()))
        })
        .collect();
    // RFC 9113 §6.5.2: streams, the window of each, the longest frame, the longest list of headers; RFC 8441 §3.
    let expected = [(3, 7), (4, STREAM_WINDOW), (5, FRAME_BYTES), (6, HEADER_LIST_BYTES), (8, 1)];
    assert_eq!(settings, BTreeMap::from(expected));
    let update = loop {
        let (kind, payload) = frame(&mut peer).await;
        if kind == WINDOW_UPDATE {
            break payload;
        }
    };
    // RFC 9113 §6.9.2: what every connection begins with.
    assert_eq!(u32::from_be_bytes(update.try_into().unwrap()), CONNECTION_WINDOW - 65_535);
}

#[tokio::test]
async fn an_answer_that_the_responder_does_not_take_is_answered_for_and_hurts_no_other() {
    let responder = FakeResponder::listen().await;
    let _initiator = serving(config(1, &[responder.address()]), service_fn(outspoken)).await;
    let mut client = h2::client::Builder::new();
    let stream = responder.tunnel().await.stream;
    let (mut requests, connection) =
        soon("HTTP/2", client.max_header_list_size(1000).handshake::<_, Bytes>(stream)).await.unwrap();
    tokio::spawn(connection);
    for (path, status, reason) in
        [("/long", 502, "response-headers-too-large"), ("/", 200, ""), ("/long", 502, "response-headers-too-large")]
    {
        let request = Request::get(format!("http://service.example{path}")).body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).unwrap();
        let answer = soon("an answer", answer).await.unwrap();
        let named = answer.headers().get(revtun::http::REASON).map_or("", |reason| reason.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), named), (status, reason), "{path}");
    }
}
