//! The fixture of every model: a responder with tunnels.

use std::sync::Arc;
use std::time::Duration;

use revtun_core::TunnelId;
use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{Config, DrainScope, Effect, Event, Handshake, Target, TargetName, Verdict};

use super::handle::TunnelHandle;
use super::shared::Acquire;
use super::shared::Shared;
use crate::world::{Seen, Still, World};

/// A responder and its world.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) world: Still,
    pub(crate) shared: Arc<Shared<Still>>,
}

/// One tunnel, as its task holds it.
pub(crate) struct Tunnel {
    pub(crate) id: TunnelId,
    pub(crate) handle: Arc<TunnelHandle>,
}

impl Fixture {
    /// One request a tunnel at a time; who finds none waits.
    pub(crate) fn new() -> Self {
        let config = Config { max_streams: 1, wait: Duration::from_secs(1), ..Config::default() };
        let world = Still::new();
        Self { shared: Shared::new(world.clone(), config), world }
    }

    /// A tunnel of the only node, ready for use; none once everything is being drained.
    pub(crate) fn tunnel(&self) -> Option<Tunnel> {
        let handle = TunnelHandle::new(([127, 0, 0, 1], 1).into());
        let id = self.shared.accept(&handle).ok()?;
        let handshake =
            Handshake { identity: identity(), instance: Some(Instance(1)), verdict: Verdict::Authenticated };
        let answer = self.shared.step(Event::HandshakeReceived { tunnel: id, handshake });
        if !answer.iter().any(|effect| effect == Effect::Accept { tunnel: id }) {
            self.tell(Event::Closed { tunnel: id });
            return None;
        }
        Some(Tunnel { id, handle })
    }

    /// A caller asks for the only node.
    pub(crate) fn open(&self) -> Acquire<Still> {
        let identity = identity();
        self.shared.acquire(Target { tenant: Some(identity.tenant), name: TargetName::Node(identity.node) })
    }

    /// Something happened that nobody waits for.
    pub(crate) fn tell(&self, event: Event<'_>) {
        let _for_others = self.shared.step(event);
    }

    /// Takes everything out of use at once.
    pub(crate) fn drain(&self) {
        self.tell(Event::DrainRequested { scope: DrainScope::All, grace: Duration::ZERO });
    }

    /// What the witness saw.
    pub(crate) fn seen(&self) -> Seen {
        self.world.journal().seen()
    }

    /// Nothing is held and nobody waits, in the machine and for the witness.
    pub(crate) fn assert_idle(&self) {
        let counts = self.shared.inspect(|machine, _| machine.counts());
        assert_eq!((counts.streams, counts.waiting), (0, 0), "something was never given back");
        let seen = self.seen();
        assert_eq!(seen.assigned, seen.released, "every tunnel is given back, and once");
    }
}

fn identity() -> Identity<'static> {
    let name = "a legal name";
    Identity {
        node: NodeId::new("n").expect(name),
        cluster: ClusterId::new("c").expect(name),
        tenant: TenantId::new("t").expect(name),
    }
}
