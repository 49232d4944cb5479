//! The handshake of a tunnel: our request, and the responder's response.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use revtun_core::handshake::{Answer, ParsedResponse, REASON_TIMEOUT, Reason, RequestHead, ResponseParser, is_tls};
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

/// What a responder said.
pub(super) struct Response {
    pub(super) answer: Answer,
    /// Why it refused; empty if it did not, or gave no reason.
    pub(super) reason: String,
    /// What came behind the head of the response.
    pub(super) rest: Vec<u8>,
}

/// Reads the response; of a refusal the reason too.
pub(super) async fn read_response<W: World, S>(
    context: &Context<W, S>,
    stream: &mut MaybeTlsStream<W::Stream>,
    peer: SocketAddr,
) -> io::Result<Response> {
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
            let reason = match answer {
                Answer::Refused { .. } => read_reason(context, stream, &mut bytes, consumed).await,
                Answer::Accepted { .. } | Answer::Downgraded | Answer::Malformed => String::new(),
            };
            return Ok(Response { answer, reason, rest: bytes.split_off(consumed) });
        }
    }
}

/// The words behind the head of a refusal, which is the first `head` of `bytes`: as many as come in time.
async fn read_reason<W: World, S>(
    context: &Context<W, S>,
    stream: &mut MaybeTlsStream<W::Stream>,
    bytes: &mut Vec<u8>,
    head: usize,
) -> String {
    let deadline = context.world.now().after(REASON_TIMEOUT);
    loop {
        let reason = Reason::read(bytes, head);
        if reason.is_complete {
            return reason.text;
        }
        let mut space = [0; RESPONSE_READ];
        tokio::select! {
            biased;
            read = stream.read(&mut space) => match read {
                Ok(count @ 1..) => bytes.extend_from_slice(&space[..count]),
                Ok(0) | Err(_) => return reason.text,
            },
            () = context.world.sleep_until(deadline) => return reason.text,
        }
    }
}
