//! An initiator process, as its admin listener shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use revtun_core::address::Address;
use serde_json::{Value, json};

use super::certificates;
use super::drain_query::DrainQuery;
use super::subject::{HEALTH_TIMEOUT, Subject, count_of};
use crate::metrics::Exposition;
use revtun::initiator::{EndpointInfo, HostInfo, InitiatorHandle, STAGES, Targets, Totals, TunnelInfo};
use revtun::tls::CertificateStore;
use revtun::upstream::{Forward, ServiceInfo};
use revtun::world::World;

/// The most names and hosts of a listener of which `/readyz` tells what is wrong with them.
const MAX_TROUBLES: usize = 16;

/// An initiator process as the admin listener shows it: every listener of it.
pub struct InitiatorSubject<W: World> {
    listeners: Arc<Vec<(Address, InitiatorHandle<W>)>>,
    forwards: Vec<Forward<W>>,
    grace: Duration,
    certificates: CertificateStore,
}

impl<W: World> InitiatorSubject<W> {
    /// Tells about `listeners` and what forwards their requests; a drain lets requests go on for `grace` unless its query says otherwise.
    #[must_use]
    pub fn new(
        listeners: Arc<Vec<(Address, InitiatorHandle<W>)>>,
        forwards: Vec<Forward<W>>,
        grace: Duration,
        certificates: CertificateStore,
    ) -> Self {
        Self { listeners, forwards, grace, certificates }
    }

    /// Every service by its name, with the endpoints that are up and all of them. Several listeners may have the same one: it
    /// is up for as long as one of them can tell.
    fn services(&self) -> BTreeMap<String, (u64, u64)> {
        let mut services: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for service in self.forwards.iter().flat_map(Forward::services) {
            let (up, all) = services.entry(service.name).or_default();
            *up += service.endpoints.iter().filter(|endpoint| endpoint.up).count() as u64;
            *all += service.endpoints.len() as u64;
        }
        services
    }
}

impl<W: World> Subject for InitiatorSubject<W> {
    fn healthy(&self) -> Result<(), String> {
        let sick = self.listeners.iter().filter_map(|(address, handle)| {
            let why = handle.health(HEALTH_TIMEOUT).err()?;
            Some(format!("{why} ({address})"))
        });
        let sick: Vec<_> = sick.collect();
        if sick.is_empty() { Ok(()) } else { Err(sick.join(", ")) }
    }

    fn ready(&self) -> Result<(), String> {
        self.healthy()?;
        let unready = self.listeners.iter().filter(|(_, handle)| !handle.ready());
        let unready: Vec<_> = unready.map(|(address, handle)| format!("{address}{}", troubles(handle))).collect();
        if unready.is_empty() {
            Ok(())
        } else {
            Err(format!("no tunnel was heard recently for {}", unready.join("; ")))
        }
    }

    fn details(&self) -> Vec<String> {
        let down = |service: &ServiceInfo| {
            let down = service.endpoints.iter().filter(|endpoint| !endpoint.up);
            down.map(|endpoint| endpoint.endpoint.clone()).collect::<Vec<_>>().join(", ")
        };
        let lines = self.forwards.iter().flat_map(Forward::services).map(|service| {
            let state = match (service.is_down(), down(&service)) {
                (true, endpoints) => format!("down ({endpoints})"),
                (false, endpoints) if endpoints.is_empty() => "up".to_owned(),
                (false, endpoints) => format!("up, without {endpoints}"),
            };
            format!("service {}: {state}", service.name)
        });
        let lines: BTreeSet<_> = lines.collect();
        lines.into_iter().collect()
    }

    fn tunnels(&self) -> Value {
        let listeners: Vec<_> = self
            .listeners
            .iter()
            .map(|(address, handle)| {
                let tunnels: Vec<_> = handle.tunnels().into_iter().map(tunnel).collect();
                let hosts: Vec<_> = handle.hosts().into_iter().map(host).collect();
                let names: Vec<_> = handle.endpoints().into_iter().map(endpoint).collect();
                json!({ "address": address.to_string(), "names": names, "hosts": hosts, "tunnels": tunnels })
            })
            .collect();
        json!({ "listeners": listeners })
    }

    fn metrics(&self, page: &mut Exposition) {
        let ready = self.listeners.iter().filter(|(_, handle)| handle.ready()).count();
        page.gauge("revtun_initiator_listeners", "Configured rc:// addresses.").value(self.listeners.len() as u64);
        page.gauge(
            "revtun_initiator_listeners_ready",
            "Configured rc:// addresses with a tunnel that was heard recently.",
        )
        .value(ready as u64);
        let mut stages: BTreeMap<_, u64> = STAGES.into_iter().map(|stage| (stage, 0)).collect();
        for tunnel in self.listeners.iter().flat_map(|(_, handle)| handle.tunnels()) {
            *stages.entry(tunnel.stage).or_insert(0) += 1;
        }
        page.gauge("revtun_initiator_tunnels", "Tunnels, by stage.").by("stage", stages);
        let targets: Vec<_> = self.listeners.iter().map(|(_, handle)| handle.targets()).collect();
        let sum = |of: fn(&Targets) -> u32| targets.iter().map(|targets| u64::from(of(targets))).sum();
        page.gauge("revtun_initiator_hosts", "Addresses of responders that tunnels are wanted to.")
            .value(sum(|targets| targets.hosts));
        page.gauge("revtun_initiator_tunnels_wanted", "Tunnels that are wanted, to all hosts.")
            .value(sum(|targets| targets.tunnels));
        let services = self.services();
        let up = services.iter().map(|(name, (up, _))| (name.as_str(), *up));
        page.gauge("revtun_initiator_service_endpoints_up", "Endpoints of local services that are up, by service.")
            .by("service", up);
        let all = services.iter().map(|(name, (_, all))| (name.as_str(), *all));
        page.gauge("revtun_initiator_service_endpoints", "Endpoints of local services, by service.").by("service", all);
        write_totals(self.listeners.iter().map(|(_, handle)| handle.totals()).collect(), page);
        certificates::write(&self.certificates, page);
    }

