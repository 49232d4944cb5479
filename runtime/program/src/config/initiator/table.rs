//! The declaration of every setting of an initiator.

use std::path::Path;

use super::InitiatorSettings;
use super::addresses::{self, ADDRESSES};
use super::services;
use super::tls::{CREDENTIALS, INNER_TLS, TLS};
use crate::config::bounds::{
    MAX_HEAD_BYTES, MAX_HEADERS_COUNT, MAX_PER_TUNNEL, MAX_RESETS, MIN_HEAD_BYTES, MIN_HEADERS,
};
use crate::config::names::{parse_destinations, parse_lookup_family, parse_path, parse_prefix, parse_upgrades};
use crate::config::process::Process;
use crate::config::section::Section;
use crate::config::section::Zero::{IsOff, IsWrong};
use crate::config::setting::{self, Declaration, Group, Presence};

type S = InitiatorSettings;
type Access = setting::Access<InitiatorSettings>;
type Setting = setting::Setting<InitiatorSettings>;

/// Every setting of `revtun initiator`, save those of the log.
pub(in crate::config) static DECLARATION: Declaration<S> = Declaration {
    name: "initiator",
    flag_prefix: "",
    groups: &[
        Group {
            heading: "Addresses",
            table: "",
            note: "In a file these are the tables [[initiator.listener]], with [[initiator.listener.route]] in it, and [initiator.upstreams].",
            presence: None,
            settings: ADDRESSES,
        },
        Group { heading: "Admin listener", table: "", note: "", presence: None, settings: Process::<S>::ADMIN },
        Group { heading: "Process", table: "", note: "", presence: None, settings: Process::<S>::PROCESS },
        Group { heading: "Handshake", table: "", note: "", presence: None, settings: HANDSHAKE },
        Group { heading: "Liveness", table: "", note: "", presence: None, settings: LIVENESS },
        Group {
            heading: "Retries",
            table: "",
            note: "Every pause is a random part of a step that doubles up to its cap.",
            presence: None,
            settings: RETRIES,
        },
        Group { heading: "Limits", table: "", note: "", presence: None, settings: LIMITS },
        Group { heading: "Local service", table: "", note: "", presence: None, settings: SERVICE },
        Group { heading: "TLS and tokens", table: "", note: "", presence: None, settings: CREDENTIALS },
        Group {
            heading: "TLS and tokens",
            table: "tls",
            note: "Files are in PEM, and read again when they change and on SIGHUP. The table turns TLS on, even an empty one.",
            presence: Some(Presence {
                is_there: |s| s.tls.is_some(),
                put: |s| s.tls = Some(s.tls.take().unwrap_or_default()),
            }),
            settings: TLS,
        },
        Group {
            heading: "Inner TLS",
            table: "inner_tls",
            note: "With extent = \"inner\": a second TLS within tunnels, whose server is the initiator, for Envoys that have one.",
            presence: Some(Presence {
                is_there: |s| s.inner_tls.is_some(),
                put: |s| s.inner_tls = Some(s.inner_tls.take().unwrap_or_default()),
            }),
            settings: INNER_TLS,
        },
    ],
};

/// Reads the table of a file in `folder`; what is wrong stays noted in `section`.
pub(in crate::config) fn read(section: &mut Section<'_>, folder: &Path) -> InitiatorSettings {
    let mut settings = InitiatorSettings::default();
    DECLARATION.read(section, &mut settings, folder);
    section.check_silence(settings.core.probe_interval, &mut settings.core.silence);
    addresses::read(section, &mut settings);
    settings.services.extend(services::read(section, folder));
    settings
}

const HANDSHAKE: &[Setting] = &[
    Setting::new(
        "request_path",
        Access::Text {
            value_name: "PATH",
            example: "/reverse_connections/request",
            read: |s, text| parse_path(text).map(|path| s.request_path = path),
            show: |s| Some(s.request_path.clone()),
        },
        "Path of the handshake request",
    ),
    Setting::new(
        "header_prefix",
        Access::Text {
            value_name: "PREFIX",
            example: "x-envoy",
            read: |s, text| parse_prefix(text).map(|names| s.header_names = names),
            show: |s| Some(s.header_names.prefix().to_owned()),
        },
        "What the names of the headers begin with by which an initiator identifies itself",
    ),
    Setting::new(
        "use_http_upgrade",
        Access::Switch(|s| &mut s.use_http_upgrade),
        "Whether to ask for an upgrade and expect 101",
    ),
    Setting::new(
        "connect_timeout",
        Access::Duration(IsWrong, |s| &mut s.core.connect_timeout),
        "Time for a TCP connection to a responder",
    ),
    Setting::new(
        "handshake_timeout",
        Access::Duration(IsWrong, |s| &mut s.core.handshake_timeout),
        "Time for the handshake, TLS included",
    ),
];

