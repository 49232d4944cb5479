//! Bearer tokens: the policy by which the claims of one authenticate an initiator (reference §8).
//!
//! The runtime verifies the signature. The claims are verified here: issuer, audience, validity, and the identity that
//! they name.

use alloc::boxed::Box;
use core::{fmt, str};

use crate::binding::{Binding, Statement};
use crate::identity::Identity;
use crate::responder::Verdict;

/// The longest token in bytes. Those of common issuers take one or two KiB.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far the clocks of an issuer and a responder may be apart, in seconds (reference §8).
pub const CLOCK_SKEW_SECONDS: u64 = 60;

/// How long a token may be valid by default, in seconds: a year and a day, the longest that a Kubernetes issues.
pub const MAX_LIFETIME_SECONDS: u64 = 366 * 24 * 60 * 60;

/// What may stand before the `typ` of a token (RFC 7515 §4.1.9).
const MEDIA_TYPE: &str = "application/";

/// The authentication scheme, before a token in its header (RFC 6750 §2.1).
pub(crate) const SCHEME: &str = "Bearer ";

/// A token of legal form. Whoever has it is who it names: it is never shown, not even for debugging.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// Checks the form (RFC 6750 §2.1), so that nothing else can be sent in a token's place.
    ///
    /// # Errors
    /// If it is empty, too long, or holds what no token holds.
    pub fn new(text: &'a str) -> Result<Self, TokenError> {
        let legal =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
        match text {
            "" => Err(TokenError::Missing),
            long if long.len() > MAX_TOKEN_BYTES => Err(TokenError::TooLong),
            bad if !bad.bytes().all(legal) => Err(TokenError::Malformed),
            good => Ok(Self(good)),
        }
    }

    /// The token in the value of an `authorization` header. `Bearer` may be missing (reference §8).
    pub(crate) fn of_header(value: &'a [u8]) -> Result<Self, TokenError> {
        let value = match value.split_at_checked(SCHEME.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) => token.trim_ascii_start(),
            Some(_) | None => value,
        };
        Self::new(str::from_utf8(value).map_err(|_| TokenError::Malformed)?)
    }

    /// The token itself, to be sent or verified.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// How long it is.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// What a token says whose signature is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claims<'a> {
    /// `iss`.
    pub issuer: Option<&'a str>,
    /// `aud`, one or several.
    pub audiences: &'a [&'a str],
    /// `exp`, in seconds since 1970.
    pub expires: Option<u64>,
    /// `nbf`, in seconds since 1970.
    pub not_before: Option<u64>,
    /// `typ` of the header.
    pub kind: Option<&'a str>,
    /// Whether there is a `cnf` (RFC 7800): whoever bears the token has to have a key besides.
    pub needs_key: bool,
    /// Every claim that is a text, and every text of those that are lists.
    pub statements: &'a [Statement<'a>],
}

/// What a responder demands of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Who has to have issued them.
    pub issuer: Box<str>,
    /// For whom they have to be issued.
    pub audience: Box<str>,
    /// Where they have to name the initiator.
    pub binding: Binding,
    /// How long they may be valid from now on, in seconds: one that is valid for ever proves for ever who once had it.
    pub max_lifetime: u64,
}

impl Policy {
    /// Demands tokens of `issuer` for `audience`, which name the initiator as `binding` says and are valid for at most
    /// [`MAX_LIFETIME_SECONDS`].
    #[must_use]
    pub fn new(issuer: &str, audience: &str, binding: Binding) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), binding, max_lifetime: MAX_LIFETIME_SECONDS }
    }

    /// What a token makes of a claim to be somebody, `now` being in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with the token: nothing is proven by it.
    pub fn verify(&self, claims: &Claims<'_>, now: u64, claim: &Identity<'_>) -> Result<Verdict, TokenError> {
        if !claims.kind.is_none_or(is_for_bearers) {
            return Err(TokenError::WrongType);
        }
        if claims.needs_key {
            return Err(TokenError::NeedsKey);
        }
        if claims.issuer != Some(&*self.issuer) {
            return Err(TokenError::WrongIssuer);
        }
        if !claims.audiences.contains(&&*self.audience) {
            return Err(TokenError::WrongAudience);
        }
        let expires = claims.expires.ok_or(TokenError::NoExpiry)?;
        if now >= expires.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(TokenError::Expired);
        }
        if expires > now.saturating_add(self.max_lifetime) {
            return Err(TokenError::LifetimeTooLong);
        }
        if claims.not_before.is_some_and(|not_before| now.saturating_add(CLOCK_SKEW_SECONDS) < not_before) {
            return Err(TokenError::NotYetValid);
        }
        Ok(self.binding.verify(claims.statements, claim))
    }
}

/// Whether tokens of such a `typ` say who bears them (RFC 7519 §5.1, RFC 9068 §2.1, and what SPIFFE allows). Others of the same
/// issuer and with the same claims are for something else, which proves nothing here (RFC 8725 §3.11).
fn is_for_bearers(kind: &str) -> bool {
    let kind = match kind.split_at_checked(MEDIA_TYPE.len()) {
        Some((before, behind)) if before.eq_ignore_ascii_case(MEDIA_TYPE) => behind,
        Some(_) | None => kind,
    };
    ["JWT", "at+jwt", "JOSE"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// Why a token proves nothing. Its bearer is [unproven](Verdict::Unauthenticated).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenError {
    /// There is none.
    Missing,
    /// It is longer than [`MAX_TOKEN_BYTES`].
    TooLong,
    /// It is no JSON Web Token that is signed, or asks for more than we understand.
    Malformed,
    /// It was signed by none of the keys.
    UnknownKey,
    /// It names another algorithm than its key is for.
    WrongAlgorithm,
    /// Its key did not make the signature.
    WrongSignature,
    /// It is for something else than to say who bears it.
    WrongType,
    /// It is worth something only together with a key that its bearer has.
    NeedsKey,
    /// Somebody else issued it.
    WrongIssuer,
    /// It was issued for somebody else.
    WrongAudience,
    /// It does not say when it ends.
    NoExpiry,
    /// It is valid for longer than a token may be.
    LifetimeTooLong,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
}

impl TokenError {
    /// Every fault, in the order above.
    pub const ALL: [Self; 14] = [
        Self::Missing,
        Self::TooLong,
        Self::Malformed,
        Self::UnknownKey,
        Self::WrongAlgorithm,
        Self::WrongSignature,
        Self::WrongType,
        Self::NeedsKey,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::NoExpiry,
        Self::LifetimeTooLong,
        Self::Expired,
        Self::NotYetValid,
    ];

    /// The name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong => "too-long",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown-key",
            Self::WrongAlgorithm => "wrong-algorithm",
            Self::WrongSignature => "wrong-signature",
            Self::WrongType => "wrong-type",
            Self::NeedsKey => "needs-key",
            Self::WrongIssuer => "wrong-issuer",
            Self::WrongAudience => "wrong-audience",
            Self::NoExpiry => "no-expiry",
            Self::LifetimeTooLong => "lifetime-too-long",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
        }
    }
}
