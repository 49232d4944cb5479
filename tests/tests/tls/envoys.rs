//! As Envoys do it: TLS ends behind the handshake, and requests are in the clear, or inside a second TLS.
//!
//! Envoy with Envoy is the control: what fails there is a fault of the test.

use std::time::Duration;

use revtun_tests::certificates::{Authority, Files};
use revtun_tests::client::{post, to_node};
use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::envoy::{self, Accepting};
use revtun_tests::patience::{SOON, throughout, until};
use revtun_tests::relay::Relay;
use revtun_tests::service::Service;
use revtun_tests::settings::Settings;

use super::{ENVOYS_WAY, NODE, SPIFFE, TEMPLATE, contains, counts, metrics, responder, shows};

/// What both ends of the tests below have in common: each proves itself by a certificate, the initiator as node-a, in the
/// handshake and in the second TLS.
struct Envoys {
    authority: Authority,
    cloud: Files,
    site: Files,
    /// What the initiator shows in the second TLS.
    within: Files,
    settings: Vec<Settings>,
}

/// What comes behind the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Plaintext,
    InnerTls,
}

impl Envoys {
    /// Envoy compares a node id with a whole name, which is why there is one that says nothing else.
    fn new() -> Self {
        Self::with_site(&["127.0.0.1", NODE, SPIFFE])
    }

    fn with_site(names: &[&str]) -> Self {
        let authority = Authority::new();
        let (cloud, site) = (authority.issue("cloud", &["127.0.0.1"]), authority.issue("site", names));
        let within = site.clone();
        Self { authority, cloud, site, within, settings: Vec::new() }
    }

    async fn responder(&mut self, make: Make, behind: Behind) -> Option<Responder> {
        let ca = self.authority.ca();
        let cloud = self.cloud.clone();
        if make == Make::Envoy {
            let filter = vec!["validation: {node_id_format: \"%DOWNSTREAM_PEER_DNS_SAN%\"}".to_owned()];
            let inner_ca = (behind == Behind::InnerTls).then(|| ca.clone());
            let accepting =
                Accepting { filter, tls: Some(cloud), client_ca: Some(ca), inner_ca, ..Accepting::default() };
            return Responder::envoy(accepting).await;
        }
        let Files { cert, key } = &cloud;
        let within = format!(
            "[responder.inner_tls]\nca = {ca:?}\nserver_name = \"127.0.0.1\"\ncert = {cert:?}\nkey = {key:?}\n"
        );
        let proof = ["--tls-client-ca", &ca, "--tls-identity", TEMPLATE];
        Some(responder(&[&shows(&cloud), &proof, &self.extent("responder", behind, &within)]).await)
    }

    async fn initiator(&mut self, make: Make, behind: Behind, dialling: Dialling<'_>) -> Option<Initiator> {
        let ca = self.authority.ca();
        let site = self.site.clone();
        let second = self.within.clone();
        let Files { cert, key } = &second;
        let within = format!("[initiator.inner_tls]\ncert = {cert:?}\nkey = {key:?}\nclient_ca = {ca:?}\n");
        let extent = self.extent("initiator", behind, &within);
        let flags = [&["--tls-ca", &ca][..], &shows(&site), &extent].concat();
        let inner = (behind == Behind::InnerTls).then(|| second.clone());
        let own = Some(site.clone());
        let theirs = envoy::Dialling { ca: Some(ca.clone()), own, inner, ..envoy::Dialling::default() };
        Initiator::start(Dialling { make, flags: &flags, envoy: Some(&theirs), ..dialling }).await
    }

    /// Flags, with a file of settings where those need one.
    fn extent(&mut self, end: &str, behind: Behind, inner: &str) -> Vec<&str> {
        match behind {
            Behind::Plaintext => ENVOYS_WAY.to_vec(),
            Behind::InnerTls => {
                self.settings.push(Settings::write(&format!("[{end}]\n{inner}")));
                vec!["--tls-extent", "inner", "--config", self.settings.last().expect("just written").path()]
            }
        }
    }
}

/// Requests find their way, before and after the tunnel idled under pings, and what is in the clear is what was chosen.
async fn goes_through(initiator: Make, responder: Make, behind: Behind) {
    let mut envoys = Envoys::new();
    let Some(end) = envoys.responder(responder, behind).await else { return };
    let relay = Relay::start(end.tunnel()).await;
    let service = Service::start("backend").await;
    let hosts = [relay.addr()];
    let dialling = Dialling::from_revtun(&hosts, service.addr());
    let Some(_initiator) = envoys.initiator(initiator, behind, dialling).await else { return };
    until(SOON, "a ping passes in the clear", async || {
        relay.lines().iter().any(|line| contains(&line.carried(), "RPING")).then_some(())
    })
    .await;
    throughout(Duration::from_secs(5), "the tunnel lives on", async || relay.lines().len() == 1).await;
    end.reaches(NODE).await;
    let large = end.ask_node(NODE, "/bytes/1000000").await;
    assert_eq!((large.status.as_u16(), large.body.len()), (200, 1_000_000));
    let seen = relay.lines().first().expect("the tunnel").carried();
    assert_eq!(contains(&seen, "PRI * HTTP/2.0"), behind == Behind::Plaintext, "requests");
    assert!(!contains(&seen, "x-envoy-reverse-tunnel"), "the handshake is never in the clear");
}

