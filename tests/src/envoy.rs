//! The real Envoy 1.40.0, fetched once and run on ports of our choice.

mod provision;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub use provision::executable;

use crate::certificates::Files;
use crate::client::get;
use crate::patience::{SOON, until};
use crate::process::Process;

/// An Envoy that accepts tunnels and sends requests into them.
#[derive(Clone, Debug)]
pub struct ResponderConfig {
    /// Where initiators dial.
    pub tunnel: SocketAddr,
    /// Where callers ask.
    pub egress: SocketAddr,
    /// Its admin listener.
    pub admin: SocketAddr,
    /// Whether tenants are kept apart.
    pub tenant_isolation: bool,
    /// Tunnels of one node; zero is no limit.
    pub tunnels_per_node: u32,
    /// What it demands and shows beyond that.
    pub accepting: Accepting,
}

/// How an Envoy accepts tunnels. The default is in the clear, from anybody.
#[derive(Clone, Debug, Default)]
pub struct Accepting {
    /// More fields of the reverse tunnel filter, as one line of flow-style YAML each.
    pub filter: Vec<String>,
    /// Its certificate for tunnels; none is tunnels in the clear.
    pub tls: Option<Files>,
    /// Who may have signed the certificates of initiators; with it, each must show one.
    pub client_ca: Option<String>,
    /// Whom it trusts in a second TLS within tunnels, where it shows the same certificate.
    pub inner_ca: Option<String>,
    /// What stands in place of `x-envoy` in the names of headers.
    pub header_prefix: Option<&'static str>,
    /// Whether it speaks HTTP/1.1 on tunnels, one request at a time, and not HTTP/2.
    pub http1: bool,
    /// Whether it takes upgrades to WebSocket, and CONNECT.
    pub streams: bool,
}

/// An Envoy that dials out and serves what comes back.
#[derive(Clone, Debug)]
pub struct InitiatorConfig {
    /// `node:cluster:tenant`.
    pub identity: String,
    /// Tunnels for each host.
    pub count: u16,
    /// The hosts to dial.
    pub hosts: Vec<SocketAddr>,
    /// The service behind it.
    pub forward: SocketAddr,
    /// Its admin listener.
    pub admin: SocketAddr,
    /// How it dials.
    pub dialling: Dialling,
}

/// How an Envoy dials. The default is in the clear, and proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Dialling {
    /// More fields of the handshake, in flow-style YAML.
    pub handshake: Vec<String>,
    /// The file with whom it trusts; none is tunnels in the clear.
    pub ca: Option<String>,
    /// Its own certificate.
    pub own: Option<Files>,
    /// Its certificate in a second TLS within tunnels.
    pub inner: Option<Files>,
    /// What stands in place of `x-envoy` in the names of headers.
    pub header_prefix: Option<&'static str>,
    /// Whether it takes upgrades to WebSocket, and CONNECT, which leads to its service.
    pub streams: bool,
}

impl ResponderConfig {
    /// Starts it and waits until it is live.
    pub async fn start(&self, envoy: &Path) -> Process {
        let Accepting { filter, tls, client_ca, inner_ca, header_prefix, http1, streams } = &self.accepting;
        let mut filter = filter.clone();
        if self.tunnels_per_node > 0 {
            filter.push("enable_connection_limit: true".to_owned());
        }
        let cluster = if self.tenant_isolation { "tenant_id_format: \"%REQ(x-tenant-id)%\"" } else { "" };
        let transport =
            tls.as_ref().map_or("name: tunnels".to_owned(), |files| downstream_tls(files, client_ca.as_deref()));
        let inner = inner_ca.as_deref().map(|ca| upstream_tls(ca, tls.as_ref())).unwrap_or_default();
        let text = include_str!("envoy/responder.yaml")
            .replace("@TUNNEL_PORT@", &self.tunnel.port().to_string())
            .replace("@EGRESS_PORT@", &self.egress.port().to_string())
            .replace("@ADMIN_PORT@", &self.admin.port().to_string())
            .replace("@TENANT_ISOLATION@", &self.tenant_isolation.to_string())
            .replace("@TUNNELS_PER_NODE@", &self.tunnels_per_node.to_string())
            .replace("@INNER@", &inner)
            .replace("@TRANSPORT@", &transport)
            .replace("@FILTER@", &filter.join("\n          "))
            .replace("@PROTOCOL@", if *http1 { "http_protocol_options" } else { "http2_protocol_options" })
            .replace("@CLUSTER@", cluster)
            .replace("@STREAMS@", &streams.then(|| STREAMS.join("\n          ")).unwrap_or_default())
            .replace("@CONNECT@", if *streams { CONNECT_ON } else { "" })
            .replace("@ALLOW@", if *streams && !http1 { "allow_connect: true" } else { "" });
        start(envoy, "envoy responder", &prefixed(text, *header_prefix), self.admin).await
    }
}

