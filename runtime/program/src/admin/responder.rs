//! A responder, as its admin listener shows it.

use std::sync::Arc;
use std::time::Duration;

use revtun_core::identity::{ClusterId, NodeId, TenantId};
use revtun_core::responder::{DrainScope, Target, TargetName};
use serde_json::{Value, json};

use super::certificates;
use super::drain_query::DrainQuery;
use super::subject::{HEALTH_TIMEOUT, Subject, count_of};
use crate::config::ResponderSettings;
use crate::metrics::Exposition;
use revtun::responder::{ResponderHandle, TunnelInfo};
use revtun::tls::CertificateStore;
use revtun::world::World;

/// A responder as the admin listener shows it.
pub struct ResponderSubject<W: World> {
    handle: Arc<ResponderHandle<W>>,
    tenant_isolation: bool,
    grace: Duration,
    certificates: CertificateStore,
}

impl<W: World> ResponderSubject<W> {
    /// Tells about `handle`, which was started with `settings`.
    #[must_use]
    pub fn new(handle: Arc<ResponderHandle<W>>, settings: &ResponderSettings, certificates: CertificateStore) -> Self {
        let tenant_isolation = settings.responder.core.tenant_isolation;
        Self { handle, tenant_isolation, grace: settings.process.drain_grace, certificates }
    }
}

impl<W: World> Subject for ResponderSubject<W> {
    fn healthy(&self) -> Result<(), String> {
        self.handle.health(HEALTH_TIMEOUT).map_err(|why| why.to_string())
    }

    fn ready(&self) -> Result<(), String> {
        self.healthy()?;
        if self.handle.is_draining() { Err("draining".to_owned()) } else { Ok(()) }
    }

    fn tunnels(&self) -> Value {
        let tunnels: Vec<_> = self.handle.tunnels().into_iter().map(tunnel).collect();
        json!({ "tunnels": tunnels })
    }

    fn metrics(&self, page: &mut Exposition) {
        write_state(&self.handle, page);
        write_handshakes(&self.handle, page);
        write_requests(&self.handle, page);
        certificates::write(&self.certificates, page);
    }

    fn everything(&self) -> String {
        count_of(self.handle.counts().tunnels as usize, "tunnel")
    }

    fn drain(&self, query: &DrainQuery) -> Result<String, String> {
        if self.tenant_isolation && query.tenant.is_none() && query.tunnel.is_none() {
            return Err("tenants are isolated, so name the tenant too".to_owned());
        }
        let (scope, what) = scope(query)?;
        let matched = self.handle.drain_scope(scope, query.grace.unwrap_or(self.grace));
        Ok(format!("{what}: {}", count_of(matched, "tunnel")))
    }
}

fn tunnel(info: TunnelInfo) -> Value {
    json!({
        "tunnel": info.tunnel,
        "stage": info.stage,
        "node": info.node,
        "cluster": info.cluster,
        "tenant": info.tenant,
        "peer": info.peer,
        "streams": info.streams,
        "heard_ms_ago": info.heard_ms_ago,
    })
}

fn scope(query: &DrainQuery) -> Result<(DrainScope<'_>, String), String> {
    const CHECKED: &str = "names were checked when the query was parsed";
    let tenant = query.tenant.as_deref().map(|tenant| TenantId::new(tenant).expect(CHECKED));
    if let Some(tunnel) = query.tunnel {
        return Ok((DrainScope::Tunnel(tunnel), format!("tunnel {tunnel}")));
    }
    let of_tenant = tenant.map_or(String::new(), |tenant| format!(" of tenant {tenant}"));
    let (name, what) = match (query.node.as_deref(), query.cluster.as_deref(), tenant) {
        (Some(node), None, _) => {
            (TargetName::Node(NodeId::new(node).expect(CHECKED)), format!("node {node}{of_tenant}"))
        }
        (Some(node), Some(cluster), _) => {
            let what = format!("node {node} of cluster {cluster}{of_tenant}");
            let (node, cluster) = (NodeId::new(node).expect(CHECKED), ClusterId::new(cluster).expect(CHECKED));
            (TargetName::Member { node, cluster }, what)
        }
        (None, Some(cluster), _) => {
            (TargetName::Cluster(ClusterId::new(cluster).expect(CHECKED)), format!("cluster {cluster}{of_tenant}"))
        }
        (None, None, Some(tenant)) => return Ok((DrainScope::Tenant(tenant), format!("tenant {tenant}"))),
        (None, None, None) => return Err("name a tenant, node, cluster or tunnel".to_owned()),
    };
    Ok((DrainScope::Target(Target { tenant, name }), what))
}

