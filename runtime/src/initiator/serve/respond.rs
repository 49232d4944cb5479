//! One request: what it passes on its way to the service.

use std::sync::Arc;

use http::{Request, Response};

use crate::error::BoxError;
use crate::http::{Activity, CancelIdle, HttpService, RequestBody, TimeoutBody};
use crate::initiator::context::Context;
use crate::initiator::service::TunnelService;
use crate::world::World;

/// The service's response to one request whose bodies report to `activity`.
pub(super) async fn respond<W: World, S: TunnelService>(
    context: Arc<Context<W, S>>,
    activity: Arc<Activity>,
    request: Request<RequestBody>,
) -> Result<Response<TimeoutBody<S::ResponseBody>>, BoxError> {
    context.counters.requests.add(1);
    CancelIdle::new(&activity, ToService(&context.service)).call(request).await
}

/// The service itself.
struct ToService<'a, S>(&'a S);

impl<S: TunnelService> HttpService<Request<RequestBody>> for ToService<'_, S> {
    type Response = Response<S::ResponseBody>;
    type Error = BoxError;

    fn call(&self, request: Request<RequestBody>) -> impl Future<Output = Result<Self::Response, BoxError>> + Send {
        // Called at once: the request need not be kept for the first poll.
        let response = self.0.call(request);
        async move { response.await.map_err(Into::into) }
    }
}
