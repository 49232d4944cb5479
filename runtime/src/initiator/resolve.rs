//! Asking the resolver for the addresses of an endpoint, when the policy wants to know.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::context::{Context, Input};
use super::host_table::Resolved;
use crate::host_port::HostPort;
use crate::world::World;

/// An endpoint that must not be dialled: it is on another machine, and tunnels to it would not be encrypted.
#[derive(Clone, Debug)]
pub struct ForbiddenEndpoint {
    /// Which endpoint.
    pub endpoint: HostPort,
    /// What is wrong with it.
    pub reason: String,
}

impl ForbiddenEndpoint {
    /// The endpoint, if `error` says that.
    pub(super) fn of(endpoint: &HostPort, error: &io::Error) -> Option<Self> {
        let is_forbidden = error.kind() == io::ErrorKind::PermissionDenied;
        is_forbidden.then(|| Self { endpoint: endpoint.clone(), reason: error.to_string() })
    }
}

impl fmt::Display for ForbiddenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "will not dial {}: {}", self.endpoint, self.reason)
    }
}

impl Error for ForbiddenEndpoint {}

/// Resolves an endpoint once, and reports the answer.
pub(super) async fn resolve<W: World, S>(context: Arc<Context<W, S>>, endpoint: usize) {
    let Some(name) = context.endpoints.get(endpoint) else { return };
    let answer = tokio::select! {
        biased;
        () = context.inputs.closed() => return,
        answer = name.resolve(&context.world, context.allow_remote) => answer,
    };
    // An error means that the initiator has ended.
    let _ = context.inputs.send(Input::Resolved(Resolved { endpoint, answer })).await;
}
