//! Who says whether a token proves what an initiator claims.

use std::fmt;
use std::sync::Arc;

use revtun_core::identity::Identity;
use revtun_core::responder::Verdict;
use revtun_core::token::{Token, TokenError};

/// Verifies the tokens of initiators. With the feature `jwt` there is one for JSON Web Tokens, `JwtVerifier`.
pub trait VerifyToken: fmt::Debug + Send + Sync + 'static {
    /// What `token` makes of a claim to be somebody, `now` being in seconds since 1970. Called once a handshake, in the
    /// task of its connection: must not block.
    ///
    /// # Errors
    /// Why it proves nothing.
    fn verify(&self, token: Token<'_>, now: u64, claim: &Identity<'_>) -> Result<VerifiedToken, TokenError>;
}

/// What a token says that is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// What it makes of the claim.
    pub verdict: Verdict,
    /// The last second, since 1970, in which it counts; the tunnel ends then. None if it always does.
    pub expires: Option<u64>,
    /// What a deny list may name it by, its `jti`.
    pub id: Option<String>,
}

/// What a responder verifies tokens with. Equal to its clones alone.
#[derive(Clone, Debug)]
pub struct TokenVerifier(Arc<dyn VerifyToken>);

impl TokenVerifier {
    /// Verifies with `verifier`.
    #[must_use]
    pub fn new(verifier: impl VerifyToken) -> Self {
        Self(Arc::new(verifier))
    }

    /// As [`VerifyToken::verify`].
    ///
    /// # Errors
    /// Why the token proves nothing.
    pub fn verify(&self, token: Token<'_>, now: u64, claim: &Identity<'_>) -> Result<VerifiedToken, TokenError> {
        self.0.verify(token, now, claim)
    }
}

impl PartialEq for TokenVerifier {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TokenVerifier {}
