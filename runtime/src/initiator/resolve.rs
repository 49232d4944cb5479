//! Resolving the endpoints of an upstream, at the start and from time to time.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use tracing::warn;

use super::context::{Context, Input};
use super::hosts::Resolved;
use crate::host_port::HostPort;
use crate::world::World;

/// An endpoint that cannot be resolved, or must not be dialled, at the start of an initiator.
#[derive(Debug)]
pub struct Unresolvable {
    /// Which endpoint.
    pub endpoint: HostPort,
    /// The error of the resolver.
    pub error: io::Error,
}

impl Unresolvable {
    /// Whether it is on another machine, and plaintext tunnels must not leave this one.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.error.kind() == io::ErrorKind::PermissionDenied
    }
}

impl fmt::Display for Unresolvable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_forbidden() { "will not dial" } else { "cannot resolve" };
        write!(f, "{what} {}: {}", self.endpoint, self.error)
    }
}

impl Error for Unresolvable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Resolves `endpoint` at intervals, as long as the initiator runs. After an error the last addresses stay.
pub(super) async fn keep_resolving<W: World, S>(context: Arc<Context<W, S>>, index: usize, endpoint: HostPort) {
    let mut failing = false;
    while endpoint.literal().is_none() {
        let next = context.world.now().after(context.core.resolve_interval);
        tokio::select! {
            biased;
            () = context.inputs.closed() => return,
            () = context.world.sleep_until(next) => {}
        }
        match endpoint.resolve(&context.world, context.allow_remote).await {
            Ok(addresses) => {
                failing = false;
                if context.inputs.send(Input::Resolved(Resolved { endpoint: index, addresses })).await.is_err() {
                    return;
                }
            }
            Err(error) if !failing => {
                failing = true;
                warn!(%endpoint, %error, "cannot resolve an endpoint; its last addresses stay");
            }
            Err(_) => {}
        }
    }
}
