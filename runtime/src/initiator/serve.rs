//! HTTP on a tunnel in use: the responder is the client, we are the server.

mod http1;
mod http2;

use std::error::Error;
use std::io;

use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use revtun_core::initiator::{Event, Protocol};
use tokio::sync::mpsc;

use super::request_body::RequestBody;
use super::tunnel::{Tunnel, Used};
use crate::tls::MaybeTlsStream;
use crate::tunnel_io::{Notice, TunnelIo};
use crate::world::World;

/// What answers the requests that come through tunnels: any hyper service that can be cloned for each tunnel.
///
/// An error resets the stream of its request. Everything that fits implements this by itself.
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
    /// What it answers with.
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

/// Any error that tasks may hand on.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Serves until the connection ends, and says how it ended.
pub(super) async fn serve<W: World, S: TunnelService>(
    tunnel: &mut Tunnel<W, S>,
    stream: MaybeTlsStream<W::Stream>,
    used: Used,
) -> io::Error {
    let (io, notices) = TunnelIo::serving(&tunnel.context.world, stream, used.protocol, used.first);
    match used.protocol {
        Protocol::Http2 => http2::serve(tunnel, io, notices, used.leaving).await,
        Protocol::Http1 => http1::serve(tunnel, TokioIo::new(io), notices, used.leaving).await,
    }
}

impl<W: World, S: TunnelService> Tunnel<W, S> {
    async fn pass_on(&self, notice: Notice) {
        self.report(match notice {
            Notice::Heard => Event::Heard { tunnel: self.id() },
            Notice::GoawayReceived => Event::GoawayReceived { tunnel: self.id() },
        })
        .await;
    }

    /// A GOAWAY on a tunnel without requests is noticed and ends it, both at once.
    async fn pass_on_all(&self, notices: &mut mpsc::Receiver<Notice>) {
        while let Ok(notice) = notices.try_recv() {
            self.pass_on(notice).await;
        }
    }
}

/// The error's text and that of what caused it, which hyper keeps apart.
pub(super) fn with_cause(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
