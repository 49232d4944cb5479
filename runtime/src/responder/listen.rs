//! Accepting connections until told to stop, whatever the system says meanwhile.

use std::io;
use std::net::SocketAddr;

use revtun_core::responder::retry::ACCEPT_PAUSE;
use tokio::sync::watch;

use super::Phase;
use crate::world::World;

/// Hands every connection at `listener` to `serve` while the responder serves. Closes the listener then.
pub(super) async fn accept_all<W: World>(
    world: W,
    listener: W::Listener,
    mut phase: watch::Receiver<Phase>,
    mut serve: impl FnMut(W::Stream, SocketAddr) + Send,
) {
    let mut resting = false;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            accepted = world.accept(&listener) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                resting = false;
                serve(stream, peer);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if !resting {
                    tracing::error!(%error, "cannot accept connections; trying again and again");
                }
                resting = true;
                world.sleep_until(world.now().after(ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// The peer went away before we looked: nothing is wrong with the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | NotConnected)
}
