//! The settings of TLS: the tables `tls` and `inner_tls` of both ends, and `[responder.egress_tls]`.

use std::path::PathBuf;

use revtun_core::binding::{Binding, Placeholder, Template};
use rustls::pki_types::ServerName;

use super::diagnostic::ConfigError;
use revtun::tls::{ClientFiles, ClientVerifierFiles, Extent, ServerFiles};

/// What callers may speak inside TLS.
const EGRESS_ALPN: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What initiators may say that they speak: the handshake is HTTP/1.1, and what follows is HTTP/2, which is what an Envoy may be
/// configured to say (reference §8). Most say nothing.
const TUNNEL_ALPN: &[&[u8]] = &[b"http/1.1", b"h2"];

/// What an operator may set of a listener's TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTlsSettings {
    /// The file with the certificate.
    pub cert: Option<PathBuf>,
    /// The file with its key.
    pub key: Option<PathBuf>,
    /// The file with those who may have signed the certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// The file with the revocation lists of those.
    pub crl: Option<PathBuf>,
    /// How much of a tunnel is inside TLS.
    pub extent: Extent,
    /// Where the node id stands in a client's certificate.
    pub node_san: Option<Template>,
    /// Where the cluster id stands.
    pub cluster_san: Option<Template>,
    /// Where the tenant id stands.
    pub tenant_san: Option<Template>,
    /// Whether any certificate of the CA may claim any identity.
    pub allow_any_identity: bool,
}

impl ServerTlsSettings {
    /// Lets one template stand for all three names.
    pub fn set_identity(&mut self, [node, cluster, tenant]: [Template; 3]) {
        (self.node_san, self.cluster_san, self.tenant_san) = (Some(node), Some(cluster), Some(tenant));
    }

    /// The files of a tunnel listener, and what initiators have to prove by certificates; none for tunnels in the clear.
    /// Where identities are `proven` in another way, certificates need not do it, save those within tunnels.
    ///
    /// # Errors
    /// If something is missing beside what is there.
    pub fn tunnel(&self, proven: bool) -> Result<Option<(ServerFiles, Option<Binding>)>, ConfigError> {
        let Some(files) = self.files(TUNNEL_ALPN)? else { return Ok(None) };
        let binding = match (&self.node_san, &self.cluster_san, &self.tenant_san) {
            (Some(node), Some(cluster), Some(tenant)) => {
                let binding = Binding::new(node.clone(), cluster.clone(), tenant.clone()).map_err(|error| {
                    let remedy =
                        "give one template for all three names, or texts that differ before or behind the names";
                    ConfigError::new(error.to_string(), remedy)
                });
                Some(binding?)
            }
            (None, None, None) => None,
            (_, _, _) => {
                let remedy = "give all of node_san, cluster_san and tenant_san; one template may serve for all three";
                return Err(ConfigError::new("sets some of node_san, cluster_san and tenant_san, but not all", remedy));
            }
        };
        let inner = self.extent == Extent::Inner;
        match (&files.client_ca, &binding) {
            (None, Some(_)) if !inner => Err(ConfigError::new(
                "binds client certificates to identities, but does not require client certificates",
                "give client_ca (--tls-client-ca) too",
            )),
            (Some(_), None) if !proven && !self.allow_any_identity => Err(ConfigError::new(
                "requires client certificates, but lets each of them claim any identity",
                "set where a certificate proves its identity (--tls-identity), or accept any with allow_any_identity (--allow-any-identity)",
            )),
            (_, None) if inner && proven && !self.allow_any_identity => Err(ConfigError::new(
                "lets the certificate within a tunnel be that of any identity, whoever a token has proven outside",
                "set where a certificate proves its identity (--tls-identity), or accept any with allow_any_identity (--allow-any-identity)",
            )),
            (_, _) => Ok(Some((files, binding))),
        }
    }

    /// The files by which the certificates of standing tunnels are judged again; none without revocation lists.
    #[must_use]
    pub fn verifier(&self) -> Option<ClientVerifierFiles> {
        Some(ClientVerifierFiles::new(self.client_ca.clone()?, self.crl.clone()?))
    }

    /// The files of the server within an initiator's tunnels.
    ///
    /// # Errors
    /// If something is missing.
    pub fn inner(&self) -> Result<ServerFiles, ConfigError> {
        self.files(TUNNEL_ALPN)?.ok_or_else(|| ConfigError::new("has no certificate", "give cert and key"))
    }

    /// The files of an egress listener; none for callers in the clear.
    ///
    /// # Errors
    /// If something is missing beside what is there.
    pub fn egress(&self) -> Result<Option<ServerFiles>, ConfigError> {
        self.files(EGRESS_ALPN)
    }