fn write_state<W: World>(handle: &ResponderHandle<W>, page: &mut Exposition) {
    let counts = handle.counts();
    page.gauge("revtun_responder_handshakes_in_progress", "Connections whose handshake is not complete.")
        .value(counts.handshakes.into());
    page.gauge("revtun_responder_tunnels", "Tunnels accepted and not closed.").value(counts.tunnels.into());
    page.gauge("revtun_responder_nodes", "Nodes with at least one tunnel.").value(counts.nodes.into());
    page.gauge("revtun_responder_requests_in_progress", "Requests in progress.").value(counts.streams.into());
    page.gauge("revtun_responder_requests_waiting", "Requests waiting for a tunnel.").value(counts.waiting.into());
    page.gauge("revtun_responder_draining", "1 while the responder drains, else 0.").value(handle.is_draining().into());
    page.counter("revtun_responder_stale_events_total", "Events about tunnels and requests that no longer exist.")
        .value(counts.stale);
}

fn write_handshakes<W: World>(handle: &ResponderHandle<W>, page: &mut Exposition) {
    let totals = handle.totals();
    page.counter("revtun_responder_handshakes_accepted_total", "Handshakes accepted.")
        .value(totals.handshakes_accepted);
    page.counter("revtun_responder_handshakes_rejected_total", "Handshakes rejected, by reason.")
        .by("reason", totals.handshakes_rejected);
    page.counter(
        "revtun_responder_handshakes_abandoned_total",
        "Connections that the peer closed before its handshake was complete.",
    )
    .value(totals.handshakes_abandoned);
    page.counter(
        "revtun_responder_handshake_timeouts_total",
        "Connections closed because their handshake took too long.",
    )
    .value(totals.handshake_timeouts);
    page.counter(
        "revtun_responder_handshakes_dropped_total",
        "Connections closed early because too many handshakes were in progress, most of them from their network.",
    )
    .value(totals.handshakes_dropped);
    page.counter("revtun_responder_tls_handshake_failures_total", "TLS handshakes at the tunnel listener that failed.")
        .value(totals.tls_failures);
    page.counter("revtun_responder_tokens_rejected_total", "Bearer tokens rejected, by reason.")
        .by("reason", totals.tokens_refused);
    page.counter(
        "revtun_responder_credentials_ended_total",
        "Tunnels drained because what proved their identity expired or was revoked, by reason.",
    )
    .by("reason", totals.credentials_ended);
    page.counter(
        "revtun_responder_accept_pauses_total",
        "Times that a listener stopped accepting for want of file descriptors or memory.",
    )
    .value(totals.accept_pauses);
    page.counter("revtun_responder_pings_sent_total", "Pings sent on idle tunnels.").value(totals.pings_sent);
    page.counter("revtun_responder_pings_echoed_total", "Pings that initiators answered.").value(totals.pings_echoed);
    page.counter("revtun_responder_tunnels_closed_total", "Tunnels closed, by reason.")
        .by("reason", totals.tunnels_closed);
}

fn write_requests<W: World>(handle: &ResponderHandle<W>, page: &mut Exposition) {
    let totals = handle.totals();
    page.counter("revtun_responder_requests_assigned_total", "Times that a request was assigned to a tunnel.")
        .value(totals.requests_assigned);
    page.counter("revtun_responder_requests_waited_total", "Requests that waited for a tunnel.")
        .value(totals.requests_waited);
    page.counter("revtun_responder_requests_retried_total", "Requests retried after their tunnel was lost.")
        .value(totals.requests_retried);
    page.counter("revtun_responder_stream_idle_timeouts_total", "Requests ended because a body was idle for too long.")
        .value(totals.idle_timeouts);
    page.counter("revtun_responder_requests_refused_total", "Requests refused a tunnel, by reason.")
        .by("reason", totals.requests_refused);
    page.gauge("revtun_responder_downstream_connections", "Connections of callers.")
        .value(totals.downstream_connections);
    page.counter(
        "revtun_responder_downstream_connections_refused_total",
        "Connections of callers refused because there were too many, by reason.",
    )
    .by("reason", totals.downstream_connections_refused);
    page.counter(
        "revtun_responder_downstream_connections_displaced_total",
        "Connections of callers without a request that were closed because others needed their places.",
    )
    .value(totals.downstream_connections_displaced);
    page.counter(
        "revtun_responder_downstream_errors_total",
        "Connections of callers that ended with an error, by reason.",
    )
    .by("reason", totals.downstream_errors);
    page.counter("revtun_responder_local_replies_total", "Responses that revtun itself generated, by x-revtun-reason.")
        .by("reason", totals.local_replies);
}
