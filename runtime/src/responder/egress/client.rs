//! HTTP/2 through a tunnel, by the HTTP/2 library itself.
//!
//! hyper's client puts a queue, a task and three channels between a caller and its stream. Here the caller's own task
//! opens the stream and is woken by it, and the tunnel's own task drives the connection.

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Error, SendStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::flow::{CONNECTION_WINDOW, FAULTY_STREAMS, FRAME_BYTES, SEND_BUFFER, STREAM_WINDOW};

/// Sends requests through a tunnel in use.
#[derive(Clone, Debug)]
pub(in crate::responder) struct Client(SendRequest<Bytes>);

impl Client {
    /// Starts HTTP/2 on `stream`, for `max_streams` requests at the same time, whose answers have at most `header_bytes`
    /// of headers. They move as long as the connection is polled.
    pub(in crate::responder) async fn start<S: AsyncRead + AsyncWrite + Unpin>(
        stream: S,
        max_streams: u32,
        header_bytes: u32,
    ) -> Result<(Self, Connection<S, Bytes>), Error> {
        let (client, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_BYTES)
            .max_header_list_size(header_bytes)
            .max_local_error_reset_streams(Some(FAULTY_STREAMS as usize))
            .max_send_buffer_size(SEND_BUFFER)
            .initial_max_send_streams(max_streams as usize)
            .max_concurrent_reset_streams(max_streams as usize)
            .handshake(stream)
            .await?;
        Ok((Self(client), connection))
    }

    /// This, unless the tunnel takes no more requests.
    pub(super) async fn ready(self) -> Option<Self> {
        self.0.ready().await.ok().map(Self)
    }

    /// Begins a request that has a body or is `whole`. Dropping both halves of what comes back calls it off.
    pub(super) fn send(
        &mut self,
        head: Request<()>,
        whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Error> {
        self.0.send_request(head, whole)
    }
}
