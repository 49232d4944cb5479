//! Bearer tokens: who is believed, who is not, and by which name each refusal is known.

mod ends;
mod suite;

use std::net::SocketAddr;

use revtun_tests::client::get;
use revtun_tests::ends::Responder;
use revtun_tests::fake::Handshake;
use revtun_tests::issuer::{Paper, Signer, now, unsigned};
use revtun_tests::patience::{SOON, until};
use revtun_tests::prometheus::Metrics;
use revtun_tests::raw::Raw;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "revtun";
const SUBJECT: &str = "sub={tenant}/{cluster}/{node}";
const OPEN: [&str; 3] = ["--tenant-isolation", "false", "--allow-mixed-tenants"];
const NODE_A: Handshake<'_> = Handshake { node: "node-a", cluster: "cluster-a", tenant: "tenant-a" };
/// On loopback, so that a test need not do TLS by hand.
const CLEAR: &str = "--allow-plaintext";

/// What a responder is told to demand.
fn demands(keys: &Paper) -> [&str; 8] {
    ["--token-jwks", keys.path(), "--token-issuer", ISSUER, "--token-audience", AUDIENCE, "--token-identity", SUBJECT]
}

/// What a sound token says.
fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "tenant-a/cluster-a/node-a", "exp": now() + 300 })
}

/// The same with `name` being `value`; nothing if that is null.
fn but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let object = claims.as_object_mut().expect("an object");
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
    claims
}

