//! A tunnel ends with what proved its identity: replaced ahead of it, and at once when it is revoked.

use std::net::SocketAddr;

use revtun_tests::certificates::{Authority, Files};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::issuer::{Paper, now};
use revtun_tests::patience::{SOON, until};
use revtun_tests::service::Service;

use super::{NODE, SPIFFE, TEMPLATE, counts, metrics, responder, shows};

const EXPIRED: &str = "revtun_responder_credentials_ended_total{reason=\"expired\"}";
const REVOKED: &str = "revtun_responder_credentials_ended_total{reason=\"revoked\"}";

/// How long certificates are valid that are to end soon: time enough to come up with one, and no more.
const SHORT: u64 = 4;

/// A responder that believes the certificates of `authority`.
async fn bound(authority: &Authority, flags: &[&str]) -> Responder {
    let server = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    responder(&[&shows(&server), &["--tls-client-ca", &ca, "--tls-identity", TEMPLATE], flags]).await
}

async fn initiator(authority: &Authority, own: &Files, hosts: &[SocketAddr], service: &Service) -> Initiator {
    let ca = authority.ca();
    let flags = [&shows(own)[..], &["--tls-ca", &ca]].concat();
    Initiator::revtun(Dialling { flags: &flags, ..Dialling::from_revtun(hosts, service.addr()) }).await
}

#[tokio::test]
async fn a_tunnel_is_replaced_before_its_certificate_ends() {
    let authority = Authority::new();
    let end = bound(&authority, &[]).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let own = authority.issue_to("client", &[SPIFFE], now() + SHORT);
    let mut dialler = initiator(&authority, &own, &hosts, &service).await;
    end.reaches(NODE).await;
    // Its next certificate is there before the first ends, as it should be.
    let _renewed = authority.issue("client", &[SPIFFE]);
    dialler.process().signal("HUP");
    let accepted = "revtun_initiator_handshakes_total{outcome=\"accepted\"}";
    until(SOON, "the tunnel is replaced", async || {
        assert_eq!(end.ask_node(NODE, "/").await.status, 200, "no request fails meanwhile");
        (metrics(end.admin()).await.value(EXPIRED) == 1).then_some(())
    })
    .await;
    assert!(metrics(dialler.admin()).await.value(accepted) >= 2);
    assert_eq!(end.ask_node(NODE, "/").await.status, 200);
    end.has_within(SOON, NODE, 1).await;
}

#[tokio::test]
async fn a_tunnel_does_not_outlive_its_certificate() {
    let authority = Authority::new();
    let mut end = bound(&authority, &[]).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let own = authority.issue_to("client", &[SPIFFE], now() + SHORT);
    let _dialler = initiator(&authority, &own, &hosts, &service).await;
    end.reaches(NODE).await;
    // Whoever comes back with the same certificate is let in until it ends, and then no more.
    counts(end.admin(), "revtun_responder_tls_handshake_failures_total", 1).await;
    end.has_within(SOON, NODE, 0).await;
    assert!(metrics(end.admin()).await.value(EXPIRED) >= 1);
    assert_eq!(end.ask_node(NODE, "/").await.status, 503);
    assert!(end.process().stderr().contains("what proved the identity ends; tunnel draining"));
}

#[tokio::test]
async fn a_deny_list_closes_what_stands_and_keeps_it_out() {
    let authority = Authority::new();
    let denied = Paper::write("# nobody yet\n");
    let mut end = bound(&authority, &["--deny-list", denied.path()]).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let own = authority.issue("client", &[SPIFFE]);
    let _dialler = initiator(&authority, &own, &hosts, &service).await;
    let rejected = "revtun_responder_handshakes_rejected_total{reason=\"unauthenticated\"}";
    let (mut closed, mut turned_away) = (0, 0);
    for entry in [format!("san {SPIFFE}"), "node tenant-a/cluster-a/node-a".to_owned()] {
        end.reaches(NODE).await;
        denied.rewrite(&format!("san spiffe://somebody/else/entirely\n{entry}\n"));
        end.process().signal("HUP");
        closed += 1;
        counts(end.admin(), REVOKED, closed).await;
        counts(end.admin(), rejected, turned_away + 1).await;
        assert_eq!(end.ask_node(NODE, "/").await.status, 503);
        denied.rewrite("");
        end.process().signal("HUP");
        counts(end.admin(), "revtun_tls_reloads_total{use=\"deny-list\"}", 2 * closed).await;
        turned_away = metrics(end.admin()).await.value(rejected);
    }
    let told = "token=\"revoked\"";
    until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await;
    // What cannot be read leaves the last list as it is.
    denied.rewrite("serial nobody\n");
    end.process().signal("HUP");
    counts(end.admin(), "revtun_tls_reload_failures_total{use=\"deny-list\"}", 1).await;
    let told = "is no deny list: line 1 has no serial number in hexadecimal digits";
    until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await;
}

#[tokio::test]
async fn a_revocation_list_closes_what_stands_and_keeps_it_out() {
    let authority = Authority::new();
    let lists = Paper::write(&authority.revocation_list(&[]));
    let mut end = bound(&authority, &["--tls-crl", lists.path()]).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let own = authority.issue_numbered("client", &[SPIFFE], 77);
    let _dialler = initiator(&authority, &own, &hosts, &service).await;
    end.reaches(NODE).await;
    // That of somebody else.
    lists.rewrite(&authority.revocation_list(&[78]));
    end.process().signal("HUP");
    counts(end.admin(), "revtun_tls_reloads_total{use=\"revocation\"}", 1).await;
    assert_eq!(end.ask_node(NODE, "/").await.status, 200);
    assert_eq!(metrics(end.admin()).await.value(REVOKED), 0);
    lists.rewrite(&authority.revocation_list(&[77, 78]));
    end.process().signal("HUP");
    counts(end.admin(), REVOKED, 1).await;
    counts(end.admin(), "revtun_responder_tls_handshake_failures_total", 1).await;
    assert_eq!(end.ask_node(NODE, "/").await.status, 503);
    let told = "what proved the identity was revoked; tunnel closed";
    until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await;
}

#[tokio::test]
async fn lists_that_are_none_are_refused_at_the_start() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let (ca, list) = (authority.ca(), Paper::write(&authority.revocation_list(&[])));
    let wrong = Paper::write("nobody\n");
    let tls = [&shows(&server)[..], &["--tls-client-ca", &ca, "--tls-identity", TEMPLATE]].concat();
    for (flags, told) in [
        ([&tls[..], &["--tls-crl", &ca]].concat(), "holds no certificate revocation list"),
        ([&tls[..], &["--tls-crl", "/nowhere"]].concat(), "cannot read /nowhere"),
        ([&shows(&server)[..], &["--tls-crl", list.path()]].concat(), "does not require client certificates"),
        (vec!["--deny-list", wrong.path()], "is no deny list: line 1 names nothing behind its first word"),
        (vec!["--deny-list", "/nowhere"], "cannot read /nowhere"),
    ] {
        let listen =
            ["--tunnel-listen", "127.0.0.1:0", "--egress-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let (code, text) = super::refusals::said(&[&["responder"], &listen[..], &flags].concat());
        assert_eq!(code, Some(2), "{flags:?}: {text}");
        assert!(text.trim_end().lines().last().is_some_and(|line| line.contains(told)), "{flags:?}: {text}");
    }
}