/// A tunnel that no request ever used is let go in an order that the initiator understands: it dials another one before
/// the old one ends.
async fn lets_go(initiator: Make, behind: Behind) {
    let mut envoys = Envoys::new();
    let end = envoys.responder(Make::Revtun, behind).await.expect("revtun can always be had");
    let relay = Relay::start(end.tunnel()).await;
    let service = Service::start("backend").await;
    let hosts = [relay.addr()];
    let dialling = Dialling::from_revtun(&hosts, service.addr());
    let Some(mut dialler) = envoys.initiator(initiator, behind, dialling).await else { return };
    end.has_within(SOON, NODE, 1).await;
    assert_eq!(post(end.admin(), &format!("/drain?node={NODE}&grace=20s")).await.expect("an answer").status, 202);
    if initiator == Make::Revtun {
        until(SOON, "the initiator is told", async || {
            dialler.process().stderr().contains("the responder drains the tunnel").then_some(())
        })
        .await;
    }
    until(SOON, "another tunnel", async || (relay.lines().len() > 1).then_some(())).await;
    end.reaches(NODE).await;
    assert_eq!(metrics(end.admin()).await.value("revtun_responder_tls_handshake_failures_total"), 0);
}

/// A certificate of another node proves nothing for this one, whoever checks it.
async fn is_refused(initiator: Make, responder: Make) {
    let mut envoys = Envoys::with_site(&["127.0.0.1", "node-b", "spiffe://tenant-a/cluster-a/node-b"]);
    let Some(end) = envoys.responder(responder, Behind::Plaintext).await else { return };
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let dialling = Dialling::from_revtun(&hosts, service.addr());
    let Some(dialler) = envoys.initiator(initiator, Behind::Plaintext, dialling).await else { return };
    if responder == Make::Revtun {
        let series = "revtun_responder_handshakes_rejected_total{reason=\"identity-mismatch\"}";
        counts(end.admin(), series, 1).await;
    } else {
        counts(dialler.admin(), "revtun_initiator_handshakes_total{outcome=\"4xx\"}", 1).await;
    }
    assert_eq!(end.ask_node(NODE, "/").await.status, 503);
}

/// The identity that was accepted outside is the one that has to answer: another tenant's certificate within the tunnel, as of a
/// relay that has got hold of one, sees no request.
async fn nobody_else_answers_within(initiator: Make) {
    let mut envoys = Envoys::new();
    envoys.within = envoys.authority.issue("other", &["127.0.0.1", NODE, "spiffe://tenant-b/cluster-a/node-a"]);
    let mut end = envoys.responder(Make::Revtun, Behind::InnerTls).await.expect("revtun can always be had");
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let dialling = Dialling::from_revtun(&hosts, service.addr());
    let Some(_dialler) = envoys.initiator(initiator, Behind::InnerTls, dialling).await else { return };
    end.has_within(SOON, NODE, 1).await;
    // It may be tried on one tunnel after the other: the initiator comes back each time.
    let request = to_node(NODE, "/").header("authorization", "a-word-for-node-a-alone");
    tokio::select! {
        answer = end.ask(request) => assert!(answer.status.is_server_error(), "{}", answer.status),
        () = counts(end.admin(), "revtun_responder_tls_handshake_failures_total", 2) => {}
    }
    assert!(service.seen().is_empty(), "no request went through");
    counts(end.admin(), "revtun_responder_tls_handshake_failures_total", 1).await;
    let told = "the certificate within the tunnel does not prove the identity that was accepted";
    until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await;
}

#[tokio::test]
async fn nobody_but_the_accepted_identity_answers_within_a_second_tls() {
    nobody_else_answers_within(Make::Revtun).await;
}

#[tokio::test]
async fn no_envoy_but_the_accepted_identity_answers_within_a_second_tls() {
    nobody_else_answers_within(Make::Envoy).await;
}

#[tokio::test]
async fn a_tunnel_never_used_is_let_go_in_order() {
    lets_go(Make::Revtun, Behind::Plaintext).await;
    lets_go(Make::Revtun, Behind::InnerTls).await;
}

#[tokio::test]
async fn a_tunnel_of_an_envoy_never_used_is_let_go_in_order() {
    lets_go(Make::Envoy, Behind::Plaintext).await;
    lets_go(Make::Envoy, Behind::InnerTls).await;
}

#[tokio::test]
async fn a_certificate_of_another_node_is_refused_whoever_checks_it() {
    is_refused(Make::Envoy, Make::Revtun).await;
    is_refused(Make::Revtun, Make::Envoy).await;
    is_refused(Make::Revtun, Make::Revtun).await;
}

#[tokio::test]
async fn a_revtun_initiator_serves_an_envoy_that_leaves_tls_behind_the_handshake() {
    goes_through(Make::Revtun, Make::Envoy, Behind::Plaintext).await;
}

#[tokio::test]
async fn a_revtun_responder_takes_an_envoy_that_leaves_tls_behind_the_handshake() {
    goes_through(Make::Envoy, Make::Revtun, Behind::Plaintext).await;
}

#[tokio::test]
async fn two_revtun_ends_leave_tls_behind_the_handshake_if_they_are_told_to() {
    goes_through(Make::Revtun, Make::Revtun, Behind::Plaintext).await;
}

#[tokio::test]
async fn two_envoys_leave_tls_behind_the_handshake() {
    goes_through(Make::Envoy, Make::Envoy, Behind::Plaintext).await;
}

#[tokio::test]
async fn a_revtun_initiator_serves_an_envoy_within_a_second_tls() {
    goes_through(Make::Revtun, Make::Envoy, Behind::InnerTls).await;
}

#[tokio::test]
async fn a_revtun_responder_takes_an_envoy_within_a_second_tls() {
    goes_through(Make::Envoy, Make::Revtun, Behind::InnerTls).await;
}

#[tokio::test]
async fn two_revtun_ends_use_a_second_tls_if_they_are_told_to() {
    goes_through(Make::Revtun, Make::Revtun, Behind::InnerTls).await;
}

#[tokio::test]
async fn two_envoys_use_a_second_tls() {
    goes_through(Make::Envoy, Make::Envoy, Behind::InnerTls).await;
}
