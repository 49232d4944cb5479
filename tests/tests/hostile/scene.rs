//! A responder, an initiator of a tenant that means no harm, and somebody who keeps asking it: whatever is done to the
//! responder beside that, none of those requests may fail.

use std::net::SocketAddr;
use std::time::Duration;

use http::request;
use revtun_tests::body;
use revtun_tests::client::{Answer, ask, get, to_node};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::fake::Handshake;
use revtun_tests::frames::{kind, read};
use revtun_tests::patience::{SOON, until};
use revtun_tests::prometheus::Metrics;
use revtun_tests::raw::Raw;
use revtun_tests::service::Service;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The tenant that means no harm, and its node.
pub(crate) const GOOD: &str = "tenant-a";
pub(crate) const NODE: &str = "node-a";
/// The one that does.
pub(crate) const BAD: &str = "tenant-b";

/// From one request of the bystander to the next.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Scene {
    pub(crate) responder: Responder,
    pub(crate) initiator: Initiator,
    pub(crate) service: Service,
}

impl Scene {
    /// With these lines in the responder's table `[responder]`.
    pub(crate) async fn set(lines: &str) -> Self {
        Self::of(Responder::configured(&format!("[responder]\n{lines}\n")).await).await
    }

    pub(crate) async fn of(responder: Responder) -> Self {
        let service = Service::start("backend").await;
        let hosts = [responder.tunnel()];
        let initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
        responder.has_within(SOON, NODE, 1).await;
        Self { responder, initiator, service }
    }

    pub(crate) fn request(&self, path: &str) -> request::Builder {
        to_node(NODE, path).header("x-tenant-id", GOOD)
    }

    /// Somebody who asks the good tenant's node from now on.
    pub(crate) fn bystander(&self) -> Bystander {
        Bystander::of(self.responder.egress())
    }

    pub(crate) async fn count(&self, series: &str) -> u64 {
        let page = get(self.responder.admin(), "/metrics").await.expect("a page").text();
        Metrics::parse(&page).value(series)
    }

    /// Waits until `series` is `expected`.
    pub(crate) async fn counts(&self, series: &str, expected: u64) {
        let what = format!("{series} is {expected}");
        until(SOON, &what, async || (self.count(series).await == expected).then_some(())).await;
    }

    /// A connection at the tunnel listener on which `request` was said, and the answer, to its end.
    pub(crate) async fn greet(&self, request: &str) -> (Raw, String) {
        let mut raw = Raw::connect(self.responder.tunnel()).await;
        raw.send(request.as_bytes()).await;
        raw.read_until(SOON, "an answer", |bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n")).await;
        let answer = String::from_utf8_lossy(raw.received()).into_owned();
        (raw, answer)
    }

    /// As many connections at the tunnel listener that say nothing.
    pub(crate) async fn mute(&self, count: usize) -> Vec<Raw> {
        let mut mute = Vec::new();
        for _ in 0..count {
            mute.push(Raw::connect(self.responder.tunnel()).await);
        }
        mute
    }
}

/// The handshake of a node of the bad tenant.
pub(crate) fn bad(node: &str) -> Handshake<'_> {
    Handshake { node, cluster: "cluster-b", tenant: BAD }
}

/// Whether `answer` has this status and says when to come back.
pub(crate) fn is_refusal(answer: &str, status: u16) -> bool {
    let later = status != 429 || answer.contains("\r\nretry-after: ");
    answer.starts_with(&format!("HTTP/1.1 {status} ")) && later
}

pub(crate) fn has_reason(answer: &Answer, status: u16, reason: &str) -> bool {
    answer.status == status && answer.header("x-revtun-reason") == reason
}

/// Asks again and again.
pub(crate) struct Bystander {
    stop: oneshot::Sender<()>,
    asking: JoinHandle<u64>,
}

impl Bystander {
    fn of(egress: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, asking: tokio::spawn(keep_asking(egress, stopped)) }
    }

    /// Asks once more, and then no longer. Every answer has to have been one of the service's.
    pub(crate) async fn was_served(self) {
        self.stop.send(()).expect("the bystander is still there: none of its requests failed");
        let served = self.asking.await.expect("no request of the bystander failed");
        assert!(served > 0, "nobody was served");
    }
}

async fn keep_asking(egress: SocketAddr, mut stopped: oneshot::Receiver<()>) -> u64 {
    let mut served = 0;
    loop {
        let last = stopped.try_recv().is_ok();
        let request = to_node(NODE, "/").header("x-tenant-id", GOOD).body(body::empty()).expect("a legal request");
        let answer = ask(egress, request).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("x-revtun-reason")), (200, ""), "request {served}");
        served += 1;
        if last {
            return served;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What an HTTP/2 client said behind its preface, once the head of a request is there; a ping may have come before.
pub(crate) fn asked(bytes: &[u8]) -> Option<&[u8]> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let begin = bytes.windows(PREFACE.len()).position(|window| window == PREFACE)?;
    let behind = &bytes[begin + PREFACE.len()..];
    read(behind).iter().any(|(which, ..)| *which == kind::HEADERS).then_some(behind)
}
