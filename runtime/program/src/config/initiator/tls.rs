//! The declaration of what protects an initiator: TLS and its token.

use std::path::PathBuf;

use super::InitiatorSettings;
use crate::config::setting::{self, Takes, parse_switch};
use crate::config::tls::{ClientTlsSettings, ServerTlsSettings, extent_name, parse_extent, parse_server_name};

type S = InitiatorSettings;
type Access = setting::Access<InitiatorSettings>;
type Setting = setting::Setting<InitiatorSettings>;

pub(super) const CREDENTIALS: &[Setting] = &[
    Setting::flag(
        "token_file",
        Access::File { what: "file", example: "token.jwt", slot: |s| &mut s.token_file },
        "A file with the bearer token that proves the identity, read at each dial",
    )
    .read_again(),
    Setting::flag(
        "allow_plaintext",
        Access::Switch(|s| &mut s.allow_plaintext),
        "Connect to other machines unencrypted, because something else encrypts the connection",
    ),
    Setting::flag(
        "tls",
        Access::Act {
            takes: Takes::Switch,
            value_name: "true|false",
            act: |s, texts, _| {
                s.tls = parse_switch(texts.last().unwrap_or(&""))?.then(|| s.tls.take().unwrap_or_default());
                Ok(vec!["tls".to_owned()])
            },
        },
        "Connect with TLS; implied by every other TLS flag and by the table tls of the file",
    ),
];

pub(super) const TLS: &[Setting] = &[
    Setting::flag("ca", pem("ca.pem", |s| &mut tls(s).ca), "The CA of the responder's certificate, in PEM")
        .or("the root certificates of this system")
        .read_again(),
    Setting::flag("cert", pem("edge-1.pem", |s| &mut tls(s).cert), "The initiator's own certificate, in PEM")
        .read_again(),
    Setting::flag("key", pem("edge-1.key", |s| &mut tls(s).key), "The private key of that certificate, in PEM")
        .read_again(),
    Setting::flag(
        "server_name",
        Access::Text {
            value_name: "NAME",
            example: "tunnels.example.com",
            read: |s, text| parse_server_name(text).map(|name| tls(s).server_name = Some(name)),
            show: |s| Some(s.tls.as_ref()?.server_name.as_ref()?.to_str().into_owned()),
        },
        "The name that the responder's certificate must contain",
    )
    .or("the host that is dialled"),
    Setting::flag(
        "extent",
        Access::Text {
            value_name: "EXTENT",
            example: "whole",
            read: |s, text| parse_extent(text).map(|extent| tls(s).extent = extent),
            show: |s| s.tls.as_ref().map(|tls| extent_name(tls.extent).to_owned()),
        },
        "The part of a tunnel that TLS protects: whole; for an Envoy as the peer, plaintext-after-handshake, or inner with the table inner_tls of the file",
    ),
];

pub(super) const INNER_TLS: &[Setting] = &[
    Setting::new("cert", pem("inner.pem", |s| &mut inner(s).cert), "The initiator's certificate within tunnels")
        .read_again(),
    Setting::new("key", pem("inner.key", |s| &mut inner(s).key), "The private key of that certificate").read_again(),
    Setting::new(
        "client_ca",
        pem("inner-ca.pem", |s| &mut inner(s).client_ca),
        "The CA of the responder's certificate within tunnels; with it, the responder must present one",
    )
    .read_again(),
];

fn tls(settings: &mut S) -> &mut ClientTlsSettings {
    settings.tls.get_or_insert_default()
}

fn inner(settings: &mut S) -> &mut ServerTlsSettings {
    settings.inner_tls.get_or_insert_default()
}

const fn pem(example: &'static str, slot: fn(&mut S) -> &mut Option<PathBuf>) -> Access {
    Access::File { what: "PEM file", example, slot }
}
