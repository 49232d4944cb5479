//! Garbage clients: they connect to a responder and send anything but a valid handshake.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use revtun::world::World;
use revtun_core::address::Address;
use revtun_core::handshake::{HeaderNames, Instance, PATH, RequestHead};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::addresses::{CLOUD, TUNNELS};
use super::revtun_ends;
use crate::clock;
use crate::deterministic_tls::CertificateAuthority;
use crate::faults::hostile::GarbageClient;
use crate::history::{Event, History};
use crate::plan::Plan;
use crate::process_world::{ProcessWorld, sleep, timeout};

/// The longest connection.
const LONGEST: Duration = Duration::from_secs(20);

/// The responder that a garbage client connects to, and what it needs there.
#[derive(Clone)]
pub struct Target {
    /// The responder.
    pub responder: usize,
    /// Its address.
    pub address: IpAddr,
    /// Signs its certificate; none without TLS.
    pub authority: Option<Arc<CertificateAuthority>>,
    /// Records how long its connection was open, and whether a forgery was accepted.
    pub history: History,
}

/// Connects to a responder.
pub async fn run(world: ProcessWorld, behaviour: GarbageClient, target: Target) {
    let connections = if behaviour == GarbageClient::ConnectionFlood { 50 } else { 1 };
    for _ in 0..connections {
        let (here, target) = (world.clone(), target.clone());
        world.spawn(async move {
            let address = SocketAddr::new(target.address, TUNNELS);
            let Ok(stream) = here.connect(address).await else { return };
            let begun = clock::now();
            let _ended = timeout(LONGEST, misbehave(stream, behaviour, &target)).await;
            let stayed = clock::now() - begun;
            target.history.add(Event::GarbageClientLeft { to: target.responder, behaviour, stayed });
        });
    }
}

async fn misbehave(stream: <ProcessWorld as World>::Stream, behaviour: GarbageClient, target: &Target) {
    if behaviour == GarbageClient::ForgedIdentity {
        return forge(stream, target).await;
    }
    let (mut reader, writer) = tokio::io::split(stream);
    let closed = async {
        let mut space = [0; 1024];
        while matches!(reader.read(&mut space).await, Ok(1..)) {}
    };
    tokio::select! {
        biased;
        () = closed => {}
        // A closed connection is seen by the reader as well.
        _ = send(writer, behaviour) => {}
    }
}

/// Sends all its bytes, and then waits until the responder closes.
async fn send(mut stream: impl AsyncWrite + Unpin, behaviour: GarbageClient) -> io::Result<()> {
    let head = b"GET /reverse_connections/request HTTP/1.1\r\nhost: cloud\r\n";
    match behaviour {
        GarbageClient::ClosesAtOnce => return Ok(()),
        GarbageClient::Silent | GarbageClient::ConnectionFlood | GarbageClient::ForgedIdentity => {}
        GarbageClient::RandomBytes => {
            stream.write_all(&(0..5000).map(|at: u32| at.to_be_bytes()[3]).collect::<Vec<_>>()).await?
        }
        GarbageClient::Slowloris => {
            for byte in head {
                stream.write_all(&[*byte]).await?;
                sleep(Duration::from_millis(500)).await;
            }
        }
        GarbageClient::EndlessHead => {
            stream.write_all(head).await?;
            loop {
                stream.write_all(b"x-more: and more and more and more and more and more\r\n").await?;
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
    pending().await
}

/// Claims a node of one tenant with the certificate of another tenant's node of the same name.
async fn forge(stream: <ProcessWorld as World>::Stream, target: &Target) {
    let Some(authority) = &target.authority else { return };
    let connector = TlsConnector::from(Arc::clone(&authority.client(&revtun_ends::identity(1)).borrow()));
    let name = CLOUD.try_into().expect("a legal name");
    let Ok(mut stream) = connector.connect(name, stream).await else { return };
    let claim = format!("rc://{}:edge:tenant-{}@{CLOUD}:1", Plan::node(0), Plan::tenant(0));
    let claim = Address::parse(&claim).expect("legal names");
    let mut head = Vec::new();
    RequestHead {
        host: CLOUD,
        identity: claim.identity(),
        upstream: claim.upstream(),
        initiation_time_ms: 0,
        worker: 0,
        connection: 0,
        instance: Instance(7),
        path: PATH,
        upgrade: false,
        whole_tls: true,
        names: &HeaderNames::default(),
        token: None,
    }
    .encode(&mut head);
    let mut answer = [0; 12];
    if stream.write_all(&head).await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && !answer.starts_with(b"HTTP/1.1 4")
    {
        target.history.add(Event::ForgeryAccepted(String::from_utf8_lossy(&answer).into_owned()));
    }
}
