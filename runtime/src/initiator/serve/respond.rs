//! One request: what it passes on its way to the service.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};

use crate::error::BoxError;
use crate::http::{Activity, RequestBody, TimeoutBody, poll_until_idle};
use crate::initiator::context::Context;
use crate::initiator::service::TunnelService;
use crate::world::World;

/// The service's response to one request whose bodies report to `activity`.
pub(super) fn respond<W: World, S: TunnelService>(
    context: &Context<W, S>,
    activity: Arc<Activity>,
    request: Request<RequestBody>,
) -> impl Future<Output = Result<Response<TimeoutBody<S::ResponseBody>>, BoxError>> + Send + use<W, S> {
    context.counters.requests.add(1);
    // Called at once: the request need not be kept for the first poll.
    let response = context.service.call(request);
    async move {
        let mut response = pin!(async { response.await.map_err(Into::into) });
        poll_fn(|task| poll_until_idle(&activity, response.as_mut(), task)).await
    }
}
