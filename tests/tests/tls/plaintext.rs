//! TLS at one end and none at the other: each is told so, and not of bytes that mean nothing.

use revtun_tests::certificates::Authority;
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::patience::{SOON, until};
use revtun_tests::process::Process;
use revtun_tests::raw::Raw;
use revtun_tests::service::Service;

use super::{ENVOYS_WAY, responder, shows};

async fn tells(process: &mut Process, what: &str) {
    until(SOON, what, async || process.stderr().contains(what).then_some(())).await;
}

#[tokio::test]
async fn an_initiator_inside_tls_and_a_responder_without_tell_it() {
    let authority = Authority::new();
    let ca = authority.ca();
    let service = Service::start("backend").await;
    for extent in [&[][..], &ENVOYS_WAY] {
        let mut end = responder(&[]).await;
        let hosts = [end.tunnel()];
        let flags = [&["--tls-ca", &ca][..], extent].concat();
        let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
        let mut initiator = Initiator::revtun(dialling).await;
        tells(initiator.process(), "the peer does not speak TLS").await;
        tells(end.process(), "the peer speaks TLS, and this listener has no certificate").await;
    }
}

#[tokio::test]
async fn an_initiator_without_tls_and_a_responder_inside_tell_it() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let service = Service::start("backend").await;
    for extent in [&[][..], &ENVOYS_WAY] {
        let mut end = responder(&[&shows(&server), extent]).await;
        let hosts = [end.tunnel()];
        let mut initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
        tells(end.process(), "the peer does not speak TLS").await;
        tells(initiator.process(), "the responder speaks TLS, and this initiator was not told to (--tls)").await;
    }
}

/// What is no HTTP and no TLS either is not taken for it.
#[tokio::test]
async fn garbage_is_not_taken_for_tls() {
    let mut end = Responder::revtun(&["--tenant-isolation", "false"]).await;
    let mut raw = Raw::connect(end.tunnel()).await;
    raw.send(b"\x17\x03\x03\x00\x01x\r\n\r\n").await;
    tells(end.process(), "reason=\"bad-request\"").await;
    assert!(!end.process().stderr().contains("speaks TLS"));
}
