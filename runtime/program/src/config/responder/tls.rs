//! The declaration of what protects a responder: TLS and tokens.

use std::path::PathBuf;

use revtun_core::binding::Placeholder;

use super::ResponderSettings;
use crate::config::setting::{self, Takes};
use crate::config::tls::{ClientTlsSettings, extent_name, parse_extent, parse_identity, parse_san, parse_server_name};
use crate::config::token::{parse_claim, parse_claims, parse_text};

type S = ResponderSettings;
type Access = setting::Access<ResponderSettings>;
type Setting = setting::Setting<ResponderSettings>;

pub(super) const PLAINTEXT: &[Setting] = &[
    Setting::flag(
        "allow_plaintext",
        Access::Switch(|s| &mut s.allow_plaintext),
        "Accept unencrypted tunnels from other machines, because something else encrypts the connection",
    ),
    Setting::flag(
        "deny_list",
        Access::File { what: "file", example: "denied.txt", slot: |s| &mut s.deny_list },
        "A file with what counts no more, an entry a line: serial HEX, san NAME, token ID (jti), node TENANT/CLUSTER/NODE; tunnels that one is about are closed",
    )
    .read_again(),
];

pub(super) const TLS: &[Setting] = &[
    Setting::flag(
        "cert",
        pem("responder.pem", |s| &mut s.tls.cert),
        "The certificate for tunnels with its intermediate certificates, in PEM",
    )
    .read_again(),
    Setting::flag("key", pem("responder.key", |s| &mut s.tls.key), "The private key of that certificate, in PEM")
        .read_again(),
    Setting::flag(
        "client_ca",
        pem("sites.pem", |s| &mut s.tls.client_ca),
        "The CA of the certificates of initiators; with it, each initiator must present one",
    )
    .read_again(),
    Setting::flag(
        "crl",
        pem("sites.crl", |s| &mut s.tls.crl),
        "The certificate revocation lists of that CA and of those below it, in PEM; tunnels of a revoked certificate are closed",
    )
    .read_again(),
    Setting::flag(
        "identity",
        Access::Act {
            takes: Takes::One,
            value_name: "TEMPLATE",
            act: |s, texts, _| {
                s.tls.set_identity(parse_identity(texts.last().unwrap_or(&""))?);
                Ok(["tls.node_san", "tls.cluster_san", "tls.tenant_san"].map(str::to_owned).into())
            },
        },
        "The SAN by which the certificate of an initiator proves its identity, as a template: spiffe://{tenant}/{cluster}/{node}",
    ),
    Setting::new(
        "node_san",
        Access::Text {
            value_name: "TEMPLATE",
            example: "spiffe://{tenant}/{cluster}/{node}",
            read: |s, text| parse_san(text, Placeholder::Node).map(|san| s.tls.node_san = Some(san)),
            show: |s| s.tls.node_san.as_ref().map(ToString::to_string),
        },
        "The SAN by which such a certificate proves the node",
    ),
    Setting::new(
        "cluster_san",
        Access::Text {
            value_name: "TEMPLATE",
            example: "spiffe://{tenant}/{cluster}/{node}",
            read: |s, text| parse_san(text, Placeholder::Cluster).map(|san| s.tls.cluster_san = Some(san)),
            show: |s| s.tls.cluster_san.as_ref().map(ToString::to_string),
        },
        "The SAN by which it proves the cluster",
    ),
    Setting::new(
        "tenant_san",
        Access::Text {
            value_name: "TEMPLATE",
            example: "spiffe://{tenant}/{cluster}/{node}",
            read: |s, text| parse_san(text, Placeholder::Tenant).map(|san| s.tls.tenant_san = Some(san)),
            show: |s| s.tls.tenant_san.as_ref().map(ToString::to_string),
        },
        "The SAN by which it proves the tenant",
    ),
    Setting {
        // The one of this table that is not about TLS itself, and whose flag says so.
        flag_name: Some("allow-any-identity"),
        ..Setting::flag(
            "allow_any_identity",
            Access::Switch(|s| &mut s.tls.allow_any_identity),
            "Accept any identity from any certificate of the CA",
        )
    },
    Setting::flag(
        "extent",
        Access::Text {
            value_name: "EXTENT",
            example: "whole",
            read: |s, text| parse_extent(text).map(|extent| s.tls.extent = extent),
            show: |s| Some(extent_name(s.tls.extent).to_owned()),
        },
        "The part of a tunnel that TLS protects: whole; for an Envoy as the peer, plaintext-after-handshake, or inner with the table inner_tls of the file",
    ),
];

