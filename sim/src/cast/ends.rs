//! Both ends of tunnels, started as their processes start them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revtun::initiator::{self, Forward, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::responder::{self, ResponderConfig, ResponderHandle};
use revtun::tls::{Client, Extent, Server, TunnelServer};
use revtun_core::address::Address;
use revtun_core::binding::{Binding, Hole, Template};

use super::{CLOUD, EGRESS, SERVICE, TUNNELS, anywhere};
use crate::host::{Local, pause};
use crate::plan::Plan;
use crate::secrets::Authority;

/// The handle of a process, once it has started. Cheap to clone: all clones are one.
pub struct Slot<H>(Arc<Mutex<Option<Arc<H>>>>);

impl<H> Slot<H> {
    /// A process that has not started.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// The handle.
    #[must_use]
    pub fn get(&self) -> Option<Arc<H>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process is gone.
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

/// How soon a process that could not start is started again.
const RESTART: Duration = Duration::from_secs(1);

/// Starts a responder.
///
/// # Panics
/// If it cannot listen.
pub async fn responder(world: Local, plan: Arc<Plan>, authority: Arc<Authority>, slot: Slot<ResponderHandle<Local>>) {
    let mut config = ResponderConfig::at(anywhere(TUNNELS), anywhere(EGRESS));
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
    world: Local,
    plan: Arc<Plan>,
    authority: Arc<Authority>,
    slot: Slot<InitiatorHandle<Local>>,
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
    loop {
        match initiator::start(&world, config.clone(), run.clone(), forward.clone()).await {
            Ok(handle) => return slot.set(handle),
            // Whoever runs it starts it again.
            Err(_) => pause(RESTART).await,
        }
    }
}

fn extent(plan: &Plan) -> Extent {
    if plan.is_whole() { Extent::Whole } else { Extent::Handshake }
}

/// What the certificate of an initiator says.
#[must_use]
pub fn identity(initiator: usize) -> String {
    format!("spiffe://tenant-{}/edge/{}", Plan::tenant(initiator), Plan::node(initiator))
}

fn binding() -> Binding {
    let template = |hole| Template::parse("spiffe://{tenant}/{cluster}/{node}", hole).expect("it has all holes");
    Binding { node: template(Hole::Node), cluster: template(Hole::Cluster), tenant: template(Hole::Tenant) }
}
