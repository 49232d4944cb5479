//! Initiators that mean no good although they may come in: each has a name, and a certificate that says so.

#![expect(clippy::wildcard_enum_match_arm, reason = "most of them are like others in all but one thing")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use revtun::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::envoy::{Exact, read_head};
use super::wire::Wire;
use super::{CLOUD, EGRESS, TUNNELS, frames};
use crate::host::{Local, pause, within};

/// What its certificate says. No caller asks for it but the guest itself.
pub const IDENTITY: &str = "spiffe://elsewhere/strange/guest";

/// What such an initiator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Says that it will say no more: of its head half was said, all of it, the answer came as well, or a request.
    HalfCloses(u8),
    /// Answers every ping three seconds late.
    Late,
    /// Answers pings byte by byte.
    Pieces,
    /// Answers every ping twice.
    Doubled,
    /// Answers with what is nearly a ping.
    Wrong,
    /// Does not wait for pings.
    Unsolicited,
    /// Begins HTTP as it should and says goodbye, with this last stream.
    Goodbye(u32),
    /// Resets every request, and some that there are not.
    Resets,
    /// Changes its settings without an end.
    Settings,
    /// Never answers a request.
    Mute,
}

impl Manner {
    const ALL: [Self; 14] = [
        Self::HalfCloses(0),
        Self::HalfCloses(1),
        Self::HalfCloses(2),
        Self::HalfCloses(3),
        Self::Late,
        Self::Pieces,
        Self::Doubled,
        Self::Wrong,
        Self::Unsolicited,
        Self::Goodbye(0),
        Self::Goodbye(0x7fff_ffff),
        Self::Resets,
        Self::Settings,
        Self::Mute,
    ];

    /// Any.
    pub fn draw(dice: &mut fastrand::Rng) -> Self {
        Self::ALL[dice.usize(..Self::ALL.len())]
    }
}

/// The longest that a guest stays.
const STAY: Duration = Duration::from_secs(20);
/// When it asks for itself, so that its tunnel is used.
const ASKS: Duration = Duration::from_secs(5);
/// Between two pieces of what has no end.
const PACE: Duration = Duration::from_millis(10);

/// Visits a responder. `tls` is how it proves who it is, and whether the whole tunnel is inside TLS.
pub async fn visit(world: Local, responder: IpAddr, tls: Option<(TlsConnector, bool)>, manner: Manner) {
    let here = world.clone();
    world.spawn(async move {
        pause(ASKS).await;
        // Its own request and what comes of it are no one else's concern.
        let _answered = within(STAY, ask(&here, responder)).await;
    });
    let here = world.clone();
    world.spawn(async move {
        let _ended = within(STAY, dial(&here, responder, tls, manner)).await;
    });
}

async fn ask(world: &Local, responder: IpAddr) -> io::Result<()> {
    let mut stream = world.connect(SocketAddr::new(responder, EGRESS)).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: service\r\nx-node-id: guest\r\nx-tenant-id: elsewhere\r\n\r\n").await?;
    read_head(&mut stream, usize::MAX).await;
    Ok(())
}

async fn dial(world: &Local, responder: IpAddr, tls: Option<(TlsConnector, bool)>, manner: Manner) -> io::Result<()> {
    let stream = Exact::new(world.connect(SocketAddr::new(responder, TUNNELS)).await?, tls.is_some());
    let whole = tls.as_ref().is_some_and(|(_, whole)| *whole);
    let mut wire = match tls {
        None => Wire::Plain(stream),
        Some((connector, _)) => {
            let name = CLOUD.try_into().expect("a legal name");
            Wire::Inside(Box::new(connector.connect(name, stream).await?.into()))
        }
    };
    let head = head(whole);
    let half = if manner == Manner::HalfCloses(0) { head.len() / 2 } else { head.len() };
    wire.write_all(&head.as_bytes()[..half]).await?;
    wire.flush().await?;
    if matches!(manner, Manner::HalfCloses(0 | 1)) {
        wire.shutdown().await?;
        return wire.read_to_nothing().await;
    }
    if read_head(&mut wire, 1).await.is_none() {
        return Ok(());
    }
    if !whole {
        wire = wire.leave();
        if let Wire::Plain(stream) = &mut wire {
            stream.read_freely();
        }
    }
    if manner == Manner::HalfCloses(2) {
        wire.shutdown().await?;
        return wire.read_to_nothing().await;
    }
    idle(&mut wire, manner).await?;
    serve(&mut wire, manner).await
}

fn head(whole: bool) -> String {
    let id = |what: &str, value: &str| format!("x-envoy-reverse-tunnel-{what}-id: {value}\r\n");
    let tls = if whole { "x-revtun-tls: whole\r\n" } else { "" };
    format!(
        "GET /reverse_connections/request HTTP/1.1\r\nhost: {CLOUD}\r\n{}{}{}{tls}content-length: 0\r\n\r\n",
        id("node", "guest"),
        id("cluster", "strange"),
        id("tenant", "elsewhere")
    )
}

/// Answers pings in its manner, until something else comes.
async fn idle(wire: &mut Wire<Exact>, manner: Manner) -> io::Result<()> {
    let mut space = [0; 5];
    loop {
        if manner == Manner::Unsolicited {
            wire.write_all(b"RPING").await?;
            if within(PACE, wire.read_exact(&mut space)).await.is_none() {
                continue;
            }
        } else {
            wire.read_exact(&mut space).await?;
        }
        if space != *b"RPING" {
            return Ok(());
        }
        match manner {
            Manner::Late => {
                pause(Duration::from_secs(3)).await;
                wire.write_all(&space).await?;
            }
            Manner::Pieces => {
                for byte in space {
                    wire.write_all(&[byte]).await?;
                    wire.flush().await?;
                    pause(PACE).await;
                }
            }
            Manner::Doubled => wire.write_all(b"RPINGRPING").await?,
            Manner::Wrong => wire.write_all(b"RPINX").await?,
            _ => wire.write_all(&space).await?,
        }
        wire.flush().await?;
    }
}

/// What it does with requests.
async fn serve(wire: &mut Wire<Exact>, manner: Manner) -> io::Result<()> {
    wire.write_all(&frames::settings(None)).await?;
    match manner {
        Manner::Goodbye(last) => wire.write_all(&frames::goodbye(last)).await?,
        Manner::HalfCloses(_) => wire.shutdown().await?,
        Manner::Resets => without_end(wire, |turn| frames::reset(1 + 2 * (turn % 3))).await?,
        Manner::Settings => without_end(wire, frames::unsteady).await?,
        _ => {}
    }
    wire.flush().await?;
    wire.read_to_nothing().await
}

/// Sends piece after piece, and reads nothing.
async fn without_end(wire: &mut Wire<Exact>, piece: impl Fn(u32) -> Vec<u8>) -> io::Result<()> {
    for turn in 0.. {
        wire.write_all(&piece(turn)).await?;
        wire.flush().await?;
        pause(PACE).await;
    }
    Ok(())
}
