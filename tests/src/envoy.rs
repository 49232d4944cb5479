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
    /// More fields of the reverse tunnel filter, as one line of flow-style YAML each.
    pub filter: Vec<&'static str>,
    /// Tunnels of one node; zero is no limit.
    pub tunnels_per_node: u32,
    /// Its certificate for tunnels; none is tunnels in the clear.
    pub tls: Option<Files>,
    /// Whom it trusts in a second TLS within tunnels.
    pub inner_ca: Option<String>,
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
    /// More fields of the bootstrap extension, as one line of flow-style YAML each.
    pub extension: Vec<&'static str>,
    /// The file with whom it trusts; none is tunnels in the clear.
    pub tls_ca: Option<String>,
    /// Its certificate in a second TLS within tunnels.
    pub inner: Option<Files>,
}

impl ResponderConfig {
    /// Starts it and waits until it is live.
    pub async fn start(&self, envoy: &Path) -> Process {
        let mut filter = self.filter.clone();
        if self.tunnels_per_node > 0 {
            filter.push("enable_connection_limit: true");
        }
        let cluster = if self.tenant_isolation { "tenant_id_format: \"%REQ(x-tenant-id)%\"" } else { "" };
        let text = include_str!("envoy/responder.yaml")
            .replace("@TUNNEL_PORT@", &self.tunnel.port().to_string())
            .replace("@EGRESS_PORT@", &self.egress.port().to_string())
            .replace("@ADMIN_PORT@", &self.admin.port().to_string())
            .replace("@TENANT_ISOLATION@", &self.tenant_isolation.to_string())
            .replace("@TUNNELS_PER_NODE@", &self.tunnels_per_node.to_string())
            .replace("@INNER@", &self.inner_ca.as_deref().map(upstream_tls).unwrap_or_default())
            .replace("@TRANSPORT@", &self.tls.as_ref().map_or("name: tunnels".to_owned(), downstream_tls))
            .replace("@FILTER@", &filter.join("\n          "))
            .replace("@CLUSTER@", cluster);
        start(envoy, "envoy responder", &text, self.admin).await
    }
}

impl InitiatorConfig {
    /// Starts it and waits until it is live; its tunnels may come later.
    pub async fn start(&self, envoy: &Path) -> Process {
        let endpoint = |host: &SocketAddr| {
            format!(
                "- endpoint: {{address: {{socket_address: {{address: {}, port_value: {}}}}}}}",
                host.ip(),
                host.port()
            )
        };
        let hosts: Vec<String> = self.hosts.iter().map(endpoint).collect();
        let text = include_str!("envoy/initiator.yaml")
            .replace("@IDENTITY@", &self.identity)
            .replace("@COUNT@", &self.count.to_string())
            .replace("@HOSTS@", &hosts.join("\n        "))
            .replace("@FORWARD_PORT@", &self.forward.port().to_string())
            .replace("@ADMIN_PORT@", &self.admin.port().to_string())
            .replace("@INNER@", &self.inner.as_ref().map_or("name: tunnels".to_owned(), downstream_tls))
            .replace("@TRANSPORT@", &self.tls_ca.as_deref().map(upstream_tls).unwrap_or_default())
            .replace("@EXTENSION@", &self.extension.join("\n    "));
        start(envoy, "envoy initiator", &text, self.admin).await
    }
}

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

fn downstream_tls(files: &Files) -> String {
    let Files { cert, key } = files;
    let own = format!("{{certificate_chain: {{filename: {cert}}}, private_key: {{filename: {key}}}}}");
    let context =
        format!("{{\"@type\": {TLS}.DownstreamTlsContext, common_tls_context: {{tls_certificates: [{own}]}}}}");
    format!("transport_socket: {{name: envoy.transport_sockets.tls, typed_config: {context}}}")
}

fn upstream_tls(ca: &str) -> String {
    let trust = format!("{{validation_context: {{trusted_ca: {{filename: {ca}}}}}}}");
    let context = format!("{{\"@type\": {TLS}.UpstreamTlsContext, common_tls_context: {trust}}}");
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
