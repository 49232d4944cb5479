//! HTTP/1.1 on a caller's connection, by hyper's server.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;

use super::caller::{Caller, DownstreamIo};
use super::http1_io::{Http1Exchange, Http1Io, Http1RequestBody, ResponseInProgress};
use super::respond::{DownstreamResponseBody, respond};
use super::stream_request::may_upgrade;
use super::upgrade;
use crate::error::BoxError;
use crate::http::limits::READ_BUFFER;
use crate::http::{Activity, Http1Upgrade, PendingUpgrade};
use crate::responder::local_reply::CloseConnection;
use crate::world::{Timer, World};

/// Serves a connection to its end.
pub(super) async fn serve<W: World>(caller: &Arc<Caller<W>>, stream: DownstreamIo<W>) -> Result<(), BoxError> {
    let context = &caller.context;
    // A connection has one request at a time, and is dropped with it.
    let (activity, exchange) = (Activity::new(), Arc::<Http1Exchange>::default());
    let upgrade = Arc::<Http1Upgrade>::default();
    let service = service_fn(|request| {
        let in_progress = ResponseInProgress::begin(&exchange);
        serve_request(Arc::clone(caller), Arc::clone(&activity), Arc::clone(&upgrade), in_progress, request)
    });
    let stream = Http1Io::new(&context.world, stream, &activity, &exchange);
    let connection = Builder::new()
        .timer(Timer::new(&context.world))
        .header_read_timeout(context.caller_timeout)
        .max_buf_size(READ_BUFFER)
        .max_headers(context.http.headers as usize)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(context.idle_timeout().apply(Arc::clone(&activity), connection));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        () = caller.last_request_due() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().task().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection => ended,
                () = caller.until_stopped() => None,
            }
        }
    };
    // Without an output the idle timeout ended it, which is counted as such.
    ended.unwrap_or(Ok(()))?;
    upgrade::serve(caller, &upgrade).await;
    Ok(())
}

/// One request. The connection closes behind a response to a request that was not read to its end, and while the responder drains.
async fn serve_request<W: World>(
    caller: Arc<Caller<W>>,
    activity: Arc<Activity>,
    upgrade: Arc<Http1Upgrade>,
    in_progress: ResponseInProgress,
    mut request: Request<Incoming>,
) -> Result<Response<DeferredErrorBody<DownstreamResponseBody<W>>>, Infallible> {
    // An HTTP/1.0 caller that is not told otherwise waits for the end of the connection (RFC 9112 §9.3).
    let old = request.version() <= Version::HTTP_10;
    activity.interim.begin(!old);
    let pending = PendingUpgrade::of(&mut request, |protocol| may_upgrade(&caller.context.upgrades, protocol));
    let request = request.map(|body| Http1RequestBody::new(body, &in_progress));
    let mut response = respond(&caller, &activity, request).await;
    // What a caller sends behind a request that is refused may be no HTTP (RFC 9110 §9.3.6).
    let mut closes = old;
    if let Some(pending) = pending {
        if upgrade.accept(pending, &mut response) {
            let ends_with_connection = false;
            return Ok(response.map(|body| DeferredErrorBody { body, error: None, in_progress, ends_with_connection }));
        }
        closes = true;
    }
    closes |= response.extensions().get::<CloseConnection>().is_some();
    if closes || !caller.is_serving() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // Its caller takes the end of the connection for that of the response.
    let ends_with_connection = old && !response.headers().contains_key(CONTENT_LENGTH);
    Ok(response.map(|body| DeferredErrorBody { body, error: None, in_progress, ends_with_connection }))
}

pin_project! {
    /// A body whose error comes one poll late. With an error hyper drops what it has not written yet, which may include the head of
    /// the response; the next poll comes after a write.
    struct DeferredErrorBody<B> {
        #[pin]
        body: B,
        error: Option<BoxError>,
        in_progress: ResponseInProgress,
        ends_with_connection: bool,
    }
}

impl<B: Body<Error = BoxError>> Body for DeferredErrorBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        if let Some(error) = this.error.take() {
            if *this.ends_with_connection {
                this.in_progress.truncate();
            }
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(this.body.poll_frame(task)) {
            Some(Err(error)) => {
                *this.error = Some(error);
                task.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
