//! Tunnels on which the responder speaks HTTP/1.1.

use std::convert::Infallible;
use std::time::Duration;

use crate::fake::{FakeResponder, soon, until};
use crate::scripted::{Scripted, Watched};
use crate::start::{config, pong_in, serving};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use revtun::initiator::{RequestBody, Run, start};
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

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// HTTP/1.1 has no PING.
#[tokio::test]
async fn the_network_is_asked_to_notice_a_responder_that_goes_mute() {
    let responder = FakeResponder::listen().await;
    let world = Scripted::resolving_to(&[]);
    let config = config(1, &[responder.address()]);
    let (interval, timeout) = (config.core.probe_interval, config.core.silence);
    let _initiator = pong_in(&world, config).await;
    let mut tunnel = responder.tunnel().await;
    tunnel.send(b"RPING").await;
    tunnel.expect(b"RPING").await;
    assert_eq!(world.watched(), [], "pings come on an idle tunnel");
    tunnel.send(REQUEST).await;
    tunnel.expect(b"HTTP/1.1 200 OK\r\n").await;
    assert_eq!(world.watched(), [Watched::KeepAlive(interval, timeout), Watched::Unacknowledged(Some(timeout))]);
}

/// A caller that reads slowly is not one that is gone.
#[tokio::test]
async fn a_response_that_does_not_fit_into_the_path_may_stay_unacknowledged() {
    const BYTES: usize = 64 << 20;
    let responder = FakeResponder::listen().await;
    let world = Scripted::resolving_to(&[]);
    let config = config(1, &[responder.address()]);
    let timeout = config.core.silence;
    let large =
        |_: Request<RequestBody>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(vec![0; BYTES]))) };
    let _initiator = start(&world, config, Run::begin(&world), service_fn(large)).await.unwrap();
    let mut tunnel = responder.tunnel().await;
    tunnel.send(REQUEST).await;
    until("it is lifted", || world.watched().ends_with(&[Watched::Unacknowledged(None)])).await;
    let mut response = vec![0; BYTES];
    soon("the response", tunnel.stream.read_exact(&mut response)).await.unwrap();
    assert_eq!(world.watched().len(), 3, "once");
    tunnel.send(REQUEST).await;
    until("it is set again", || world.watched()[3..].starts_with(&[Watched::Unacknowledged(Some(timeout))])).await;
}
