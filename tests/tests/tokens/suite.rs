//! Eighty and more kinds of tokens, each with what becomes of it.

use std::sync::Arc;

use revtun::token::{JwtVerifier, Keys, VerifyToken};
use revtun_core::binding::{Binding, Placeholder, Template};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Verdict::{self, Authenticated, Mismatch};
use revtun_core::token::TokenError::{
    self, Expired, LifetimeTooLong, Malformed, Missing, NeedsKey, NoExpiry, NotYetValid, TooLong, UnknownKey,
    WrongAlgorithm, WrongAudience, WrongIssuer, WrongSignature, WrongType,
};
use revtun_core::token::{MAX_LIFETIME_SECONDS, Policy, Token};
use revtun_tests::issuer::{Signer, encode, unsigned};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{AUDIENCE, ISSUER, SUBJECT, Three};

const NOW: u64 = 1_795_381_085;

/// A name, a token, and what becomes of it.
type Row = (&'static str, String, Result<Verdict, TokenError>);

fn good() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300, "sub": "tenant-a/cluster-a/node-a" })
}

/// Sound claims, save one.
fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().expect("it is one").remove(name);
    claims
}

fn verifier(three: &Three) -> JwtVerifier {
    let keys = json!({ "keys": three.0.each_ref().map(|(kid, signer)| signer.jwk(kid)) }).to_string();
    let keys = Keys::parse(keys.as_bytes()).expect("three keys");
    let template = |name| Template::parse_claim(SUBJECT, name).expect("a template");
    let [node, cluster, tenant] = [Placeholder::Node, Placeholder::Cluster, Placeholder::Tenant].map(template);
    let binding = Binding::new(node, cluster, tenant).expect("one for all");
    JwtVerifier::new(watch::channel(Arc::new(keys)).1, Arc::new(Policy::new(ISSUER, AUDIENCE, binding)))
}

fn judge(verifier: &JwtVerifier, token: &str) -> Result<Verdict, TokenError> {
    let claim = Identity {
        node: NodeId::new("node-a").expect("legal"),
        cluster: ClusterId::new("cluster-a").expect("legal"),
        tenant: TenantId::new("tenant-a").expect("legal"),
    };
    Ok(verifier.verify(Token::new(token)?, NOW, &claim)?.verdict)
}

