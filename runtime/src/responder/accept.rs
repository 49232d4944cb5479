//! A new connection at the tunnel listener: who is it, and may it stay?

use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;

use revtun_core::Effects;
use revtun_core::handshake::{self, Acceptance, ParsedRequest, Rejection, Request, RequestParser, Rules};
use revtun_core::responder::{CloseReason, Effect, Event, Hello, Verdict};
use revtun_core::token::TokenFault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Context;
use super::ending::Ending;
use super::link::Link;
use super::orders::Order;
use super::tunnel::{Tunnel, some};
use crate::supervise::Caught;
use crate::tls::{Proof, Wire};
use crate::world::World;

/// Room for a usual handshake request; a longer one makes more.
const USUAL_HEAD: usize = 1024;

/// Lives as long as the connection.
pub(super) async fn serve<W: World>(context: Arc<Context<W>>, stream: W::Stream, peer: SocketAddr) {
    let link = Link::new(peer);
    match context.shared.accept(&link) {
        Ok(id) => {
            let tunnel = Tunnel { context: Arc::clone(&context), id, link: Arc::clone(&link) };
            if let Err(panic) = Caught::of(tunnel.run(stream)).await {
                // The machine must not give away a tunnel that nobody serves.
                context.report(Event::Closed { tunnel: id });
                link.settle(None);
                resume_unwind(panic);
            }
        }
        Err(rejection) => shun(&context, stream, peer, rejection).await,
    }
}

