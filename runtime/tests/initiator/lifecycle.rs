//! The number of tunnels, their replacement, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::initiator::RequestBody;
use revtun::tls::MaybeTlsStream;
use revtun::tunnel_io::{GoawaySender, Notice, TunnelIo};
use revtun::world::{Executor, Tokio};
use revtun_core::h2frame::{GOAWAY_UNUSED_SERVER, PREFACE};
use revtun_core::rping::PingFilter;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::fake::{ACCEPTED_BY_REVTUN, FakeResponder, Peer, REQUEST, soon, until};
use crate::start::{config, count, pong, serving};

/// The responder's end of a tunnel in use.
pub(crate) struct InUse {
    requests: SendRequest<Empty<Bytes>>,
    notices: mpsc::Receiver<Notice>,
    pub(crate) goaway: GoawaySender,
}

impl InUse {
    pub(crate) async fn begin(peer: Peer) -> Self {
        let world = Tokio::begin();
        let (io, notices, goaway) = TunnelIo::requesting(&world, MaybeTlsStream::plain(peer.stream), PingFilter::new());
        let handshake = http2::handshake(Executor::new(&world), TokioIo::new(io));
        let (requests, connection) = soon("HTTP/2", handshake).await.unwrap();
        tokio::spawn(connection);
        Self { requests, notices, goaway }
    }

    pub(crate) fn ask(&self) -> impl Future<Output = String> + Send + 'static {
        let mut requests = self.requests.clone();
        async move {
            let request = Request::get("http://service.example/").body(Empty::new()).unwrap();
            let answer = soon("an answer", requests.send_request(request)).await.unwrap();
            let body = soon("its body", answer.into_body().collect()).await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        }
    }

    pub(crate) async fn goaway_received(&mut self) {
        let goaway = async { while self.notices.recv().await != Some(Notice::GoawayReceived) {} };
        soon("the initiator's GOAWAY", goaway).await;
    }
}

/// An initiator whose service answers each request with a permit of the gate.
macro_rules! gated {
    ($config:expr, $gate:expr) => {{
        let gate: Arc<Semaphore> = Arc::clone($gate);
        let service = service_fn(move |_: Request<RequestBody>| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("late"))))
            }
        });
        serving($config, service).await
    }};
}

#[tokio::test]
async fn every_host_gets_exactly_its_count() {
    let hosts = [FakeResponder::listen().await, FakeResponder::listen().await];
    let initiator = pong(config(3, &[hosts[0].address(), hosts[1].address()])).await;
    let mut tunnels = Vec::new();
    for host in &hosts {
        for _ in 0..3 {
            tunnels.push(host.tunnel().await);
        }
    }
    for host in &hosts {
        host.stays_alone().await;
    }
    let idle = initiator.tunnels().iter().filter(|tunnel| tunnel.stage == "idle").count();
    assert_eq!((idle, initiator.tunnels().len(), initiator.totals().dials), (6, 6, 6));
}

#[tokio::test]
async fn a_tunnel_that_is_cut_is_replaced_and_a_refused_dial_tried_again() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    let mut proven = responder.tunnel().await;
    proven.send(b"RPING").await;
    proven.expect(b"RPING").await;
    drop(proven);
    drop(responder.tunnel().await);

    let address = responder.address();
    drop(responder);
    until("a refused dial", || count(&initiator.totals().tunnels_closed, "dial-refused") > 1).await;
    let listener = TcpListener::bind(address).await.unwrap();
    soon("a dial", listener.accept()).await.unwrap();
}

#[tokio::test]
async fn a_tunnel_that_falls_silent_is_replaced() {
    let responder = FakeResponder::listen().await;
    let mut config = config(1, &[responder.address()]);
    config.core.silence = Duration::from_secs(1);
    let initiator = pong(config).await;
    let mut peer = responder.tunnel().await;
    peer.send(b"RPING").await;
    peer.expect(b"RPING").await;
    peer.expect_end().await;
    responder.tunnel().await;
    assert_eq!(count(&initiator.totals().tunnels_closed, "silent"), 1);
}

