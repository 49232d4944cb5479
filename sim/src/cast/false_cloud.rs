//! Responders that mean no good, or are of another make: what they say is written here byte by byte.

#![expect(clippy::wildcard_enum_match_arm, reason = "most of them are like others in all but one thing")]

use std::io;
use std::time::Duration;

use revtun::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::envoy::{Stream, read_head};
use super::wire::Wire;
use super::{TUNNELS, anywhere, frames};
use crate::host::{Local, pause};

/// What such a responder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes connections and says nothing.
    Mute,
    /// Hangs up before anything is said.
    HangsUp,
    /// Answers with this status, and with how long to wait if that is not zero.
    Refuses(u16, u16),
    /// Accepts, and sends a body with that.
    Body,
    /// Accepts twice.
    Twice,
    /// Its head has no end.
    Endless,
    /// Its head has 60 KiB.
    Large,
    /// Pings before it answers.
    Early,
    /// Pings in the same breath as it accepts.
    AtOnce,
    /// Accepts and hangs up.
    Flaps,
    /// Pings without an end.
    PingFlood,
    /// Sends pings byte by byte.
    PingPieces,
    /// Sends what is nearly a ping.
    PingWrong,
    /// Says that it will say no more: of the answer half was said, all of it, a ping as well, or a request.
    HalfCloses(u8),
    /// Begins HTTP and says goodbye, with this last stream.
    Goodbye(u32),
    /// Changes its settings without an end.
    Settings,
    /// Begins requests and resets them without an end.
    Resets,
    /// Sends pings of HTTP/2 without an end.
    Http2Pings,
    /// Sends requests, and never reads their answers.
    NeverReads,
}

impl Manner {
    const ALL: [Self; 28] = [
        Self::Mute,
        Self::HangsUp,
        Self::Refuses(401, 0),
        Self::Refuses(403, 0),
        Self::Refuses(404, 0),
        Self::Refuses(429, 0),
        Self::Refuses(429, 3),
        Self::Refuses(503, 0),
        Self::Body,
        Self::Twice,
        Self::Endless,
        Self::Large,
        Self::Early,
        Self::AtOnce,
        Self::Flaps,
        Self::PingFlood,
        Self::PingPieces,
        Self::PingWrong,
        Self::HalfCloses(0),
        Self::HalfCloses(1),
        Self::HalfCloses(2),
        Self::HalfCloses(3),
        Self::Goodbye(0),
        Self::Goodbye(0x7fff_ffff),
        Self::Settings,
        Self::Resets,
        Self::Http2Pings,
        Self::NeverReads,
    ];

    /// Any.
    pub fn draw(dice: &mut fastrand::Rng) -> Self {
        Self::ALL[dice.usize(..Self::ALL.len())]
    }
}

/// How tunnels are inside TLS.
#[derive(Clone)]
pub struct Tls {
    /// What it shows to whoever dials.
    pub acceptor: TlsAcceptor,
    /// Not only the handshake.
    pub whole: bool,
}

/// Between two pieces of what has no end.
const PACE: Duration = Duration::from_millis(10);

/// Takes connections, and treats each in this manner, until the process ends.
pub async fn run(world: Local, tls: Option<Tls>, manner: Manner) {
    let Ok(listener) = world.listen(anywhere(TUNNELS)).await else { return };
    while let Ok((stream, _)) = world.accept(&listener).await {
        let tls = tls.clone();
        world.spawn(async move {
            // Whatever becomes of it was asked for.
            let _ended = converse(stream, tls.as_ref(), manner).await;
        });
    }
}

