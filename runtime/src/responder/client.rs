//! The HTTP/2 client of a tunnel, on h2 directly.
//!
//! hyper's client puts a queue, a task and three channels between a request and its stream. Here the request's own task
//! opens the stream and is woken by it, and the tunnel's task drives the connection.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Error, SendStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::http::limits::{CONNECTION_WINDOW, FAULTY_STREAMS, FRAME_BYTES, SEND_BUFFER, SMALL_FRAMES, STREAM_WINDOW};
use crate::http::{MaxStreams, PeerLimits};

/// Sends requests on a tunnel in use.
#[derive(Clone, Debug)]
pub(super) struct TunnelClient {
    requests: SendRequest<Bytes>,
    peer: Arc<PeerLimits>,
}

impl TunnelClient {
    /// Starts HTTP/2 on `stream`, whose peer announces `peer`, for `max_streams` concurrent requests, whose responses have at most `header_bytes` of headers.
    /// The connection has to be polled for anything to happen.
    pub(super) async fn start<S: AsyncRead + AsyncWrite + Unpin>(
        stream: S,
        peer: Arc<PeerLimits>,
        max_streams: u32,
        header_bytes: u32,
    ) -> Result<(Self, Connection<S, Bytes>), Error> {
        let (requests, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_BYTES)
            .max_header_list_size(header_bytes)
            .max_local_error_reset_streams(Some(FAULTY_STREAMS as usize))
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(SMALL_FRAMES)
            .initial_max_send_streams(max_streams as usize)
            .max_concurrent_reset_streams(max_streams as usize)
            .handshake(stream)
            .await?;
        Ok((Self { requests, peer }, connection))
    }

    /// Ready once the tunnel takes a request; none if it takes no more.
    pub(super) async fn ready(self) -> Option<Self> {
        let Self { requests, peer } = self;
        requests.ready().await.ok().map(|requests| Self { requests, peer })
    }

    /// How many concurrent requests the initiator takes.
    pub(super) fn max_streams(&self) -> MaxStreams {
        self.peer.max_streams()
    }

    /// The same, once it is no longer `known`.
    pub(super) async fn max_streams_after(&self, known: MaxStreams) -> MaxStreams {
        self.peer.max_streams_after(known).await
    }

    /// The largest list of headers that the initiator takes, in bytes; `default` if it did not say.
    pub(super) fn max_header_list_bytes(&self, default: u32) -> usize {
        self.peer.header_list_bytes(default)
    }

    /// Whether the initiator takes the extended CONNECT, once it has said so; none if the tunnel ended before.
    pub(super) async fn takes_extended_connect(&self) -> Option<bool> {
        self.peer.extended_connect().await
    }

    /// Sends the head of a request, which `ends` with it or has a body. Dropping both halves of what is returned resets the
    /// stream.
    pub(super) fn send(&mut self, head: Request<()>, ends: bool) -> Result<(ResponseFuture, SendStream<Bytes>), Error> {
        self.requests.send_request(head, ends)
    }
}
