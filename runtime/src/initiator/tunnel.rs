//! The task of one tunnel: dial, handshake, answer pings, serve.

use std::convert::Infallible;
use std::future;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use revtun_core::h2frame::{self, LEAVING};
use revtun_core::handshake::{Answer, ParsedResponse, RequestHead, ResponseParser};
use revtun_core::initiator::{Cause, Event, HEARD_GRANULARITY, Protocol};
use revtun_core::rping::{PING, PingFilter};
use revtun_core::{Instant, TunnelId};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use super::Context;
use super::driver::Input;
use super::serve::{TunnelService, serve};
use crate::supervise::Caught;
use crate::tls::{self, Extent, Wire};
use crate::token::TokenText;
use crate::world::World;

/// Room for one order of each kind.
pub(super) const ORDERS: usize = 3;

/// Bytes read at once while nothing but pings is expected. Small: most tunnels of a big deployment are idle.
const IDLE_READ: usize = 64;

/// Bytes read at once while the answer to the handshake is expected.
const ANSWER_READ: usize = 512;

/// What the machine wants of a tunnel. To close it is no order: the task is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    SendHandshake,
    Deliver,
    Goaway,
}

/// One tunnel, as its task sees it.
pub(super) struct Tunnel<W, S> {
    pub(super) context: Arc<Context<W, S>>,
    id: TunnelId,
    peer: SocketAddr,
    /// What the peer was dialled as; none if its endpoint vanished meanwhile.
    name: Option<Arc<str>>,
    wanted_since: u64,
    orders: mpsc::Receiver<Order>,
    heard: Option<Instant>,
    /// Bytes that came since then, while nothing but pings is expected.
    idle_bytes: usize,
}

/// A tunnel that was used for the first time.
pub(super) struct Used {
    pub(super) protocol: Protocol,
    /// What was read already.
    pub(super) first: Bytes,
    /// The machine wants it to go out of use.
    pub(super) leaving: bool,
}

