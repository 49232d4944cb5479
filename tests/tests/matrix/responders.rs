//! What responders answer to handshakes (reference §2.2, §2.3).

use std::net::SocketAddr;

use revtun_tests::ends::Responder;
use revtun_tests::envoy::{self, Accepting, ResponderConfig};
use revtun_tests::fake::{ACCEPTED, Handshake};
use revtun_tests::patience::{SOON, within};
use revtun_tests::port::Port;
use revtun_tests::process::Process;
use revtun_tests::raw::{PING, Raw};

use crate::differences::{Observed, cell, compare};
use crate::requests::{Case, Setup, cases};

#[tokio::test]
async fn responders_answer_alike() {
    let mut observed = Observed::new();
    for setup in Setup::ALL {
        let cases: Vec<Case> = cases().into_iter().filter(|case| case.setup == setup).collect();
        let Some(theirs) = Envoy::start(setup).await else { return };
        let ours = Responder::configured(settings(setup)).await;
        occupy(setup, theirs.tunnel.addr()).await;
        occupy(setup, ours.tunnel()).await;
        let (theirs, ours) = tokio::join!(ask_all(&cases, theirs.tunnel.addr()), ask_all(&cases, ours.tunnel()));
        let answers = theirs.into_iter().zip(ours);
        observed.extend(cases.iter().map(|case| case.name.to_owned()).zip(answers));
    }
    assert!(observed.len() >= 75, "only {} cases", observed.len());
    compare("Responders", &observed);
}

/// The bytes that reference §2.2 gives, so that both cannot be wrong in the same way.
#[tokio::test]
async fn the_bytes_of_an_acceptance_and_of_a_rejection_are_those_of_the_reference() {
    let ours = Responder::configured(settings(Setup::Plain)).await;
    let answer = async |path: &str| {
        let request = Handshake { node: "n", cluster: "c", tenant: "t" }.request().replace("/request", path);
        let mut raw = Raw::connect(ours.tunnel()).await;
        raw.send(request.as_bytes()).await;
        raw.read_until(SOON, "an answer", |bytes| bytes.ends_with(b"\r\n\r\n")).await;
        raw.take()
    };
    assert_eq!(answer("/request").await, ACCEPTED);
    let rejected = "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n\
                    1c\r\nNot a reverse tunnel request\r\n0\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&answer("/other").await), rejected);
}

struct Envoy {
    tunnel: Port,
    _others: [Port; 2],
    _process: Process,
}

impl Envoy {
    async fn start(setup: Setup) -> Option<Self> {
        let [tunnel, egress, admin] = [(); 3].map(|()| Port::reserve());
        let filter = match setup {
            Setup::Plain | Setup::Isolated | Setup::Capped => vec![],
            Setup::Upgrade => vec!["use_http_upgrade: true".to_owned()],
            Setup::Named => vec!["required_cluster_name: here".to_owned()],
        };
        let config = ResponderConfig {
            tunnel: tunnel.addr(),
            egress: egress.addr(),
            admin: admin.addr(),
            tenant_isolation: setup == Setup::Isolated,
            tunnels_per_node: u32::from(setup == Setup::Capped),
            accepting: Accepting { filter, ..Accepting::default() },
        };
        let process = config.start(envoy::executable()?).await;
        Some(Self { tunnel, _others: [egress, admin], _process: process })
    }
}

fn settings(setup: Setup) -> &'static str {
    match setup {
        Setup::Plain => "[responder]\ntenant_isolation = false\n",
        Setup::Isolated => "[responder]\ntenant_isolation = true\n",
        Setup::Upgrade => "[responder]\ntenant_isolation = false\nuse_http_upgrade = true\n",
        Setup::Named => "[responder]\ntenant_isolation = false\nrequired_cluster_name = \"here\"\n",
        Setup::Capped => "[responder]\ntenant_isolation = false\nmax_tunnels_per_node = 1\n",
    }
}

/// Fills the one place of the node that the cases speak of, and keeps it filled by answering pings.
async fn occupy(setup: Setup, responder: SocketAddr) {
    if setup == Setup::Capped {
        let mut tunnel = Handshake { node: "n", cluster: "c", tenant: "t" }.dial(responder).await;
        tokio::spawn(async move {
            while tunnel.ended().is_none() {
                tunnel.read_until(SOON, "a ping", |bytes| bytes.ends_with(PING)).await;
                tunnel.take();
                tunnel.send(PING).await;
            }
        });
    }
}

async fn ask_all(cases: &[Case], responder: SocketAddr) -> Vec<String> {
    let asked: Vec<_> = cases.iter().cloned().map(|case| tokio::spawn(ask(case, responder))).collect();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(within(SOON, "an answer", asked).await.expect("no panic"));
    }
    answers
}

/// What `responder` says, and whether it then keeps the connection as a tunnel (and pings it) or closes it.
async fn ask(case: Case, responder: SocketAddr) -> String {
    let mut raw = Raw::connect(responder).await;
    for part in &case.parts {
        raw.send(part).await;
    }
    raw.read_until(SOON, case.name, |bytes| bytes.ends_with(PING)).await;
    match raw.received().strip_suffix(PING) {
        Some(said) => format!("{} tunnel", cell(said)),
        None => format!("{} closed", cell(raw.received())).trim().to_owned(),
    }
}
