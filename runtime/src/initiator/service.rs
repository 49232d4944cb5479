//! What responds to the requests that come through tunnels.

use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;

use crate::error::BoxError;
use crate::http::RequestBody;

/// What responds to the requests that come through tunnels: any hyper service that can be cloned for each tunnel.
///
/// An error resets the stream of its request. All types that fit implement this.
pub trait TunnelService:
    Service<
        Request<RequestBody>,
        Response = Response<<Self as TunnelService>::ResponseBody>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its responses.
    type ResponseBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> TunnelService for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = B;
}
