//! The declaration of every setting of a responder.

use std::path::Path;

use revtun_core::handshake::MAX_HEADERS;

use super::ResponderSettings;
use super::limits::LIMITS;
use super::tls::{EGRESS_TLS, INNER_TLS, PLAINTEXT, TLS, TOKEN};
use crate::config::bounds::{MAX_HEAD_BYTES, MAX_MISSES, MIN_HEAD_BYTES, MIN_HEADERS};
use crate::config::names::{parse_name, parse_networks, parse_path, parse_prefix, parse_upgrades};
use crate::config::process::Process;
use crate::config::section::Section;
use crate::config::section::Zero::{IsOff, IsWrong};
use crate::config::setting::{self, Declaration, Group, Presence};

type S = ResponderSettings;
type Access = setting::Access<ResponderSettings>;
type Setting = setting::Setting<ResponderSettings>;

/// Every setting of `revtun responder`, save those of the log.
pub(in crate::config) static DECLARATION: Declaration<S> = Declaration {
    name: "responder",
    flag_prefix: "",
    groups: &[
        Group { heading: "Listeners", table: "", note: "", presence: None, settings: LISTENERS },
        Group { heading: "Admin listener", table: "", note: "", presence: None, settings: Process::<S>::ADMIN },
        Group { heading: "Process", table: "", note: "", presence: None, settings: Process::<S>::PROCESS },
        Group { heading: "Requests", table: "", note: "", presence: None, settings: REQUESTS },
        Group { heading: "Handshake", table: "", note: "", presence: None, settings: HANDSHAKE },
        Group { heading: "Liveness", table: "", note: "", presence: None, settings: LIVENESS },
        Group {
            heading: "Limits",
            table: "",
            note: "Whoever exceeds one is told so by name, and counted.",
            presence: None,
            settings: LIMITS,
        },
        Group { heading: "TLS of tunnels", table: "", note: "", presence: None, settings: PLAINTEXT },
        Group {
            heading: "TLS of tunnels",
            table: "tls",
            note: "Files are in PEM, and read again when they change and on SIGHUP.",
            presence: None,
            settings: TLS,
        },
        Group {
            heading: "Tokens",
            table: "token",
            note: "Bearer tokens (JWT): with these settings, each initiator must send one.",
            presence: None,
            settings: TOKEN,
        },
        Group { heading: "TLS of callers", table: "egress_tls", note: "", presence: None, settings: EGRESS_TLS },
        Group {
            heading: "Inner TLS",
            table: "inner_tls",
            note: "With extent = \"inner\": a second TLS within tunnels, whose client is the responder, for Envoys that have one.",
            presence: Some(Presence {
                is_there: |s| s.inner_tls.is_some(),
                put: |s| s.inner_tls = Some(s.inner_tls.take().unwrap_or_default()),
            }),
            settings: INNER_TLS,
        },
    ],
};

/// Reads the table of a file in `folder`; what is wrong stays noted in `section`.
pub(in crate::config) fn read(section: &mut Section<'_>, folder: &Path) -> ResponderSettings {
    let mut settings = ResponderSettings::default();
    section.either("ping_failure_threshold", "echo_timeout");
    DECLARATION.read(section, &mut settings, folder);
    let core = &mut settings.responder.core;
    section.check_silence(core.ping_interval, &mut core.silence);
    if let Some(threshold) = settings.ping_failure_threshold {
        settings.set_ping_failure_threshold(threshold);
    }
    settings
}

const LISTENERS: &[Setting] = &[
    Setting::flag(
        "tunnel_listen",
        Access::Listen(|s| &mut s.responder.tunnel_listen),
        "Address of the listener for initiators",
    ),
    Setting::flag(
        "egress_listen",
        Access::Listen(|s| &mut s.responder.egress_listen),
        "Address of the listener for callers, whose requests carry x-node-id or x-cluster-id",
    ),
    Setting::flag(
        "allow_unauthenticated_egress",
        Access::Switch(|s| &mut s.allow_unauthenticated_egress),
        "Let callers from other machines reach every node without a client certificate, because something else authenticates them",
    ),
];

