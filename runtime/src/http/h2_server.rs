//! The server of an HTTP/2 connection, on h2 directly: of a tunnel at the initiator, of a caller at the responder.
//!
//! hyper's server adds two state machines and a count of all bytes read. Here whoever has the connection accepts its streams, and
//! a task for each request responds.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::activity::Activity;
use super::byte_stream::{Joined, join};
use super::h2_body::{RecvBody, SharedStream, reset_reason, send_body};
use super::h2_stream::Http2Stream;
use super::hop_by_hop::{HeaderSummary, expects_continue, strip_hop_by_hop};
use super::idle_timeout::IdleTimeout;
use super::keep_alive::KeepAlive;
use super::limits::{CONNECTION_WINDOW, FAULTY_STREAMS, HttpLimits, SEND_BUFFER, SMALL_FRAMES, STREAM_WINDOW};
use super::local_reply::local_reply;
use super::peer_limits::{PeerLimits, STATUS_BYTES, response_list_bytes};
use crate::error::BoxError;
use crate::world::World;

/// What a connection may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Http2Limits {
    /// Limits that HTTP/1.1 has too.
    pub(crate) http: HttpLimits,
    /// Concurrent requests.
    pub(crate) max_streams: u32,
    /// The largest frame, in bytes (SETTINGS_MAX_FRAME_SIZE).
    pub(crate) max_frame_bytes: u32,
    /// PINGs are sent after this time without a sign of life.
    pub(crate) ping_interval: Duration,
}

/// The reason of the local reply in place of a response whose headers are larger than the peer accepts.
const HEADERS_TOO_LARGE: &str = "response-headers-too-large";

/// A connection on which HTTP/2 has begun.
pub(crate) struct Http2Server<W, S> {
    connection: Connection<S, Bytes>,
    keep_alive: KeepAlive<W>,
    timeout: IdleTimeout<W>,
    /// That of streams behind an accepted CONNECT.
    stream_timeout: IdleTimeout<W>,
    peer: Arc<PeerLimits>,
    /// What is taken for the peer's limit unless it announces one.
    header_bytes: u32,
    world: W,
}

/// Why a connection failed.
#[derive(Debug)]
pub(crate) enum Http2Error {
    /// The peer violated HTTP/2, or the connection was lost.
    Connection(h2::Error),
    /// A PING was not answered in time.
    PingTimeout,
}

impl<W: World, S: AsyncRead + AsyncWrite + Unpin> Http2Server<W, S> {
    /// Begins HTTP/2 on `stream`, whose peer announces `peer`.
    pub(crate) async fn handshake(
        world: &W,
        limits: Http2Limits,
        timeout: IdleTimeout<W>,
        peer: Arc<PeerLimits>,
        stream: S,
    ) -> Result<Self, Http2Error> {
        let mut connection = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(limits.max_frame_bytes)
            .max_concurrent_streams(limits.max_streams)
            .max_header_list_size(limits.http.header_bytes)
            .max_pending_accept_reset_streams(limits.http.pending_resets as usize)
            .max_local_error_reset_streams(Some(FAULTY_STREAMS as usize))
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(SMALL_FRAMES)
            .enable_connect_protocol()
            .handshake(stream)
            .await?;
        let pings = connection.ping_pong().expect("nobody took it before");
        let keep_alive = KeepAlive::new(world, pings, limits.ping_interval);
        let header_bytes = limits.http.header_bytes;
        let stream_timeout = timeout.with(limits.http.upgrade_idle_timeout);
        Ok(Self { connection, keep_alive, timeout, stream_timeout, peer, header_bytes, world: world.clone() })
    }

    /// Sends GOAWAY; the connection ends with the requests in flight.
    pub(crate) fn graceful_shutdown(&mut self) {
        self.connection.graceful_shutdown();
    }

    /// Something came from the peer: a PING can wait.
    pub(crate) fn heard(&mut self) {
        self.keep_alive.heard();
    }