pub(super) const TOKEN: &[Setting] = &[
    Setting::flag(
        "jwks",
        Access::File { what: "file", example: "keys.json", slot: |s| &mut s.token.jwks },
        "A file with a JSON Web Key Set, the public keys of token issuers (RS256, ES256 or EdDSA)",
    )
    .read_again(),
    Setting::flag(
        "issuer",
        Access::Text {
            value_name: "ISSUER",
            example: "https://issuer.example.com",
            read: |s, text| parse_text(text).map(|issuer| s.token.issuer = Some(issuer)),
            show: |s| s.token.issuer.clone(),
        },
        "The required issuer (iss) of tokens",
    ),
    Setting::flag(
        "audience",
        Access::Text {
            value_name: "AUDIENCE",
            example: "revtun",
            read: |s, text| parse_text(text).map(|audience| s.token.audience = Some(audience)),
            show: |s| s.token.audience.clone(),
        },
        "The required audience (aud) of tokens, alone or among others",
    ),
    Setting::flag(
        "identity",
        Access::Act {
            takes: Takes::One,
            value_name: "CLAIM=TEMPLATE",
            act: |s, texts, _| {
                s.token.set_identity(parse_claims(texts.last().unwrap_or(&""))?);
                Ok(["token.node_claim", "token.cluster_claim", "token.tenant_claim"].map(str::to_owned).into())
            },
        },
        "The claim by which a token proves the identity of an initiator, as a template: sub={tenant}/{cluster}/{node}",
    ),
    Setting::new(
        "node_claim",
        Access::Text {
            value_name: "CLAIM=TEMPLATE",
            example: "sub={tenant}/{cluster}/{node}",
            read: |s, text| parse_claim(text, Placeholder::Node).map(|claim| s.token.node_claim = Some(claim)),
            show: |s| s.token.node_claim.as_ref().map(ToString::to_string),
        },
        "The claim by which a token proves the node",
    ),
    Setting::new(
        "cluster_claim",
        Access::Text {
            value_name: "CLAIM=TEMPLATE",
            example: "sub={tenant}/{cluster}/{node}",
            read: |s, text| parse_claim(text, Placeholder::Cluster).map(|claim| s.token.cluster_claim = Some(claim)),
            show: |s| s.token.cluster_claim.as_ref().map(ToString::to_string),
        },
        "The claim by which it proves the cluster",
    ),
    Setting::new(
        "tenant_claim",
        Access::Text {
            value_name: "CLAIM=TEMPLATE",
            example: "sub={tenant}/{cluster}/{node}",
            read: |s, text| parse_claim(text, Placeholder::Tenant).map(|claim| s.token.tenant_claim = Some(claim)),
            show: |s| s.token.tenant_claim.as_ref().map(ToString::to_string),
        },
        "The claim by which it proves the tenant",
    ),
    Setting::flag(
        "max_lifetime_days",
        Access::Number(1..=3660, |s| &mut s.token.max_lifetime_days),
        "The most days that a token may still be valid",
    ),
];

pub(super) const EGRESS_TLS: &[Setting] = &[
    Setting::flag(
        "cert",
        pem("egress.pem", |s| &mut s.egress_tls.cert),
        "The certificate for callers, in PEM; without it, callers connect unencrypted",
    )
    .read_again(),
    Setting::flag("key", pem("egress.key", |s| &mut s.egress_tls.key), "The private key of that certificate, in PEM")
        .read_again(),
    Setting::new(
        "client_ca",
        pem("callers.pem", |s| &mut s.egress_tls.client_ca),
        "The CA of the certificates of callers; with it, each caller must present one",
    )
    .read_again(),
    Setting::new(
        "crl",
        pem("callers.crl", |s| &mut s.egress_tls.crl),
        "The certificate revocation lists of that CA and of those below it, in PEM",
    )
    .read_again(),
];

pub(super) const INNER_TLS: &[Setting] = &[
    Setting::new(
        "ca",
        pem("inner-ca.pem", |s| &mut inner(s).ca),
        "The CA of the certificates of initiators within their tunnels",
    )
    .or("the root certificates of this system")
    .read_again(),
    Setting::new(
        "server_name",
        Access::Text {
            value_name: "NAME",
            example: "sites.example.com",
            read: |s, text| parse_server_name(text).map(|name| inner(s).server_name = Some(name)),
            show: |s| Some(s.inner_tls.as_ref()?.server_name.as_ref()?.to_str().into_owned()),
        },
        "The name that all of these certificates must contain",
    ),
    Setting::new(
        "cert",
        pem("inner.pem", |s| &mut inner(s).cert),
        "The responder's own certificate within tunnels, for initiators that ask for one",
    )
    .read_again(),
    Setting::new("key", pem("inner.key", |s| &mut inner(s).key), "The private key of that certificate").read_again(),
];

fn inner(settings: &mut S) -> &mut ClientTlsSettings {
    settings.inner_tls.get_or_insert_default()
}

const fn pem(example: &'static str, slot: fn(&mut S) -> &mut Option<PathBuf>) -> Access {
    Access::File { what: "PEM file", example, slot }
}