/// What stands in the claims.
fn claims(signer: &Signer, kid: &str) -> Vec<Row> {
    let far = MAX_LIFETIME_SECONDS;
    let rows = [
        ("sound", good(), Ok(Authenticated)),
        ("no issuer", without("iss"), Err(WrongIssuer)),
        ("another issuer", with("iss", json!("https://issuer.example.evil")), Err(WrongIssuer)),
        ("the issuer with a slash", with("iss", json!(format!("{ISSUER}/"))), Err(WrongIssuer)),
        ("the issuer in capitals", with("iss", json!(ISSUER.to_uppercase())), Err(WrongIssuer)),
        ("the issuer in a list", with("iss", json!([ISSUER])), Err(WrongIssuer)),
        ("the issuer as a number", with("iss", json!(1)), Err(WrongIssuer)),
        ("an empty issuer", with("iss", json!("")), Err(WrongIssuer)),
        ("no audience", without("aud"), Err(WrongAudience)),
        ("another audience", with("aud", json!("another")), Err(WrongAudience)),
        ("an audience that begins with ours", with("aud", json!(format!("{AUDIENCE}2"))), Err(WrongAudience)),
        ("no audience in a list", with("aud", json!([])), Err(WrongAudience)),
        ("our audience among others", with("aud", json!(["x", AUDIENCE])), Ok(Authenticated)),
        ("our audience among numbers", with("aud", json!([1, AUDIENCE])), Ok(Authenticated)),
        ("our audience in a list in a list", with("aud", json!([[AUDIENCE]])), Err(WrongAudience)),
        ("our audience in an object", with("aud", json!({ "aud": AUDIENCE })), Err(WrongAudience)),
        ("no end", without("exp"), Err(NoExpiry)),
        ("an end of null", with("exp", Value::Null), Err(Malformed)),
        ("an end in words", with("exp", json!("soon")), Err(Malformed)),
        ("an end in digits of a text", with("exp", json!((NOW + 300).to_string())), Err(Malformed)),
        ("a negative end", with("exp", json!(-1)), Err(Malformed)),
        ("an end in a list", with("exp", json!([NOW + 300])), Err(Malformed)),
        ("an end of true", with("exp", json!(true)), Err(Malformed)),
        ("an end with parts of a second", with("exp", json!(NOW as f64 + 0.5)), Ok(Authenticated)),
        ("an end within the skew of clocks", with("exp", json!(NOW - 59)), Ok(Authenticated)),
        ("an end behind it", with("exp", json!(NOW - 60)), Err(Expired)),
        ("an end in 1970", with("exp", json!(0)), Err(Expired)),
        ("the last end that is allowed", with("exp", json!(NOW + far)), Ok(Authenticated)),
        ("an end a second later", with("exp", json!(NOW + far + 1)), Err(LifetimeTooLong)),
        ("hardly an end", with("exp", json!(u64::MAX)), Err(LifetimeTooLong)),
        ("an end beyond all numbers", with("exp", json!(1e300)), Err(LifetimeTooLong)),
        ("a beginning long ago", with("nbf", json!(NOW - 1000)), Ok(Authenticated)),
        ("a beginning within the skew of clocks", with("nbf", json!(NOW + 60)), Ok(Authenticated)),
        ("a beginning behind it", with("nbf", json!(NOW + 61)), Err(NotYetValid)),
        ("a beginning in words", with("nbf", json!("now")), Err(Malformed)),
        ("a negative beginning", with("nbf", json!(-5)), Err(Malformed)),
        ("issued in the future, which means nothing", with("iat", json!(NOW + 9999)), Ok(Authenticated)),
        ("no subject", without("sub"), Ok(Mismatch)),
        ("an empty subject", with("sub", json!("")), Ok(Mismatch)),
        ("another node", with("sub", json!("tenant-a/cluster-a/node-b")), Ok(Mismatch)),
        ("another cluster", with("sub", json!("tenant-a/cluster-b/node-a")), Ok(Mismatch)),
        ("another tenant", with("sub", json!("tenant-b/cluster-a/node-a")), Ok(Mismatch)),
        ("a slash too many", with("sub", json!("tenant-a/cluster-a/node-a/")), Ok(Mismatch)),
        ("a subject in capitals", with("sub", json!("TENANT-A/cluster-a/node-a")), Ok(Mismatch)),
        ("a subject with a zero in it", with("sub", json!("tenant-a/cluster-a/node-a\0")), Ok(Mismatch)),
        (
            "a subject that turns the order of what is shown",
            with("sub", json!("\u{202e}a-edon/a-retsulc/a-tnanet")),
            Ok(Mismatch),
        ),
        ("a subject as a number", with("sub", json!(7)), Ok(Mismatch)),
        ("the names in another claim", with("name", good()["sub"].clone()), Ok(Authenticated)),
        ("a key that its bearer has to have", with("cnf", json!({ "jkt": "x" })), Err(NeedsKey)),
        ("a certificate that its bearer has to have", with("cnf", json!({ "x5t#S256": "x" })), Err(NeedsKey)),
        ("an empty cnf", with("cnf", json!({})), Err(NeedsKey)),
        ("a cnf of null", with("cnf", Value::Null), Err(NeedsKey)),
        ("no object but a list", json!(["iss", ISSUER]), Err(Malformed)),
        ("no object but a text", json!("iss"), Err(Malformed)),
        ("no object but null", Value::Null, Err(Malformed)),
    ];
    rows.into_iter().map(|(name, claims, outcome)| (name, signer.sign(kid, &claims), outcome)).collect()
}