    /// Drives the connection to its end, and has each request answered by `respond`, in a task of its own. Request and response
    /// report to the [`Activity`]. Cancel safe.
    pub(crate) async fn serve<F, B>(
        &mut self,
        respond: impl FnOnce(Arc<Activity>, Request<RecvBody>) -> F + Clone + Send + 'static,
    ) -> Result<(), Http2Error>
    where
        F: Future<Output = Result<Response<B>, BoxError>> + Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let Self { connection, keep_alive, timeout, stream_timeout, peer, header_bytes, world } = self;
        let accept = poll_fn(|task| {
            loop {
                let Some(accepted) = ready!(connection.poll_accept(task)) else { return Poll::Ready(Ok(())) };
                let (request, mut sender) = accepted?;
                let (activity, respond) = (Activity::new(), respond.clone());
                let (peer, header_bytes) = (Arc::clone(peer), *header_bytes);
                let (reporting, serving) = (Arc::clone(&activity), Arc::clone(&activity));
                if request.method() == Method::CONNECT {
                    let (request, stream) = connect_of(request);
                    let stream_timeout = stream_timeout.clone();
                    let stream = Box::pin(async move {
                        let response = pin!(respond(reporting, request));
                        let max = peer.header_list_bytes(header_bytes);
                        let Some(response) = await_response(response, &mut sender, &serving, false, max).await else {
                            return;
                        };
                        serve_connect(response, sender, stream, max, &stream_timeout).await;
                    });
                    let stream = timeout.apply(activity, stream);
                    world.spawn(async move {
                        stream.await;
                    });
                    continue;
                }
                let request = request_of(request);
                let expects = !request.body().is_end_stream() && expects_continue(request.headers());
                activity.interim.begin(true);
                // Boxed at once, and begun where it stays: a request has some hundred bytes, and each move copies them.
                let stream = Box::pin(async move {
                    let response = pin!(respond(reporting, request));
                    serve_stream(response, sender, &serving, expects, &peer, header_bytes).await;
                });
                let stream = timeout.apply(activity, stream);
                world.spawn(async move {
                    stream.await;
                });
            }
        });
        tokio::select! {
            biased;
            ended = accept => ended,
            () = keep_alive.timed_out() => Err(Http2Error::PingTimeout),
        }
    }
}

fn proceed() -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::CONTINUE;
    response
}

fn request_of(request: Request<RecvStream>) -> Request<RecvBody> {
    let (head, stream) = request.into_parts();
    let body = RecvBody::new(stream, &head.headers);
    Request::from_parts(head, body)
}

fn connect_of(request: Request<RecvStream>) -> (Request<RecvBody>, SharedStream) {
    let (head, stream) = request.into_parts();
    let (body, stream) = RecvBody::shared(stream);
    (Request::from_parts(head, body), stream)
}

/// Sends a response when it is there, unless the stream is reset before.
async fn serve_stream<B>(
    response: Pin<&mut impl Future<Output = Result<Response<B>, BoxError>>>,
    mut sender: SendResponse<Bytes>,
    activity: &Activity,
    expects_continue: bool,
    peer: &PeerLimits,
    header_bytes: u32,
) where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    let max = peer.header_list_bytes(header_bytes);
    if let Some(response) = await_response(response, &mut sender, activity, expects_continue, max).await {
        send_checked(response, sender, max).await;
    }
}

/// Answers a CONNECT. One that is accepted is joined with what the service gave.
async fn serve_connect<W: World, B>(
    mut response: Response<B>,
    mut sender: SendResponse<Bytes>,
    stream: SharedStream,
    max: usize,
    timeout: &IdleTimeout<W>,
) where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    let Some(joined) = Joined::take(&mut response) else {
        return send_checked(response, sender, max).await;
    };
    strip_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(CONTENT_LENGTH);
    if let (Some(recv), Ok(send)) = (stream.take(), sender.send_response(response.map(|_| ()), false)) {
        join(timeout, Box::new(Http2Stream::new(recv, send, ())), joined).await;
    }
}

