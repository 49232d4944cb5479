//! Taking an end out of service: no request fails, streams finish, and it ends in bounded time with code 0.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Version;
use revtun_tests::body;
use revtun_tests::client::{Answer, Caller, Failure, ask, post, to_node, whole};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::patience::{SOON, throughout, until, within};
use revtun_tests::process::Process;
use revtun_tests::relay::Relay;
use revtun_tests::service::Service;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const NODE: &str = "node-a";
const OPEN: &[&str] = &["--tenant-isolation", "false"];

/// Callers that ask one after the other, each time over a new connection to the first responder that takes one.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Result<(), Failure>>>,
}

impl Load {
    fn start(egresses: &[SocketAddr]) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let callers = (0..8)
            .map(|_| {
                let (stop, answered, egresses) = (Arc::clone(&stop), Arc::clone(&answered), egresses.to_vec());
                tokio::spawn(async move {
                    while !stop.load(Ordering::SeqCst) {
                        let answer = ask_first(&egresses).await?;
                        if answer.status != 200 {
                            let reason = answer.header("x-revtun-reason").to_owned();
                            return Err(format!("{} {reason} {}", answer.status, answer.text()).into());
                        }
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(())
                })
            })
            .collect();
        Self { stop, answered, callers }
    }

    /// Waits for `count` more answers.
    async fn goes_on(&self, count: usize) {
        let enough = self.answered.load(Ordering::SeqCst) + count;
        let broken = || self.callers.iter().any(JoinHandle::is_finished);
        until(SOON, "the load goes on", async || {
            (broken() || self.answered.load(Ordering::SeqCst) >= enough).then_some(())
        })
        .await;
    }

    /// Stops, and insists that no request failed.
    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for caller in self.callers {
            let outcome = within(SOON, "a caller ends", caller).await.expect("no panic");
            outcome.unwrap_or_else(|error| panic!("a request failed: {error}"));
        }
    }
}

