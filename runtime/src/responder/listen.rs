//! Accepting connections until the responder drains, whatever errors the system reports meanwhile.
//!
//! Connections that the system had accepted before the drain are still served: closing the listener would reset them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use revtun_core::responder::retry::ACCEPT_BACKOFF;
use tokio::sync::watch;

use super::context::Phase;
use crate::counter::Counter;
use crate::world::World;

/// How many connections are still taken from the system's queue when the responder drains: as many as it holds.
const BACKLOG: usize = 4096;

/// Hands every connection at `listener` to `serve` while the responder serves. Then closes the listener, once its queue is
/// empty.
pub(super) async fn accept_all<W: World>(
    world: W,
    listener: W::Listener,
    mut phase: watch::Receiver<Phase>,
    pauses: Arc<Counter>,
    mut serve: impl FnMut(W::Stream, SocketAddr) + Send,
) {
    let mut pausing = false;
    let mut backlog = BACKLOG;
    while backlog > 0 {
        let accepted = tokio::select! {
            biased;
            accepted = world.accept(&listener) => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => match world.try_accept(&listener) {
                Some(accepted) => accepted,
                None => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => {
                pausing = false;
                backlog -= usize::from(*phase.borrow() != Phase::Serving);
                serve(stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if !pausing {
                    tracing::error!(%error, "cannot accept connections; retrying");
                }
                pausing = true;
                pauses.add(1);
                world.sleep_until(world.now().after(ACCEPT_BACKOFF)).await;
            }
        }
    }
}

/// The peer closed the connection before it was accepted: the listener works.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | NotConnected)
}
