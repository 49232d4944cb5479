//! Tunnels on which the responder speaks HTTP/1.1.

use std::time::Duration;

use crate::fake::{FakeResponder, soon, until};
use crate::start::{config, serving};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use revtun::initiator::RequestBody;
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_request_whose_body_stands_still_ends_with_its_tunnel() {
    let responder = FakeResponder::listen().await;
    let mut config = config(1, &[responder.address()]);
    config.http.body_timeout = Duration::from_millis(40);
    let read = async |request: Request<RequestBody>| {
        request.into_body().collect().await.map(|body| Response::new(Full::<Bytes>::from(body.to_bytes())))
    };
    let initiator = serving(config, service_fn(move |request| Box::pin(read(request)))).await;
    let mut tunnel = responder.tunnel().await;
    tunnel.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nwhole one").await;
    tunnel.expect(b"HTTP/1.1 200 OK\r\n").await;
    tunnel.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await;
    let mut rest = Vec::new();
    let _reset_or_end = soon("the end of the tunnel", tunnel.stream.read_to_end(&mut rest)).await;
    until("it is counted", || initiator.totals().idle_timeouts == 1).await;
}