/// What stands in the header.
fn headers(signer: &Signer, kid: &str) -> Vec<Row> {
    let alg = signer.algorithm();
    let rows = [
        ("no typ", json!({ "alg": alg, "kid": kid }), Ok(Authenticated)),
        ("typ in small letters", json!({ "alg": alg, "kid": kid, "typ": "jwt" }), Ok(Authenticated)),
        ("typ of an access token", json!({ "alg": alg, "kid": kid, "typ": "at+jwt" }), Ok(Authenticated)),
        ("typ in full", json!({ "alg": alg, "kid": kid, "typ": "application/at+jwt" }), Ok(Authenticated)),
        ("typ of a logout", json!({ "alg": alg, "kid": kid, "typ": "logout+jwt" }), Err(WrongType)),
        ("typ of a proof of possession", json!({ "alg": alg, "kid": kid, "typ": "dpop+jwt" }), Err(WrongType)),
        ("typ of nothing", json!({ "alg": alg, "kid": kid, "typ": "" }), Err(WrongType)),
        ("typ as a number", json!({ "alg": alg, "kid": kid, "typ": 1 }), Err(Malformed)),
        ("no kid", json!({ "alg": alg }), Err(UnknownKey)),
        ("an unknown kid", json!({ "alg": alg, "kid": "nobody" }), Err(UnknownKey)),
        ("an empty kid", json!({ "alg": alg, "kid": "" }), Err(UnknownKey)),
        ("a kid that is a path", json!({ "alg": alg, "kid": "../../dev/null" }), Err(UnknownKey)),
        ("a kid as a number", json!({ "alg": alg, "kid": 1 }), Err(Malformed)),
        ("no alg", json!({ "kid": kid }), Err(Malformed)),
        ("alg none", json!({ "alg": "none", "kid": kid }), Err(Malformed)),
        ("alg None", json!({ "alg": "None", "kid": kid }), Err(Malformed)),
        ("alg of a secret", json!({ "alg": "HS256", "kid": kid }), Err(WrongAlgorithm)),
        ("alg of another hash", json!({ "alg": "RS512", "kid": kid }), Err(WrongAlgorithm)),
        ("alg of another padding", json!({ "alg": "PS256", "kid": kid }), Err(WrongAlgorithm)),
        ("alg of another curve", json!({ "alg": "ES384", "kid": kid }), Err(WrongAlgorithm)),
        ("alg in small letters", json!({ "alg": alg.to_lowercase(), "kid": kid }), Err(Malformed)),
        ("an extension that has to be understood", json!({ "alg": alg, "kid": kid, "crit": ["exp"] }), Err(Malformed)),
        ("none that has to be", json!({ "alg": alg, "kid": kid, "crit": [] }), Err(Malformed)),
        ("a key of the bearer's own", json!({ "alg": alg, "kid": "x", "jwk": signer.jwk("x") }), Err(UnknownKey)),
        (
            "a place to fetch the key from",
            json!({ "alg": alg, "kid": "x", "jku": "https://evil.example" }),
            Err(UnknownKey),
        ),
        (
            "one beside a known key, which means nothing",
            json!({ "alg": alg, "kid": kid, "jku": "x" }),
            Ok(Authenticated),
        ),
    ];
    rows.into_iter().map(|(name, header, outcome)| (name, signer.sign_as(&header, &good()), outcome)).collect()
}

