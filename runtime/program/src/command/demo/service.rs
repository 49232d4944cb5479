//! The service in the private network: greets, and echoes what it is sent.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::world::{Tokio, World};

use super::stage::StepError;

/// What a GET is answered with.
const GREETING: &str = "hello from the private network";

/// Listens at `at`; says where that is.
pub(super) async fn start(world: &Tokio, at: SocketAddr) -> Result<SocketAddr, StepError> {
    let listener = world.listen(at).await?;
    let addr = world.local_addr(&listener)?;
    let here = world.clone();
    world.spawn(async move {
        while let Ok((stream, _)) = here.accept(&listener).await {
            here.spawn(async move {
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                // A client that breaks off is none of our business.
                let _ended = connection.await;
            });
        }
    });
    Ok(addr)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Either<Incoming, Full<Bytes>>>, Infallible> {
    Ok(Response::new(if request.method() == Method::GET {
        Either::Right(Full::from(GREETING))
    } else {
        Either::Left(request.into_body())
    }))
}
