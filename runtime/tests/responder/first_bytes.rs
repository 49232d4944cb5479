//! Connections of callers before their protocol is known, and behind a request that timed out.

use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::caller::{http1, to_node, whole};
use super::initiator::{TENANT, serve, tunnel};
use super::{count, responder, until, within};

#[tokio::test]
async fn who_does_not_show_a_protocol_is_let_go() {
    let responder = responder(|config| config.caller_timeout = Duration::from_millis(30)).await;
    for (gone, first) in ["", "P", "PRI * HT", "GET / HTT"].into_iter().enumerate() {
        let mut caller = TcpStream::connect(responder.egress_addr()).await.unwrap();
        caller.write_all(first.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _reset_or_end = within("the end", caller.read_to_end(&mut rest)).await;
        until("it is counted", || count(&responder.totals().downstream_errors, "timeout") == gone as u64 + 1).await;
    }
}

#[tokio::test]
async fn who_leaves_before_the_first_byte_is_no_error() {
    let responder = responder(|_| {}).await;
    drop(TcpStream::connect(responder.egress_addr()).await.unwrap());
    serve(tunnel(responder.tunnel_addr(), "n").await, |_| async { http::Response::new(super::caller::nothing()) });
    let mut sender = http1(responder.egress_addr()).await;
    let request = to_node("n").body(http_body_util::Full::default()).unwrap();
    assert_eq!(whole(sender.send_request(request).await.unwrap()).await.status, 200);
    assert_eq!(responder.totals().downstream_errors.iter().map(|&(_, count)| count).sum::<u64>(), 0);
}

#[tokio::test]
async fn behind_a_request_that_timed_out_the_connection_closes() {
    let responder = responder(|config| config.http.body_timeout = Duration::from_millis(40)).await;
    serve(tunnel(responder.tunnel_addr(), "n").await, |request: Request<hyper::body::Incoming>| async move {
        let _held = request;
        std::future::pending::<http::Response<http_body_util::Empty<bytes::Bytes>>>().await
    });
    let mut caller = TcpStream::connect(responder.egress_addr()).await.unwrap();
    let head =
        format!("POST / HTTP/1.1\r\nhost: a\r\nx-tenant-id: {TENANT}\r\nx-node-id: n\r\ncontent-length: 9\r\n\r\nhalf");
    caller.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the end of the connection", caller.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
}
