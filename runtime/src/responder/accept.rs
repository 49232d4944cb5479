//! A new connection at the tunnel listener: it becomes a tunnel, or is refused.

use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;

use revtun_core::handshake::{self, Rejection};
use revtun_core::responder::Event;
use tokio::io::AsyncWriteExt;

use super::context::Context;
use super::handle::TunnelHandle;
use super::task::TunnelTask;
use super::tunnel;
use crate::supervise::CatchUnwind;
use crate::world::World;

/// Serves one connection to its end.
pub(super) async fn serve<W: World>(context: Arc<Context<W>>, stream: W::Stream, peer: SocketAddr) {
    let handle = TunnelHandle::new(peer);
    match context.shared.accept(&handle) {
        Ok(id) => {
            let task = TunnelTask { context: Arc::clone(&context), id, handle: Arc::clone(&handle) };
            if let Err(panic) = CatchUnwind::of(tunnel::run(task, stream)).await {
                // The machine must not assign a tunnel that nobody serves.
                context.report(Event::Closed { tunnel: id });
                handle.set_client(None);
                resume_unwind(panic);
            }
        }
        Err(rejection) => refuse(&context, stream, peer, rejection).await,
    }
}

/// Writes the rejection to a peer for whom there is no room, without waiting for it to be read. A TLS handshake would cost
/// more than serving it: such a connection is closed without a response.
async fn refuse<W: World>(context: &Context<W>, mut stream: W::Stream, peer: SocketAddr, rejection: Rejection) {
    context.counters.rejected(rejection);
    tracing::warn!(%peer, reason = rejection.name(), "connection refused");
    if context.tls.is_some() {
        return;
    }
    let response = handshake::encode_rejection(rejection);
    if stream.write_all(&response).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{CommandQueue, TunnelCommand};
    use super::*;
    use crate::world::Tokio;

    #[test]
    fn an_idle_tunnel_is_cheap() {
        fn bytes_of<Task>(_: impl Fn(Arc<Context<Tokio>>, <Tokio as World>::Stream, SocketAddr) -> Task) -> usize {
            size_of::<Task>()
        }
        let task = bytes_of(serve::<Tokio>);
        assert!(task <= 1536, "the task of a tunnel takes {task} bytes");
        assert!(size_of::<TunnelHandle>() <= 256);
    }

    #[test]
    fn commands_come_in_order() {
        let commands = CommandQueue::new();
        for command in TunnelCommand::ALL {
            assert_eq!(commands.try_next(), None);
            let pushed = [TunnelCommand::Ping, command, TunnelCommand::Goaway];
            pushed.iter().for_each(|&command| commands.push(command));
            let taken = pushed.map(|_| commands.try_next());
            assert_eq!(taken, pushed.map(Some));
        }
    }

    #[test]
    #[should_panic(expected = "fewer than 8 commands")]
    fn a_command_without_room_is_a_bug() {
        let commands = CommandQueue::new();
        (0..=8).for_each(|_| commands.push(TunnelCommand::Ping));
    }
}
