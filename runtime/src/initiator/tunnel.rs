//! The task of one tunnel: dial, handshake, answer pings, serve.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;

use bytes::Bytes;
use revtun_core::Instant;
use revtun_core::h2frame::{self, GOAWAY_UNUSED_SERVER};
use revtun_core::initiator::{Cause, Event, HEARD_GRANULARITY, Protocol};
use revtun_core::rping::{PING, PingFilter};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;

use super::command::TunnelCommand;
use super::context::Input;
use super::first_use::{FirstUse, UseTunnel};
use super::handshake::{Response, read_response, send_request};
use super::task::{TunnelTask, end_of_stream};
use crate::supervise::CatchUnwind;
use crate::tls::{self, Extent, MaybeTlsStream};
use crate::token::TokenText;
use crate::world::World;

/// Bytes read at once while nothing but pings is expected. Small: most tunnels of a big deployment are idle.
const IDLE_READ: usize = 64;

/// One tunnel, from its dial on.
pub(super) struct Tunnel<W, S> {
    task: TunnelTask<W, S>,
    peer: SocketAddr,
    /// The host name that was dialled; none if its endpoint was removed meanwhile.
    name: Option<Arc<str>>,
    first_dial_ms: u64,
    heard: Option<Instant>,
    /// Bytes that came since then, while nothing but pings is expected.
    idle_bytes: usize,
}

impl<W: World, S: UseTunnel<W>> Tunnel<W, S> {
    /// A tunnel to `peer`, which was first dialled at `first_dial_ms`, in milliseconds since the Unix epoch.
    pub(super) fn new(task: TunnelTask<W, S>, peer: SocketAddr, name: Option<Arc<str>>, first_dial_ms: u64) -> Self {
        Self { task, peer, name, first_dial_ms, heard: None, idle_bytes: 0 }
    }

