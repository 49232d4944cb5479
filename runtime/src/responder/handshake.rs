//! The handshake of a new connection: TLS if configured, then the request and its response.

use std::sync::Arc;

use revtun_core::Effects;
use revtun_core::handshake::{self, Acceptance, ParsedRequest, Request, RequestParser, Rules};
use revtun_core::responder::{Effect, Event, Handshake, Verdict};
use revtun_core::token::TokenError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::command::TunnelCommand;
use super::context::Context;
use super::credentials::TunnelCredentials;
use super::task::{TunnelTask, nonzero};
use super::tunnel_end::TunnelEnd;
use crate::tls::{MaybeTlsStream, Proof};
use crate::token::VerifiedToken;
use crate::world::World;

/// The capacity for the head of a usual handshake request; a longer one grows it.
const USUAL_HEAD: usize = 1024;

/// From the first byte to the response. Ok: the connection is a tunnel from here on.
pub(super) async fn handshake<W: World>(
    task: &TunnelTask<W>,
    stream: W::Stream,
) -> Result<(MaybeTlsStream<W::Stream>, TunnelCredentials), TunnelEnd> {
    let Some(tls) = task.context.tls.clone() else {
        let mut stream = MaybeTlsStream::plain(stream);
        let credentials = read_request(task, &mut stream, &Proof::default()).await?;
        return Ok((stream, credentials));
    };
    let (mut stream, proof) = task.secure(tls.accept(stream)).await?;
    let credentials = read_request(task, &mut stream, &proof).await?;
    // What follows the request is discarded, as it is without TLS.
    Ok((if tls.extent.leaves() { stream.leave_tls().0 } else { stream }, credentials))
}

/// Reads the handshake request and responds to it.
async fn read_request<W: World>(
    task: &TunnelTask<W>,
    stream: &mut MaybeTlsStream<W::Stream>,
    proof: &Proof,
) -> Result<TunnelCredentials, TunnelEnd> {
    let context = Arc::clone(&task.context);
    let mut head = Vec::with_capacity(USUAL_HEAD);
    let mut parser = RequestParser::new();
    loop {
        match parser.parse(&context.rules, &head) {
            ParsedRequest::Incomplete => {}
            // What follows the request is discarded, as an Envoy does (reference §2.3).
            ParsedRequest::Complete { request, consumed: _ } => return respond(task, stream, &request, proof).await,
            ParsedRequest::Rejected(rejection) => {
                if context.tls.is_none() && handshake::is_tls(&head) {
                    tracing::warn!(tunnel = %task.id, peer = %task.handle.peer(), "the peer speaks TLS, and this listener has no certificate");
                }
                let effects = context.shared.step(Event::HandshakeInvalid { tunnel: task.id, rejection });
                return Err(reject(task, stream, effects, None).await);
            }
        }
        tokio::select! {
            biased;
            command = task.handle.next_command() => if let TunnelCommand::Close(reason) = command {
                return Err(TunnelEnd::Closed(reason));
            },
            read = stream.read_buf(&mut head) => if let Err(end) = nonzero(read) {
                context.counters.handshakes_abandoned.add(1);
                return Err(end);
            },
        }
    }
}

async fn respond<W: World>(
    task: &TunnelTask<W>,
    stream: &mut MaybeTlsStream<W::Stream>,
    request: &Request<'_>,
    proof: &Proof,
) -> Result<TunnelCredentials, TunnelEnd> {
    let Request { identity, instance, .. } = *request;
    task.handle.set_identity(identity.to_string());
    let now = task.context.world.unix_millis() / 1000;
    let (vouched, fault) = verify_token(task, request, now);
    let token = vouched.id.as_deref();
    let revoked = task.context.revocation.revokes(proof, token, identity, now);
    let counts = if revoked { Verdict::Unauthenticated } else { Verdict::Authenticated };
    let verdict = proof.judge(&identity).and(vouched.verdict).and(counts);
    let handshake = Handshake { identity, instance, verdict };
    let effects = task.context.shared.step(Event::HandshakeReceived { tunnel: task.id, handshake });
    if !effects.iter().any(|effect| effect == Effect::Accept { tunnel: task.id }) {
        let detail = fault.map(TokenError::name).or(revoked.then_some("revoked"));
        return Err(reject(task, stream, effects, detail).await);
    }
    let revtun = instance.is_some();
    // One write and not a byte more: an Envoy fails on bytes that arrive together with the response (reference §2.4).
    let Rules { upgrade, whole_tls, .. } = task.context.rules;
    let response = Acceptance { upgrade, revtun, whole_tls }.encode();
    stream.write_all(&response).await.map_err(|_| TunnelEnd::Lost)?;
    stream.flush().await.map_err(|_| TunnelEnd::Lost)?;
    task.context.counters.handshakes_accepted.add(1);
    tracing::info!(tunnel = %task.id, peer = %task.handle.peer(), %identity, revtun, "tunnel accepted");
    let Context { world, revocation, .. } = &*task.context;
    let now = world.unix_millis() / 1000;
    Ok(TunnelCredentials::new(revocation, proof, vouched.id, vouched.expires, &identity, now))
}

/// What the token of a request proves, if one is required, or why it proves nothing.
fn verify_token<W: World>(
    task: &TunnelTask<W>,
    request: &Request<'_>,
    now: u64,
) -> (VerifiedToken, Option<TokenError>) {
    let without = |verdict| VerifiedToken { verdict, expires: None, id: None };
    let Some(verifier) = &task.context.token else { return (without(Verdict::Authenticated), None) };
    match request.token.and_then(|token| verifier.verify(token, now, &request.identity)) {
        Ok(vouched) => (vouched, None),
        Err(fault) => {
            task.context.counters.token_refused(fault);
            (without(Verdict::Unauthenticated), Some(fault))
        }
    }
}

/// Performs the machine's rejection, and lives until the connection is closed.
async fn reject<W: World>(
    task: &TunnelTask<W>,
    stream: &mut MaybeTlsStream<W::Stream>,
    effects: Effects<Effect>,
    detail: Option<&'static str>,
) -> TunnelEnd {
    if let Some(Effect::Reject { rejection, .. }) = effects.iter().next() {
        task.context.counters.rejected(rejection);
        let (tunnel, peer, identity) = (task.id, task.handle.peer(), task.handle.identity());
        let reason = rejection.name();
        tracing::warn!(%tunnel, %peer, identity, reason, token = detail, "handshake rejected");
        let response = handshake::encode_rejection(rejection);
        if stream.write_all(&response).await.is_err() || stream.shutdown().await.is_err() {
            return TunnelEnd::Lost;
        }
    }
    // Without a rejection the machine has closed the tunnel meanwhile, and the command is on the way.
    task.read_to_end(stream).await
}