/// Lives the tunnel's life and reports its end, unless `closed` comes first: then the machine has forgotten it.
pub(super) async fn run<W: World, S: TunnelService>(mut tunnel: Tunnel<W, S>, closed: oneshot::Receiver<Infallible>) {
    let end = tokio::select! {
        biased;
        _ = closed => return,
        end = Caught::of(tunnel.live()) => end,
    };
    let (end, panic) = match end {
        Ok(end) => (end, None),
        Err(panic) => ((Cause::Lost, io::Error::other("a bug of revtun: the tunnel's task panicked")), Some(panic)),
    };
    let (cause, error) = end;
    // Nobody is left to tell once the initiator itself has ended.
    let _ = tunnel.context.inputs.send(Input::Ended { tunnel: tunnel.id, cause, error }).await;
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

impl<W: World, S: TunnelService> Tunnel<W, S> {
    pub(super) fn new(
        context: &Arc<Context<W, S>>,
        id: TunnelId,
        peer: SocketAddr,
        name: Option<Arc<str>>,
        wanted_since: u64,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        Self { context: Arc::clone(context), id, peer, name, wanted_since, orders, heard: None, idle_bytes: 0 }
    }

    async fn live(&mut self) -> (Cause, io::Error) {
        match Box::pin(self.connect()).await {
            Ok((stream, token)) => (Cause::Lost, self.live_on(stream, token).await.unwrap_or_else(|error| error)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => (Cause::Refused, error),
            Err(error) => (Cause::Lost, error),
        }
    }

    /// Without the token that it needs a dial is pointless, and fails before it begins.
    async fn connect(&self) -> io::Result<(Wire<W::Stream>, Option<TokenText>)> {
        let token = self.context.token.as_ref().map(|file| file.read().map_err(io::Error::other)).transpose()?;
        let stream = self.context.world.connect(self.peer).await?;
        match &self.context.tls {
            None => Ok((Wire::plain(stream), token)),
            Some(tls) => {
                let address = self.peer.ip().to_string();
                Ok((tls.connect(stream, self.name.as_deref().unwrap_or(&address)).await?, token))
            }
        }
    }

    /// Ends with the reason either way; a failed read or write is one.
    async fn live_on(&mut self, mut stream: Wire<W::Stream>, token: Option<TokenText>) -> io::Result<io::Error> {
        self.report(Event::Connected { tunnel: self.id }).await;
        self.ordered(Order::SendHandshake).await;
        self.send_handshake(&mut stream, token).await?;
        let (answer, mut rest) = self.read_answer(&mut stream).await?;
        if self.extent().is_some_and(Extent::leaves) {
            let left = stream.leave_tls();
            rest.extend(left.1);
            stream = left.0;
        }
        self.report(Event::Answered { tunnel: self.id, answer }).await;
        self.ordered(Order::Deliver).await;
        let mut used = self.idle(&mut stream, rest).await?;
        if let Some(inner) = self.context.tls.as_ref().and_then(|tls| tls.inner.clone()) {
            (stream, used) = Box::pin(self.secure_within(&inner, stream, used)).await?;
        }
        self.report(Event::Used { tunnel: self.id, protocol: used.protocol }).await;
        // Boxed, so that an idle tunnel does not hold the room that HTTP needs.
        Ok(Box::pin(serve(self, stream, used)).await)
    }

    /// Waits for `order`. If the machine does not want to go on, it closes the tunnel instead.
    async fn ordered(&mut self, order: Order) {
        while self.next_order().await != order {}
    }

    pub(super) async fn next_order(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            // The machine has closed the tunnel: whoever runs this task drops it next.
            None => future::pending().await,
        }
    }

    /// A second TLS in the other direction, whose first bytes put the tunnel into use, and what is spoken within it.
    async fn secure_within(
        &self,
        inner: &tls::Server,
        stream: Wire<W::Stream>,
        used: Used,
    ) -> io::Result<(Wire<W::Stream>, Used)> {
        let mut stream = inner.accept_inner(stream, used.first).await?;
        let mut first = Vec::new();
        loop {
            if let Some(protocol) = h2frame::protocol(&first) {
                return Ok((stream, Used { protocol, first: first.into(), leaving: used.leaving }));
            }
            if stream.read_buf(&mut first).await? == 0 {
                return Err(end_of_stream());
            }
        }
    }

    async fn send_handshake(&self, stream: &mut Wire<W::Stream>, token: Option<TokenText>) -> io::Result<()> {
        let Context { address, request_path, header_names, upgrade, run, .. } = &*self.context;
        let mut head = Vec::with_capacity(512);
        RequestHead {
            names: header_names,
            host: &self.peer.to_string(),
            identity: address.identity(),
            upstream: address.upstream(),
            initiation_time_ms: self.wanted_since,
            worker: 0,
            connection: run.connections.fetch_add(1, Ordering::Relaxed),
            instance: run.instance,
            path: request_path,
            upgrade: *upgrade,
            whole_tls: self.extent() == Some(Extent::Whole),
            token: token.as_ref().map(TokenText::token),
        }
        .encode(&mut head);
        stream.write_all(&head).await?;
        stream.flush().await
    }

    fn extent(&self) -> Option<Extent> {
        self.context.tls.as_ref().map(|tls| tls.extent)
    }

    /// The answer, and what came behind it.
    async fn read_answer(&self, stream: &mut Wire<W::Stream>) -> io::Result<(Answer, Vec<u8>)> {
        let mut parser = ResponseParser::new(self.context.upgrade, self.extent() == Some(Extent::Whole));
        let mut bytes = Vec::with_capacity(ANSWER_READ);
        // Asked for more than is there, TLS would look for a record behind the last one.
        let piece = if self.extent().is_some_and(Extent::leaves) { 1 } else { ANSWER_READ };
        loop {
            let mut space = [0; ANSWER_READ];
            let count = stream.read(&mut space[..piece]).await?;
            if count == 0 {
                return Err(end_of_stream());
            }
            bytes.extend_from_slice(&space[..count]);
            if let ParsedResponse::Complete { answer, consumed } = parser.parse(&bytes) {
                return Ok((answer, bytes.split_off(consumed)));
            }
        }
    }

    /// Answers pings until something else comes. `rest` came together with the answer.
    async fn idle(&mut self, stream: &mut Wire<W::Stream>, rest: Vec<u8>) -> io::Result<Used> {
        let mut idle = Idle::default();
        let mut protocol = self.take(stream, &mut idle, &rest).await?;
        drop(rest);
        let mut space = [0; IDLE_READ];
        loop {
            if let Some(protocol) = protocol {
                return Ok(Used { protocol, first: idle.first.into(), leaving: idle.leaving });
            }
            tokio::select! {
                biased;
                order = self.next_order() => idle.obey(order, stream).await?,
                read = stream.read(&mut space) => match read? {
                    0 => return Err(end_of_stream()),
                    count => protocol = self.take(stream, &mut idle, &space[..count]).await?,
                },
            }
        }
    }

    /// Echoes the pings among `bytes`. Says what the responder speaks once it is clear.
    async fn take(
        &mut self,
        stream: &mut Wire<W::Stream>,
        idle: &mut Idle,
        bytes: &[u8],
    ) -> io::Result<Option<Protocol>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        self.hear().await;
        self.idle_bytes += bytes.len();
        if self.idle_bytes > self.context.max_idle_bytes as usize {
            return Err(io::Error::other("a flood of pings"));
        }
        let fed = idle.pings.feed(bytes);
        if !idle.leaving {
            self.echo(stream, fed.pings).await?;
        }
        let Some(data) = fed.data else { return Ok(None) };
        idle.first.extend_from_slice(data.held);
        idle.first.extend_from_slice(&bytes[data.from..]);
        Ok(h2frame::protocol(&idle.first))
    }

    /// One write for each echo: an Envoy does not put split ones together, and takes run together ones for one
    /// (reference §3).
    async fn echo(&self, stream: &mut Wire<W::Stream>, pings: u32) -> io::Result<()> {
        for _ in 0..pings {
            stream.write_all(&PING).await?;
            self.context.counters.pings_echoed.add(1);
        }
        Ok(())
    }

    async fn hear(&mut self) {
        let now = self.context.world.now();
        if self.heard.is_none_or(|heard| now.since(heard) >= HEARD_GRANULARITY) {
            self.heard = Some(now);
            self.idle_bytes = 0;
            self.report(Event::Heard { tunnel: self.id }).await;
        }
    }

    pub(super) fn id(&self) -> TunnelId {
        self.id
    }

    pub(super) async fn report(&self, event: Event) {
        // Nobody is left to tell once the initiator itself has ended; this task ends with it.
        let _ = self.context.inputs.send(Input::Event(event)).await;
    }
}

/// A tunnel that was not used so far.
#[derive(Default)]
struct Idle {
    pings: PingFilter,
    /// What came behind the pings, as long as it is not clear what it is.
    first: Vec<u8>,
    /// We have said that the tunnel goes out of use. An echo behind that would be no frame.
    leaving: bool,
}

impl Idle {
    async fn obey(&mut self, order: Order, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        match order {
            Order::Goaway => {
                self.leaving = true;
                // A request that has begun to arrive is served, and its server says goodbye.
                if self.first.is_empty() { stream.write_all(&LEAVING).await } else { Ok(()) }
            }
            Order::SendHandshake | Order::Deliver => Ok(()),
        }
    }
}

pub(super) fn end_of_stream() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection came to its end")
}