#[tokio::test]
async fn a_tunnel_in_use_lives_on_the_pings_of_http_2() {
    let responder = FakeResponder::listen().await;
    let mut config = config(1, &[responder.address()]);
    (config.core.silence, config.core.probe_interval) = (Duration::from_millis(1200), Duration::from_millis(300));
    let initiator = pong(config).await;
    let tunnel = InUse::begin(responder.tunnel().await).await;
    assert_eq!(tunnel.ask().await, "pong");
    // Longer than the initiator bears silence.
    tokio::time::sleep(Duration::from_millis(1800)).await;
    assert_eq!(tunnel.ask().await, "pong");
    assert_eq!((initiator.totals().dials, initiator.totals().requests), (1, 2));
    assert!(initiator.ready());
}

#[tokio::test]
async fn the_responders_goaway_brings_a_replacement_and_streams_finish() {
    let responder = FakeResponder::listen().await;
    let gate = Arc::new(Semaphore::new(0));
    let initiator = gated!(config(1, &[responder.address()]), &gate);
    let tunnel = InUse::begin(responder.tunnel().await).await;
    let late = tokio::spawn(tunnel.ask());
    until("the request", || initiator.totals().requests == 1).await;

    tunnel.goaway.send();
    let _replacement = responder.tunnel().await;
    until("the drain of the old", || initiator.tunnels().iter().any(|tunnel| tunnel.stage == "draining")).await;
    gate.add_permits(1);
    assert_eq!(soon("the late answer", late).await.unwrap(), "late");
    until("the end of the old", || initiator.tunnels().len() == 1).await;
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_dials_no_more() {
    let responder = FakeResponder::listen().await;
    let gate = Arc::new(Semaphore::new(0));
    let initiator = gated!(config(2, &[responder.address()]), &gate);
    let mut used = InUse::begin(responder.tunnel().await).await;
    let mut idle = responder.tunnel().await;
    let late = tokio::spawn(used.ask());
    until("the request", || initiator.totals().requests == 1).await;
    until("both tunnels", || initiator.tunnels().iter().all(|tunnel| ["idle", "in-use"].contains(&tunnel.stage))).await;

    initiator.drain(Duration::from_secs(60));
    idle.expect_end().await;
    used.goaway_received().await;
    responder.stays_alone().await;
    gate.add_permits(1);
    assert_eq!(soon("the late answer", late).await.unwrap(), "late");
    soon("the drain", initiator.wait()).await;
    assert_eq!((initiator.tunnels().len(), initiator.ready(), initiator.totals().dials), (0, false, 2));
}

#[tokio::test]
async fn a_drain_ends_with_its_grace() {
    let responder = FakeResponder::listen().await;
    let initiator = gated!(config(1, &[responder.address()]), &Arc::new(Semaphore::new(0)));
    let tunnel = InUse::begin(responder.tunnel().await).await;
    let never = tokio::spawn(tunnel.ask());
    until("the request", || initiator.totals().requests == 1).await;
    initiator.drain(Duration::from_millis(100));
    soon("the drain", initiator.wait()).await;
    assert!(soon("the request's end", never).await.is_err());
}

#[tokio::test]
async fn a_revtun_is_told_when_an_unused_tunnel_goes_away() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.greeted().await;
    peer.send(ACCEPTED_BY_REVTUN).await;
    peer.send(b"RPING").await;
    peer.expect(b"RPING").await;
    initiator.drain(Duration::from_secs(60));
    peer.expect(&GOAWAY_UNUSED_SERVER).await;
    // Behind the notice an echo would be no frame.
    peer.send(b"RPING").await;
    peer.stays_quiet().await;
    drop(peer);
    soon("the drain", initiator.wait()).await;
}

#[tokio::test]
async fn a_request_that_crosses_the_notice_is_served() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.greeted().await;
    peer.send(ACCEPTED_BY_REVTUN).await;
    peer.send(b"RPING").await;
    peer.expect(b"RPING").await;
    initiator.drain(Duration::from_secs(60));
    until("the notice", || initiator.tunnels().iter().all(|tunnel| tunnel.stage == "draining")).await;
    peer.send(&[&PREFACE[..], REQUEST].concat()).await;
    peer.expect(&GOAWAY_UNUSED_SERVER).await;
    assert_eq!(peer.status_on_stream_1().await, 200);
    drop(peer);
    soon("the drain", initiator.wait()).await;
}

#[tokio::test]
async fn a_handle_that_is_dropped_takes_its_tunnels_along() {
    let responder = FakeResponder::listen().await;
    let initiator = pong(config(1, &[responder.address()])).await;
    let mut peer = responder.tunnel().await;
    drop(initiator);
    peer.expect_end().await;
    responder.stays_alone().await;
}