/// Three keys, each for another algorithm.
struct Three([(&'static str, Signer); 3]);

impl Three {
    fn new() -> Self {
        Self([("r", Signer::rs256()), ("e", Signer::es256()), ("d", Signer::eddsa())])
    }

    fn jwks(&self) -> Paper {
        Paper::jwks(&self.0.each_ref().map(|(kid, signer)| signer.jwk(kid)))
    }

    fn good(&self) -> String {
        let [(kid, signer), ..] = &self.0;
        signer.sign(kid, &claims())
    }
}

/// What the responder answers to a handshake of node-a with these headers.
async fn answers(responder: SocketAddr, headers: &[&str]) -> u16 {
    let request = NODE_A.request_with(headers);
    let mut raw = Raw::connect(responder).await;
    raw.send(request.as_bytes()).await;
    raw.read_until(SOON, "an answer", |bytes| bytes.windows(4).any(|window| window == b"\r\n\r\n")).await;
    let answer = String::from_utf8_lossy(raw.received()).into_owned();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

async fn bears(responder: SocketAddr, token: &str) -> u16 {
    answers(responder, &[&format!("authorization: Bearer {token}")]).await
}

async fn metrics(admin: SocketAddr) -> Metrics {
    Metrics::parse(&get(admin, "/metrics").await.expect("a page").text())
}

async fn counts(admin: SocketAddr, series: &str, least: u64) {
    until(SOON, series, async || (metrics(admin).await.value(series) >= least).then_some(())).await;
}

fn refused(fault: &str) -> String {
    format!("revtun_responder_tokens_rejected_total{{reason=\"{fault}\"}}")
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_believed() {
    let three = Three::new();
    let keys = three.jwks();
    let end = Responder::revtun(&[&OPEN[..], &demands(&keys), &[CLEAR]].concat()).await;
    for (kid, signer) in &three.0 {
        assert_eq!(bears(end.tunnel(), &signer.sign(kid, &claims())).await, 200, "{}", signer.algorithm());
    }
    let (kid, signer) = &three.0[0];
    for sound in [
        but("aud", json!(["somebody", AUDIENCE])),
        but("exp", json!(now() - 50)),
        but("exp", json!(now() as f64 + 0.5)),
        but("nbf", json!(now() + 50)),
        but("nbf", json!(now() - 1000)),
    ] {
        assert_eq!(bears(end.tunnel(), &signer.sign(kid, &sound)).await, 200, "{sound}");
    }
    // One entry of a list is enough.
    let mut elsewhere = demands(&keys);
    elsewhere[7] = "who={tenant}/{cluster}/{node}";
    let other = Responder::revtun(&[&OPEN[..], &elsewhere, &[CLEAR]].concat()).await;
    for (who, status) in
        [(json!(["a/b/c", 5, "tenant-a/cluster-a/node-a"]), 200), (json!(["a/b/c"]), 403), (json!({}), 403)]
    {
        assert_eq!(bears(other.tunnel(), &signer.sign(kid, &but("who", who.clone()))).await, status, "{who}");
    }
    let token = three.good();
    assert_eq!(answers(end.tunnel(), &[&format!("Authorization: {token}")]).await, 200, "without its scheme");
}

#[tokio::test]
async fn each_refusal_has_a_name() {
    let three = Three::new();
    let keys = three.jwks();
    let mut end = Responder::revtun(&[&OPEN[..], &demands(&keys), &[CLEAR]].concat()).await;
    let [(r, rs256), (e, es256), (d, eddsa)] = &three.0;
    let stranger = Signer::eddsa();
    let good = three.good();
    let swapped = format!("{}.{}", &es256.sign(e, &claims()).rsplit_once('.').expect("three parts").0, "AAAA");
    let mut cases = vec![
        ("malformed", "no-token".to_owned()),
        ("malformed", "a.b".to_owned()),
        ("malformed", "a.b.c.d".to_owned()),
        ("malformed", unsigned(&claims())),
        ("malformed", rs256.sign(r, &json!(["no", "object"]))),
        ("malformed", rs256.sign(r, &but("exp", json!((now() + 300).to_string())))),
        ("malformed", rs256.sign(r, &but("exp", json!(-1)))),
        ("malformed", rs256.sign(r, &but("sub", json!({ "tenant": "tenant-a" })))),
        ("malformed", rs256.sign(r, &but("nbf", json!("soon")))),
        ("malformed", rs256.sign_as(&json!({ "alg": "RS256", "kid": r, "crit": ["x"], "x": 1 }), &claims())),
        ("unknown-key", rs256.sign("nobody", &claims())),
        ("unknown-key", rs256.sign_as(&json!({ "alg": "RS256" }), &claims())),
        ("wrong-algorithm", rs256.sign_as(&json!({ "alg": "RS512", "kid": r }), &claims())),
        ("wrong-algorithm", rs256.sign_as(&json!({ "alg": "ES256", "kid": r }), &claims())),
        ("wrong-signature", stranger.sign(d, &claims())),
        ("wrong-signature", eddsa.sign_as(&json!({ "alg": "ES256", "kid": e }), &claims())),
        ("wrong-signature", swapped),
        ("wrong-signature", good.replacen(&good[..1], "e", 1).replace(&good[good.len() - 9..], "AAAAAAAAA")),
        ("wrong-issuer", rs256.sign(r, &but("iss", json!("https://issuer.example.evil")))),
        ("wrong-issuer", rs256.sign(r, &but("iss", json!([ISSUER])))),
        ("wrong-issuer", rs256.sign(r, &but("iss", Value::Null))),
        ("wrong-audience", rs256.sign(r, &but("aud", json!("revtun2")))),
        ("wrong-audience", rs256.sign(r, &but("aud", json!([])))),
        ("wrong-audience", rs256.sign(r, &but("aud", Value::Null))),
        ("no-expiry", rs256.sign(r, &but("exp", Value::Null))),
        ("expired", rs256.sign(r, &but("exp", json!(now() - 61)))),
        ("not-yet-valid", rs256.sign(r, &but("nbf", json!(now() + 75)))),
        ("too-long", rs256.sign(r, &but("more", json!("x".repeat(8 * 1024))))),
    ];
    // The public keys are no secret: whoever signs with one of them as if it were has proven nothing.
    for (kid, signer) in &three.0 {
        cases.extend(signer.confused(kid, &claims()).into_iter().map(|token| ("wrong-algorithm", token)));
    }
    for (fault, token) in &cases {
        let before = metrics(end.admin()).await.value(&refused(fault));
        assert_eq!(bears(end.tunnel(), token).await, 401, "{fault}: {token}");
        assert_eq!(metrics(end.admin()).await.value(&refused(fault)), before + 1, "{fault}: {token}");
    }
    for (fault, headers) in [("missing", &[][..]), ("malformed", &["authorization: Basic bm9ib2R5Om5vYm9keQ=="])] {
        let before = metrics(end.admin()).await.value(&refused(fault));
        assert_eq!(answers(end.tunnel(), headers).await, 401, "{fault}");
        assert_eq!(metrics(end.admin()).await.value(&refused(fault)), before + 1, "{fault}");
    }
    let rejected = "revtun_responder_handshakes_rejected_total{reason=\"unauthenticated\"}";
    assert_eq!(metrics(end.admin()).await.value(rejected), cases.len() as u64 + 2);
    let told = "token=\"expired\"";
    until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await;
    let log = end.process().stderr();
    for (_, token) in &cases {
        assert!(!log.contains(token), "a token is never logged");
    }
    assert_eq!(end.tunnels("node-a").await, 0);
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused_as_such() {
    let three = Three::new();
    let keys = three.jwks();
    let end = Responder::revtun(&[&OPEN[..], &demands(&keys), &[CLEAR]].concat()).await;
    let (kid, signer) = &three.0[1];
    let others = [
        json!("tenant-a/cluster-a/node-b"),
        json!("tenant-b/cluster-a/node-a"),
        json!("tenant-a/cluster-a/node-a/"),
        json!("TENANT-A/cluster-a/node-a"),
        json!(""),
        Value::Null,
    ];
    for other in &others {
        assert_eq!(bears(end.tunnel(), &signer.sign(kid, &but("sub", other.clone()))).await, 403, "{other}");
    }
    let rejected = "revtun_responder_handshakes_rejected_total{reason=\"identity-mismatch\"}";
    assert_eq!(metrics(end.admin()).await.value(rejected), others.len() as u64);
}

#[tokio::test]
async fn new_keys_are_taken_and_broken_ones_are_not() {
    let (old, new) = (Signer::es256(), Signer::eddsa());
    let keys = Paper::jwks(&[old.jwk("old")]);
    let mut end = Responder::revtun(&[&OPEN[..], &demands(&keys), &[CLEAR]].concat()).await;
    let (by_old, by_new) = (old.sign("old", &claims()), new.sign("new", &claims()));
    assert_eq!(bears(end.tunnel(), &by_old).await, 200);
    assert_eq!(bears(end.tunnel(), &by_new).await, 401);
    let mut tunnel = Raw::connect(end.tunnel()).await;
    tunnel.send(NODE_A.request_with(&[&format!("authorization: Bearer {by_old}")]).as_bytes()).await;
    tunnel.read_until(SOON, "a ping", |bytes| bytes.ends_with(revtun_tests::raw::PING)).await;

    keys.rewrite(&json!({ "keys": [new.jwk("new")] }).to_string());
    end.process().signal("HUP");
    counts(end.admin(), "revtun_tls_reloads_total{use=\"token\"}", 1).await;
    assert_eq!(bears(end.tunnel(), &by_old).await, 401);
    assert_eq!(bears(end.tunnel(), &by_new).await, 200);
    assert_eq!(tunnel.ended(), None, "a tunnel outlives the key that opened it");

    for (failures, broken) in
        ["{}", "no JSON", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#].into_iter().enumerate()
    {
        keys.rewrite(broken);
        end.process().signal("HUP");
        counts(end.admin(), "revtun_tls_reload_failures_total{use=\"token\"}", failures as u64 + 1).await;
        assert_eq!(bears(end.tunnel(), &by_new).await, 200, "{broken}");
    }
}
