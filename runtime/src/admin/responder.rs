//! A responder, as its admin listener shows it.

use std::sync::Arc;
use std::time::Duration;

use revtun_core::identity::{ClusterId, NodeId, TenantId};
use revtun_core::responder::{DrainScope, Place, Target};
use serde_json::{Value, json};

use super::{DrainQuery, HEALTH_PATIENCE, Subject};
use crate::config::ResponderSettings;
use crate::metrics::Exposition;
use crate::responder::ResponderHandle;
use crate::tls::Certificates;
use crate::world::World;

/// A responder as the admin listener shows it.
pub struct ResponderSubject<W: World> {
    handle: Arc<ResponderHandle<W>>,
    tenant_isolation: bool,
    grace: Duration,
    certificates: Certificates,
}

impl<W: World> ResponderSubject<W> {
    /// Tells about `handle`, which was started with `settings`.
    #[must_use]
    pub fn new(handle: Arc<ResponderHandle<W>>, settings: &ResponderSettings, certificates: Certificates) -> Self {
        let tenant_isolation = settings.responder.core.tenant_isolation;
        Self { handle, tenant_isolation, grace: settings.drain_grace, certificates }
    }
}

impl<W: World> Subject for ResponderSubject<W> {
    fn healthy(&self) -> Result<(), String> {
        self.handle.health(HEALTH_PATIENCE).map_err(|why| why.to_string())
    }

    fn ready(&self) -> Result<(), String> {
        self.healthy()?;
        if self.handle.is_draining() { Err("draining".to_owned()) } else { Ok(()) }
    }

    fn tunnels(&self) -> Value {
        json!({ "tunnels": self.handle.tunnels() })
    }

    fn metrics(&self, page: &mut Exposition) {
        write_state(&self.handle, page);
        write_handshakes(&self.handle, page);
        write_requests(&self.handle, page);
        self.certificates.metrics(page);
    }

    fn drain(&self, query: &DrainQuery) -> Result<String, String> {
        if self.tenant_isolation && query.tenant.is_none() && query.tunnel.is_none() {
            return Err("tenants are isolated, so name the tenant too".to_owned());
        }
        let (scope, what) = scope(query)?;
        self.handle.drain_scope(scope, query.grace.unwrap_or(self.grace));
        Ok(what)
    }
}

fn scope(query: &DrainQuery) -> Result<(DrainScope<'_>, String), String> {
    const CHECKED: &str = "names were checked when the query was parsed";
    let tenant = query.tenant.as_deref().map(|tenant| TenantId::new(tenant).expect(CHECKED));
    if let Some(tunnel) = query.tunnel {
        return Ok((DrainScope::Tunnel(tunnel), format!("tunnel {tunnel}")));
    }
    let of_tenant = tenant.map_or(String::new(), |tenant| format!(" of tenant {tenant}"));
    let (place, what) = match (query.node.as_deref(), query.cluster.as_deref(), tenant) {
        (Some(node), _, _) => (Place::Node(NodeId::new(node).expect(CHECKED)), format!("node {node}{of_tenant}")),
        (None, Some(cluster), _) => {
            (Place::Cluster(ClusterId::new(cluster).expect(CHECKED)), format!("cluster {cluster}{of_tenant}"))
        }
        (None, None, Some(tenant)) => return Ok((DrainScope::Tenant(tenant), format!("tenant {tenant}"))),
        (None, None, None) => return Err("nothing is named".to_owned()),
    };
    Ok((DrainScope::Place(Target { tenant, place }), what))
}

fn write_state<W: World>(handle: &ResponderHandle<W>, page: &mut Exposition) {
    let counts = handle.counts();
    page.gauge("revtun_responder_handshakes", "Connections whose handshake is not done.")
        .value(counts.handshakes.into());
    page.gauge("revtun_responder_tunnels", "Tunnels accepted and not closed.").value(counts.tunnels.into());
    page.gauge("revtun_responder_nodes", "Nodes with at least one tunnel.").value(counts.nodes.into());
    page.gauge("revtun_responder_streams", "Requests under way.").value(counts.streams.into());
    page.gauge("revtun_responder_waiting", "Callers that wait for a tunnel.").value(counts.waiting.into());
    page.gauge("revtun_responder_draining", "1 while everything is being drained, else 0.")
        .value(handle.is_draining().into());
    page.counter("revtun_responder_stale_events_total", "Events about something no longer known.").value(counts.stale);
}

fn write_handshakes<W: World>(handle: &ResponderHandle<W>, page: &mut Exposition) {
    let totals = handle.totals();
    page.counter("revtun_responder_handshakes_accepted_total", "Handshakes that became tunnels.")
        .value(totals.handshakes_accepted);
    page.counter("revtun_responder_handshakes_rejected_total", "Handshakes turned away, by reason.")
        .by("reason", totals.handshakes_rejected);
    page.counter("revtun_responder_handshakes_abandoned_total", "Peers that left before they said who they are.")
        .value(totals.handshakes_abandoned);
    page.counter("revtun_responder_handshake_timeouts_total", "Peers that took too long to say who they are.")
        .value(totals.handshake_timeouts);
    page.counter("revtun_responder_tls_failures_total", "Peers whose TLS handshake failed.").value(totals.tls_failures);
    page.counter("revtun_responder_tokens_refused_total", "Bearer tokens that proved nothing, by reason.")
        .by("reason", totals.tokens_refused);
    page.counter(
        "revtun_responder_accept_pauses_total",
        "Times that a listener rested, for want of descriptors or memory.",
    )
    .value(totals.accept_pauses);
    page.counter("revtun_responder_pings_sent_total", "Pings written to idle tunnels.").value(totals.pings_sent);
    page.counter("revtun_responder_pings_echoed_total", "Echoes of pings.").value(totals.pings_echoed);
    page.counter("revtun_responder_tunnels_closed_total", "Tunnels closed, by reason.")
        .by("reason", totals.tunnels_closed);
}

fn write_requests<W: World>(handle: &ResponderHandle<W>, page: &mut Exposition) {
    let totals = handle.totals();
    page.counter("revtun_responder_requests_assigned_total", "Times that a request was given a tunnel.")
        .value(totals.requests_assigned);
    page.counter("revtun_responder_requests_waited_total", "Requests that had to wait for a tunnel.")
        .value(totals.requests_waited);
    page.counter("revtun_responder_requests_retried_total", "Requests tried again after their tunnel was lost.")
        .value(totals.requests_retried);
    page.counter("revtun_responder_requests_broken_off_total", "Requests whose bodies lay still for too long.")
        .value(totals.requests_broken_off);
    page.counter("revtun_responder_requests_refused_total", "Requests that got no tunnel, by reason.")
        .by("reason", totals.requests_refused);
    page.counter(
        "revtun_responder_callers_cut_off_total",
        "Connections of callers that ended before their time, by reason.",
    )
    .by("reason", totals.callers_cut_off);
    page.counter("revtun_responder_own_answers_total", "Answers of our own, by x-revtun-reason.")
        .by("reason", totals.own_answers);
}
