//! Peers that speak bytes of their own to a responder.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use revtun::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::TUNNELS;
use crate::host::{Local, pause};

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
}

impl Manner {
    const ALL: [Self; 6] = [Self::Silent, Self::HangsUp, Self::Noise, Self::Trickles, Self::Endless, Self::Flood];

    /// Any.
    pub fn draw(dice: &mut fastrand::Rng) -> Self {
        Self::ALL[dice.usize(..Self::ALL.len())]
    }
}

/// The longest that a stranger stays.
const STAY: Duration = Duration::from_secs(20);

/// Visits `responder`.
pub async fn visit(world: Local, manner: Manner, responder: IpAddr) {
    let connections = if manner == Manner::Flood { 50 } else { 1 };
    for _ in 0..connections {
        let here = world.clone();
        world.spawn(async move {
            tokio::select! {
                biased;
                () = speak(&here, manner, responder) => {}
                () = pause(STAY) => {}
            }
        });
    }
}

async fn speak(world: &Local, manner: Manner, responder: IpAddr) {
    let Ok(mut stream) = world.connect(SocketAddr::new(responder, TUNNELS)).await else { return };
    let head = b"GET /reverse_connections/request HTTP/1.1\r\nhost: cloud\r\n";
    // Whatever becomes of it, the stranger has no claim.
    let _sent = match manner {
        Manner::HangsUp => return,
        Manner::Silent | Manner::Flood => Ok(()),
        Manner::Noise => stream.write_all(&(0..5000).map(|at: u32| at.to_be_bytes()[3]).collect::<Vec<_>>()).await,
        Manner::Trickles => {
            for byte in head {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                pause(Duration::from_millis(500)).await;
            }
            Ok(())
        }
        Manner::Endless => {
            let mut sent = stream.write_all(head).await;
            while sent.is_ok() {
                sent = stream.write_all(b"x-more: and more and more and more and more and more\r\n").await;
                pause(Duration::from_millis(5)).await;
            }
            sent
        }
    };
    // Until the other end hangs up.
    let mut space = [0; 1024];
    while matches!(stream.read(&mut space).await, Ok(1..)) {}
}
