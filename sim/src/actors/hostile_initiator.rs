//! Hostile initiators: they have a valid identity and certificate, and misbehave afterwards.

#![expect(clippy::wildcard_enum_match_arm, reason = "most of them are like others in all but one thing")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use revtun::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::addresses::{CLOUD, EGRESS, TUNNELS};
use super::envoy::{TlsRecordReader, read_head};
use super::http2_frames;
use super::maybe_tls_stream::MaybeTlsStream;
use crate::faults::hostile::HostileInitiator;
use crate::process_world::{ProcessWorld, sleep, timeout};

/// The identity in its certificate. Only its own request names it.
pub const IDENTITY: &str = "spiffe://elsewhere/strange/guest";

/// The longest connection.
const LONGEST: Duration = Duration::from_secs(20);
/// When it sends a request to itself, so that its tunnel is used.
const REQUEST_AFTER: Duration = Duration::from_secs(5);
/// The pause between two pieces of an endless stream.
const PACE: Duration = Duration::from_millis(10);

/// Connects to a responder. `tls`: its certificate, and whether the whole tunnel is inside TLS.
pub async fn run(
    world: ProcessWorld,
    responder: IpAddr,
    tls: Option<(TlsConnector, bool)>,
    behaviour: HostileInitiator,
) {
    let here = world.clone();
    world.spawn(async move {
        sleep(REQUEST_AFTER).await;
        // The outcome of its own request does not matter.
        let _response = timeout(LONGEST, send_request(&here, responder)).await;
    });
    let here = world.clone();
    world.spawn(async move {
        let _ended = timeout(LONGEST, dial(&here, responder, tls, behaviour)).await;
    });
}

async fn send_request(world: &ProcessWorld, responder: IpAddr) -> io::Result<()> {
    let mut stream = world.connect(SocketAddr::new(responder, EGRESS)).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: service\r\nx-node-id: guest\r\nx-tenant-id: elsewhere\r\n\r\n").await?;
    read_head(&mut stream, usize::MAX).await;
    Ok(())
}

async fn dial(
    world: &ProcessWorld,
    responder: IpAddr,
    tls: Option<(TlsConnector, bool)>,
    behaviour: HostileInitiator,
) -> io::Result<()> {
    let stream = TlsRecordReader::new(world.connect(SocketAddr::new(responder, TUNNELS)).await?, tls.is_some());
    let whole = tls.as_ref().is_some_and(|(_, whole)| *whole);
    let mut connection = match tls {
        None => MaybeTlsStream::Plain(stream),
        Some((connector, _)) => {
            let name = CLOUD.try_into().expect("a legal name");
            MaybeTlsStream::Tls(Box::new(connector.connect(name, stream).await?.into()))
        }
    };
    let head = head(whole);
    let half = if behaviour == HostileInitiator::HalfCloses(0) { head.len() / 2 } else { head.len() };
    connection.write_all(&head.as_bytes()[..half]).await?;
    connection.flush().await?;
    if matches!(behaviour, HostileInitiator::HalfCloses(0 | 1)) {
        connection.shutdown().await?;
        return connection.read_to_end().await;
    }
    if read_head(&mut connection, 1).await.is_none() {
        return Ok(());
    }
    if !whole {
        connection = connection.into_plain();
        if let MaybeTlsStream::Plain(stream) = &mut connection {
            stream.read_freely();
        }
    }
    if behaviour == HostileInitiator::HalfCloses(2) {
        connection.shutdown().await?;
        return connection.read_to_end().await;
    }
    idle(&mut connection, behaviour).await?;
    serve(&mut connection, behaviour).await
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

/// Answers pings, each in its way, until HTTP/2 begins.
async fn idle(connection: &mut MaybeTlsStream<TlsRecordReader>, behaviour: HostileInitiator) -> io::Result<()> {
    let mut space = [0; 5];
    loop {
        if behaviour == HostileInitiator::UnsolicitedPings {
            connection.write_all(b"RPING").await?;
            if timeout(PACE, connection.read_exact(&mut space)).await.is_none() {
                continue;
            }
        } else {
            connection.read_exact(&mut space).await?;
        }
        if space != *b"RPING" {
            return Ok(());
        }
        match behaviour {
            HostileInitiator::LateEchoes => {
                sleep(Duration::from_secs(3)).await;
                connection.write_all(&space).await?;
            }
            HostileInitiator::SplitEchoes => {
                for byte in space {
                    connection.write_all(&[byte]).await?;
                    connection.flush().await?;
                    sleep(PACE).await;
                }
            }
            HostileInitiator::DoubleEchoes => connection.write_all(b"RPINGRPING").await?,
            HostileInitiator::MalformedEchoes => connection.write_all(b"RPINX").await?,
            _ => connection.write_all(&space).await?,
        }
        connection.flush().await?;
    }
}

/// What it does with requests.
async fn serve(connection: &mut MaybeTlsStream<TlsRecordReader>, behaviour: HostileInitiator) -> io::Result<()> {
    connection.write_all(&http2_frames::settings(None)).await?;
    match behaviour {
        HostileInitiator::Goaway(last) => connection.write_all(&http2_frames::goaway(last)).await?,
        HostileInitiator::HalfCloses(_) => connection.shutdown().await?,
        HostileInitiator::ResetFlood => {
            send_without_end(connection, |turn| http2_frames::rst_stream(1 + 2 * (turn % 3))).await?
        }
        HostileInitiator::SettingsFlood => send_without_end(connection, http2_frames::changing_settings).await?,
        _ => {}
    }
    connection.flush().await?;
    connection.read_to_end().await
}

/// Sends piece after piece, and reads nothing.
async fn send_without_end(
    connection: &mut MaybeTlsStream<TlsRecordReader>,
    piece: impl Fn(u32) -> Vec<u8>,
) -> io::Result<()> {
    for turn in 0.. {
        connection.write_all(&piece(turn)).await?;
        connection.flush().await?;
        sleep(PACE).await;
    }
    Ok(())
}
