//! Hostile responders. What they send is written here byte by byte.

#![expect(clippy::wildcard_enum_match_arm, reason = "most of them are like others in all but one thing")]

use std::io;
use std::time::Duration;

use revtun::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::addresses::{TUNNELS, unspecified};
use super::envoy::{Stream, read_head};
use super::http2_frames;
use super::maybe_tls_stream::MaybeTlsStream;
use crate::faults::hostile::HostileResponder;
use crate::process_world::{ProcessWorld, sleep};

/// How tunnels use TLS.
#[derive(Clone)]
pub struct Tls {
    /// Accepts TLS with the responders' certificate.
    pub acceptor: TlsAcceptor,
    /// For the whole tunnel, not only the handshake.
    pub whole: bool,
}

/// The pause between two pieces of an endless stream.
const PACE: Duration = Duration::from_millis(10);

/// Accepts connections and shows each this behaviour, until the process ends.
pub async fn run(world: ProcessWorld, tls: Option<Tls>, behaviour: HostileResponder) {
    let Ok(listener) = world.listen(unspecified(TUNNELS)).await else { return };
    while let Ok((stream, _)) = world.accept(&listener).await {
        let tls = tls.clone();
        world.spawn(async move {
            // Errors are expected.
            let _ended = serve_connection(stream, tls.as_ref(), behaviour).await;
        });
    }
}

async fn serve_connection(stream: Stream, tls: Option<&Tls>, behaviour: HostileResponder) -> io::Result<()> {
    if behaviour == HostileResponder::ClosesAtOnce {
        return Ok(());
    }
    let mut connection = match tls {
        None => MaybeTlsStream::Plain(stream),
        Some(tls) => MaybeTlsStream::Tls(Box::new(tls.acceptor.accept(stream).await?.into())),
    };
    if read_head(&mut connection, usize::MAX).await.is_none() {
        return Ok(());
    }
    let whole = tls.is_some_and(|tls| tls.whole);
    let response = response(behaviour, whole);
    connection.write_all(&response).await?;
    connection.flush().await?;
    match behaviour {
        HostileResponder::Silent
        | HostileResponder::AcceptsWithBody
        | HostileResponder::AcceptsTwice
        | HostileResponder::LargeHead
        | HostileResponder::PingBeforeResponse
        | HostileResponder::PingWithResponse => {}
        HostileResponder::Rejects(..) | HostileResponder::HalfCloses(0) => connection.shutdown().await?,
        HostileResponder::AcceptsAndCloses => return Ok(()),
        HostileResponder::EndlessHead => {
            send_without_end(&mut connection, |_| b"x-more: and more and more and more and more\r\n".to_vec()).await?;
        }
        _ => {
            if !whole {
                connection = connection.into_plain();
            }
            use_tunnel(&mut connection, behaviour).await?;
        }
    }
    connection.read_to_end().await
}

/// Its response to a handshake.
fn response(behaviour: HostileResponder, whole: bool) -> Vec<u8> {
    let accepted = if whole { "HTTP/1.1 200 OK\r\nx-revtun-tls: whole\r\n" } else { "HTTP/1.1 200 OK\r\n" };
    let all = format!("{accepted}content-length: 0\r\n\r\n");
    let text = match behaviour {
        HostileResponder::Silent => String::new(),
        HostileResponder::Rejects(status, wait) => {
            let wait = if wait > 0 { format!("retry-after: {wait}\r\n") } else { String::new() };
            format!("HTTP/1.1 {status} No\r\n{wait}content-type: text/plain\r\ncontent-length: 2\r\n\r\nno")
        }
        HostileResponder::AcceptsWithBody => format!("{accepted}content-length: 5\r\n\r\nhello"),
        HostileResponder::AcceptsTwice => format!("{all}{all}"),
        HostileResponder::EndlessHead => accepted.to_owned(),
        HostileResponder::LargeHead => {
            format!("{accepted}x-large: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(60 << 10))
        }
        HostileResponder::PingBeforeResponse => format!("RPING{all}"),
        HostileResponder::PingWithResponse => format!("{all}RPING"),
        HostileResponder::HalfCloses(0) => accepted[..12].to_owned(),
        _ => all,
    };
    text.into_bytes()
}

/// What it does with an accepted tunnel.
async fn use_tunnel(connection: &mut MaybeTlsStream, behaviour: HostileResponder) -> io::Result<()> {
    sleep(Duration::from_millis(100)).await;
    let begin = [&http2_frames::PREFACE[..], &http2_frames::settings(None)].concat();
    match behaviour {
        HostileResponder::PingFlood => return send_without_end(connection, |_| b"RPING".repeat(2000)).await,
        HostileResponder::SplitPings => {
            return send_without_end(connection, |turn| vec![b"RPING"[turn as usize % 5]]).await;
        }
        HostileResponder::MalformedPing => return connection.write_all(b"RPINX").await,
        HostileResponder::HalfCloses(step) => {
            match step {
                1 => {}
                2 => connection.write_all(b"RPING").await?,
                _ => connection.write_all(&[begin, http2_frames::request(1, "9")].concat()).await?,
            }
            return connection.shutdown().await;
        }
        HostileResponder::Goaway(last) => {
            return connection.write_all(&[begin, http2_frames::goaway(last)].concat()).await;
        }
        HostileResponder::NeverReads => {
            let requests: Vec<u8> = (0..20).flat_map(|turn| http2_frames::request(1 + 2 * turn, "100000")).collect();
            connection.write_all(&[begin, requests].concat()).await?;
            sleep(Duration::from_secs(60)).await;
        }
        _ => connection.write_all(&begin).await?,
    }
    match behaviour {
        HostileResponder::SettingsFlood => send_without_end(connection, http2_frames::changing_settings).await,
        HostileResponder::RapidReset => {
            send_without_end(connection, |turn| {
                let stream = 1 + 2 * turn;
                [http2_frames::request(stream, "1000"), http2_frames::rst_stream(stream)].concat()
            })
            .await
        }
        HostileResponder::Http2PingFlood => send_without_end(connection, http2_frames::ping).await,
        _ => Ok(()),
    }
}

/// Sends piece after piece, and discards what it receives.
async fn send_without_end(connection: &mut MaybeTlsStream, piece: impl Fn(u32) -> Vec<u8>) -> io::Result<()> {
    let mut space = [0; 4096];
    for turn in 0.. {
        connection.write_all(&piece(turn)).await?;
        connection.flush().await?;
        tokio::select! {
            biased;
            () = sleep(PACE) => {}
            read = connection.read(&mut space) => if read? == 0 { return Ok(()) } else { sleep(PACE).await },
        }
    }
    Ok(())
}
