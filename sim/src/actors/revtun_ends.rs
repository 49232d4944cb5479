//! The shipped responder and initiator, started as their processes start them.

use std::sync::{Arc, Mutex, PoisonError};

use revtun::initiator::{self, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::responder::{self, ResponderConfig, ResponderHandle};
use revtun::tls::{Client, Extent, Server, TunnelServer};
use revtun::upstream::Forward;
use revtun_core::address::Address;
use revtun_core::binding::{Binding, Placeholder, Template};

use super::addresses::{CLOUD, EGRESS, SERVICE, TUNNELS, unspecified};
use crate::deterministic_tls::CertificateAuthority;
use crate::plan::Plan;
use crate::process_world::ProcessWorld;

/// The handle of an end, once it has started. Cheap to clone: all clones are one.
pub struct Slot<H>(Arc<Mutex<Option<Arc<H>>>>);

impl<H> Slot<H> {
    /// Not started yet.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// The handle.
    #[must_use]
    pub fn get(&self) -> Option<Arc<H>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the handle out, since the process is gone.
    pub fn clear(&self) -> Option<Arc<H>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, handle: H) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(handle));
    }
}

impl<H> Clone for Slot<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Starts a responder.
///
/// # Panics
/// If it cannot listen.
pub async fn responder(
    world: ProcessWorld,
    plan: Arc<Plan>,
    authority: Arc<CertificateAuthority>,
    slot: Slot<ResponderHandle<ProcessWorld>>,
) {
    let mut config = ResponderConfig::at(unspecified(TUNNELS), unspecified(EGRESS));
    config.core = plan.responder;
    config.request_timeout = plan.request_timeout;
    config.tls = plan.tls.then(|| {
        let mut tls = TunnelServer::new(Server::new(authority.server(CLOUD)));
        tls.extent = extent(&plan);
        tls.binding = Some(Arc::new(binding()));
        tls
    });
    slot.set(responder::start(world, config).await.expect("its ports are its own"));
}

/// Starts an initiator with `count` tunnels to each responder.
///
/// # Panics
/// Never: the names are legal.
pub async fn initiator(
    world: ProcessWorld,
    plan: Arc<Plan>,
    authority: Arc<CertificateAuthority>,
    slot: Slot<InitiatorHandle<ProcessWorld>>,
    (number, count): (usize, u16),
) {
    let place = |host: &str, port| HostPort { host: host.to_owned(), port };
    let (node, tenant) = (Plan::node(number), Plan::tenant(number));
    let address = Address::parse(&format!("rc://{node}:edge:tenant-{tenant}@{CLOUD}:{count}"));
    let mut config = InitiatorConfig::new(address.expect("legal names"), vec![place(CLOUD, TUNNELS)]);
    config.core = plan.initiator;
    config.allow_plaintext = !plan.tls;
    config.tls = plan.tls.then(|| {
        let mut tls = Client::new(authority.client(&identity(number)));
        tls.extent = extent(&plan);
        tls
    });
    let forward = Forward::new(&world, place("127.0.0.1", SERVICE), &config.core).expect("a legal place");
    let run = Run::begin(&world);
    slot.set(initiator::start(&world, config, run, forward).await.expect("it may dial every machine"));
}

fn extent(plan: &Plan) -> Extent {
    if plan.keeps_tls() { Extent::Whole } else { Extent::Handshake }
}

/// The identity in an initiator's certificate.
#[must_use]
pub fn identity(initiator: usize) -> String {
    format!("spiffe://tenant-{}/edge/{}", Plan::tenant(initiator), Plan::node(initiator))
}

fn binding() -> Binding {
    let template = |placeholder| {
        Template::parse("spiffe://{tenant}/{cluster}/{node}", placeholder).expect("it has all placeholders")
    };
    Binding::new(template(Placeholder::Node), template(Placeholder::Cluster), template(Placeholder::Tenant))
        .expect("one template for all names")
}
