//! The public keys of issuers, from a file with a JSON Web Key Set (RFC 7517 §5).

use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};

use super::error::{KeySetError, KeySetFileError};
use super::read::read;
use super::{curve, provider, rsa};
use crate::tls::Reloadable;

/// The longest file that is read, and the most keys in it.
const MAX_FILE_BYTES: u64 = 256 * 1024;
const MAX_KEYS: usize = 64;

/// The path of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksFile(PathBuf);

/// What the file holds.
#[derive(Debug)]
pub struct Keys(Vec<Key>);

/// A key, which is good for one algorithm and no other.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) public: DecodingKey,
}

impl JwksFile {
    /// The file at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Reloadable for JwksFile {
    type Config = Keys;
    type Error = KeySetFileError;

    fn paths(&self) -> Vec<&Path> {
        vec![&self.0]
    }

    fn load(&self) -> Result<Keys, KeySetFileError> {
        let bytes = read(&self.0, MAX_FILE_BYTES)?;
        Keys::parse(&bytes).map_err(|source| KeySetFileError::Unusable { path: self.0.clone(), source })
    }
}

impl Keys {
    /// Reads a JSON Web Key Set. Keys that serve something else than signatures are left out.
    ///
    /// # Errors
    /// Why it cannot be used: it is none, has more than 64 keys, none for signatures, one that is not sound, or two of the
    /// same `kid`.
    pub fn parse(set: &[u8]) -> Result<Self, KeySetError> {
        provider::install();
        let set: JwkSet = serde_json::from_slice(set).map_err(KeySetError::Malformed)?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys { limit: MAX_KEYS });
        }
        let mut keys = Vec::<Key>::new();
        for (index, jwk) in set.keys.iter().enumerate() {
            let Some(algorithm) = algorithm(jwk) else { continue };
            let number = index + 1;
            let unusable = |why| KeySetError::UnusableKey { number, algorithm: name(algorithm), why };
            let public = public_key(jwk, algorithm).map_err(unusable)?;
            let id = jwk.common.key_id.clone();
            if keys.iter().any(|key| key.id == id) {
                return Err(KeySetError::DuplicateKid { number });
            }
            keys.push(Key { id, algorithm, public });
        }
        if keys.is_empty() { Err(KeySetError::NoSigningKey) } else { Ok(Self(keys)) }
    }

    /// The key that a token names; a token that names none is of the only one.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, &self.0[..]) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.id.as_deref() == id),
        }
    }
}

/// What a key is good for; none for keys that serve something else, which a set may hold too.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|is| *is == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|may| may.contains(&KeyOperations::Verify));
    let (algorithm, named) = if let AlgorithmParameters::RSA(_) = &jwk.algorithm {
        (Algorithm::RS256, KeyAlgorithm::RS256)
    } else if let AlgorithmParameters::EllipticCurve(key) = &jwk.algorithm
        && key.curve == EllipticCurve::P256
    {
        (Algorithm::ES256, KeyAlgorithm::ES256)
    } else if let AlgorithmParameters::OctetKeyPair(key) = &jwk.algorithm
        && key.curve == EllipticCurve::Ed25519
    {
        (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
    } else {
        return None;
    };
    (signs && verifies && common.key_algorithm.is_none_or(|name| name == named)).then_some(algorithm)
}

fn name(algorithm: Algorithm) -> &'static str {
    if algorithm == Algorithm::RS256 {
        "RS256"
    } else if algorithm == Algorithm::ES256 {
        "ES256"
    } else {
        "EdDSA"
    }
}

/// The key, or why nothing that it verifies would be worth anything.
fn public_key(jwk: &Jwk, algorithm: Algorithm) -> Result<DecodingKey, &'static str> {
    let public = DecodingKey::from_jwk(jwk).map_err(|_| "a number in it is not written in base64url")?;
    let weakness = match (public.kind(), algorithm) {
        (DecodingKeyKind::RsaModulusExponent { n, e }, _) => rsa::weakness(n, e),
        (DecodingKeyKind::SecretOrDer(point), Algorithm::ES256) => {
            (!is_cut_in_the_middle(jwk) || !is_p256(point)).then_some("it is not a point of P-256")
        }
        (DecodingKeyKind::SecretOrDer(point), _) => {
            (!curve::is_ed25519(point)).then_some("it is not a point of Ed25519, or one of small order")
        }
    };
    weakness.map_or(Ok(public), Err)
}

/// An uncompressed point (SEC 1 §2.3.3).
fn is_p256(point: &[u8]) -> bool {
    let coordinates = point.strip_prefix(&[4]).and_then(|both| both.split_at_checked(32));
    coordinates.is_some_and(|(x, y)| curve::is_p256(x, y))
}

/// Whether `x` and `y` of a point are of the same length: together they could be right, and either of them not.
fn is_cut_in_the_middle(jwk: &Jwk) -> bool {
    matches!(&jwk.algorithm, AlgorithmParameters::EllipticCurve(key) if key.x.len() == key.y.len())
}
