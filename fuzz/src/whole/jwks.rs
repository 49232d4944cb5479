//! A file with the keys of issuers: read, or refused in one line; and each key verifies what its owner signed, under
//! its name, and nothing else.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revtun::token::{JwtVerifier, Keys, VerifyToken};
use revtun_core::binding::{Binding, Placeholder, Template};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Verdict;
use revtun_core::token::{Policy, Token, TokenError};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::hands::{HANDS, encode};

/// Bytes that reading may hold at once: a few, and so many for each byte of the file.
const HELD: u64 = 16 * 1024;
const HELD_PER_BYTE: u64 = 64;

const MAX_KEYS: usize = 64;
const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];
/// How the tokens name their key.
const NAMES: [Option<&str>; 5] = [None, Some("d"), Some("e"), Some("r"), Some("another")];

/// The first byte says how the others are read: as the file, or, four of them a key, as choices of what stands there.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let file = if choice & 1 == 0 { rest.to_vec() } else { chosen(rest).to_string().into_bytes() };
    let mut keys = None;
    let took = allocation_counter::measure(|| keys = Some(Keys::parse(&file)));
    let bound = HELD + HELD_PER_BYTE * file.len() as u64;
    assert!(took.bytes_max <= bound, "{} bytes were held for a file of {}", took.bytes_max, file.len());

    let value = serde_json::from_slice::<Value>(&file);
    // Of a file that can be written in one way only, nothing is a matter of taste: names do not stand twice.
    let plain = value.as_ref().is_ok_and(|value| value.to_string().as_bytes() == file);
    let expected = value.ok().and_then(|value| model(&value));
    match keys.expect("it was measured") {
        Ok(keys) => match expected {
            Some(expected) => verifies(keys, &expected, plain),
            None => assert!(!plain, "these are no keys"),
        },
        Err(fault) => {
            let fault = fault.to_string();
            assert!(!fault.is_empty() && !fault.contains(char::is_control), "one clear line: {fault:?}");
            // What makes a number a good key is for the tests of the library; here, only what was changed may be none.
            let changed = |key: &Listed| key.material != HANDS.public(key.algorithm);
            let refusable = expected.as_ref().is_none_or(|keys| keys.iter().any(changed));
            assert!(!plain || refusable, "{fault}: {expected:?}");
        }
    }
}

/// A set of keys, four bytes each: what kind, how it is spoilt, what it says it is for, and its name.
fn chosen(choices: &[u8]) -> Value {
    let key = |choice: &[u8]| {
        let [kind, spoilt, labels, name] = [0, 1, 2, 3].map(|at| choice.get(at).copied().unwrap_or_default());
        let mut key = material(kind, spoilt);
        let mut label = |name: &str, options: &[Value], number: u8| {
            let option = &options[usize::from(number) % options.len()];
            if *option != json!(false) {
                key.insert(name.to_owned(), option.clone());
            }
        };
        // False stands for nothing at all.
        label("use", &[json!(false), json!("sig"), json!("enc"), json!("tls")], labels);
        label("key_ops", &[json!(false), json!(["verify"]), json!(["sign"]), json!(["sign", "verify"])], labels >> 2);
        let algorithms = ["EdDSA", "ES256", "RS256", "HS256", "none"].map(|name| json!(name));
        label("alg", &[&[json!(false), json!(null), json!(7)][..], &algorithms].concat(), labels >> 4);
        label("kid", &[json!(false), json!("d"), json!("e"), json!("r"), json!("x"), json!(null), json!(7)], name);
        Value::Object(key)
    };
    json!({ "keys": choices.chunks(4).map(key).collect::<Vec<_>>() })
}

fn material(kind: u8, spoilt: u8) -> Map<String, Value> {
    let (members, algorithm, names): (Value, &str, &[&str]) = match kind % 7 {
        0 => (json!({ "kty": "OKP", "crv": "Ed25519" }), "EdDSA", &["x"]),
        1 => (json!({ "kty": "EC", "crv": "P-256" }), "ES256", &["x", "y"]),
        2 => (json!({ "kty": "RSA" }), "RS256", &["n", "e"]),
        3 => (json!({ "kty": "oct" }), "EdDSA", &["k"]),
        4 => (json!({ "kty": "EC", "crv": "P-384" }), "ES256", &["x", "y"]),
        5 => (json!({ "kty": "EC", "crv": "Ed25519" }), "EdDSA", &["x"]),
        _ => (json!({ "kty": "AKP" }), "EdDSA", &["pub"]),
    };
    let mut bytes = HANDS.public(algorithm);
    let (first, last) = (usize::from(spoilt >> 3) % bytes.len(), bytes.len() - 1);
    match spoilt & 7 {
        1 => drop(bytes[first].pop()),
        2 => bytes[first].insert(0, 0),
        3 => bytes[first].clear(),
        4 => bytes[first][0] ^= 1,
        // The same bytes, cut in another place.
        5 => {
            let byte = bytes[0].pop().expect("no key is empty");
            bytes[last].insert(0, byte);
        }
        _ => {}
    }
    let mut key = members.as_object().expect("it is one").clone();
    key.extend(names.iter().zip(bytes).map(|(name, bytes)| ((*name).to_owned(), json!(encode(bytes)))));
    match spoilt & 7 {
        6 => drop(key.remove(names[first])),
        7 => drop(key.insert(names[first].to_owned(), [json!("*"), json!(7)][usize::from(spoilt >> 6) % 2].clone())),
        _ => {}
    }
    key
}

