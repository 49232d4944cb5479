//! HTTP/2 to an endpoint of a service: one connection, a stream for each request.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, Connection, SendRequest};
use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::{self, Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, request};
use hyper::body::Body;

use super::error::UpstreamError;
use super::service_stream::ServiceStream;
use crate::http::limits::{
    CONNECTION_WINDOW, FAULTY_STREAMS, FRAME_BYTES, HEADER_LIST_BYTES, SEND_BUFFER, STREAM_WINDOW, STREAMS,
};
use crate::http::{KeepAlive, RecvBody, RequestBody, Sent, send_body};
use crate::sync::{Mutex, MutexGuard};
use crate::world::World;

/// Sends requests to one endpoint. Clones share the connection.
pub(super) struct Http2<W>(Arc<Inner<W>>);

struct Inner<W> {
    world: W,
    scheme: Scheme,
    /// How often a silent connection is probed.
    probe_interval: Duration,
    /// Held by the one who opens a connection, while others wait.
    dialing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    client: Option<SendRequest<Bytes>>,
    /// How many connections could not be opened, and why not the last one.
    failures: u64,
    last_failure: Option<(io::ErrorKind, String)>,
}

impl<W: World> Http2<W> {
    pub(super) fn new(world: &W, scheme: Scheme, probe_interval: Duration) -> Self {
        let (dialing, state) = (tokio::sync::Mutex::new(()), Mutex::default());
        Self(Arc::new(Inner { world: world.clone(), scheme, probe_interval, dialing, state }))
    }

    /// Whether there is a connection that takes requests, or did when it was last used.
    pub(super) fn is_connected(&self) -> bool {
        self.0.state().client.is_some()
    }

    /// Opens a connection by `open`, unless there is one. One request opens it, and those that wait meanwhile share its fate.
    /// Returns the stream itself if it does not speak HTTP/2.
    pub(super) async fn connect(
        &self,
        open: impl Future<Output = io::Result<ServiceStream<W>>>,
        is_http2: impl FnOnce(&ServiceStream<W>) -> bool,
    ) -> Result<Option<ServiceStream<W>>, UpstreamError> {
        let failures = self.0.state().failures;
        let _one_at_a_time = self.0.dialing.lock().await;
        {
            let state = self.0.state();
            if state.client.is_some() {
                return Ok(None);
            }
            if let Some((kind, text)) = state.last_failure.as_ref().filter(|_| state.failures != failures) {
                return Err(UpstreamError::Connect(io::Error::new(*kind, text.clone())));
            }
        }
        let outcome = match open.await {
            Ok(stream) if !is_http2(&stream) => return Ok(Some(stream)),
            Ok(stream) => handshake(stream).await.map_err(io::Error::other),
            Err(error) => Err(error),
        };
        let mut state = self.0.state();
        match outcome {
            Ok((requests, connection)) => {
                state.client = Some(requests);
                self.0.world.spawn(drive(self.0.world.clone(), connection, self.0.probe_interval));
                Ok(None)
            }
            Err(error) => {
                state.failures += 1;
                state.last_failure = Some((error.kind(), error.to_string()));
                Err(UpstreamError::Connect(error))
            }
        }
    }

    /// Sends a request of HTTP/1.1 as one of HTTP/2. It stays in its place if nothing of it was sent and the connection is gone:
    /// [`UpstreamError::Closing`].
    pub(super) async fn send(
        &self,
        request: &mut Option<Request<RequestBody>>,
    ) -> Result<Response<RecvBody>, UpstreamError> {
        let Some(client) = self.0.state().client.clone() else { return Err(UpstreamError::Closing) };
        let Ok(mut requests) = client.ready().await else {
            self.0.state().client = None;
            return Err(UpstreamError::Closing);
        };
        let Some(request) = request.take() else { return Err(UpstreamError::Closing) };
        let (head, mut body) = request.into_parts();
        let head = to_http2(head, &self.0.scheme).map_err(|_| UpstreamError::Illegal)?;
        let ends = body.is_end_stream();
        let activity = body.activity();
        let continues = crate::http::expects_continue(&head.headers) && body.defer_continue();
        let (mut response, stream) =
            requests.send_request(Request::from_parts(head, ()), ends).map_err(UpstreamError::Http2)?;
        let mut upload = (!ends).then(|| Box::pin(upload(body, stream)));
        let mut is_incomplete = false;
        let responded = poll_fn(|task| {
            while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(task) {
                let Some(activity) = &activity else { continue };
                if continues && interim.status() == StatusCode::CONTINUE {
                    activity.want_body();
                }
                activity.interim.push(interim.status(), interim.headers());
            }
            if let Some(Poll::Ready(sent)) = upload.as_mut().map(|upload| upload.as_mut().poll(task)) {
                upload = None;
                is_incomplete = sent == Sent::Incomplete;
            }
            Pin::new(&mut response).poll(task)
        });
        let response = match responded.await {
            Ok(response) => response,
            Err(_) if is_incomplete => return Err(UpstreamError::Incomplete),
            Err(error) => return Err(UpstreamError::Http2(error)),
        };
        if let Some(upload) = upload {
            // The service responds before it has the complete request.
            self.0.world.spawn(async move {
                upload.await;
            });
        }
        let (head, stream) = response.into_parts();
        let body = RecvBody::new(stream, &head.headers);
        Ok(Response::from_parts(head, body))
    }
}

impl<W> Clone for Http2<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> Inner<W> {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn handshake<W: World>(
    stream: ServiceStream<W>,
) -> Result<(SendRequest<Bytes>, Connection<ServiceStream<W>, Bytes>), h2::Error> {
    Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_local_error_reset_streams(Some(FAULTY_STREAMS as usize))
        .max_send_buffer_size(SEND_BUFFER)
        .initial_max_send_streams(STREAMS as usize)
        .max_concurrent_reset_streams(STREAMS as usize)
        .handshake(stream)
        .await
}

/// Drives a connection to its end. One whose peer does not answer a PING is dropped.
async fn drive<W: World>(world: W, mut connection: Connection<ServiceStream<W>, Bytes>, probe_interval: Duration) {
    let pings = connection.ping_pong().expect("nobody took it before");
    let mut keep_alive = KeepAlive::new(&world, pings, probe_interval);
    tokio::select! {
        biased;
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "an HTTP/2 connection to a service failed");
        },
        () = keep_alive.timed_out() => tracing::debug!("a service did not answer an HTTP/2 PING"),
    }
}

async fn upload(body: RequestBody, mut stream: SendStream<Bytes>) -> Sent {
    send_body(pin!(body), &mut stream, HEADER_LIST_BYTES as usize).await
}

/// Makes the head of a request of HTTP/1.1 one of HTTP/2: its host is `:authority` (RFC 9113 §8.3.1), and its body is in frames.
fn to_http2(mut head: request::Parts, scheme: &Scheme) -> Result<request::Parts, http::Error> {
    let host = head.headers.remove(HOST);
    let authority = Authority::try_from(host.as_ref().map(HeaderValue::as_bytes).unwrap_or_default())?;
    head.headers.remove(TRANSFER_ENCODING);
    let mut uri = uri::Parts::default();
    uri.scheme = Some(scheme.clone());
    uri.authority = Some(authority);
    uri.path_and_query = std::mem::take(&mut head.uri).into_parts().path_and_query;
    head.uri = Uri::from_parts(uri)?;
    head.version = Version::HTTP_2;
    Ok(head)
}