/// A balancer in one line: whoever does not listen any more is passed over.
async fn ask_first(egresses: &[SocketAddr]) -> Result<Answer, Failure> {
    for egress in egresses {
        if let Ok(stream) = TcpStream::connect(egress).await {
            let mut caller = Caller::over(stream, Version::HTTP_11).await?;
            return whole(caller.send(to_node(NODE, "/bytes/10000").body(body::empty())?).await?).await;
        }
    }
    Err("nobody listens".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responder_is_drained_under_load_without_a_failed_request() {
    let service = Service::start("backend").await;
    let mut leaving = Responder::revtun(OPEN).await;
    let staying = Responder::revtun(OPEN).await;
    let hosts = [leaving.tunnel(), staying.tunnel()];
    let _initiator = Initiator::revtun(Dialling { count: 2, ..Dialling::from_revtun(&hosts, service.addr()) }).await;
    leaving.has_within(SOON, NODE, 2).await;
    staying.has_within(SOON, NODE, 2).await;
    let load = Load::start(&[leaving.egress(), staying.egress()]);
    load.goes_on(100).await;
    leaving.process().signal("TERM");
    assert_eq!(leaving.process().end(SOON).await.code(), Some(0));
    load.goes_on(100).await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_initiator_is_drained_under_load_without_a_failed_request() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let hosts = [responder.tunnel()];
    // Two processes of one node for a while: that is what a rollout looks like.
    let mut leaving = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    responder.has_within(SOON, NODE, 1).await;
    let load = Load::start(&[responder.egress()]);
    load.goes_on(100).await;
    let _staying = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    load.goes_on(100).await;
    leaving.process().signal("TERM");
    assert_eq!(leaving.process().end(SOON).await.code(), Some(0));
    load.goes_on(100).await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_drained_by_the_admin_listener_without_a_failed_request() {
    let service = Service::start("backend").await;
    let responder = Responder::revtun(OPEN).await;
    let relay = Relay::start(responder.tunnel()).await;
    let hosts = [relay.addr()];
    let _initiator = Initiator::revtun(Dialling { count: 2, ..Dialling::from_revtun(&hosts, service.addr()) }).await;
    responder.has_within(SOON, NODE, 2).await;
    let load = Load::start(&[responder.egress()]);
    load.goes_on(100).await;
    let old = relay.open();
    let answer = post(responder.admin(), &format!("/drain?node={NODE}&grace=10s")).await.expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.text());
    until(SOON, "the old tunnels are gone", async || old.iter().all(|line| !line.is_open()).then_some(())).await;
    load.goes_on(100).await;
    load.end().await;
    responder.has_within(SOON, NODE, 2).await;
}

#[tokio::test]
async fn streams_finish_before_a_draining_responder_ends() {
    let mut held = HeldRequest::start(&[]).await;
    held.responder.process().signal("TERM");
    held.finishes_while_new_ones_are_refused().await;
    assert_eq!(held.responder.process().end(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn streams_finish_before_a_draining_initiator_ends() {
    let mut held = HeldRequest::start(&[]).await;
    held.initiator.process().signal("INT");
    held.finishes().await;
    assert_eq!(held.initiator.process().end(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_stream_that_does_not_finish_is_cut_when_the_grace_is_over() {
    let mut held = HeldRequest::start(&["--drain-grace", "1s"]).await;
    let begin = Instant::now();
    held.responder.process().signal("TERM");
    assert_eq!(held.responder.process().end(Duration::from_secs(5)).await.code(), Some(0));
    assert!(begin.elapsed() >= Duration::from_secs(1), "after {:?}", begin.elapsed());
    let answer = within(SOON, "the caller is let go", held.asked).await.expect("no panic").expect("it is told");
    assert_eq!(answer.status, 502);
    assert_eq!(answer.headers["x-revtun-reason"], "tunnel-lost");

    let mut held = HeldRequest::start(&["--drain-grace", "1s"]).await;
    held.initiator.process().signal("TERM");
    assert_eq!(held.initiator.process().end(Duration::from_secs(5)).await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_either_end_at_once() {
    let second_signal = async |process: &mut Process| {
        process.signal("TERM");
        throughout(Duration::from_millis(300), "it drains", async || process.ended().is_none()).await;
        process.signal("TERM");
        let code = process.end(Duration::from_secs(2)).await.code();
        assert_eq!(code, Some(128 + 15), "as a shell tells of a process that SIGTERM ended");
    };
    second_signal(HeldRequest::start(&[]).await.initiator.process()).await;
    second_signal(HeldRequest::start(&[]).await.responder.process()).await;
}

#[tokio::test]
async fn an_idle_end_that_is_drained_ends_at_once() {
    let service = Service::start("backend").await;
    let mut responder = Responder::revtun(OPEN).await;
    let hosts = [responder.tunnel()];
    let mut initiator = Initiator::revtun(Dialling { count: 3, ..Dialling::from_revtun(&hosts, service.addr()) }).await;
    responder.has_within(SOON, NODE, 3).await;
    initiator.process().signal("TERM");
    assert_eq!(initiator.process().end(Duration::from_secs(3)).await.code(), Some(0));
    until(SOON, "the responder noticed", async || (responder.tunnels(NODE).await == 0).then_some(())).await;
    responder.process().signal("TERM");
    assert_eq!(responder.process().end(Duration::from_secs(3)).await.code(), Some(0));
}

#[tokio::test]
async fn readiness_tells_of_a_drain_and_of_hope() {
    let nobody = revtun_tests::port::Port::reserve();
    let hosts = [nobody.addr()];
    let initiator = Initiator::revtun(Dialling::from_revtun(&hosts, nobody.addr())).await;
    let ready = async |admin| revtun_tests::client::get(admin, "/readyz").await.expect("an answer").status.as_u16();
    assert_eq!(ready(initiator.admin()).await, 503, "never healthy on hope");
    let mut held = HeldRequest::start(&[]).await;
    assert_eq!(ready(held.initiator.admin()).await, 200);
    assert_eq!(ready(held.responder.admin()).await, 200);
    held.responder.process().signal("TERM");
    let admin = held.responder.admin();
    until(SOON, "a draining responder is not ready", async || (ready(admin).await == 503).then_some(())).await;
    held.finishes().await;
}

/// One request under way from end to end.
struct HeldRequest {
    responder: Responder,
    initiator: Initiator,
    service: Service,
    asked: JoinHandle<Result<Answer, Failure>>,
}

impl HeldRequest {
    /// Starts both ends with `flags`.
    async fn start(flags: &[&str]) -> Self {
        let service = Service::start("backend").await;
        let responder = Responder::revtun(&[OPEN, flags].concat()).await;
        let hosts = [responder.tunnel()];
        let initiator = Initiator::revtun(Dialling { flags, ..Dialling::from_revtun(&hosts, service.addr()) }).await;
        responder.has_within(SOON, NODE, 1).await;
        let request = to_node(NODE, "/hold").method("POST").body(body::empty()).expect("a request");
        let asked = tokio::spawn(ask(responder.egress(), request));
        service.holds(1).await;
        Self { responder, initiator, service, asked }
    }

    async fn finishes_while_new_ones_are_refused(&mut self) {
        let egress = self.responder.egress();
        until(SOON, "nobody new is let in", async || {
            let answer = ask(egress, to_node(NODE, "/").body(body::empty()).expect("a request")).await;
            answer.map_or(true, |answer| answer.status == 503).then_some(())
        })
        .await;
        self.finishes().await;
    }

    async fn finishes(&mut self) {
        throughout(Duration::from_millis(500), "it is left alone", async || !self.asked.is_finished()).await;
        self.service.release();
        let answer = within(SOON, "the answer", &mut self.asked).await.expect("no panic");
        assert_eq!(answer.expect("an answer").status, 200);
    }
}