/// How a token is written.
fn encodings(three: &Three) -> Vec<Row> {
    let [(r, rs256), (e, es256), (d, eddsa)] = &three.0;
    let sound = eddsa.sign(d, &good());
    let (message, signature) = sound.rsplit_once('.').expect("three parts");
    let (header, body) = message.split_once('.').expect("two parts");
    let by_r = rs256.sign(r, &good());
    let twice = format!("{{\"exp\":1,\"exp\":{},\"iss\":\"{ISSUER}\",\"aud\":\"{AUDIENCE}\"}}", NOW + 9);
    let not_utf8 = format!("{header}.{}", encode(b"{\"iss\":\"\xff\"}"));
    vec![
        ("nothing", String::new(), Err(Missing)),
        ("one part", header.to_owned(), Err(Malformed)),
        ("two parts", message.to_owned(), Err(Malformed)),
        ("four parts", format!("{sound}.x"), Err(Malformed)),
        ("five parts, as if it were encrypted", format!("{sound}.x.y"), Err(Malformed)),
        ("no signature", format!("{message}."), Err(WrongSignature)),
        ("no header", format!(".{body}.{signature}"), Err(Malformed)),
        ("no claims", format!("{header}..{signature}"), Err(WrongSignature)),
        ("no algorithm and no signature", unsigned(&good()), Err(Malformed)),
        ("a space in it", format!("{header} .{body}.{signature}"), Err(Malformed)),
        ("a line's end behind it", format!("{sound}\n"), Err(Malformed)),
        ("padding", format!("{sound}=="), Err(Malformed)),
        ("claims in the wrong alphabet", format!("{header}.+/{body}.{signature}"), Err(WrongSignature)),
        ("claims that are no UTF-8", eddsa.sign_text(&not_utf8), Err(Malformed)),
        ("claims that are no JSON", eddsa.sign_text(&format!("{header}.{}", encode("{"))), Err(Malformed)),
        ("claims with something behind", eddsa.sign_text(&format!("{header}.{}", encode("{}{}"))), Err(Malformed)),
        ("an end twice", eddsa.sign_text(&format!("{header}.{}", encode(twice))), Err(Malformed)),
        (
            "other claims than were signed",
            format!("{header}.{}.{signature}", encode(good().to_string() + " ")),
            Err(WrongSignature),
        ),
        ("half a signature", format!("{message}.{}", &signature[..40]), Err(WrongSignature)),
        ("a signature of zeros", format!("{message}.{}", encode([0; 64])), Err(WrongSignature)),
        (
            "a signature of zeros with ECDSA",
            format!("{}.{}", es256.sign(e, &good()).rsplit_once('.').expect("parts").0, encode([0; 64])),
            Err(WrongSignature),
        ),
        ("a signature of somebody else", Signer::eddsa().sign(d, &good()), Err(WrongSignature)),
        (
            "a signature of another key",
            eddsa.sign_as(&json!({ "alg": "ES256", "kid": e }), &good()),
            Err(WrongSignature),
        ),
        (
            "a signature of another token",
            format!("{}.{signature}", by_r.rsplit_once('.').expect("parts").0),
            Err(WrongSignature),
        ),
        ("too long", eddsa.sign(d, &with("more", json!("x".repeat(8 * 1024)))), Err(TooLong)),
        ("nested a thousand deep", eddsa.sign_text(&format!("{header}.{}", encode("[".repeat(1000)))), Err(Malformed)),
    ]
}

#[test]
fn each_kind_of_token_is_taken_or_refused_by_its_name() {
    let three = Three::new();
    let verifier = verifier(&three);
    let [(_, _), (e, es256), (_, _)] = &three.0;
    let mut rows = claims(es256, e);
    rows.extend(headers(es256, e));
    rows.extend(encodings(&three));
    for (kid, signer) in &three.0 {
        rows.push(("sound, of each algorithm", signer.sign(kid, &good()), Ok(Authenticated)));
        let confused = signer.confused(kid, &good()).into_iter();
        rows.extend(confused.map(|token| ("the public key as a secret", token, Err(WrongAlgorithm))));
    }
    let wrong: Vec<_> = rows
        .iter()
        .map(|(name, token, outcome)| (name, judge(&verifier, token), outcome))
        .filter(|(_, judged, outcome)| judged != *outcome)
        .collect();
    assert!(wrong.is_empty(), "name, judged, expected: {wrong:#?}");
    assert!(rows.len() > 100, "{} rows", rows.len());
}