const LIVENESS: &[Setting] = &[
    Setting::new(
        "probe_interval",
        Access::Duration(IsWrong, |s| &mut s.core.probe_interval),
        "How often a silent tunnel in use is probed",
    ),
    Setting::new(
        "silence",
        Access::Duration(IsWrong, |s| &mut s.core.silence),
        "How long a tunnel may be silent before it is replaced; without a value at least three probe intervals and 1s",
    ),
    Setting::new(
        "peer_drain_grace",
        Access::Duration(IsOff, |s| &mut s.core.drain_grace),
        "How long requests may continue after the responder's GOAWAY",
    ),
    Setting::new(
        "resolve_interval",
        Access::Duration(IsWrong, |s| &mut s.core.resolve_interval),
        "How often the names of upstreams and of the local service are resolved again; while that fails, sooner at first",
    ),
    Setting::new(
        "dns_lookup_family",
        Access::Text {
            value_name: "FAMILY",
            example: "auto",
            read: |s, text| parse_lookup_family(text).map(|family| s.hosts.lookup_family = family),
            show: |s| Some(s.hosts.lookup_family.name().to_owned()),
        },
        "Which addresses of a name get tunnels: auto, those of IPv6 or of IPv4, whichever has a tunnel first; v4_only; v6_only; all, so that a host with an address of each gets twice as many",
    ),
    Setting::new(
        "removal_delay",
        Access::Duration(IsOff, |s| &mut s.hosts.removal_delay),
        "How long a host with tunnels is missing from all answers for its name before they are drained; never before another host of the name has a tunnel",
    ),
];

const RETRIES: &[Setting] = &[
    Setting::new(
        "refused_cap",
        Access::Duration(IsWrong, |s| &mut s.core.refused_cap),
        "Longest pause while connections are refused: the responder restarts",
    ),
    Setting::new(
        "down_cap",
        Access::Duration(IsWrong, |s| &mut s.core.down_cap),
        "Longest pause once 64 connections in a row were refused: the responder is down",
    ),
    Setting::new(
        "backoff_base",
        Access::Duration(IsWrong, |s| &mut s.core.backoff_base),
        "First pause after any other failure",
    ),
    Setting::new("backoff_cap", Access::Duration(IsWrong, |s| &mut s.core.backoff_cap), "Longest pause after it"),
    Setting::new(
        "denied_base",
        Access::Duration(IsWrong, |s| &mut s.core.denied_base),
        "First pause after a rejection with 401, 403 or 404, which somebody has to correct",
    ),
    Setting::new(
        "retry_after_cap",
        Access::Duration(IsWrong, |s| &mut s.core.retry_after_cap),
        "Longest pause that a responder can ask for",
    ),
];

const LIMITS: &[Setting] = &[
    Setting::new(
        "max_streams",
        Access::Number(1..=MAX_PER_TUNNEL, |s| &mut s.max_streams),
        "Requests on one tunnel at the same time",
    ),
    Setting::new(
        "max_idle_bytes",
        Access::Number(MIN_HEAD_BYTES..=MAX_HEAD_BYTES, |s| &mut s.max_idle_bytes),
        "Bytes of pings that a responder may send at once, before HTTP/2 begins",
    ),
    Setting::new(
        "max_header_bytes",
        Access::Number(MIN_HEAD_BYTES..=MAX_HEAD_BYTES, |s| &mut s.http.header_bytes),
        "Bytes of the headers of one HTTP message, each header with 32 more",
    ),
    Setting::new(
        "max_headers_count",
        Access::Number(MIN_HEADERS..=MAX_HEADERS_COUNT, |s| &mut s.http.headers),
        "Headers of one HTTP request",
    ),
    Setting::new(
        "max_pending_resets",
        Access::Number(1..=MAX_RESETS, |s| &mut s.http.pending_resets),
        "HTTP/2 streams that are opened and reset at once; more end the tunnel",
    ),
    Setting::new(
        "body_timeout",
        Access::Duration(IsOff, |s| &mut s.http.body_timeout),
        "How long the body of a request or a response may make no progress; 0s is without limit",
    ),
    Setting::new(
        "upgrade_idle_timeout",
        Access::Duration(IsOff, |s| &mut s.http.upgrade_idle_timeout),
        "How long nothing may pass on a connection that was upgraded, or opened by CONNECT; 0s is without limit",
    ),
];

const SERVICE: &[Setting] = &[
    Setting::new(
        "service_connect_timeout",
        Access::Duration(IsWrong, |s| &mut s.core.service_connect_timeout),
        "Time for a connection to the local service",
    ),
    Setting::new(
        "service_idle",
        Access::Duration(IsWrong, |s| &mut s.core.service_idle),
        "How long an unused connection to it is kept",
    ),
    Setting::new(
        "upgrades",
        Access::Text {
            value_name: "NAME,...",
            example: "websocket",
            read: |s, text| parse_upgrades(text).map(|upgrades| s.upgrades = upgrades),
            show: |s| Some(s.upgrades.to_string()),
        },
        "Protocols to which requests may upgrade at it, by the names in upgrade headers; empty is none",
    ),
    Setting::flag(
        "tcp_allow",
        Access::Text {
            value_name: "HOST:PORT,...",
            example: "db.site:5432,10.0.0.0/8:22,[fd00::/8]:22,*.lan:*",
            read: |s, text| parse_destinations(text).map(|destinations| s.tcp_allow = destinations),
            show: |s| (!s.tcp_allow.is_empty()).then(|| s.tcp_allow.to_string()),
        },
        "Where CONNECT may open TCP connections to: names, *.suffix, addresses or networks, each with a port or *; loopback, link-local and metadata addresses have to be written as addresses, whatever name leads to them",
    ),
];