impl InitiatorConfig {
    /// Starts it and waits until it is live; its tunnels may come later. Envoy dials only in its maintenance pass; the
    /// shortest sensible one keeps the tests short.
    pub async fn start(&self, envoy: &Path) -> Process {
        let Dialling { handshake, ca, own, inner, header_prefix, streams } = &self.dialling;
        let endpoint = |host: &SocketAddr| {
            format!(
                "- endpoint: {{address: {{socket_address: {{address: {}, port_value: {}}}}}}}",
                host.ip(),
                host.port()
            )
        };
        let hosts: Vec<String> = self.hosts.iter().map(endpoint).collect();
        let mut extension = vec!["maintain_interval: 0.5s".to_owned(), "max_reconnect_backoff: 1s".to_owned()];
        if !handshake.is_empty() {
            extension.push(format!("http_handshake: {{{}}}", handshake.join(", ")));
        }
        let inner = inner.as_ref().map_or("name: tunnels".to_owned(), |files| downstream_tls(files, None));
        let transport = ca.as_deref().map(|ca| upstream_tls(ca, own.as_ref())).unwrap_or_default();
        let text = include_str!("envoy/initiator.yaml")
            .replace("@IDENTITY@", &self.identity)
            .replace("@COUNT@", &self.count.to_string())
            .replace("@HOSTS@", &hosts.join("\n        "))
            .replace("@FORWARD_PORT@", &self.forward.port().to_string())
            .replace("@ADMIN_PORT@", &self.admin.port().to_string())
            .replace("@INNER@", &inner)
            .replace("@TRANSPORT@", &transport)
            .replace("@EXTENSION@", &extension.join("\n    "))
            .replace("@STREAMS@", &streams.then(|| STREAMS.join("\n            ")).unwrap_or_default())
            .replace("@CONNECT@", if *streams { CONNECT_ENDS } else { "" });
        start(envoy, "envoy initiator", &prefixed(text, *header_prefix), self.admin).await
    }
}

/// Fields of a connection manager that takes upgrades and CONNECT; one line each, since they stand at two depths.
const STREAMS: [&str; 2] = [
    "upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: CONNECT}]",
    "http2_protocol_options: {allow_connect: true}",
];

/// The route of CONNECT at a responder, and at an initiator.
const CONNECT_ON: &str = "- {match: {connect_matcher: {}}, route: {cluster: reverse_connection_cluster, timeout: 0s}}";
const CONNECT_ENDS: &str = "- {match: {connect_matcher: {}}, route: {cluster: downstream-service, timeout: 0s, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}";

/// The configuration with another prefix of header names.
fn prefixed(text: String, prefix: Option<&str>) -> String {
    prefix.map(|prefix| format!("header_prefix: {prefix}\n{text}")).unwrap_or(text)
}

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

fn downstream_tls(files: &Files, client_ca: Option<&str>) -> String {
    let trust = client_ca.map(|ca| format!(", {}", trusting(ca))).unwrap_or_default();
    let parts = format!(
        "common_tls_context: {{{}{trust}}}, require_client_certificate: {}",
        showing(files),
        client_ca.is_some()
    );
    transport(&format!("{{\"@type\": {TLS}.DownstreamTlsContext, {parts}}}"))
}

fn upstream_tls(ca: &str, own: Option<&Files>) -> String {
    let own = own.map(|files| format!(", {}", showing(files))).unwrap_or_default();
    transport(&format!("{{\"@type\": {TLS}.UpstreamTlsContext, common_tls_context: {{{}{own}}}}}", trusting(ca)))
}

fn showing(Files { cert, key }: &Files) -> String {
    format!("tls_certificates: [{{certificate_chain: {{filename: {cert}}}, private_key: {{filename: {key}}}}}]")
}

fn trusting(ca: &str) -> String {
    format!("validation_context: {{trusted_ca: {{filename: {ca}}}}}")
}

fn transport(context: &str) -> String {
    format!("transport_socket: {{name: envoy.transport_sockets.tls, typed_config: {context}}}")
}

async fn start(envoy: &Path, name: &str, config: &str, admin: SocketAddr) -> Process {
    let mut process = Process::start(
        name,
        Command::new(envoy).args(["--config-yaml", config]).args([
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "--drain-time-s",
            "2",
        ]),
    );
    let live = format!("{name} is live");
    until(SOON, &live, async || {
        assert!(process.ended().is_none(), "{name} ended:\n{}", process.stderr());
        let ready = get(admin, "/ready").await.ok()?;
        (ready.status == 200).then_some(())
    })
    .await;
    process
}
