//! Peers that speak bytes of their own to a responder.

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

use super::{CLOUD, TUNNELS, ends};
use crate::clock;
use crate::history::{Fact, History};
use crate::host::{Local, pause, within};
use crate::plan::Plan;
use crate::secrets::Authority;

/// What a stranger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Connects and says nothing.
    Silent,
    /// Connects and hangs up.
    HangsUp,
    /// Sends what is neither TLS nor HTTP.
    Noise,
    /// Sends a request one byte at a time.
    Trickles,
    /// Sends a head without an end.
    Endless,
    /// Many connections at once, none of which says anything.
    Flood,
    /// Has a certificate of its own, and claims to be a node of another tenant. In the clear it claims to be nobody's.
    Forges,
}

impl Manner {
    const ALL: [Self; 7] =
        [Self::Silent, Self::HangsUp, Self::Noise, Self::Trickles, Self::Endless, Self::Flood, Self::Forges];

    /// Any.
    pub fn draw(dice: &mut fastrand::Rng) -> Self {
        Self::ALL[dice.usize(..Self::ALL.len())]
    }
}

/// The longest that a stranger stays.
const STAY: Duration = Duration::from_secs(20);

/// What a stranger knows.
#[derive(Clone)]
pub struct Knowledge {
    /// The responder.
    pub responder: usize,
    /// Where it is.
    pub address: IpAddr,
    /// Who signs certificates; none where nobody asks for one.
    pub authority: Option<Arc<Authority>>,
    /// Where it is noted how long it stayed, and if a lie was believed.
    pub history: History,
}

/// Visits a responder.
pub async fn visit(world: Local, manner: Manner, knowledge: Knowledge) {
    let connections = if manner == Manner::Flood { 50 } else { 1 };
    for _ in 0..connections {
        let (here, knowledge) = (world.clone(), knowledge.clone());
        world.spawn(async move {
            let place = SocketAddr::new(knowledge.address, TUNNELS);
            let Ok(stream) = here.connect(place).await else { return };
            let begun = clock::now();
            let _spoken = within(STAY, speak(stream, manner, &knowledge)).await;
            let stayed = clock::now() - begun;
            knowledge.history.add(Fact::Visited { to: knowledge.responder, manner, stayed });
        });
    }
}

async fn speak(stream: <Local as World>::Stream, manner: Manner, knowledge: &Knowledge) {
    if manner == Manner::Forges {
        return forge(stream, knowledge).await;
    }
    let (mut reader, writer) = tokio::io::split(stream);
    let heard = async {
        let mut space = [0; 1024];
        while matches!(reader.read(&mut space).await, Ok(1..)) {}
    };
    tokio::select! {
        biased;
        () = heard => {}
        // What cannot be said any more shows in what is heard as well.
        _ = say(writer, manner) => {}
    }
}

/// Says all that it has to say. Who does not hang up itself waits for the other to do so.
async fn say(mut stream: impl AsyncWrite + Unpin, manner: Manner) -> io::Result<()> {
    let head = b"GET /reverse_connections/request HTTP/1.1\r\nhost: cloud\r\n";
    match manner {
        Manner::HangsUp => return Ok(()),
        Manner::Silent | Manner::Flood | Manner::Forges => {}
        Manner::Noise => stream.write_all(&(0..5000).map(|at: u32| at.to_be_bytes()[3]).collect::<Vec<_>>()).await?,
        Manner::Trickles => {
            for byte in head {
                stream.write_all(&[*byte]).await?;
                pause(Duration::from_millis(500)).await;
            }
        }
        Manner::Endless => {
            stream.write_all(head).await?;
            loop {
                stream.write_all(b"x-more: and more and more and more and more and more\r\n").await?;
                pause(Duration::from_millis(5)).await;
            }
        }
    }
    pending().await
}

/// Claims to be a node of one tenant with the certificate of another tenant's node of the same name.
async fn forge(stream: <Local as World>::Stream, knowledge: &Knowledge) {
    let Some(authority) = &knowledge.authority else { return };
    let connector = TlsConnector::from(Arc::clone(&authority.client(&ends::identity(1)).borrow()));
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
        knowledge.history.add(Fact::Fooled(String::from_utf8_lossy(&answer).into_owned()));
    }
}