    fn files(&self, alpn: &'static [&'static [u8]]) -> Result<Option<ServerFiles>, ConfigError> {
        if self.crl.is_some() && self.client_ca.is_none() {
            let what = "has revocation lists, but does not require client certificates";
            return Err(ConfigError::new(what, "give client_ca (--tls-client-ca) too"));
        }
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let mut files = ServerFiles::new(cert.clone(), key.clone());
                files.client_ca.clone_from(&self.client_ca);
                files.crl.clone_from(&self.crl);
                files.alpn = alpn;
                Ok(Some(files))
            }
            (None, None) if *self == Self::default() => Ok(None),
            (None, None) => Err(ConfigError::new("has no certificate", "give cert (--tls-cert) and key (--tls-key)")),
            (Some(_), None) => Err(ConfigError::new("has a certificate but not its key", "give key (--tls-key) too")),
            (None, Some(_)) => Err(ConfigError::new("has a key but no certificate", "give cert (--tls-cert) too")),
        }
    }
}

/// What an operator may set of the TLS of a client: an initiator, or a responder within a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTlsSettings {
    /// The file with those who may have signed the responder's certificate; none means the roots of this system.
    pub ca: Option<PathBuf>,
    /// The file with the client's certificate.
    pub cert: Option<PathBuf>,
    /// The file with its key.
    pub key: Option<PathBuf>,
    /// The name that the responder's certificate has to have; none means the one that is dialled.
    pub server_name: Option<ServerName<'static>>,
    /// How much of a tunnel is inside TLS.
    pub extent: Extent,
}

impl ClientTlsSettings {
    /// The files of the client within a responder's tunnels, and the name that it expects there.
    ///
    /// # Errors
    /// If something is missing.
    pub fn inner(&self) -> Result<(ClientFiles, ServerName<'static>), ConfigError> {
        let name = self.server_name.clone().ok_or_else(|| {
            ConfigError::new(
                "does not name a server",
                "set server_name, the name in the certificates of all initiators",
            )
        })?;
        Ok((self.files()?, name))
    }

    /// The files.
    ///
    /// # Errors
    /// If there is a certificate without its key, or a key alone.
    pub fn files(&self) -> Result<ClientFiles, ConfigError> {
        let own = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::new("has a certificate but not its key", "give key (--tls-key) too"));
            }
            (None, Some(_)) => {
                return Err(ConfigError::new("has a key but no certificate", "give cert (--tls-cert) too"));
            }
        };
        let mut files = ClientFiles::default();
        files.ca.clone_from(&self.ca);
        files.own = own;
        Ok(files)
    }
}

/// Whether a second TLS is set where `extent` needs one, and nowhere else.
pub(super) fn check_inner(extent: Option<Extent>, is_set: bool) -> Result<(), ConfigError> {
    match (extent == Some(Extent::Inner), is_set) {
        (true, false) => Err(ConfigError::new("is inner, but no inner TLS is configured", "write a table inner_tls")),
        (false, true) => {
            Err(ConfigError::new("is not inner, but an inner TLS is configured", "write extent = \"inner\""))
        }
        (true, true) | (false, false) => Ok(()),
    }
}

/// Reads `whole`, `plaintext-after-handshake` or `inner`.
///
/// # Errors
/// If the text is anything else.
pub(super) fn parse_extent(text: &str) -> Result<Extent, ConfigError> {
    Extent::parse(text).ok_or_else(|| {
        ConfigError::new(
            format!("{text:?} is not a TLS extent"),
            "write whole; or plaintext-after-handshake or inner for an Envoy's peer",
        )
    })
}

/// How `extent` is written.
pub(super) const fn extent_name(extent: Extent) -> &'static str {
    match extent {
        Extent::Whole => "whole",
        Extent::Handshake => "plaintext-after-handshake",
        Extent::Inner => "inner",
    }
}

/// Reads a template that serves for all three names of an identity.
///
/// # Errors
/// If it lacks one of them, or could be read in two ways.
pub(super) fn parse_identity(text: &str) -> Result<[Template; 3], ConfigError> {
    Ok([
        parse_san(text, Placeholder::Node)?,
        parse_san(text, Placeholder::Cluster)?,
        parse_san(text, Placeholder::Tenant)?,
    ])
}

/// Reads the name that a certificate has to have.
///
/// # Errors
/// If it is neither a DNS name nor an IP address.
pub(super) fn parse_server_name(text: &str) -> Result<ServerName<'static>, ConfigError> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| ConfigError::new(format!("{text:?} is not a server name"), "write a DNS name or an IP address"))
}

pub(super) fn parse_san(text: &str, placeholder: Placeholder) -> Result<Template, ConfigError> {
    Template::parse(text, placeholder).map_err(|error| {
        let remedy = "write a template of a SAN, such as spiffe://{tenant}/{cluster}/{node}";
        ConfigError::new(format!("{text:?} {error}"), remedy)
    })
}