    /// Runs the tunnel and reports its end, unless `closed` comes first: then the machine has forgotten it.
    pub(super) async fn run(mut self, closed: oneshot::Receiver<Infallible>) {
        let end = tokio::select! {
            biased;
            _ = closed => return,
            end = CatchUnwind::of(self.run_to_end()) => end,
        };
        let ((cause, error), panic) = match end {
            Ok(end) => (end, None),
            Err(panic) => ((Cause::Lost, io::Error::other("a bug of revtun: the tunnel's task panicked")), Some(panic)),
        };
        // An error means that the initiator has ended.
        let tunnel = self.task.id;
        let _ = self.task.context.inputs.send(Input::Ended { tunnel, cause, error }).await;
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    async fn run_to_end(&mut self) -> (Cause, io::Error) {
        match Box::pin(self.connect()).await {
            Ok((stream, token)) => (Cause::Lost, self.carry(stream, token).await.unwrap_or_else(|error| error)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => (Cause::Refused, error),
            Err(error) => (Cause::Lost, error),
        }
    }

    /// Dials. Without the token that the handshake needs, it fails before it connects.
    async fn connect(&self) -> io::Result<(MaybeTlsStream<W::Stream>, Option<TokenText>)> {
        let context = &self.task.context;
        let token = context.token.as_ref().map(|file| file.read().map_err(io::Error::other)).transpose()?;
        let stream = context.world.connect(self.peer).await?;
        if S::OPAQUE {
            context.world.keep_alive(&stream, context.core.probe_interval, context.core.silence)?;
        }
        match &context.tls {
            None => Ok((MaybeTlsStream::plain(stream), token)),
            Some(tls) => {
                let address = self.peer.ip().to_string();
                Ok((tls.connect(stream, self.name.as_deref().unwrap_or(&address)).await?, token))
            }
        }
    }

    /// From the connection on. Returns how it ended; so does a failed read or write.
    async fn carry(
        &mut self,
        mut stream: MaybeTlsStream<W::Stream>,
        token: Option<TokenText>,
    ) -> io::Result<io::Error> {
        let (tunnel, context) = (self.task.id, Arc::clone(&self.task.context));
        self.task.report(Event::Connected { tunnel }).await;
        self.task.wait_for(TunnelCommand::SendHandshake).await;
        send_request(&context, &mut stream, self.peer, self.first_dial_ms, token).await?;
        let Response { answer, reason, mut rest } = read_response(&context, &mut stream, self.peer).await?;
        if context.extent().is_some_and(Extent::leaves) {
            let left = stream.leave_tls();
            rest.extend(left.1);
            stream = left.0;
        }
        self.task.report_answer(answer, reason).await;
        self.task.wait_for(TunnelCommand::Deliver).await;
        let mut first = self.idle(&mut stream, rest).await?;
        if let Some(inner) = context.tls.as_ref().and_then(|tls| tls.inner.clone()) {
            (stream, first) = Box::pin(accept_inner_tls(&inner, stream, first)).await?;
        }
        let protocol = if S::OPAQUE { Protocol::Http1 } else { first.protocol };
        self.task.report(Event::Used { tunnel, protocol }).await;
        // Boxed, so that an idle tunnel does not hold the memory that HTTP needs.
        Ok(Box::pin(S::carry(&mut self.task, stream, first)).await)
    }

    /// Answers pings until something else comes. `rest` came together with the response to the handshake.
    async fn idle(&mut self, stream: &mut MaybeTlsStream<W::Stream>, rest: Vec<u8>) -> io::Result<FirstUse> {
        let mut idle = Idle::default();
        let mut protocol = self.receive(stream, &mut idle, &rest).await?;
        drop(rest);
        let mut space = [0; IDLE_READ];
        loop {
            if let Some(protocol) = protocol {
                let (peer, prefix) = (self.peer, idle.data.into());
                return Ok(FirstUse { peer, protocol, prefix, draining: idle.draining });
            }
            tokio::select! {
                biased;
                command = self.task.next_command() => idle.apply(command, stream).await?,
                read = stream.read(&mut space) => match read? {
                    0 => return Err(end_of_stream()),
                    count => protocol = self.receive(stream, &mut idle, &space[..count]).await?,
                },
            }
        }
    }

    /// Echoes the pings among `bytes`. Returns the protocol of the responder once it is detected.
    async fn receive(
        &mut self,
        stream: &mut MaybeTlsStream<W::Stream>,
        idle: &mut Idle,
        bytes: &[u8],
    ) -> io::Result<Option<Protocol>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        self.report_heard().await;
        self.idle_bytes += bytes.len();
        if self.idle_bytes > self.task.context.max_idle_bytes as usize {
            return Err(io::Error::other("a flood of pings"));
        }
        let fed = idle.pings.feed(bytes);
        if !idle.draining {
            self.echo(stream, fed.pings).await?;
        }
        let Some(data) = fed.data else { return Ok(None) };
        idle.data.extend_from_slice(data.held);
        idle.data.extend_from_slice(&bytes[data.from..]);
        Ok(h2frame::detect_protocol(&idle.data))
    }

    /// One write for each echo: an Envoy does not reassemble split ones, and counts joined ones as one (reference §3).
    async fn echo(&self, stream: &mut MaybeTlsStream<W::Stream>, pings: u32) -> io::Result<()> {
        for _ in 0..pings {
            stream.write_all(&PING).await?;
            self.task.context.counters.pings_echoed.add(1);
        }
        Ok(())
    }

    async fn report_heard(&mut self) {
        let now = self.task.context.world.now();
        if self.heard.is_none_or(|heard| now.since(heard) >= HEARD_GRANULARITY) {
            self.heard = Some(now);
            self.idle_bytes = 0;
            self.task.report(Event::Heard { tunnel: self.task.id }).await;
        }
    }
}

/// Accepts a second TLS in the other direction, whose first bytes are the first use of the tunnel, and reads the first bytes
/// within it.
async fn accept_inner_tls<T: tokio::io::AsyncRead + AsyncWrite + Unpin>(
    inner: &tls::Server,
    stream: MaybeTlsStream<T>,
    first: FirstUse,
) -> io::Result<(MaybeTlsStream<T>, FirstUse)> {
    let mut stream = inner.accept_inner(stream, first.prefix.clone()).await?;
    let mut bytes = Vec::new();
    loop {
        if let Some(protocol) = h2frame::detect_protocol(&bytes) {
            return Ok((stream, FirstUse { protocol, prefix: Bytes::from(bytes), ..first }));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(end_of_stream());
        }
    }
}

/// A tunnel that was not used so far.
#[derive(Default)]
struct Idle {
    pings: PingFilter,
    /// What came behind the pings, until the protocol is detected.
    data: Vec<u8>,
    /// We have sent a GOAWAY. An echo behind that would be no frame.
    draining: bool,
}

impl Idle {
    async fn apply(&mut self, command: TunnelCommand, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        match command {
            TunnelCommand::Goaway => {
                self.draining = true;
                // A request that has begun to arrive is served, and the HTTP server sends the GOAWAY.
                if self.data.is_empty() { stream.write_all(&GOAWAY_UNUSED_SERVER).await } else { Ok(()) }
            }
            TunnelCommand::SendHandshake | TunnelCommand::Deliver => Ok(()),
        }
    }
}
