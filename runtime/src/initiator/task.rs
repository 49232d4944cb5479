//! What the task of a tunnel has in each of its phases.

use std::future;
use std::io;
use std::sync::Arc;

use revtun_core::TunnelId;
use revtun_core::handshake::Answer;
use revtun_core::initiator::Event;
use tokio::sync::mpsc;

use super::command::TunnelCommand;
use super::context::{Context, Input};
use crate::tunnel_io::Notice;

/// The task of one tunnel.
pub(super) struct TunnelTask<W, S> {
    pub(super) context: Arc<Context<W, S>>,
    pub(super) id: TunnelId,
    pub(super) commands: mpsc::Receiver<TunnelCommand>,
}

impl<W, S> TunnelTask<W, S> {
    /// The next command. Cancel safe.
    pub(super) async fn next_command(&mut self) -> TunnelCommand {
        match self.commands.recv().await {
            Some(command) => command,
            // The machine has closed the tunnel: this task is dropped next.
            None => future::pending().await,
        }
    }

    /// Waits for `command`. If the machine decides otherwise, it closes the tunnel instead.
    pub(super) async fn wait_for(&mut self, command: TunnelCommand) {
        while self.next_command().await != command {}
    }

    /// Reports an event to the machine.
    pub(super) async fn report(&self, event: Event) {
        // An error means that the initiator has ended; this task ends with it.
        let _ = self.context.inputs.send(Input::Event(event)).await;
    }

    /// Reports what the responder answered, and the reason that it gave for a refusal.
    pub(super) async fn report_answer(&self, answer: Answer, reason: String) {
        // As above.
        let _ = self.context.inputs.send(Input::Answered { tunnel: self.id, answer, reason }).await;
    }

    /// Reports what the stream of the tunnel noticed.
    pub(super) async fn report_notice(&self, notice: Notice) {
        self.report(match notice {
            Notice::Heard => Event::Heard { tunnel: self.id },
            Notice::GoawayReceived => Event::GoawayReceived { tunnel: self.id },
        })
        .await;
    }

    /// Reports the notices that are left at the end of a connection: a GOAWAY on a tunnel without requests is noticed and ends
    /// the connection at once.
    pub(super) async fn report_notices(&self, notices: &mut mpsc::Receiver<Notice>) {
        while let Ok(notice) = notices.try_recv() {
            self.report_notice(notice).await;
        }
    }
}

/// The error of a stream that the peer closed.
pub(super) fn end_of_stream() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed the connection")
}
