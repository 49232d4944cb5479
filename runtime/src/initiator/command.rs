//! The commands to a tunnel's task.

/// The capacity for commands: one of each kind.
pub(super) const COMMANDS: usize = 3;

/// What the machine wants of a tunnel's task. To close the tunnel, the task is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TunnelCommand {
    SendHandshake,
    Deliver,
    Goaway,
}
