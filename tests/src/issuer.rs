//! Who issues bearer tokens, honest ones and others.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use ring::{digest, hmac};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::revtun::profile_dir;

/// A key pair for tokens.
pub struct Signer(Kind);

enum Kind {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    /// For RS256. Always the same key, as it takes long to find one.
    ///
    /// # Panics
    /// Never: the key is sound.
    #[must_use]
    pub fn rs256() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("issuer/rsa.pem")).expect("a key in PEM");
        Self(Kind::Rs256(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key for RSA")))
    }

    /// A new one for ES256.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn es256() -> Self {
        let (curve, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let der = EcdsaKeyPair::generate_pkcs8(curve, &random).expect("there is randomness");
        Self(Kind::Es256(EcdsaKeyPair::from_pkcs8(curve, der.as_ref(), &random).expect("a key")))
    }

    /// A new one for `EdDSA`.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn eddsa() -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("there is randomness");
        Self(Kind::EdDsa(Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key")))
    }

    /// The algorithm, as headers name it.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            Kind::Rs256(_) => "RS256",
            Kind::Es256(_) => "ES256",
            Kind::EdDsa(_) => "EdDSA",
        }
    }

    /// The public key as a JSON Web Key that is called `kid`.
    #[must_use]
    pub fn jwk(&self, kid: &str) -> Value {
        match &self.0 {
            Kind::Rs256(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": encode(n), "e": encode(e) })
            }
            Kind::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "x": encode(x), "y": encode(y) })
            }
            Kind::EdDsa(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(pair.public_key()) }),
        }
    }

    /// A token of this key, which is called `kid`.
    #[must_use]
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": self.algorithm(), "typ": "JWT", "kid": kid }), claims)
    }

    /// A token of this key with any header.
    #[must_use]
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&message(header, claims))
    }

    /// A token of this key with any two parts before its signature.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn sign_text(&self, message: &str) -> String {
        let signature = match &self.0 {
            Kind::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
                    .expect("there is randomness");
                signature
            }
            Kind::Es256(pair) => {
                pair.sign(&SystemRandom::new(), message.as_bytes()).expect("there is randomness").as_ref().to_vec()
            }
            Kind::EdDsa(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(signature))
    }

    /// Tokens whose HMAC has this public key for a secret, in every form in which somebody may have it: what a
    /// verifier takes that lets the token choose the algorithm.
    #[must_use]
    pub fn confused(&self, kid: &str, claims: &Value) -> Vec<String> {
        let public = match &self.0 {
            Kind::Rs256(pair) => pair.public().as_ref().to_vec(),
            Kind::Es256(pair) => pair.public_key().as_ref().to_vec(),
            Kind::EdDsa(pair) => pair.public_key().as_ref().to_vec(),
        };
        let jwk = self.jwk(kid);
        let parts = ["n", "x"].into_iter().filter_map(|part| jwk[part].as_str());
        let secrets = [public.clone(), digest::digest(&digest::SHA256, &public).as_ref().to_vec(), vec![]];
        let secrets = secrets.into_iter().chain(parts.map(|part| part.as_bytes().to_vec()));
        let message = message(&json!({ "alg": "HS256", "kid": kid }), claims);
        secrets
            .map(|secret| {
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
                format!("{message}.{}", encode(tag))
            })
            .collect()
    }
}

/// A token without a signature.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    format!("{}.", message(&json!({ "alg": "none" }), claims))
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

/// As parts of tokens are written: base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The time in seconds since 1970, as tokens have it.
///
/// # Panics
/// If it is earlier.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}

/// A file for as long as a test needs it: a key set, or a token.
#[derive(Debug)]
pub struct Paper(PathBuf);

impl Paper {
    /// A key set.
    #[must_use]
    pub fn jwks(keys: &[Value]) -> Self {
        Self::write(&json!({ "keys": keys }).to_string())
    }

    /// Any text.
    ///
    /// # Panics
    /// If the target folder is not writable.
    #[must_use]
    pub fn write(text: &str) -> Self {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let name = format!("paper-{}-{}", process::id(), WRITTEN.fetch_add(1, Ordering::SeqCst));
        let paper = Self(profile_dir().join(name));
        paper.rewrite(text);
        paper
    }

    /// Replaces the text, at once for whoever reads it.
    ///
    /// # Panics
    /// If the target folder is not writable.
    pub fn rewrite(&self, text: &str) {
        let draft = self.0.with_extension("draft");
        fs::write(&draft, text).expect("the target folder is writable");
        fs::rename(&draft, &self.0).expect("the target folder is writable");
    }

    /// Where it is.
    ///
    /// # Panics
    /// If the target folder's name is not UTF-8.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        let _left_behind = fs::remove_file(&self.0);
    }
}
