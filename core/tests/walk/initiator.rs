//! What may happen to an initiator.

use std::time::Duration;

use revtun_core::handshake::Answer;
use revtun_core::initiator::{Cause, Config, Event, HostId, Initiator, Protocol, Stage};
use revtun_core::{Instant, TunnelId};

use super::{Luck, Past, Walked};

/// Short times, so that all of them are lived to see.
pub(crate) fn small() -> Config {
    Config {
        connect_timeout: Duration::from_secs(2),
        handshake_timeout: Duration::from_secs(3),
        drain_grace: Duration::from_secs(5),
        ..Config::default()
    }
}

impl Walked for Initiator {
    const KINDS: &'static [u32] = &[2, 6, 6, 6, 3, 2, 1, 1, 1];

    fn draw(&self, kind: usize, luck: &mut Luck, past: &Past) -> Event {
        let tunnel = past.tunnel(self, luck);
        match kind {
            0 => Event::TargetSet { host: HostId(luck.of(&[0, 1, 2])), count: luck.of(&[0, 1, 2, 3]) },
            1 => Event::Connected { tunnel: self.fitting(tunnel, Stage::Dialing, luck) },
            2 => Event::Answered { tunnel: self.fitting(tunnel, Stage::Handshaking, luck), answer: answer(luck) },
            3 => Event::Heard { tunnel },
            4 => Event::Used { tunnel, protocol: luck.of(&[Protocol::Http1, Protocol::Http2]) },
            5 => Event::Closed { tunnel, cause: luck.of(&[Cause::Refused, Cause::Lost]) },
            6 => Event::GoawayReceived { tunnel },
            // For good, so it must be rare.
            7 if luck.one_in(16) => Event::DrainRequested { grace: Duration::from_secs(luck.below(6)) },
            _ => Event::Tick,
        }
    }

    fn ids(&self) -> Vec<TunnelId> {
        self.tunnels().map(|view| view.tunnel).collect()
    }

    fn canonical(&self, now: Instant) -> Self {
        self.canonical(now)
    }
}

trait Fitting {
    /// `tunnel`, or more often one in the stage in which the event means something.
    fn fitting(&self, tunnel: TunnelId, stage: Stage, luck: &mut Luck) -> TunnelId;
}

impl Fitting for Initiator {
    fn fitting(&self, tunnel: TunnelId, stage: Stage, luck: &mut Luck) -> TunnelId {
        let fit: Vec<_> = self.tunnels().filter(|view| view.stage == stage).map(|view| view.tunnel).collect();
        if fit.is_empty() || luck.one_in(4) { tunnel } else { luck.of(&fit) }
    }
}

fn answer(luck: &mut Luck) -> Answer {
    let retry_after = luck.of(&[None, None, Some(Duration::from_secs(3))]);
    match luck.below(8) {
        0..4 => Answer::Accepted { revtun: luck.one_in(2) },
        4 => luck.of(&[Answer::Malformed, Answer::Downgraded]),
        5 => Answer::Refused { status: luck.of(&[401, 403, 404]), retry_after: None },
        _ => Answer::Refused { status: luck.of(&[429, 500, 503]), retry_after },
    }
}
