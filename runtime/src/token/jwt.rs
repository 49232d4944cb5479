//! JSON Web Tokens (RFC 7519): whether one is what it says, and what it says.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use revtun_core::binding::Statement;
use revtun_core::identity::Identity;
use revtun_core::token::{CLOCK_SKEW_SECONDS, Claims, Policy, Token, TokenError};
use serde_json::{Map, Value};

use super::keys::Keys;
use super::verifier::{VerifiedToken, VerifyToken};
use crate::tls::Current;

/// What a responder demands of JSON Web Tokens, and the keys to verify them with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JwtVerifier {
    /// The keys, at the time of each handshake.
    pub keys: Current<Keys>,
    /// What has to stand in a token.
    pub policy: Arc<Policy>,
}

impl JwtVerifier {
    /// Verifies with `keys`, and demands what `policy` says.
    #[must_use]
    pub fn new(keys: Current<Keys>, policy: Arc<Policy>) -> Self {
        Self { keys, policy }
    }
}

impl VerifyToken for JwtVerifier {
    fn verify(&self, token: Token<'_>, now: u64, claim: &Identity<'_>) -> Result<VerifiedToken, TokenError> {
        let keys = Arc::clone(&self.keys.borrow());
        let (kind, said) = verified(&keys, token)?;
        let audiences: Vec<_> = said.get("aud").into_iter().flat_map(texts).collect();
        let named = |(name, value)| texts(value).map(move |value| Statement::Claim { name, value });
        let statements: Vec<_> = said.iter().map(|(name, value)| (name.as_str(), value)).flat_map(named).collect();
        let claims = Claims {
            issuer: said.get("iss").and_then(Value::as_str),
            audiences: &audiences,
            expires: said.get("exp").map(seconds).transpose()?,
            not_before: said.get("nbf").map(seconds).transpose()?,
            kind: kind.as_deref(),
            needs_key: said.contains_key("cnf"),
            statements: &statements,
        };
        let verdict = self.policy.verify(&claims, now, claim)?;
        let expires = claims.expires.map(|end| end.saturating_add(CLOCK_SKEW_SECONDS));
        Ok(VerifiedToken { verdict, expires, id: said.get("jti").and_then(Value::as_str).map(str::to_owned) })
    }
}

/// What stands in a token that was signed by one of the keys, with the algorithm that this key is for, and its `typ`.
fn verified(keys: &Keys, token: Token<'_>) -> Result<(Option<String>, Map<String, Value>), TokenError> {
    let header = decode_header(token.as_str()).map_err(|_| TokenError::Malformed)?;
    // Names extensions without which the token must not be understood (RFC 7515 §4.1.11). We know none.
    if header.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    let key = keys.find(header.kid.as_deref()).ok_or(TokenError::UnknownKey)?;
    if header.alg != key.algorithm {
        return Err(TokenError::WrongAlgorithm);
    }
    let mut signature_alone = Validation::new(key.algorithm);
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_aud = false;
    match decode(token.as_str(), &key.public, &signature_alone) {
        Ok(token) => Ok((header.typ, token.claims)),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => Err(TokenError::WrongSignature),
        Err(_) => Err(TokenError::Malformed),
    }
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(&[][..], |list| list);
    value.as_str().into_iter().chain(list.iter().filter_map(Value::as_str))
}

/// A time (RFC 7519 §2). Of parts of a second nothing depends.
fn seconds(value: &Value) -> Result<u64, TokenError> {
    let parts = || value.as_f64().filter(|seconds| *seconds >= 0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and the rest saturates")]
    value.as_u64().or_else(|| parts().map(|seconds| seconds as u64)).ok_or(TokenError::Malformed)
}
