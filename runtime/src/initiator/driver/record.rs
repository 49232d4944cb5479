//! What is logged and counted of the tunnels of an initiator: failures of a host by change and not by try.

use std::io;

use revtun_core::TunnelId;
use revtun_core::handshake::Answer;
use revtun_core::hosts;
use revtun_core::initiator::{Cause, CloseReason, Event, HostId};
use tracing::{debug, info, warn};

use super::{Driver, Progress, TunnelHandle};
use crate::initiator::counters::{HandshakeOutcome, TunnelEnd};
use crate::initiator::first_use::UseTunnel;
use crate::world::World;

/// A line for an operator if it is news, and one for a developer if it is not.
macro_rules! log_failure {
    ($is_news:expr, $($line:tt)*) => {
        if $is_news { warn!($($line)*) } else { debug!($($line)*) }
    };
}

impl<W: World, S: UseTunnel<W>> Driver<W, S> {
    /// Before the machine processes an event.
    pub(super) fn record(&mut self, event: Event) {
        match event {
            Event::Used { tunnel, protocol } => info!(%tunnel, ?protocol, "tunnel in use"),
            Event::GoawayReceived { tunnel } => {
                let Some(handle) = self.handle(tunnel) else { return };
                handle.progress = Progress::Draining;
                let (host, peer) = (handle.host, handle.peer);
                self.changed.push(host);
                info!(%tunnel, %peer, "the responder drains the tunnel");
            }
            Event::DrainRequested { grace } => {
                info!(?grace, "draining");
                self.state.send_modify(|state| state.table.hosts.stop());
            }
            Event::TargetSet { .. }
            | Event::Connected { .. }
            | Event::Answered { .. }
            | Event::Heard { .. }
            | Event::Closed { .. }
            | Event::Tick => {}
        }
    }

    /// Before the machine processes an answer, for which the responder gave a `reason`.
    pub(super) fn record_answer(&mut self, tunnel: TunnelId, answer: Answer, reason: &str) {
        let Some(handle) = self.handle(tunnel) else { return };
        handle.progress = Progress::Answered;
        let (host, peer) = (handle.host, handle.peer);
        self.context.counters.handshaken(match answer {
            Answer::Accepted { .. } => HandshakeOutcome::Accepted,
            Answer::Refused { status, .. } => HandshakeOutcome::Status(status),
            Answer::Downgraded => HandshakeOutcome::Downgraded,
            Answer::Malformed => HandshakeOutcome::Malformed,
        });
        match answer {
            Answer::Accepted { revtun } => {
                let mut outage = None;
                self.state.send_modify(|state| outage = state.table.accepted(host));
                self.changed.push(host);
                match outage.filter(|outage| outage.failures() > 1) {
                    None => info!(%tunnel, %peer, revtun, "tunnel up"),
                    Some(outage) => info!(%tunnel, %peer, revtun, failures = outage.failures(), "tunnel up"),
                }
            }
            Answer::Refused { status, retry_after } => {
                let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                let is_news = self.failed(host, &format!("the responder answered {status}{said}"));
                log_failure!(is_news, %tunnel, %peer, status, reason, ?retry_after, "handshake refused");
            }
            Answer::Downgraded => {
                let why = "the responder would leave TLS after its response";
                log_failure!(self.failed(host, why), %tunnel, %peer, "handshake refused by us: {why}");
            }
            Answer::Malformed => {
                let why = "the response is no HTTP/1.1";
                log_failure!(self.failed(host, why), %tunnel, %peer, "handshake failed: {why}");
            }
        }
    }

    /// The machine has closed a tunnel.
    pub(super) fn record_close(&mut self, tunnel: TunnelId, reason: CloseReason) {
        let Some(TunnelHandle { host, peer, .. }) = self.remove(tunnel) else { return };
        self.changed.push(host);
        self.context.counters.ended(TunnelEnd::Closed(reason));
        let name = TunnelEnd::Closed(reason).name();
        match reason {
            CloseReason::ConnectTimeout => {
                log_failure!(self.failed(host, "no connection in time"), %tunnel, %peer, reason = name, "dial failed");
            }
            CloseReason::HandshakeTimeout => {
                self.context.counters.handshaken(HandshakeOutcome::TimedOut);
                let is_news = self.failed(host, "no answer to the handshake in time");
                log_failure!(is_news, %tunnel, %peer, reason = name, "handshake failed");
            }
            // The response was logged when it came.
            CloseReason::Refused(_) | CloseReason::Downgraded | CloseReason::Malformed => {}
            CloseReason::Silent => {
                self.note(host, "the responder was silent for too long");
                warn!(%tunnel, %peer, reason = name, "tunnel closed");
            }
            CloseReason::Surplus | CloseReason::Drained => info!(%tunnel, %peer, reason = name, "tunnel closed"),
        }
    }

    /// Before the machine processes the end of a connection.
    pub(super) fn record_end(&mut self, tunnel: TunnelId, cause: Cause, error: &io::Error) {
        let Some(TunnelHandle { host, peer, progress, .. }) = self.remove(tunnel) else { return };
        self.changed.push(host);
        self.context.counters.ended(match cause {
            Cause::Refused => TunnelEnd::DialRefused,
            Cause::Lost => TunnelEnd::Lost,
        });
        let reason = error.to_string();
        match progress {
            Progress::Dialling => {
                log_failure!(self.failed(host, &reason), %tunnel, %peer, reason, "dial failed");
            }
            Progress::Handshaking => {
                self.context.counters.handshaken(HandshakeOutcome::Lost);
                log_failure!(self.failed(host, &reason), %tunnel, %peer, reason, "handshake failed");
            }
            Progress::Answered => {
                self.note(host, &reason);
                info!(%tunnel, %peer, reason, "tunnel lost");
            }
            Progress::Draining => info!(%tunnel, %peer, reason, "tunnel closed"),
        }
    }

    /// Notes that a dial or a handshake failed. Returns whether that is news.
    fn failed(&mut self, host: HostId, reason: &str) -> bool {
        let is_news = self.note(host, reason);
        self.step_hosts(|table, env| table.hosts.step(env, hosts::Event::DialFailed { host }));
        is_news
    }

    /// Notes why a host has a tunnel less. Returns whether that is news.
    fn note(&mut self, host: HostId, reason: &str) -> bool {
        let now = self.context.world.now();
        let mut is_news = false;
        self.state.send_modify(|state| is_news = state.table.failed(now, host, reason));
        is_news
    }
}
