//! A caller's connection, as its requests see it.

use std::future::pending;
use std::sync::Arc;

use revtun_core::responder::retry::LAST_REQUEST_GRACE;
use tokio::sync::watch;

use super::origin::Origin;
use crate::connections::ConnectionPlace;
use crate::prefixed_io::PrefixedIo;
use crate::responder::context::{Context, Phase};
use crate::tls::MaybeTlsStream;
use crate::world::World;

/// A caller's connection, from its first byte on.
pub(super) type DownstreamIo<W> = PrefixedIo<MaybeTlsStream<<W as World>::Stream>>;

/// What all requests of a connection share.
pub(super) struct Caller<W: World> {
    pub(super) context: Arc<Context<W>>,
    pub(super) origin: Origin,
    /// Its place among the connections of the listener.
    pub(super) place: ConnectionPlace,
    pub(super) phase: watch::Receiver<Phase>,
}

impl<W: World> Caller<W> {
    /// Whether the responder takes new connections.
    pub(super) fn is_serving(&self) -> bool {
        *self.phase.borrow() == Phase::Serving
    }

    /// Ends when the responder drains, or has stopped.
    pub(super) async fn until_draining(&self) {
        let mut phase = self.phase.clone();
        let draining = phase.wait_for(|phase| *phase != Phase::Serving).await.is_ok();
        if !draining {
            pending().await
        }
    }

    /// Ends when the responder has stopped, or is gone.
    pub(super) async fn until_stopped(&self) {
        let mut phase = self.phase.clone();
        let _stopped_or_gone = phase.wait_for(|phase| *phase == Phase::Stopped).await;
    }

    /// Ends when the responder drains, and a request that was on its way by then would have come. In HTTP/1.1 a connection that
    /// looks idle may carry one, which would be lost with it; so it stays open for a last request.
    pub(super) async fn last_request_due(&self) {
        self.until_draining().await;
        let world = &self.context.world;
        tokio::select! {
            biased;
            () = world.sleep_until(world.now().after(LAST_REQUEST_GRACE)) => {}
            () = self.until_stopped() => {}
        }
    }
}
