//! The settings of bearer tokens: the table `[responder.token]`, and what an initiator sets of its own.

use std::path::PathBuf;

use revtun_core::binding::{Binding, Placeholder, Template};
use revtun_core::token::{MAX_LIFETIME_SECONDS, Policy};

use super::diagnostic::ConfigError;
use revtun::token::JwksFile;

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// What an operator may set of the tokens that a responder takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// The file with the public keys of those who issue them.
    pub jwks: Option<PathBuf>,
    /// Who has to have issued them.
    pub issuer: Option<String>,
    /// For whom they have to be issued.
    pub audience: Option<String>,
    /// Where the node id stands in a token.
    pub node_claim: Option<Template>,
    /// Where the cluster id stands.
    pub cluster_claim: Option<Template>,
    /// Where the tenant id stands.
    pub tenant_claim: Option<Template>,
    /// How many days they may be valid from now on.
    pub max_lifetime_days: u32,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            jwks: None,
            issuer: None,
            audience: None,
            node_claim: None,
            cluster_claim: None,
            tenant_claim: None,
            max_lifetime_days: u32::try_from(MAX_LIFETIME_SECONDS / DAY).expect("a year or so"),
        }
    }
}

impl TokenSettings {
    /// Lets one template stand for all three names.
    pub fn set_identity(&mut self, [node, cluster, tenant]: [Template; 3]) {
        (self.node_claim, self.cluster_claim, self.tenant_claim) = (Some(node), Some(cluster), Some(tenant));
    }

    /// The file with the keys, and what tokens have to say; none if none are asked for.
    ///
    /// # Errors
    /// If something is missing beside what is there.
    pub fn demands(&self) -> Result<Option<(JwksFile, Policy)>, ConfigError> {
        if *self == Self::default() {
            return Ok(None);
        }
        let missing = |what, remedy: &str| ConfigError::new(format!("requires tokens, but {what}"), remedy);
        let jwks = self.jwks.clone().ok_or_else(|| {
            missing("has no keys to verify them with", "give jwks (--token-jwks), a file with a JSON Web Key Set")
        })?;
        let issuer = self
            .issuer
            .as_deref()
            .ok_or_else(|| missing("has no issuer for them", "give issuer (--token-issuer), their iss claim"))?;
        let audience = self.audience.as_deref().ok_or_else(|| {
            let remedy = "give audience (--token-audience), their aud claim";
            missing("has no audience for them", remedy)
        })?;
        let (Some(node), Some(cluster), Some(tenant)) = (&self.node_claim, &self.cluster_claim, &self.tenant_claim)
        else {
            let remedy = "give node_claim, cluster_claim and tenant_claim, or one for all three by --token-identity";
            return Err(missing("has no templates for node, cluster and tenant", remedy));
        };
        let binding = Binding::new(node.clone(), cluster.clone(), tenant.clone()).map_err(|error| {
            ConfigError::new(error.to_string(), "give one template for all three names, or each a claim of its own")
        })?;
        let mut policy = Policy::new(issuer, audience, binding);
        policy.max_lifetime = u64::from(self.max_lifetime_days) * DAY;
        Ok(Some((JwksFile::new(jwks), policy)))
    }
}

/// What is wrong where a token would be sent in the clear.
pub(super) fn unprotected() -> ConfigError {
    let remedy = "set up TLS (--tls-cert, --tls), or give --allow-plaintext if something else encrypts the connection";
    ConfigError::new("would send tokens unencrypted", remedy)
}

/// Reads a template for a claim, which proves one of the names.
///
/// # Errors
/// If it does not, or could be read in two ways.
pub(super) fn parse_claim(text: &str, placeholder: Placeholder) -> Result<Template, ConfigError> {
    Template::parse_claim(text, placeholder).map_err(|error| {
        let remedy = "write CLAIM=TEMPLATE, such as sub={tenant}/{cluster}/{node}";
        ConfigError::new(format!("{text:?} {error}"), remedy)
    })
}

/// Reads a template for a claim that serves for all three names of an identity.
///
/// # Errors
/// If it lacks one of them, or could be read in two ways.
pub(super) fn parse_claims(text: &str) -> Result<[Template; 3], ConfigError> {
    Ok([
        parse_claim(text, Placeholder::Node)?,
        parse_claim(text, Placeholder::Cluster)?,
        parse_claim(text, Placeholder::Tenant)?,
    ])
}

pub(super) fn parse_text(text: &str) -> Result<String, ConfigError> {
    if text.is_empty() {
        Err(ConfigError::new("is empty", "write the value of the claim"))
    } else {
        Ok(text.to_owned())
    }
}
