//! Bearer tokens: whoever has no key is not believed, and of whoever has one what was agreed, and nothing more.

use std::sync::{Arc, LazyLock};

use revtun::token::{JwtVerifier, Keys, VerifyToken};
use revtun_core::binding::{Binding, Placeholder, Template};
use revtun_core::handshake::{PATH, ParsedRequest, RequestParser, Rules};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Verdict;
use revtun_core::token::{MAX_LIFETIME_SECONDS, MAX_TOKEN_BYTES, Policy, Token, TokenError};
use ring::hmac;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::hands::{HANDS, encode};

const ISSUER: &str = "https://i";
const AUDIENCE: &str = "revtun";
/// In seconds since 1970.
const NOW: u64 = 1_700_000_000;
/// May be between two clocks.
const SKEW: f64 = 60.0;

/// The keys of the issuer: the `kid` of each and what it is for.
const KEYS: [(&str, &str); 2] = [("d", "EdDSA"), ("e", "ES256")];

/// The first byte says who signs, and what stands before the token. Then lines: header and claims of the token (or
/// all of it, if nobody signs), and a node, a cluster and a tenant that its bearer claims to be.
pub fn run(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let scheme = ["Bearer ", "bearer  ", ""][usize::from(choice >> 2) % 3];
    let (signer, header) = (choice & 3, line());
    let (claims, token) = match signer {
        3 => (&[][..], header.to_vec()),
        _ => {
            let claims = line();
            (claims, sign(signer, &format!("{}.{}", encode(header), encode(claims))).into_bytes())
        }
    };
    let mut name = || str::from_utf8(line()).unwrap_or_default();
    let (node, cluster, tenant) = (NodeId::new(name()), ClusterId::new(name()), TenantId::new(name()));
    let (Ok(node), Ok(cluster), Ok(tenant)) = (node, cluster, tenant) else { return };
    let claim = Identity { node, cluster, tenant };

    let value = [scheme.as_bytes(), &token].concat();
    let head = head(&value);
    let ParsedRequest::Complete { request, .. } = RequestParser::new().parse(&Rules::default(), &head) else {
        assert_eq!(signer, 3, "what is signed can be sent");
        return;
    };
    assert_eq!(request.token.map(Token::as_str), form(&value), "{}", value.escape_ascii());
    let Ok(token) = request.token else { return };
    let judged = VERIFIER.verify(token, NOW, &claim);
    assert_eq!(judged, VERIFIER.verify(token, NOW, &claim), "the same again");
    let judged = judged.map(|vouched| vouched.verdict);
    match KEYS.get(usize::from(signer)) {
        None => assert!(judged.is_err(), "nobody signed this: {token:?}"),
        Some(key) => is_what_was_agreed(judged, *key, header, claims, &claim),
    }
}

/// Of a plain header and plain claims the outcome is known; of others, that nobody is believed who should not be.
fn is_what_was_agreed(
    judged: Result<Verdict, TokenError>,
    key: (&str, &str),
    header: &[u8],
    claims: &[u8],
    claim: &Identity<'_>,
) {
    let plain = |value: &Value, text: &[u8]| value.to_string().as_bytes() == text;
    let [Ok(said_of_it), Ok(said)] = [header, claims].map(serde_json::from_slice::<Value>) else {
        assert!(judged.is_err(), "this is no JSON");
        return;
    };
    let [kid, algorithm] = ["kid", "alg"].map(|name| said_of_it[name].as_str());
    let names_only_these = said_of_it.as_object().is_some_and(|object| object.len() == 2);
    let expected = match KEYS.iter().find(|(name, _)| Some(*name) == kid) {
        None => Err(TokenError::UnknownKey),
        Some((_, of_key)) if algorithm != Some(of_key) => Err(TokenError::WrongAlgorithm),
        Some(named) if *named != key => Err(TokenError::WrongSignature),
        Some(_) => said.as_object().map_or(Err(TokenError::Malformed), |said| model(said, claim)),
    };
    let known = matches!(algorithm, Some("EdDSA" | "ES256" | "RS256" | "HS256"));
    if plain(&said_of_it, header) && names_only_these && kid.is_some() && known && plain(&said, claims) {
        assert_eq!(judged, expected);
    } else if judged.is_ok() {
        assert_eq!(judged, expected);
        assert!(said_of_it.get("crit").is_none(), "it asks for more than is understood");
    }
}

