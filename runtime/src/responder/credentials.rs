//! What proved the identity of a tunnel, for as long as the tunnel stands.

use std::convert::Infallible;
use std::future;
use std::time::Duration;

use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{DrainScope, Event, Lapse};

use super::revocation::Revocation;
use super::task::TunnelTask;
use crate::tls::Proof;
use crate::world::World;

/// What proved the identity of a tunnel.
pub(super) struct TunnelCredentials {
    /// How long it does so from now on; none if it does not end.
    lasts: Option<Duration>,
    /// What may be revoked of it; none if nothing can be.
    revocable: Option<Revocable>,
}

struct Revocable {
    lists: Revocation,
    proof: Proof,
    token: Option<String>,
    /// Node, cluster and tenant.
    names: [Box<str>; 3],
}

impl TunnelCredentials {
    /// A certificate and a token, the second of which counts until `token_expires`. All times are in seconds since 1970.
    pub(super) fn new(
        lists: &Revocation,
        proof: &Proof,
        token: Option<String>,
        token_expires: Option<u64>,
        identity: &Identity<'_>,
        now: u64,
    ) -> Self {
        // The last second is part of it.
        let ends = proof.expires().into_iter().chain(token_expires).min();
        let lasts = ends.map(|end| Duration::from_secs(end.saturating_add(1).saturating_sub(now)));
        let revocable = (!lists.is_empty()).then(|| Revocable {
            lists: lists.clone(),
            proof: proof.clone(),
            token,
            names: [identity.node.as_str(), identity.cluster.as_str(), identity.tenant.as_str()].map(Into::into),
        });
        Self { lasts, revocable }
    }

    /// Has the tunnel drained ahead of the end of its credentials, and closed at once if they are revoked. Never ends: the tunnel
    /// does.
    pub(super) async fn watch<W: World>(self, task: &TunnelTask<W>) -> Infallible {
        if self.lasts.is_none() && self.revocable.is_none() {
            return future::pending().await;
        }
        // In a box of its own: most of it is the timer.
        Box::pin(async {
            tokio::select! {
                biased;
                never = expire(task, self.lasts) => never,
                never = revoke(task, self.revocable) => never,
            }
        })
        .await
    }
}

async fn expire<W: World>(task: &TunnelTask<W>, lasts: Option<Duration>) -> Infallible {
    if let Some(lasts) = lasts {
        let context = &task.context;
        let Lapse { drain_at, grace } = Lapse::of(context.world.env(), lasts, context.config.drain_grace);
        context.world.sleep_until(drain_at).await;
        let (tunnel, peer, identity) = (task.id, task.handle.peer(), task.handle.identity());
        tracing::info!(%tunnel, %peer, identity, ?grace, "what proved the identity ends; tunnel draining");
        context.counters.credentials_expired.add(1);
        context.report(Event::DrainRequested { scope: DrainScope::Expired(tunnel), grace });
    }
    future::pending().await
}

async fn revoke<W: World>(task: &TunnelTask<W>, revocable: Option<Revocable>) -> Infallible {
    if let Some(Revocable { mut lists, proof, token, names: [node, cluster, tenant] }) = revocable {
        let legal = "it was a name when the tunnel was accepted";
        let identity = Identity {
            node: NodeId::new(&node).expect(legal),
            cluster: ClusterId::new(&cluster).expect(legal),
            tenant: TenantId::new(&tenant).expect(legal),
        };
        let now = || task.context.world.unix_millis() / 1000;
        while !lists.revokes(&proof, token.as_deref(), identity, now()) {
            lists.changed().await;
        }
        let (tunnel, peer, identity) = (task.id, task.handle.peer(), task.handle.identity());
        tracing::warn!(%tunnel, %peer, identity, "what proved the identity was revoked; tunnel closed");
        task.context.counters.credentials_revoked.add(1);
        let scope = DrainScope::Revoked(tunnel);
        task.context.report(Event::DrainRequested { scope, grace: Duration::ZERO });
    }
    future::pending().await
}