/// The response, unless there is none: then the stream is reset. Interim responses of at most `max` bytes are sent ahead.
async fn await_response<B>(
    mut response: Pin<&mut impl Future<Output = Result<Response<B>, BoxError>>>,
    sender: &mut SendResponse<Bytes>,
    activity: &Activity,
    mut expects_continue: bool,
    max: usize,
) -> Option<Response<B>> {
    let responded = poll_fn(|task| {
        let response = response.as_mut().poll(task);
        let continues = response.is_pending() && expects_continue && activity.is_body_wanted();
        if let Some(interim) = activity.interim.take() {
            send_interim(sender, interim, max);
        }
        if continues {
            expects_continue = false;
            send_interim(sender, vec![proceed()], max);
        }
        match response {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => sender.poll_reset(task).map(|_reset| None),
        }
    });
    match responded.await? {
        Ok(response) => Some(response),
        Err(error) => {
            tracing::debug!(%error, "no response to a request");
            sender.send_reset(reset_reason(&*error));
            None
        }
    }
}

/// Sends a response whose headers the peer accepts, or another one in its place. Headers may have `max` bytes.
async fn send_checked<B>(mut response: Response<B>, sender: SendResponse<Bytes>, max: usize)
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    let mut summary = HeaderSummary::of(response.headers());
    if summary.has_hop_by_hop {
        strip_hop_by_hop(response.headers_mut());
        summary = HeaderSummary::of(response.headers());
    }
    let bytes = STATUS_BYTES + summary.list_bytes;
    if bytes > max {
        tracing::warn!(bytes, max, "response headers are larger than the peer accepts");
        let reply = local_reply(StatusCode::BAD_GATEWAY, HEADERS_TOO_LARGE, "The response's headers are too large.\n");
        return send_response(sender, reply, false, max).await;
    }
    send_response(sender, response, summary.has_content_length, max).await;
}

/// Sends interim responses, save those with more than `max` bytes.
fn send_interim(sender: &mut SendResponse<Bytes>, interim: Vec<Response<()>>, max: usize) {
    for interim in interim.into_iter().filter(|interim| response_list_bytes(interim.headers()) <= max) {
        // An error means that the stream was reset meanwhile.
        drop(sender.send_informational(interim));
    }
}

/// Sends a response, which may have a length; its trailers may have `max_trailers` bytes.
async fn send_response<B>(mut sender: SendResponse<Bytes>, response: Response<B>, has_length: bool, max_trailers: usize)
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    let (mut head, body) = response.into_parts();
    let ends = body.is_end_stream();
    if !(ends || has_length)
        && let Some(length) = body.size_hint().exact()
    {
        head.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    match sender.send_response(Response::from_parts(head, ()), ends) {
        Ok(_) if ends => {}
        Ok(mut stream) => {
            send_body(pin!(body), &mut stream, max_trailers).await;
        }
        Err(error) => {
            tracing::debug!(%error, "a response that cannot be sent");
            sender.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

impl From<h2::Error> for Http2Error {
    fn from(error: h2::Error) -> Self {
        Self::Connection(error)
    }
}

/// The error of HTTP/2 itself, or a timeout.
impl From<Http2Error> for io::Error {
    fn from(error: Http2Error) -> Self {
        match error {
            Http2Error::Connection(error) => Self::other(error),
            Http2Error::PingTimeout => io::ErrorKind::TimedOut.into(),
        }
    }
}

impl fmt::Display for Http2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(_) => f.write_str("HTTP/2 connection failed"),
            Self::PingTimeout => f.write_str("HTTP/2 PING timed out"),
        }
    }
}

impl Error for Http2Error {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::PingTimeout => None,
        }
    }
}