/// What claims make of somebody, by another reading of the rules.
fn model(said: &Map<String, Value>, claim: &Identity<'_>) -> Result<Verdict, TokenError> {
    let holds = |name: &str, text: &str| match said.get(name) {
        Some(Value::Array(list)) => list.iter().any(|entry| entry == text),
        Some(one) => one == text,
        None => false,
    };
    let time = |name: &str| match said.get(name).map(Value::as_f64) {
        None => Ok(None),
        Some(Some(seconds)) if seconds >= 0.0 => Ok(Some(seconds.floor())),
        Some(_) => Err(TokenError::Malformed),
    };
    let (expires, not_before) = (time("exp")?, time("nbf")?);
    // A subject is one text (RFC 7519 §4.1.2), whether it is asked for or not.
    if said.get("sub").is_some_and(|subject| subject.is_array() || subject.is_object()) {
        return Err(TokenError::Malformed);
    }
    let now = NOW as f64;
    if said.contains_key("cnf") {
        return Err(TokenError::NeedsKey);
    }
    if !said.get("iss").is_some_and(|issuer| issuer == ISSUER) {
        return Err(TokenError::WrongIssuer);
    }
    if !holds("aud", AUDIENCE) {
        return Err(TokenError::WrongAudience);
    }
    let expires = expires.ok_or(TokenError::NoExpiry)?;
    if expires + SKEW <= now {
        return Err(TokenError::Expired);
    }
    if expires > now + MAX_LIFETIME_SECONDS as f64 {
        return Err(TokenError::LifetimeTooLong);
    }
    if not_before.is_some_and(|begin| begin - SKEW > now) {
        return Err(TokenError::NotYetValid);
    }
    let names = [claim.tenant.as_str(), claim.cluster.as_str(), claim.node.as_str()];
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let apart = names.iter().all(|name| name.bytes().all(part));
    Ok(if apart && holds("who", &names.join("/")) { Verdict::Authenticated } else { Verdict::Mismatch })
}

/// The token in the value of a header, by another reading of the rules.
fn form(value: &[u8]) -> Result<&str, TokenError> {
    let value = value.trim_ascii();
    let scheme = value.len() >= 7 && value[..7].eq_ignore_ascii_case(b"bearer ");
    let text = str::from_utf8(if scheme { value[7..].trim_ascii_start() } else { value });
    let text = text.map_err(|_| TokenError::Malformed)?;
    let legal = |char: char| char.is_ascii_alphanumeric() || "-._~+/=".contains(char);
    match text.len() {
        0 => Err(TokenError::Missing),
        length if length > MAX_TOKEN_BYTES => Err(TokenError::TooLong),
        _ if text.chars().all(legal) => Ok(text),
        _ => Err(TokenError::Malformed),
    }
}

fn head(value: &[u8]) -> Vec<u8> {
    let names = ["node", "cluster", "tenant"].map(|name| format!("x-envoy-reverse-tunnel-{name}-id: x\r\n")).concat();
    let start = format!("GET {PATH} HTTP/1.1\r\n{names}authorization: ");
    [start.as_bytes(), value, b"\r\ncontent-length: 0\r\n\r\n"].concat()
}

/// The message with a signature: by either key, or a code whose secret is what everybody knows of one of them.
fn sign(signer: u8, message: &str) -> String {
    if let Some((_, algorithm)) = KEYS.get(usize::from(signer)) {
        return HANDS.sign(algorithm, message);
    }
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &HANDS.public("EdDSA")[0]);
    format!("{message}.{}", encode(hmac::sign(&secret, message.as_bytes())))
}

/// The responder that verifies.
static VERIFIER: LazyLock<JwtVerifier> = LazyLock::new(|| {
    let (eddsa, es256) = (HANDS.public("EdDSA"), HANDS.public("ES256"));
    let keys = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "kid": "d", "x": encode(&eddsa[0]) },
        { "kty": "EC", "crv": "P-256", "kid": "e", "x": encode(&es256[0]), "y": encode(&es256[1]) },
    ]});
    let keys = Keys::parse(keys.to_string().as_bytes()).expect("two keys");
    let template =
        |placeholder| Template::parse_claim("who={tenant}/{cluster}/{node}", placeholder).expect("a template");
    let [node, cluster, tenant] = [Placeholder::Node, Placeholder::Cluster, Placeholder::Tenant].map(template);
    let binding = Binding::new(node, cluster, tenant).expect("one template for all names");
    let policy = Policy::new(ISSUER, AUDIENCE, binding);
    JwtVerifier::new(watch::channel(Arc::new(keys)).1, Arc::new(policy))
});
