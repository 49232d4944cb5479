//! The hosts of an upstream, and what is known of their troubles and of those of their names.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use revtun_core::hosts::{self, Hosts};
use revtun_core::initiator::HostId;
use revtun_core::outage::{self, Outage};
use revtun_core::{Env, Instant};
use tracing::{debug, info, warn};

use crate::host_port::HostPort;

/// The answer of the resolver for an endpoint.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The index of the endpoint in the configuration.
    pub(super) endpoint: usize,
    pub(super) answer: io::Result<Vec<SocketAddr>>,
}

/// The policy, with the reasons of failures, which it does not look at.
#[derive(Debug)]
pub(super) struct HostTable {
    pub(super) hosts: Hosts,
    pub(super) endpoints: Vec<Endpoint>,
    /// Of hosts to which no tunnel was accepted since.
    outages: BTreeMap<HostId, Outage>,
}

/// One endpoint as it is configured.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: HostPort,
    /// Why it cannot be resolved.
    pub(super) outage: Option<Outage>,
    was_resolved: bool,
}

impl Endpoint {
    /// Whether no answer about it has come.
    pub(super) const fn is_unknown(&self) -> bool {
        !self.was_resolved && self.outage.is_none()
    }
}

impl HostTable {
    pub(super) fn new(hosts: Hosts, endpoints: &[HostPort]) -> Self {
        let endpoints =
            endpoints.iter().map(|name| Endpoint { name: name.clone(), outage: None, was_resolved: false }).collect();
        Self { hosts, endpoints, outages: BTreeMap::new() }
    }

    /// Takes an answer of the resolver, and logs what has changed.
    pub(super) fn resolved(&mut self, env: Env, Resolved { endpoint: index, answer }: &Resolved) -> Vec<hosts::Effect> {
        let Some(endpoint) = self.endpoints.get_mut(*index) else { return Vec::new() };
        match answer {
            Ok(addresses) => {
                endpoint.was_resolved = true;
                if let Some(outage) = endpoint.outage.take() {
                    let after = env.now.since(outage.since());
                    info!(endpoint = %endpoint.name, failures = outage.failures(), ?after, "an endpoint is resolved again");
                }
                self.hosts.step(env, hosts::Event::Resolved { endpoint: *index, addresses })
            }
            Err(error) => {
                let effects = self.hosts.step(env, hosts::Event::ResolveFailed { endpoint: *index });
                let reason = error.to_string();
                let is_news = outage::failed(&mut endpoint.outage, env.now, &reason);
                let stays = if endpoint.was_resolved { "its last addresses stay" } else { "it has no tunnels" };
                let endpoint = &endpoint.name;
                if is_news {
                    warn!(%endpoint, %error, "cannot resolve an endpoint, and will try again; until then {stays}");
                } else {
                    debug!(%endpoint, %error, "cannot resolve an endpoint");
                }
                effects
            }
        }
    }

    /// Notes that a dial of the host or a handshake with it failed. Returns whether that is worth a line of the log.
    pub(super) fn failed(&mut self, now: Instant, host: HostId, reason: &str) -> bool {
        match self.outages.get_mut(&host) {
            Some(outage) => outage.failed(now, reason),
            None => {
                self.outages.insert(host, Outage::begin(now, reason));
                true
            }
        }
    }

    /// Notes that the host accepted a tunnel. Returns the trouble that it ends.
    pub(super) fn accepted(&mut self, host: HostId) -> Option<Outage> {
        self.hosts.accepted(host);
        self.outages.remove(&host)
    }

    /// The machine has forgotten the host.
    pub(super) fn forgotten(&mut self, env: Env, host: HostId) -> Vec<hosts::Effect> {
        self.outages.remove(&host);
        self.hosts.step(env, hosts::Event::Forgotten { host })
    }

    pub(super) fn outage(&self, host: HostId) -> Option<&Outage> {
        self.outages.get(&host)
    }

    /// The name to which `host` belongs, as it is configured.
    pub(super) fn name(&self, host: HostId) -> Option<&str> {
        Some(&self.endpoints.get(self.hosts.endpoint(host)?)?.name.host)
    }
}
