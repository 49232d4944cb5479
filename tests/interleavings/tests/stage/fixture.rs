//! The fixture of every model: a responder with tunnels.

use std::sync::Arc;
use std::time::Duration;

use revtun_core::TunnelId;
use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{Config, DrainScope, Effect, Event, Hello, Place, Target, Verdict};

use super::lease::Opening;
use super::link::Link;
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
    pub(crate) link: Arc<Link>,
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
        let link = Link::new(([127, 0, 0, 1], 1).into());
        let id = self.shared.accept(&link).ok()?;
        let hello = Hello { identity: identity(), instance: Some(Instance(1)), verdict: Verdict::Believed };
        let answer = self.shared.step(Event::Greeted { tunnel: id, hello });
        if !answer.iter().any(|effect| effect == Effect::Accept { tunnel: id }) {
            self.tell(Event::Closed { tunnel: id });
            return None;
        }
        Some(Tunnel { id, link })
    }

    /// A caller asks for the only node.
    pub(crate) fn open(&self) -> Opening<Still> {
        let identity = identity();
        self.shared.open(Target { tenant: Some(identity.tenant), place: Place::Node(identity.node) })
    }

    /// Something happened that nobody waits for.
    pub(crate) fn tell(&self, event: Event<'_>) {
        let _for_others = self.shared.step(event);
    }

    /// Takes everything out of use at once.
    pub(crate) fn drain(&self) {
        self.tell(Event::DrainOrdered { scope: DrainScope::All, grace: Duration::ZERO });
    }

    /// What the witness saw.
    pub(crate) fn seen(&self) -> Seen {
        self.world.trace().seen()
    }

    /// Nothing is held and nobody waits, in the machine and for the witness.
    pub(crate) fn assert_idle(&self) {
        let counts = self.shared.look(|machine, _| machine.counts());
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