    fn everything(&self) -> String {
        count_of(self.listeners.len(), "listener")
    }

    fn drain(&self, query: &DrainQuery) -> Result<String, String> {
        if query.tunnel.is_some() {
            return Err("an initiator drains whole listeners; name a tenant, cluster or node".to_owned());
        }
        let named: Vec<_> = self.listeners.iter().filter(|(address, _)| is_meant(address, query)).collect();
        for (_, handle) in &named {
            handle.drain(query.grace.unwrap_or(self.grace));
        }
        match named.len() {
            0 => Err("no listener has such an identity".to_owned()),
            many => Ok(count_of(many, "listener")),
        }
    }
}

/// Why a listener has no tunnels: in brackets, what is wrong with each name and host, and when it is tried again.
fn troubles<W: World>(handle: &InitiatorHandle<W>) -> String {
    let next = |what: &str, millis: Option<u64>| match millis {
        Some(millis) => format!("next {what} in {}.{} s", millis / 1000, millis % 1000 / 100),
        None => format!("{what} under way"),
    };
    let names = handle.endpoints().into_iter().filter_map(|name| {
        let error = format!("cannot resolve {}: {}", name.endpoint, name.last_error?);
        Some(format!("{error}, {}", next("lookup", name.next_resolve_ms)))
    });
    let hosts = handle.hosts().into_iter().filter(|host| !host.up).map(|host| {
        let error = host.last_error.map_or(String::new(), |error| format!("{error}, "));
        format!("{}: {error}{}", host.address, next("dial", host.next_dial_ms))
    });
    let shown: Vec<_> = names.chain(hosts).take(MAX_TROUBLES).collect();
    if shown.is_empty() { String::new() } else { format!(" ({})", shown.join("; ")) }
}

fn host(info: HostInfo) -> Value {
    json!({
        "host": info.address,
        "up": info.up,
        "last_error": info.last_error,
        "next_dial_ms": info.next_dial_ms,
    })
}

fn endpoint(info: EndpointInfo) -> Value {
    json!({
        "name": info.endpoint.to_string(),
        "last_error": info.last_error,
        "next_lookup_ms": info.next_resolve_ms,
    })
}

fn tunnel(info: TunnelInfo) -> Value {
    json!({
        "tunnel": info.tunnel,
        "host": info.host,
        "stage": info.stage,
        "heard_ms_ago": info.heard_ms_ago,
    })
}

fn is_meant(address: &Address, query: &DrainQuery) -> bool {
    let identity = address.identity();
    let meant = |asked: &Option<String>, is: &str| asked.as_deref().is_none_or(|asked| asked == is);
    meant(&query.tenant, identity.tenant.as_str())
        && meant(&query.cluster, identity.cluster.as_str())
        && meant(&query.node, identity.node.as_str())
}

/// The totals of all listeners together: the number of listeners is the operator's, but their names are long.
fn write_totals(totals: Vec<Totals>, page: &mut Exposition) {
    let sum = |of: fn(&Totals) -> u64| totals.iter().map(of).sum();
    page.counter("revtun_initiator_dials_total", "Connections attempted.").value(sum(|totals| totals.dials));
    page.counter("revtun_initiator_pings_echoed_total", "Pings answered.").value(sum(|totals| totals.pings_echoed));
    page.counter("revtun_initiator_requests_total", "Requests received through tunnels.")
        .value(sum(|totals| totals.requests));
    page.counter("revtun_initiator_stream_idle_timeouts_total", "Requests ended because a body was idle for too long.")
        .value(sum(|totals| totals.idle_timeouts));
    page.counter("revtun_initiator_handshakes_total", "Handshakes, by outcome.")
        .by("outcome", sum_by_name(&totals, |totals| &totals.handshakes));
    page.counter(
        "revtun_initiator_tunnels_closed_total",
        "Connections that ended, by reason: failed dials, failed handshakes and closed tunnels.",
    )
    .by("reason", sum_by_name(&totals, |totals| &totals.tunnels_closed));
}

fn sum_by_name(totals: &[Totals], of: impl Fn(&Totals) -> &Vec<(&'static str, u64)>) -> BTreeMap<&'static str, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in totals.iter().flat_map(of) {
        *sums.entry(*name).or_insert(0) += count;
    }
    sums
}