/// A key of the set.
#[derive(Debug)]
struct Listed {
    id: Option<String>,
    algorithm: &'static str,
    material: Vec<Vec<u8>>,
}

/// What stands in a set, by another reading of the rules; none if it is refused.
fn model(set: &Value) -> Option<Vec<Listed>> {
    // The library takes the members of an object from a list, too.
    let set = set.get("keys").or_else(|| set.as_array().filter(|list| list.len() == 1)?.first());
    let mut listed = Vec::<Listed>::new();
    let keys = set?.as_array()?;
    for key in keys {
        let key = key.as_object()?;
        let Some((algorithm, members)) = kind(key, labels(key)?) else { continue };
        let bytes = |member: &&str| URL_SAFE_NO_PAD.decode(member).ok();
        let material: Vec<_> = members.iter().map(bytes).collect::<Option<_>>()?;
        let sound = match algorithm {
            "RS256" => (256..=1024).contains(&material[0].len()) && material.iter().all(|it| it.first() > Some(&0)),
            _ => material.iter().all(|it| it.len() == 32),
        };
        let id = key.get("kid").and_then(Value::as_str).map(str::to_owned);
        if !sound || listed.iter().any(|other| other.id == id) {
            return None;
        }
        listed.push(Listed { id, algorithm, material });
    }
    (keys.len() <= MAX_KEYS && !listed.is_empty()).then_some(listed)
}

/// The algorithm that a key names, none if it names none, and whether it is for verifying; or nothing at all if what
/// stands there is of the wrong kind.
fn labels(key: &Map<String, Value>) -> Option<(Option<&str>, bool)> {
    let text = |name: &str| match key.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_str().map(Some),
    };
    let list = |name: &str| match key.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(Some),
    };
    for other in ["kid", "x5u", "x5t", "x5t#S256"] {
        text(other)?;
    }
    list("x5c")?;
    let verifies = list("key_ops")?.is_none_or(|operations| operations.contains(&"verify"));
    let signs = text("use")?.is_none_or(|it| it == "sig");
    Some((text("alg")?, verifies && signs))
}

/// What a key is for, and where its bytes stand; none if it is left out.
fn kind<'a>(key: &'a Map<String, Value>, labels: (Option<&str>, bool)) -> Option<(&'static str, Vec<&'a str>)> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let (algorithm, names) = match (text("kty")?, text("crv")) {
        ("OKP", Some("Ed25519")) => ("EdDSA", &["x"][..]),
        ("EC", Some("P-256")) => ("ES256", &["x", "y"][..]),
        ("RSA", _) => ("RS256", &["n", "e"][..]),
        _ => return None,
    };
    let members = names.iter().map(|name| text(name)).collect::<Option<_>>()?;
    (labels.1 && labels.0.is_none_or(|named| named == algorithm)).then_some((algorithm, members))
}

/// Each token is believed if the key that it names is the signer's, and only then.
fn verifies(keys: Keys, expected: &[Listed], exactly: bool) {
    let verifier = JwtVerifier::new(watch::channel(Arc::new(keys)).1, Arc::clone(&POLICY));
    let name = "a legal name";
    let claim = Identity {
        node: NodeId::new("n").expect(name),
        cluster: ClusterId::new("c").expect(name),
        tenant: TenantId::new("t").expect(name),
    };
    for Signed { id, algorithm, token } in &*TOKENS {
        let token = Token::new(token).expect("it can be sent");
        let judged = verifier.verify(token, NOW, &claim).map(|vouched| vouched.verdict);
        let named = match id {
            None => expected.first().filter(|_| expected.len() == 1),
            Some(_) => expected.iter().find(|key| key.id.as_deref() == *id),
        };
        let right = match named {
            None => Err(TokenError::UnknownKey),
            Some(key) if key.algorithm != *algorithm => Err(TokenError::WrongAlgorithm),
            Some(key) if key.material != HANDS.public(algorithm) => Err(TokenError::WrongSignature),
            Some(_) => Ok(Verdict::Authenticated),
        };
        assert!(judged == right || (judged.is_err() && !exactly), "{id:?} by {algorithm}: {judged:?}, not {right:?}");
    }
}

/// In seconds since 1970.
const NOW: u64 = 1_700_000_000;

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let template =
        |placeholder| Template::parse_claim("who={tenant}/{cluster}/{node}", placeholder).expect("a template");
    let [node, cluster, tenant] = [Placeholder::Node, Placeholder::Cluster, Placeholder::Tenant].map(template);
    let binding = Binding::new(node, cluster, tenant).expect("one template for all names");
    Arc::new(Policy::new("i", "a", binding))
});

/// A token of somebody's that names its key somehow.
struct Signed {
    id: Option<&'static str>,
    algorithm: &'static str,
    token: String,
}

static TOKENS: LazyLock<Vec<Signed>> = LazyLock::new(|| {
    let claims = json!({ "iss": "i", "aud": "a", "exp": NOW, "who": "t/c/n" }).to_string();
    let signed = |id: Option<&'static str>, algorithm: &'static str| {
        let mut header = json!({ "alg": algorithm });
        if let Some(id) = id {
            header["kid"] = json!(id);
        }
        let message = format!("{}.{}", encode(header.to_string()), encode(&claims));
        Signed { id, algorithm, token: HANDS.sign(algorithm, &message) }
    };
    NAMES.into_iter().flat_map(|id| ALGORITHMS.map(|algorithm| signed(id, algorithm))).collect()
});
