//! Both ends as they ship, inside TLS: where a token comes from, and what it does beside a certificate.

use std::process::Command;

use revtun_tests::certificates::{Authority, Files};
use revtun_tests::ends::{Dialling, Initiator, Make, Responder};
use revtun_tests::envoy::{self, Accepting};
use revtun_tests::issuer::{Paper, Signer, now};
use revtun_tests::patience::{SOON, until};
use revtun_tests::relay::Relay;
use revtun_tests::revtun;
use revtun_tests::service::Service;
use revtun_tests::settings::Settings;
use serde_json::json;

use super::{AUDIENCE, ISSUER, OPEN, SUBJECT, Three, but, claims, counts, demands, metrics};

const NODE: &str = "node-a";

fn shows(files: &Files) -> [&str; 4] {
    ["--tls-cert", &files.cert, "--tls-key", &files.key]
}

#[tokio::test]
async fn an_initiator_reads_its_token_again_at_each_dial() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    let three = Three::new();
    let keys = three.jwks();
    let mut end = Responder::revtun(&[&OPEN[..], &shows(&server), &demands(&keys)].concat()).await;
    let relay = Relay::start(end.tunnel()).await;
    let service = Service::start("backend").await;
    let (kid, signer) = &three.0[2];
    let stale = signer.sign(kid, &but("exp", json!(now() - 100)));
    let token = Paper::write(&stale);
    let hosts = [relay.addr()];
    let flags = ["--tls-ca", &ca, "--token-file", token.path()];
    let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
    let mut initiator = Initiator::configured(dialling, "[initiator]\ndenied_base = \"100ms\"\n").await;
    counts(initiator.admin(), "revtun_initiator_handshakes_total{outcome=\"4xx\"}", 1).await;
    // White space around it does not count.
    let fresh = signer.sign(kid, &claims());
    token.rewrite(&format!("\n{fresh}\r\n"));
    end.reaches(NODE).await;

    token.rewrite("");
    relay.cut();
    until(SOON, "a dial without a token", async || {
        initiator.process().stderr().contains("holds no token that could be sent: missing").then_some(())
    })
    .await;
    token.rewrite(&fresh);
    end.reaches(NODE).await;
    for log in [initiator.process().stderr(), end.process().stderr()] {
        assert!(!log.contains(&fresh) && !log.contains(&stale), "a token is never logged");
    }
}

#[tokio::test]
async fn a_certificate_and_a_token_have_to_agree() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    let three = Three::new();
    let keys = three.jwks();
    let (kid, signer) = &three.0[0];
    let proof = ["--tls-client-ca", &ca, "--tls-identity", "spiffe://{tenant}/{cluster}/{node}"];
    let end = Responder::revtun(&[&OPEN[..], &shows(&server), &proof, &demands(&keys)].concat()).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let (ours, others) = ("tenant-a/cluster-a/node-a", "tenant-a/cluster-a/node-b");
    let rejected = |reason: &str| format!("revtun_responder_handshakes_rejected_total{{reason=\"{reason}\"}}");
    for (certificate, subject, reason) in [
        (ours, Some(others), "identity-mismatch"),
        (others, Some(ours), "identity-mismatch"),
        (others, Some(others), "identity-mismatch"),
        (ours, None, "unauthenticated"),
        (others, None, "unauthenticated"),
    ] {
        let client = authority.issue("client", &[&format!("spiffe://{certificate}")]);
        let token = subject.map(|subject| Paper::write(&signer.sign(kid, &but("sub", json!(subject)))));
        let token = token.as_ref().map_or(vec![], |token| vec!["--token-file", token.path()]);
        let flags = [&shows(&client)[..], &["--tls-ca", &ca], &token].concat();
        let before = metrics(end.admin()).await.value(&rejected(reason));
        let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
        let _initiator = Initiator::revtun(dialling).await;
        counts(end.admin(), &rejected(reason), before + 1).await;
    }
    assert_eq!(end.tunnels(NODE).await, 0);
    let client = authority.issue("client", &[&format!("spiffe://{ours}")]);
    let token = Paper::write(&signer.sign(kid, &claims()));
    let flags = [&shows(&client)[..], &["--tls-ca", &ca, "--token-file", token.path()]].concat();
    let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    end.reaches(NODE).await;
}

/// An Envoy sends what its configuration says (reference §2.1).
#[tokio::test]
async fn an_envoy_may_bear_a_token() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    let three = Three::new();
    let keys = three.jwks();
    let way = ["--tls-extent", "plaintext-after-handshake"];
    let end = Responder::revtun(&[&OPEN[..], &shows(&server), &way, &demands(&keys)].concat()).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let bearing = |token: String| {
        let header = format!("additional_headers: [{{header: {{key: authorization, value: \"Bearer {token}\"}}}}]");
        envoy::Dialling { ca: Some(ca.clone()), handshake: vec![header], ..envoy::Dialling::default() }
    };
    let (kid, signer) = &three.0[1];
    let dialling = Dialling { make: Make::Envoy, ..Dialling::from_revtun(&hosts, service.addr()) };
    let wrong = bearing(signer.sign(kid, &but("sub", json!("tenant-a/cluster-a/node-b"))));
    let Some(imposter) = Initiator::start(Dialling { envoy: Some(&wrong), ..dialling }).await else { return };
    counts(end.admin(), "revtun_responder_handshakes_rejected_total{reason=\"identity-mismatch\"}", 1).await;
    drop(imposter);
    let right = bearing(three.good());
    let _initiator = Initiator::start(Dialling { envoy: Some(&right), ..dialling }).await;
    end.reaches(NODE).await;
}

