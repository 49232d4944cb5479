//! How long a response may take, from its request to its end.

use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, Response};
use revtun_core::{Instant, grpc};

use super::body::ServiceBody;
use super::deadline::BodyDeadline;
use super::error::UpstreamError;
use super::route::RouteTimeouts;
use crate::world::World;

/// When a response has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadlines {
    /// Its head.
    head: Option<Instant>,
    /// All of it.
    whole: Option<Instant>,
    /// The same, as the caller says.
    call: Option<Instant>,
    is_grpc: bool,
}

impl Deadlines {
    /// Those of a request with `headers` that has such a route; none if it has no deadline.
    pub(super) fn of<W: World>(world: &W, timeouts: RouteTimeouts, is_grpc: bool, headers: &HeaderMap) -> Option<Self> {
        let call =
            is_grpc.then(|| headers.get("grpc-timeout")).flatten().and_then(|value| grpc::timeout(value.as_bytes()));
        let RouteTimeouts { first_byte, whole, .. } = timeouts;
        if first_byte.is_zero() && whole.is_zero() && call.is_none() {
            return None;
        }
        let after = |timeout: Duration| (!timeout.is_zero()).then(|| world.now().after(timeout));
        Some(Self {
            head: after(first_byte),
            whole: after(whole),
            call: call.map(|call| world.now().after(call)),
            is_grpc,
        })
    }

    /// Applies them to the response that comes of `responding`.
    pub(super) async fn apply<W: World>(
        self,
        world: &W,
        responding: impl Future<Output = Result<Response<ServiceBody<W>>, UpstreamError>>,
    ) -> Result<Response<ServiceBody<W>>, UpstreamError> {
        let route = earlier(self.head, self.whole);
        let is_of_call = self.call.is_some() && earlier(self.call, route) == self.call;
        let response = match earlier(self.call, route) {
            None => responding.await?,
            Some(deadline) => tokio::select! {
                biased;
                response = responding => response?,
                () = world.sleep_until(deadline) => {
                    return Err(if is_of_call { UpstreamError::DeadlineExceeded } else { UpstreamError::Late });
                }
            },
        };
        Ok(match earlier(self.whole, self.call) {
            None => response,
            Some(deadline) => response.map(|body| body.until(BodyDeadline::new(world, deadline, self.is_grpc))),
        })
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