/// Tells a peer for whom there is no room, and does not wait to be heard. Inside TLS that would cost more than to serve
/// it: the connection is closed without a word.
async fn shun<W: World>(context: &Context<W>, mut stream: W::Stream, peer: SocketAddr, rejection: Rejection) {
    context.counters.rejected(rejection);
    tracing::warn!(%peer, reason = rejection.name(), "connection turned away");
    if context.tls.is_some() {
        return;
    }
    let answer = handshake::encode_rejection(rejection);
    if stream.write_all(&answer).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

impl<W: World> Tunnel<W> {
    /// From the first byte to the answer. Ok: the connection is a tunnel from here on.
    pub(super) async fn welcome(&mut self, stream: W::Stream) -> Result<Wire<W::Stream>, Ending> {
        let Some(tls) = self.context.tls.clone() else {
            let mut wire = Wire::plain(stream);
            self.greet(&mut wire, &Proof::default()).await?;
            return Ok(wire);
        };
        let (mut wire, proof) = self.secured(tls.accept(stream)).await?;
        self.greet(&mut wire, &proof).await?;
        // What came behind the request is thrown away, as it is in the clear.
        Ok(if tls.extent.leaves() { wire.leave_tls().0 } else { wire })
    }

    /// Waits for the end of a TLS handshake, unless the machine closes the tunnel first.
    pub(super) async fn secured<T>(&mut self, handshake: impl Future<Output = io::Result<T>>) -> Result<T, Ending> {
        let mut handshake = pin!(handshake);
        loop {
            tokio::select! {
                biased;
                order = self.link.ordered() => if let Order::Close(reason) = order {
                    return Err(Ending::Ordered(reason));
                },
                secured = handshake.as_mut() => return secured.map_err(|error| {
                    self.context.counters.tls_failures.add(1);
                    tracing::warn!(tunnel = %self.id, peer = %self.link.peer(), %error, "TLS handshake failed");
                    Ending::Lost
                }),
            }
        }
    }

    /// Reads the handshake and answers it.
    async fn greet(&mut self, stream: &mut Wire<W::Stream>, proof: &Proof) -> Result<(), Ending> {
        let context = Arc::clone(&self.context);
        let mut head = Vec::with_capacity(USUAL_HEAD);
        let mut parser = RequestParser::new();
        loop {
            match parser.parse(&context.rules, &head) {
                ParsedRequest::Incomplete => {}
                // What comes behind the request is thrown away, as an Envoy does (reference §2.3).
                ParsedRequest::Complete { request, consumed: _ } => return self.answer(stream, &request, proof).await,
                ParsedRequest::Faulted(rejection) => {
                    let answer = context.shared.step(Event::Faulted { tunnel: self.id, rejection });
                    return Err(self.obey_rejection(stream, answer, None).await);
                }
            }
            tokio::select! {
                biased;
                order = self.link.ordered() => if let Order::Close(reason) = order {
                    return Err(Ending::Ordered(reason));
                },
                read = stream.read_buf(&mut head) => if let Err(ending) = some(read) {
                    context.counters.handshakes_abandoned.add(1);
                    return Err(ending);
                },
            }
        }
    }

    async fn answer(
        &mut self,
        stream: &mut Wire<W::Stream>,
        request: &Request<'_>,
        proof: &Proof,
    ) -> Result<(), Ending> {
        let Request { identity, instance, .. } = *request;
        self.link.call(identity.to_string());
        let (verdict, fault) = self.examine(request);
        let hello = Hello { identity, instance, verdict: proof.judge(&identity).and(verdict) };
        let effects = self.context.shared.step(Event::Greeted { tunnel: self.id, hello });
        if !effects.iter().any(|effect| effect == Effect::Accept { tunnel: self.id }) {
            return Err(self.obey_rejection(stream, effects, fault).await);
        }
        let revtun = instance.is_some();
        // One write and not a byte more: an Envoy chokes on what arrives together with it (reference §2.4).
        let Rules { upgrade, whole_tls, .. } = self.context.rules;
        let answer = Acceptance { upgrade, revtun, whole_tls }.encode();
        stream.write_all(&answer).await.map_err(|_| Ending::Lost)?;
        stream.flush().await.map_err(|_| Ending::Lost)?;
        self.context.counters.handshakes_accepted.add(1);
        tracing::info!(tunnel = %self.id, peer = %self.link.peer(), %identity, revtun, "tunnel accepted");
        Ok(())
    }

    /// What the token of a request proves, if one is asked for, or why it proves nothing.
    fn examine(&self, request: &Request<'_>) -> (Verdict, Option<TokenFault>) {
        let Some(verifier) = &self.context.token else { return (Verdict::Believed, None) };
        let now = self.context.world.unix_millis() / 1000;
        match request.token.and_then(|token| verifier.judge(token, now, &request.identity)) {
            Ok(verdict) => (verdict, None),
            Err(fault) => {
                self.context.counters.token_refused(fault);
                (Verdict::Unproven, Some(fault))
            }
        }
    }

    async fn obey_rejection(
        &mut self,
        stream: &mut Wire<W::Stream>,
        effects: Effects<Effect>,
        token: Option<TokenFault>,
    ) -> Ending {
        if let Some(Effect::Reject { rejection, .. }) = effects.iter().next() {
            self.context.counters.rejected(rejection);
            let (tunnel, peer, identity) = (self.id, self.link.peer(), self.link.name());
            let (reason, token) = (rejection.name(), token.map(TokenFault::name));
            tracing::warn!(%tunnel, %peer, identity, reason, token, "handshake rejected");
            let answer = handshake::encode_rejection(rejection);
            if stream.write_all(&answer).await.is_err() || stream.shutdown().await.is_err() {
                return Ending::Lost;
            }
        }
        // Without an answer the machine has closed the tunnel meanwhile, and its order is on the way.
        self.until_end(stream).await
    }

    /// The connection never became a tunnel. A rejection was logged and counted when it was said.
    pub(super) fn turned_away(&self, ending: Ending) {
        let (tunnel, peer) = (self.id, self.link.peer());
        match ending {
            Ending::Ordered(CloseReason::HandshakeTimeout) => {
                self.context.counters.handshake_timeouts.add(1);
                tracing::warn!(%tunnel, %peer, reason = ending.name(), "connection closed: no whole handshake came");
            }
            Ending::Ordered(_) => {}
            Ending::PeerClosed | Ending::Lost | Ending::Intruded | Ending::Flooded => {
                self.context.report(Event::Closed { tunnel });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::orders::Orders;
    use super::*;
    use crate::world::Tokio;

    #[test]
    fn an_idle_tunnel_is_cheap() {
        fn bytes_of<Task>(_: impl Fn(Arc<Context<Tokio>>, <Tokio as World>::Stream, SocketAddr) -> Task) -> usize {
            size_of::<Task>()
        }
        let task = bytes_of(serve::<Tokio>);
        assert!(task <= 1536, "the task of a tunnel takes {task} bytes");
        assert!(size_of::<Link>() <= 256);
    }

    #[test]
    fn orders_come_in_turn() {
        let orders = Orders::new();
        for order in Order::ALL {
            assert_eq!(orders.take(), None);
            let given = [Order::Ping, order, Order::Goaway];
            given.iter().for_each(|&order| orders.give(order));
            let taken = given.map(|_| orders.take());
            assert_eq!(taken, given.map(Some));
        }
    }

    #[test]
    #[should_panic(expected = "fewer than 8 orders")]
    fn an_order_without_room_is_a_bug() {
        let orders = Orders::new();
        (0..=8).for_each(|_| orders.give(Order::Ping));
    }
}
