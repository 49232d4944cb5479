//! What both ends have to agree on before there is a tunnel: the path, the names of the headers, what the initiator calls
//! the responder, and whether the answer is an upgrade (reference §2).
//!
//! Envoy with Envoy is the control.

use std::net::SocketAddr;

use revtun_tests::client::get;
use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::envoy::{self, Accepting};
use revtun_tests::patience::{SOON, until};
use revtun_tests::prometheus::Metrics;
use revtun_tests::service::Service;

const NODE: &str = "node-a";

/// One thing to agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    Path,
    Prefix,
    Name,
    Upgrade,
}

impl Term {
    const ALL: [Self; 4] = [Self::Path, Self::Prefix, Self::Name, Self::Upgrade];

    /// What a responder says to an initiator that does not know of the term.
    const fn rejection(self) -> &'static str {
        match self {
            Self::Path => "not-a-tunnel-request",
            Self::Prefix => "missing-identity",
            Self::Name => "cluster-name-mismatch",
            Self::Upgrade => "upgrade-required",
        }
    }
}

/// A responder that insists on `terms`. An initiator calls it `name`.
async fn responder(make: Make, terms: &[Term], name: &str) -> Option<Responder> {
    let has = |term| terms.contains(&term);
    if make == Make::Envoy {
        let filter = terms.iter().filter_map(|term| match term {
            Term::Path => Some("request_path: /our/own".to_owned()),
            Term::Prefix => None,
            Term::Name => Some(format!("required_cluster_name: {name}")),
            Term::Upgrade => Some("use_http_upgrade: true".to_owned()),
        });
        let header_prefix = has(Term::Prefix).then_some("x-acme");
        return Responder::envoy(Accepting { filter: filter.collect(), header_prefix, ..Accepting::default() }).await;
    }
    let mut text = "[responder]\ntenant_isolation = false\n".to_owned();
    for term in terms {
        text += &match term {
            Term::Path => "request_path = \"/our/own\"\n".to_owned(),
            Term::Prefix => "header_prefix = \"x-acme\"\n".to_owned(),
            Term::Name => format!("required_cluster_name = {name:?}\n"),
            Term::Upgrade => "use_http_upgrade = true\n".to_owned(),
        };
    }
    Some(Responder::configured(&text).await)
}

/// An initiator that knows of `terms`.
async fn initiator(make: Make, terms: &[Term], responder: SocketAddr, service: &Service) -> Option<Initiator> {
    let hosts = [responder];
    let dialling = Dialling { make, ..Dialling::from_revtun(&hosts, service.addr()) };
    if make == Make::Envoy {
        let handshake = terms.iter().filter_map(|term| match term {
            Term::Path => Some("request_path: /our/own".to_owned()),
            Term::Upgrade => Some("use_http_upgrade: true".to_owned()),
            Term::Prefix | Term::Name => None,
        });
        let header_prefix = terms.contains(&Term::Prefix).then_some("x-acme");
        let theirs = envoy::Dialling { handshake: handshake.collect(), header_prefix, ..envoy::Dialling::default() };
        return Initiator::start(Dialling { envoy: Some(&theirs), ..dialling }).await;
    }
    let lines = terms.iter().map(|term| match term {
        Term::Path => "request_path = \"/our/own\"\n",
        Term::Prefix => "header_prefix = \"X-Acme\"\n",
        Term::Name => "",
        Term::Upgrade => "use_http_upgrade = true\n",
    });
    let text = format!("[initiator]\n{}", lines.collect::<String>());
    Some(Initiator::configured(dialling, &text).await)
}

/// What an initiator of `make` calls the responder in these tests.
fn name_by(make: Make) -> &'static str {
    match make {
        Make::Revtun => "cloud",
        Make::Envoy => "upstream-cluster",
    }
}

/// With every term agreed on requests pass.
async fn agree(dialler: Make, acceptor: Make) {
    let service = Service::start("backend").await;
    let Some(end) = responder(acceptor, &Term::ALL, name_by(dialler)).await else { return };
    let Some(_one) = initiator(dialler, &Term::ALL, end.tunnel(), &service).await else { return };
    end.reaches(NODE).await;
}

/// Without any one of them there is no tunnel.
async fn disagree(dialler: Make, acceptor: Make) {
    let service = Service::start("backend").await;
    for term in Term::ALL {
        let name = if term == Term::Name { "somebody" } else { name_by(dialler) };
        let Some(end) = responder(acceptor, &[term], name).await else { return };
        let Some(one) = initiator(dialler, &[], end.tunnel(), &service).await else { return };
        if acceptor == Make::Revtun {
            let series = format!("revtun_responder_handshakes_rejected_total{{reason=\"{}\"}}", term.rejection());
            counts(end.admin(), &series).await;
        }
        if dialler == Make::Revtun {
            counts(one.admin(), "revtun_initiator_handshakes_total{outcome=\"4xx\"}").await;
        }
        assert_eq!(end.ask_node(NODE, "/").await.status, 503, "{term:?}");
    }
}

async fn counts(admin: SocketAddr, series: &str) {
    until(SOON, series, async || {
        let page = get(admin, "/metrics").await.expect("a page").text();
        (Metrics::parse(&page).value(series) > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_envoys_agree() {
    agree(Make::Envoy, Make::Envoy).await;
}

#[tokio::test]
async fn an_envoy_agrees_with_our_responder() {
    agree(Make::Envoy, Make::Revtun).await;
}

#[tokio::test]
async fn our_initiator_agrees_with_an_envoy() {
    agree(Make::Revtun, Make::Envoy).await;
}

#[tokio::test]
async fn both_our_ends_agree() {
    agree(Make::Revtun, Make::Revtun).await;
}

#[tokio::test]
async fn an_envoy_that_does_not_know_a_term_gets_no_tunnel() {
    disagree(Make::Envoy, Make::Revtun).await;
}

#[tokio::test]
async fn our_initiator_gets_no_tunnel_of_an_envoy_whose_terms_it_does_not_know() {
    disagree(Make::Revtun, Make::Envoy).await;
}

#[tokio::test]
async fn our_ends_name_the_term_that_one_does_not_know() {
    disagree(Make::Revtun, Make::Revtun).await;
}