const REQUESTS: &[Setting] = &[
    Setting::flag(
        "tenant_isolation",
        Access::Switch(|s| &mut s.responder.core.tenant_isolation),
        "Whether every request must name a tenant (x-tenant-id) and reaches that tenant only",
    ),
    Setting::flag(
        "allow_mixed_tenants",
        Access::Switch(|s| &mut s.allow_mixed_tenants),
        "Allow tenant_isolation = false although certificates or tokens prove tenants: callers reach the nodes of all of them",
    ),
    Setting::flag(
        "trusted_hops",
        Access::Text {
            value_name: "NETWORK,...",
            example: "10.0.0.0/8",
            read: |s, text| parse_networks(text).map(|networks| s.responder.trusted_hops = networks),
            show: |s| (!s.responder.trusted_hops.is_empty()).then(|| s.responder.trusted_hops.to_string()),
        },
        "Proxies in front of the egress listener: what their requests say in forwarded, x-forwarded-* and x-real-ip is kept; those of other callers lose it",
    )
    .or("none"),
    Setting::flag(
        "refuse_ambiguous_node",
        Access::Switch(|s| &mut s.responder.core.refuse_ambiguous_node),
        "Whether a request that names a node but no cluster is refused (409, ambiguous-node) while nodes of several clusters have that name; if not, any of them gets it",
    ),
    Setting::new(
        "request_timeout",
        Access::Duration(IsOff, |s| &mut s.responder.request_timeout),
        "How long a caller waits for the head of a response; 0s is without limit",
    ),
    Setting::new(
        "caller_timeout",
        Access::Duration(IsWrong, |s| &mut s.responder.caller_timeout),
        "How long a caller's connection may be idle",
    ),
    Setting::new(
        "body_timeout",
        Access::Duration(IsOff, |s| &mut s.responder.http.body_timeout),
        "How long the body of a request or a response may make no progress; 0s is without limit",
    ),
    Setting::new(
        "upgrades",
        Access::Text {
            value_name: "NAME,...",
            example: "websocket",
            read: |s, text| parse_upgrades(text).map(|upgrades| s.responder.upgrades = upgrades),
            show: |s| Some(s.responder.upgrades.to_string()),
        },
        "Protocols to which callers may upgrade their connections or streams, by the names in upgrade headers; empty is none",
    ),
    Setting::new(
        "upgrade_idle_timeout",
        Access::Duration(IsOff, |s| &mut s.responder.http.upgrade_idle_timeout),
        "How long nothing may pass on a connection that was upgraded, or opened by CONNECT; 0s is without limit",
    ),
    Setting::new(
        "wait",
        Access::Duration(IsOff, |s| &mut s.responder.core.wait),
        "How long a request waits for a tunnel; 0s turns waiting off",
    ),
    Setting::new(
        "peer_drain_grace",
        Access::Duration(IsOff, |s| &mut s.responder.core.drain_grace),
        "How long requests may continue after the initiator's GOAWAY",
    ),
];

const HANDSHAKE: &[Setting] = &[
    Setting::new(
        "request_path",
        Access::Text {
            value_name: "PATH",
            example: "/reverse_connections/request",
            read: |s, text| parse_path(text).map(|path| s.responder.request_path = path),
            show: |s| Some(s.responder.request_path.clone()),
        },
        "Path of the handshake request",
    ),
    Setting::new(
        "use_http_upgrade",
        Access::Switch(|s| &mut s.responder.upgrade),
        "Whether initiators ask for an upgrade and are answered 101",
    ),
    Setting::new(
        "header_prefix",
        Access::Text {
            value_name: "PREFIX",
            example: "x-envoy",
            read: |s, text| parse_prefix(text).map(|names| s.responder.header_names = names),
            show: |s| Some(s.responder.header_names.prefix().to_owned()),
        },
        "What the names of the headers begin with by which initiators identify themselves",
    ),
    Setting::new(
        "required_cluster_name",
        Access::Text {
            value_name: "NAME",
            example: "cloud",
            read: |s, text| parse_name(text).map(|name| s.responder.required_cluster = Some(name)),
            show: |s| s.responder.required_cluster.clone(),
        },
        "The upstream that initiators must name as the one they dial",
    )
    .or("any"),
    Setting::new(
        "handshake_timeout",
        Access::Duration(IsWrong, |s| &mut s.responder.core.handshake_timeout),
        "Time from the connection to the response, TLS included",
    ),
    Setting::new(
        "max_head_bytes",
        Access::Number(MIN_HEAD_BYTES..=MAX_HEAD_BYTES, |s| &mut s.responder.max_head_bytes),
        "Bytes of the handshake request's head",
    ),
    Setting::new(
        "max_headers",
        Access::Number(MIN_HEADERS..=MAX_HEADERS as u32, |s| &mut s.responder.max_headers),
        "Headers of the handshake request",
    ),
    Setting::new(
        "settle",
        Access::Duration(IsOff, |s| &mut s.responder.core.settle),
        "How long a new tunnel of an Envoy is left unused",
    ),
];

const LIVENESS: &[Setting] = &[
    Setting::flag(
        "ping_interval",
        Access::Duration(IsWrong, |s| &mut s.responder.core.ping_interval),
        "Time from an answered ping of an idle tunnel to the next one",
    ),
    Setting::new(
        "echo_timeout",
        Access::Duration(IsWrong, |s| &mut s.responder.core.echo_timeout),
        "How long a ping may stay unanswered before the tunnel is closed",
    ),
    Setting::flag(
        "ping_failure_threshold",
        Access::Count {
            range: 1..=MAX_MISSES,
            example: 3,
            set: |s, threshold| s.ping_failure_threshold = Some(threshold),
            get: |s| s.ping_failure_threshold,
        },
        "Intervals that a ping may stay unanswered before the tunnel is closed, in place of echo_timeout",
    )
    .or("echo_timeout applies"),
    Setting::new(
        "silence",
        Access::Duration(IsWrong, |s| &mut s.responder.core.silence),
        "How long a tunnel in use may be silent before it is closed; without a value at least three ping intervals and 1s",
    ),
];