async fn converse(stream: Stream, tls: Option<&Tls>, manner: Manner) -> io::Result<()> {
    if manner == Manner::HangsUp {
        return Ok(());
    }
    let mut wire = match tls {
        None => Wire::Plain(stream),
        Some(tls) => Wire::Inside(Box::new(tls.acceptor.accept(stream).await?.into())),
    };
    if read_head(&mut wire, usize::MAX).await.is_none() {
        return Ok(());
    }
    let whole = tls.is_some_and(|tls| tls.whole);
    let said = answer(manner, whole);
    wire.write_all(&said).await?;
    wire.flush().await?;
    match manner {
        Manner::Mute | Manner::Body | Manner::Twice | Manner::Large | Manner::Early | Manner::AtOnce => {}
        Manner::Refuses(..) | Manner::HalfCloses(0) => wire.shutdown().await?,
        Manner::Flaps => return Ok(()),
        Manner::Endless => {
            without_end(&mut wire, |_| b"x-more: and more and more and more and more\r\n".to_vec()).await?;
        }
        _ => {
            if !whole {
                wire = wire.leave();
            }
            use_tunnel(&mut wire, manner).await?;
        }
    }
    wire.read_to_nothing().await
}

/// What it says to a handshake.
fn answer(manner: Manner, whole: bool) -> Vec<u8> {
    let accepted = if whole { "HTTP/1.1 200 OK\r\nx-revtun-tls: whole\r\n" } else { "HTTP/1.1 200 OK\r\n" };
    let all = format!("{accepted}content-length: 0\r\n\r\n");
    let text = match manner {
        Manner::Mute => String::new(),
        Manner::Refuses(status, wait) => {
            let wait = if wait > 0 { format!("retry-after: {wait}\r\n") } else { String::new() };
            format!("HTTP/1.1 {status} No\r\n{wait}content-type: text/plain\r\ncontent-length: 2\r\n\r\nno")
        }
        Manner::Body => format!("{accepted}content-length: 5\r\n\r\nhello"),
        Manner::Twice => format!("{all}{all}"),
        Manner::Endless => accepted.to_owned(),
        Manner::Large => format!("{accepted}x-large: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(60 << 10)),
        Manner::Early => format!("RPING{all}"),
        Manner::AtOnce => format!("{all}RPING"),
        Manner::HalfCloses(0) => accepted[..12].to_owned(),
        _ => all,
    };
    text.into_bytes()
}

/// What it does with a tunnel.
async fn use_tunnel(wire: &mut Wire, manner: Manner) -> io::Result<()> {
    pause(Duration::from_millis(100)).await;
    let begin = [frames::PREFACE, &frames::settings(None)].concat();
    match manner {
        Manner::PingFlood => return without_end(wire, |_| b"RPING".repeat(2000)).await,
        Manner::PingPieces => return without_end(wire, |turn| vec![b"RPING"[turn as usize % 5]]).await,
        Manner::PingWrong => return wire.write_all(b"RPINX").await,
        Manner::HalfCloses(step) => {
            match step {
                1 => {}
                2 => wire.write_all(b"RPING").await?,
                _ => wire.write_all(&[begin, frames::request(1, "9")].concat()).await?,
            }
            return wire.shutdown().await;
        }
        Manner::Goodbye(last) => return wire.write_all(&[begin, frames::goodbye(last)].concat()).await,
        Manner::NeverReads => {
            let requests: Vec<u8> = (0..20).flat_map(|turn| frames::request(1 + 2 * turn, "100000")).collect();
            wire.write_all(&[begin, requests].concat()).await?;
            pause(Duration::from_secs(60)).await;
        }
        _ => wire.write_all(&begin).await?,
    }
    match manner {
        Manner::Settings => without_end(wire, frames::unsteady).await,
        Manner::Resets => {
            without_end(wire, |turn| {
                let stream = 1 + 2 * turn;
                [frames::request(stream, "1000"), frames::reset(stream)].concat()
            })
            .await
        }
        Manner::Http2Pings => without_end(wire, frames::ping).await,
        _ => Ok(()),
    }
}

/// Sends piece after piece, and forgets what comes.
async fn without_end(wire: &mut Wire, piece: impl Fn(u32) -> Vec<u8>) -> io::Result<()> {
    let mut space = [0; 4096];
    for turn in 0.. {
        wire.write_all(&piece(turn)).await?;
        wire.flush().await?;
        tokio::select! {
            biased;
            () = pause(PACE) => {}
            read = wire.read(&mut space) => if read? == 0 { return Ok(()) } else { pause(PACE).await },
        }
    }
    Ok(())
}
