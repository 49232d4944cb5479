//! As Envoys do it: TLS ends behind the handshake, and requests are in the clear, or inside a second TLS.
//!
//! Envoy with Envoy is the control: what fails there is a fault of the test.

use std::time::Duration;

use revtun_tests::certificates::{Authority, Files};
use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::patience::{SOON, throughout, until};
use revtun_tests::relay::Relay;
use revtun_tests::service::Service;
use revtun_tests::settings::Settings;

use super::{ENVOYS_WAY, NODE, contains, responder, shows};

/// What both ends of the tests below have in common.
struct Envoys {
    authority: Authority,
    files: Files,
    settings: Vec<Settings>,
}

/// What comes behind the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Plaintext,
    InnerTls,
}

impl Envoys {
    fn new() -> Self {
        let authority = Authority::new();
        let files = authority.issue("both", &["127.0.0.1"]);
        Self { authority, files, settings: Vec::new() }
    }

    async fn responder(&mut self, make: Make, behind: Behind) -> Option<Responder> {
        let ca = self.authority.ca();
        if make == Make::Envoy {
            return Responder::envoy_with_tls(&self.files, (behind == Behind::InnerTls).then_some(ca)).await;
        }
        let text = format!("[responder.inner_tls]\nca = {ca:?}\nserver_name = \"127.0.0.1\"\n");
        let files = self.files.clone();
        Some(responder(&[&shows(&files), &self.extent("responder", behind, &text)]).await)
    }

    async fn initiator(&mut self, make: Make, behind: Behind, dialling: Dialling<'_>) -> Option<Initiator> {
        let ca = self.authority.ca();
        let files = self.files.clone();
        let Files { cert, key } = &files;
        let text = format!("[initiator.inner_tls]\ncert = {cert:?}\nkey = {key:?}\n");
        let extent = self.extent("initiator", behind, &text);
        let flags = [&["--tls-ca", &ca][..], &extent].concat();
        let envoy_inner = (behind == Behind::InnerTls).then_some(&files);
        Initiator::start(Dialling { make, flags: &flags, envoy_tls_ca: Some(&ca), envoy_inner, ..dialling }).await
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
