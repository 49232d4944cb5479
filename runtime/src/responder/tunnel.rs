//! One connection at the tunnel listener, from its first byte to its last.
//!
//! ```text
//!   handshake ──▶ idle: pings and echoes ──▶ in use: HTTP/2, we are the client ──▶ end
//!       │              │
//!       └── rejected   └── let go unused: GOAWAY, nothing more
//! ```

use std::io;
use std::sync::Arc;

use revtun_core::TunnelId;
use revtun_core::h2frame::{GOAWAY_UNUSED, LEAVING};
use revtun_core::responder::Event;
use revtun_core::rping::{PING, PingFilter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::Context;
use super::egress::Client;
use super::ending::Ending;
use super::link::Link;
use super::orders::Order;
use crate::keep_alive::KeepAlive;
use crate::tls::MaybeTlsStream;
use crate::tunnel_io::{Notice, TunnelIo};
use crate::world::World;

/// Bytes read at once from a tunnel that is not in use: there is nothing to read but echoes.
const IDLE_READ: usize = 64;

/// What an idle tunnel is for from here on.
enum Next {
    Serve,
    LetGo,
}

/// The task of one tunnel.
pub(super) struct Tunnel<W: World> {
    pub(super) context: Arc<Context<W>>,
    pub(super) id: TunnelId,
    pub(super) link: Arc<Link>,
}

impl<W: World> Tunnel<W> {
    /// Lives as long as the connection.
    pub(super) async fn run(mut self, stream: W::Stream) {
        // In a box of its own: an idle tunnel has no need of the handshake's room.
        match Box::pin(self.welcome(stream)).await {
            Ok(stream) => {
                let ending = self.carry(stream).await;
                self.context.counters.ended(ending);
                self.log_end(ending);
                self.report_end(ending);
            }
            Err(ending) => self.turned_away(ending),
        }
        self.link.settle(None);
    }

    /// From the handshake to the end.
    async fn carry(&mut self, mut stream: MaybeTlsStream<W::Stream>) -> Ending {
        // In a box of its own: ten thousand idle tunnels have no need of HTTP/2's room, or of that of a second TLS.
        match self.idle(&mut stream).await {
            Ok((Next::Serve, echoes)) => Box::pin(self.serve(stream, echoes)).await,
            Ok((Next::LetGo, echoes)) => Box::pin(self.let_go(stream, echoes)).await,
            Err(ending) => ending,
        }
    }

    /// Pings and echoes, until somebody has a request or nobody will have one.
    async fn idle(&mut self, stream: &mut MaybeTlsStream<W::Stream>) -> Result<(Next, PingFilter), Ending> {
        let mut echoes = PingFilter::new();
        let mut space = [0; IDLE_READ];
        let mut unasked = 0;
        loop {
            tokio::select! {
                biased;
                order = self.link.ordered() => match order {
                    // One ping is under way at most: it always fits into the socket's buffer.
                    Order::Ping => {
                        stream.write_all(&PING).await.map_err(|_| Ending::Lost)?;
                        self.context.counters.pings_sent.add(1);
                        unasked = 0;
                    }
                    Order::Start => return Ok((Next::Serve, echoes)),
                    Order::Goaway => return Ok((Next::LetGo, echoes)),
                    Order::Close(reason) => return Err(Ending::Ordered(reason)),
                },
                read = stream.read(&mut space) => {
                    let bytes = &space[..some(read)?];
                    unasked += bytes.len();
                    if unasked > self.context.max_idle_bytes {
                        return Err(Ending::Flooded);
                    }
                    let fed = echoes.feed(bytes);
                    if fed.pings > 0 {
                        self.context.counters.pings_echoed.add(fed.pings.into());
                        // Echoes that come together count for one: no more than one was asked for.
                        self.context.report(Event::Echoed { tunnel: self.id });
                    }
                    if let Some(data) = fed.data {
                        let first = [data.held, &bytes[data.from..]].concat();
                        return Err(self.farewell(stream, &first).await);
                    }
                }
            }
        }
    }

    /// An initiator that leaves says so, even on a tunnel never used. Whatever else comes there is the peer's fault.
    async fn farewell(&mut self, stream: &mut MaybeTlsStream<W::Stream>, first: &[u8]) -> Ending {
        self.link.settle(None);
        let mut said = first.to_vec();
        while LEAVING.starts_with(&said) && said.len() < LEAVING.len() {
            tokio::select! {
                biased;
                order = self.link.ordered() => if let Order::Close(reason) = order {
                    return Ending::Ordered(reason);
                },
                read = stream.read_buf(&mut said) => if let Err(ending) = some(read) {
                    return ending;
                },
            }
        }
        // An echo may follow: a ping was on its way.
        if !said.starts_with(&LEAVING) {
            return Ending::Intruded;
        }
        self.context.report(Event::GoawayReceived { tunnel: self.id });
        self.until_end(stream).await
    }

    /// Tells the initiator to dial another one, before this tunnel closes. No request will go through it.
    async fn let_go(&mut self, stream: MaybeTlsStream<W::Stream>, echoes: PingFilter) -> Ending {
        self.link.settle(None);
        let mut stream = match self.within(stream, echoes).await {
            Ok((stream, _)) => stream,
            Err(ending) => return ending,
        };
        if stream.write_all(&GOAWAY_UNUSED).await.is_err() || stream.flush().await.is_err() {
            return Ending::Lost;
        }
        self.until_end(&mut stream).await
    }

    /// Reads and forgets what comes, until the peer or the machine ends the tunnel.
    pub(super) async fn until_end(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Ending {
        let mut space = [0; IDLE_READ];
        loop {
            tokio::select! {
                biased;
                order = self.link.ordered() => match order {
                    Order::Close(reason) => return Ending::Ordered(reason),
                    Order::Ping | Order::Start | Order::Goaway => {}
                },
                read = stream.read(&mut space) => if let Err(ending) = some(read) {
                    return ending;
                },
            }
        }
    }

    /// Where HTTP/2 is spoken: in the tunnel, or in a second TLS in the other direction. A GOAWAY has to wait for that;
    /// the machine closes the tunnel in time if it does not come.
    async fn within(
        &mut self,
        stream: MaybeTlsStream<W::Stream>,
        echoes: PingFilter,
    ) -> Result<(MaybeTlsStream<W::Stream>, PingFilter), Ending> {
        match self.context.tls.as_ref().and_then(|tls| tls.inner.clone()) {
            None => Ok((stream, echoes)),
            Some(inner) => Ok((self.secured(inner.connect(stream, echoes)).await?, PingFilter::new())),
        }
    }

    /// Requests and answers.
    async fn serve(&mut self, stream: MaybeTlsStream<W::Stream>, echoes: PingFilter) -> Ending {
        let (stream, echoes) = match self.within(stream, echoes).await {
            Ok(within) => within,
            Err(ending) => return ending,
        };
        let Context { world, config, http, .. } = &*self.context;
        let (io, mut notices, goaway) = TunnelIo::requesting(world, stream, echoes);
        let Ok((client, mut connection)) = Client::start(io, config.max_streams, http.header_bytes).await else {
            return Ending::Lost;
        };
        let pings = connection.ping_pong().expect("nobody took it before");
        let mut keep_alive = KeepAlive::new(world, pings, config.ping_interval);
        self.link.settle(Some(client));
        tracing::debug!(tunnel = %self.id, peer = %self.link.peer(), identity = self.link.name(), "tunnel in use");
        let mut goaway = Some(goaway);
        loop {
            tokio::select! {
                biased;
                order = self.link.ordered() => match order {
                    Order::Goaway => if let Some(order) = goaway.take() { order.give() },
                    Order::Close(reason) => return Ending::Ordered(reason),
                    Order::Ping | Order::Start => {}
                },
                Some(notice) = notices.recv() => self.context.report(match notice {
                    Notice::Heard => {
                        keep_alive.heard();
                        Event::Heard { tunnel: self.id }
                    }
                    Notice::GoawayReceived => Event::GoawayReceived { tunnel: self.id },
                }),
                // After the peer's GOAWAY it goes on until the last request is over.
                outcome = &mut connection => return if outcome.is_ok() { Ending::PeerClosed } else { Ending::Lost },
                () = keep_alive.given_up() => return Ending::Lost,
            }
        }
    }

    fn report_end(&self, ending: Ending) {
        match ending {
            // The machine has forgotten the tunnel already.
            Ending::Ordered(_) => {}
            Ending::PeerClosed | Ending::Lost | Ending::Intruded | Ending::Flooded => {
                self.context.report(Event::Closed { tunnel: self.id });
            }
        }
    }

    fn log_end(&self, ending: Ending) {
        let (tunnel, peer, identity, reason) = (self.id, self.link.peer(), self.link.name(), ending.name());
        match ending {
            Ending::Intruded => {
                tracing::warn!(%tunnel, %peer, identity, reason, "tunnel closed: bytes that are no echo came unasked");
            }
            Ending::Flooded => {
                tracing::warn!(%tunnel, %peer, identity, reason, "tunnel closed: far more echoes came than were asked for");
            }
            Ending::Ordered(_) | Ending::PeerClosed | Ending::Lost => {
                tracing::info!(%tunnel, %peer, identity, reason, "tunnel closed");
            }
        }
    }
}

/// How many bytes came; none is the end.
pub(super) fn some(read: io::Result<usize>) -> Result<usize, Ending> {
    match read {
        Ok(0) => Err(Ending::PeerClosed),
        Ok(count) => Ok(count),
        Err(_) => Err(Ending::Lost),
    }
}
