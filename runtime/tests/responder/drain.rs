//! Going away without breaking anything.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use revtun_core::h2frame::{FrameScanner, GOAWAY_UNUSED_CLIENT};
use revtun_core::identity::{NodeId, TenantId};
use revtun_core::responder::{DrainScope, Target, TargetName};
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::caller::{self, get, to_node, whole};
use super::initiator::{TENANT, echo_until_used, serve, serve_stream, tunnel};
use super::{DEADLINE, count, responder, until, within};

/// A stream that counts the GOAWAY frames of the responder.
struct Tapped {
    stream: TcpStream,
    scanner: FrameScanner,
    goaways: Arc<AtomicU32>,
}

impl AsyncRead for Tapped {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(task, buf))?;
        let seen = self.scanner.scan(&buf.filled()[before..]).goaways;
        self.goaways.fetch_add(seen, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

/// A tunnel whose service says when it is asked, and answers when told.
struct Held {
    goaways: Arc<AtomicU32>,
    arrived: Arc<Notify>,
    go: Arc<Notify>,
}

async fn held(responder: &super::Responder) -> Held {
    let held = Held { goaways: Arc::default(), arrived: Arc::default(), go: Arc::default() };
    let (arrived, go) = (Arc::clone(&held.arrived), Arc::clone(&held.go));
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    let goaways = Arc::clone(&held.goaways);
    tokio::spawn(async move {
        if echo_until_used(&mut stream).await {
            let tapped = Tapped { stream, scanner: FrameScanner::client(), goaways };
            serve_stream(tapped, move |_| {
                let go = Arc::clone(&go);
                arrived.notify_one();
                async move {
                    go.notified().await;
                    Response::new(Full::new(Bytes::from_static(b"done")))
                }
            })
            .await;
        }
    });
    held
}

#[tokio::test]
async fn an_unused_tunnel_is_told_before_it_is_closed() {
    let responder = responder(|_| {}).await;
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    let drained = tokio::spawn(async move {
        responder.drain(DEADLINE).await;
        responder
    });
    assert!(within("the goaway", echo_until_used(&mut stream)).await);
    let mut said = Vec::new();
    within("the end", stream.read_to_end(&mut said)).await.unwrap();
    assert_eq!(said, GOAWAY_UNUSED_CLIENT);
    let responder = within("the drain", drained).await.unwrap();
    assert!(responder.is_draining());
    until("it is counted", || count(&responder.totals().tunnels_closed, "drained") == 1).await;
    for listener in [responder.tunnel_addr(), responder.egress_addr()] {
        assert!(TcpStream::connect(listener).await.is_err(), "{listener} still listens");
    }
}

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let responder = Arc::new(responder(|_| {}).await);
    let held = held(&responder).await;
    let mut idle = caller::http1(responder.egress_addr()).await;
    let mut sender = caller::http1(responder.egress_addr()).await;
    let response = tokio::spawn(sender.send_request(to_node("n").body(Full::default()).unwrap()));
    within("the request", held.arrived.notified()).await;
    let drained = tokio::spawn({
        let responder = Arc::clone(&responder);
        async move { responder.drain(DEADLINE).await }
    });
    until("the goaway", || held.goaways.load(Ordering::Relaxed) == 1).await;
    until("an idle caller is let go", || idle.is_closed()).await;
    assert!(within("a refusal", idle.ready()).await.is_err());
    assert!(!drained.is_finished());
    held.go.notify_one();
    let answer = whole(within("a response", response).await.unwrap().unwrap()).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"done"[..]));
    assert_eq!(answer.headers["connection"], "close");
    within("the drain", drained).await.unwrap();
    assert_eq!(held.goaways.load(Ordering::Relaxed), 1);
    // The initiator closes when it has nothing left to do, unless we are faster.
    until("it is counted", || {
        let closed = responder.totals().tunnels_closed;
        count(&closed, "drained") + count(&closed, "peer-closed") == 1
    })
    .await;
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_in_the_end() {
    let responder = responder(|_| {}).await;
    let held = held(&responder).await;
    let to = responder.egress_addr();
    let asked = tokio::spawn(async move { get(to, to_node("n").method("POST")).await });
    within("the request", held.arrived.notified()).await;
    within("the drain", responder.drain(Duration::from_millis(50))).await;
    let answer = within("the end", asked).await.unwrap();
    assert_eq!((answer.status, answer.reason()), (502, "tunnel-lost"));
    until("it is counted", || count(&responder.totals().tunnels_closed, "grace-expired") == 1).await;
}

#[tokio::test]
async fn one_node_can_be_drained_alone() {
    let responder = responder(|config| config.core.wait = Duration::ZERO).await;
    let fine = |_| async { Response::new(Full::new(Bytes::from_static(b"fine"))) };
    for node in ["a", "b"] {
        serve(tunnel(responder.tunnel_addr(), node).await, fine);
    }
    until("both are listed", || responder.tunnels().iter().filter(|tunnel| tunnel.stage == "idle").count() == 2).await;
    let target = Target { tenant: TenantId::new(TENANT).ok(), name: TargetName::Node(NodeId::new("a").unwrap()) };
    responder.drain_scope(DrainScope::Target(target), DEADLINE);
    assert_eq!(get(responder.egress_addr(), to_node("a")).await.status, 503);
    assert_eq!(get(responder.egress_addr(), to_node("b")).await.status, 200);
    until("it is closed", || responder.counts().tunnels == 1).await;
    serve(tunnel(responder.tunnel_addr(), "a").await, fine);
    until("it is back", || responder.tunnels().iter().any(|tunnel| tunnel.stage == "idle")).await;
    assert_eq!(get(responder.egress_addr(), to_node("a")).await.status, 200);
}

#[tokio::test]
async fn a_dropped_handle_ends_everything() {
    let responder = responder(|_| {}).await;
    let mut stream = tunnel(responder.tunnel_addr(), "n").await;
    let to = responder.egress_addr();
    drop(responder);
    let mut rest = Vec::new();
    let _end_or_reset = within("the end", stream.read_to_end(&mut rest)).await;
    within("the listener's end", async {
        while TcpStream::connect(to).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
