//! The handshake of a tunnel: our request, and the responder's response.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use revtun_core::handshake::{Answer, ParsedResponse, RequestHead, ResponseParser, is_tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::context::Context;
use super::task::end_of_stream;
use crate::tls::{Extent, MaybeTlsStream};
use crate::token::TokenText;
use crate::world::World;

/// Bytes read at once while the response is expected.
const RESPONSE_READ: usize = 512;

/// Sends the request to `peer`. The tunnel is wanted since `first_dial_ms`, in milliseconds since the Unix epoch.
pub(super) async fn send_request<W: World, S>(
    context: &Context<W, S>,
    stream: &mut MaybeTlsStream<W::Stream>,
    peer: SocketAddr,
    first_dial_ms: u64,
    token: Option<TokenText>,
) -> io::Result<()> {
    let Context { address, request_path, header_names, upgrade, run, .. } = context;
    let mut head = Vec::with_capacity(512);
    RequestHead {
        names: header_names,
        host: &peer.to_string(),
        identity: address.identity(),
        upstream: address.upstream(),
        initiation_time_ms: first_dial_ms,
        worker: 0,
        connection: run.connections.fetch_add(1, Ordering::Relaxed),
        instance: run.instance,
        path: request_path,
        upgrade: *upgrade,
        whole_tls: context.extent() == Some(Extent::Whole),
        token: token.as_ref().map(TokenText::token),
    }
    .encode(&mut head);
    stream.write_all(&head).await?;
    stream.flush().await
}

/// The response of `peer`, and the bytes that came behind it.
pub(super) async fn read_response<W: World, S>(
    context: &Context<W, S>,
    stream: &mut MaybeTlsStream<W::Stream>,
    peer: SocketAddr,
) -> io::Result<(Answer, Vec<u8>)> {
    let mut parser = ResponseParser::new(context.upgrade, context.extent() == Some(Extent::Whole));
    let mut bytes = Vec::with_capacity(RESPONSE_READ);
    // A read of more bytes than there are would make TLS look for another record behind the last one.
    let at_once = if context.extent().is_some_and(Extent::leaves) { 1 } else { RESPONSE_READ };
    loop {
        let mut space = [0; RESPONSE_READ];
        let count = stream.read(&mut space[..at_once]).await?;
        if count == 0 {
            return Err(end_of_stream());
        }
        bytes.extend_from_slice(&space[..count]);
        if let ParsedResponse::Complete { answer, consumed } = parser.parse(&bytes) {
            if context.tls.is_none() && answer == Answer::Malformed && is_tls(&bytes) {
                tracing::warn!(%peer, "the responder speaks TLS, and this initiator was not told to (--tls)");
            }
            return Ok((answer, bytes.split_off(consumed)));
        }
    }
}
