//! Accepting connections until told to stop, whatever the system says meanwhile.
//!
//! Whoever was already let in by the system when the order to stop comes is still served: closing the listener would
//! reset it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use revtun_core::responder::retry::ACCEPT_BACKOFF;
use tokio::sync::watch;

use super::Phase;
use crate::counter::Counter;
use crate::world::World;

/// How many may stand in line when the order to stop comes: as many as the system keeps for us.
const LINE: usize = 4096;

/// Hands every connection at `listener` to `serve` while the responder serves. Then closes the listener, once nobody
/// stands in line.
pub(super) async fn accept_all<W: World>(
    world: W,
    listener: W::Listener,
    mut phase: watch::Receiver<Phase>,
    pauses: Arc<Counter>,
    mut serve: impl FnMut(W::Stream, SocketAddr) + Send,
) {
    let mut resting = false;
    let mut line = LINE;
    while line > 0 {
        let accepted = tokio::select! {
            biased;
            accepted = world.accept(&listener) => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => match world.first_in_line(&listener) {
                Some(accepted) => accepted,
                None => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => {
                resting = false;
                line -= usize::from(*phase.borrow() != Phase::Serving);
                serve(stream, peer);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if !resting {
                    tracing::error!(%error, "cannot accept connections; trying again and again");
                }
                resting = true;
                pauses.add(1);
                world.sleep_until(world.now().after(ACCEPT_BACKOFF)).await;
            }
        }
    }
}

/// The peer went away before we looked: nothing is wrong with the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | NotConnected)
}