/// And it takes what we send.
#[tokio::test]
async fn an_envoy_takes_a_token() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    let (signer, stranger) = (Signer::es256(), Signer::es256());
    let keys = json!({ "keys": [signer.jwk("k")] }).to_string();
    let validator = format!(
        "jwt_validator: {{issuer: \"{ISSUER}\", audiences: [\"{AUDIENCE}\"], local_jwks: {{inline_string: '{keys}'}}}}"
    );
    let accepting = Accepting { tls: Some(server), filter: vec![validator], ..Accepting::default() };
    let Some(end) = Responder::envoy(accepting).await else { return };
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let token = Paper::write(&stranger.sign("k", &claims()));
    let flags = ["--tls-ca", &ca, "--token-file", token.path(), "--tls-extent", "plaintext-after-handshake"];
    let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
    let initiator = Initiator::configured(dialling, "[initiator]\ndenied_base = \"100ms\"\n").await;
    counts(initiator.admin(), "revtun_initiator_handshakes_total{outcome=\"4xx\"}", 1).await;
    token.rewrite(&signer.sign("k", &claims()));
    end.reaches(NODE).await;
}

#[test]
fn half_a_setting_and_a_token_in_the_clear_are_refused() {
    let three = Three::new();
    let keys = three.jwks();
    let all = demands(&keys);
    let listen = ["--tunnel-listen", "127.0.0.1:0", "--egress-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    for (missing, what) in [
        ("--token-jwks", "has no keys to verify them with"),
        ("--token-issuer", "has no issuer for them"),
        ("--token-audience", "has no audience for them"),
        ("--token-identity", "has no templates for node, cluster and tenant"),
    ] {
        let at = all.iter().position(|word| *word == missing).expect("a flag");
        let left: Vec<_> = all[..at].iter().chain(&all[at + 2..]).copied().collect();
        let (code, text) = said(&[&["responder"], &listen[..], &left, &["--allow-plaintext"]].concat());
        assert_eq!((code, text.lines().count()), (Some(2), 1), "{missing}: {text}");
        assert!(text.contains(what), "{missing}: {text}");
    }
    let (code, text) = said(&[&["responder"], &listen[..], &all].concat());
    assert!(code == Some(2) && text.contains("would send tokens unencrypted"), "{text}");
    let token = Paper::write(&three.good());
    let dial = ["--address", "rc://n:c:t@u:1", "--upstream", "u=127.0.0.1:1", "--forward", "http://127.0.0.1:1"];
    let (code, text) = said(&[&["initiator"], &dial[..], &["--token-file", token.path()]].concat());
    assert!(code == Some(2) && text.contains("would send tokens unencrypted"), "{text}");
    let gone = ["--token-file", "/nowhere/token", "--allow-plaintext"];
    let (code, text) = said(&[&["initiator"], &dial[..], &gone].concat());
    assert!(code == Some(2) && text.contains("cannot read /nowhere/token"), "{text}");
}

#[test]
fn check_opens_every_file_and_tells_each_that_is_unusable() {
    let authority = Authority::new();
    let Files { cert, key } = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    let three = Three::new();
    let (keys, token, nothing) = (three.jwks(), Paper::write(&three.good()), Paper::write(" \n"));
    let text = |cert: &str, ca: &str, jwks: &str, token: &str| {
        format!(
            "[responder.tls]\ncert = {cert:?}\nkey = {key:?}\nclient_ca = {ca:?}\n\
             [responder.token]\njwks = {jwks:?}\nissuer = \"i\"\naudience = \"a\"\nnode_claim = {SUBJECT:?}\n\
             cluster_claim = {SUBJECT:?}\ntenant_claim = {SUBJECT:?}\n\
             [initiator]\ntoken_file = {token:?}\n[initiator.tls]\nca = {ca:?}\n\
             [[initiator.listener]]\naddress = \"rc://n:c:t@u:1\"\nforward = \"http://127.0.0.1:1\"\n\
             [initiator.upstreams]\nu = [\"127.0.0.1:1\"]\n"
        )
    };
    let checked = |text: &str| {
        let file = Settings::write(text);
        said(&["check", "--config", file.path()])
    };
    let (code, said) = checked(&text(&cert, &ca, keys.path(), token.path()));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = checked(&text("/nowhere/cert", "/nowhere/ca", "/nowhere/keys", "/nowhere/token"));
    assert_eq!((code, said.lines().count()), (Some(2), 5), "{said}");
    for file in ["cert", "ca", "keys", "token"] {
        assert!(said.contains(&format!("cannot read /nowhere/{file}: ")), "{file}: {said}");
    }
    let (code, said) = checked(&text(&key, &cert, token.path(), nothing.path()));
    assert_eq!((code, said.lines().count()), (Some(2), 3), "{said}");
    for what in ["holds no certificate", "is not a JSON Web Key Set", "holds no token that could be sent: missing"] {
        assert!(said.contains(what), "{what}: {said}");
    }
}

/// Runs a command that must end by itself; its exit code and its last lines.
fn said(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(revtun::binary()).args(args).output().expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
