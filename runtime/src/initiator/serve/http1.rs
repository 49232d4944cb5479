//! HTTP/1 on a tunnel in use, which Envoy's responders speak if they are told to: hyper's server.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use tokio::sync::mpsc;

use super::{TunnelService, with_cause};
use crate::flow::{HEADERS, READ_BUFFER};
use crate::initiator::request_body::RequestBody;
use crate::initiator::tunnel::{Order, Tunnel, end_of_stream};
use crate::still::Answering;
use crate::tunnel_io::Notice;
use crate::world::{Timer, World};

/// Serves until the connection ends, and says how it ended. A tunnel that is `leaving` ends with the first answer.
pub(super) async fn serve<W: World, S: TunnelService>(
    tunnel: &mut Tunnel<W, S>,
    io: impl Read + Write + Unpin + Send + 'static,
    mut notices: mpsc::Receiver<Notice>,
    leaving: bool,
) -> io::Error {
    let context = Arc::clone(&tunnel.context);
    let service = service_fn(|request: Request<Incoming>| {
        context.counters.requests.add(1);
        Answering::of(context.service.call(request.map(RequestBody::http1)))
    });
    let mut server = Builder::new();
    // Between two requests of a tunnel there may be any time.
    server.timer(Timer::new(&context.world)).auto_date_header(false).header_read_timeout(None);
    server.max_headers(HEADERS).max_buf_size(READ_BUFFER);
    let mut connection = pin!(server.serve_connection(io, service));
    if leaving {
        connection.as_mut().graceful_shutdown();
    }
    loop {
        tokio::select! {
            biased;
            order = tunnel.next_order() => match order {
                Order::Goaway => connection.as_mut().graceful_shutdown(),
                Order::SendHandshake | Order::Deliver => {}
            },
            Some(notice) = notices.recv() => tunnel.pass_on(notice).await,
            ended = connection.as_mut() => {
                tunnel.pass_on_all(&mut notices).await;
                return ended.map_or_else(|error| io::Error::other(with_cause(&error)), |()| end_of_stream());
            }
        }
    }
}
