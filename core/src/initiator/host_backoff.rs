//! Backoff of a host: consecutive failures, and how long the host is not dialled after them.

use core::time::Duration;

use super::canonical::Moment;
use super::{Config, HostId};
use crate::backoff::{Backoff, jitter};
use crate::{Env, Instant};

/// A tunnel that lived for so long resets the backoff; one that ends sooner may be part of a loop.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// So many refused dials in a row may be a restart: some twenty seconds of them. Then the pauses grow beyond
/// [`Config::refused_cap`], up to [`Config::down_cap`].
const RESTART_DIALS: u32 = 64;

/// Whether the end of a tunnel that lived for `life` counts as a failure of its host.
pub(super) fn is_flap(proven: bool, life: Duration) -> bool {
    !proven || life < MIN_LIFETIME
}

/// The kinds of failure, each with its own backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Failure {
    /// The connection was refused: the host is up and its process is not. A restart, most likely, so it is dialled
    /// again soon; a refusal is cheap for the host. Less soon when it goes on for longer than a restart.
    ConnectionRefused,
    /// Time-outs, broken answers, 429, 5xx: more load will not help.
    Failing,
    /// 401, 403, 404, an answer that leaves TLS: nothing changes until somebody changes a configuration.
    Denied,
    /// Tunnels are accepted and end again at once.
    Flapping,
}

impl Failure {
    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 | 404 => Self::Denied,
            _ => Self::Failing,
        }
    }
}

/// Consecutive failures of one kind, if there are any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HostBackoff(Option<Failures>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Failures {
    kind: Failure,
    in_a_row: u32,
    last: Instant,
    /// The host is not dialled before.
    until: Instant,
}

impl HostBackoff {
    pub(super) const NONE: Self = Self(None);

    /// When the host may be dialled again; the epoch without a failure.
    pub(super) fn until(&self) -> Instant {
        self.0.as_ref().map_or(Instant::EPOCH, |failures| failures.until)
    }

    /// Whether the host is probed by one dial at a time. One short-lived tunnel is not enough for that.
    pub(super) const fn limits_dials(&self) -> bool {
        match &self.0 {
            None => false,
            Some(Failures { kind: Failure::Flapping, in_a_row, .. }) => *in_a_row > 1,
            Some(Failures { kind: Failure::ConnectionRefused | Failure::Failing | Failure::Denied, .. }) => true,
        }
    }

    /// The responder accepted a tunnel. That resets all but flapping, which consists of acceptances.
    pub(super) fn tunnel_accepted(&mut self) {
        match &self.0 {
            Some(Failures { kind: Failure::Flapping, .. }) | None => {}
            Some(Failures { kind: Failure::ConnectionRefused | Failure::Failing | Failure::Denied, .. }) => {
                self.0 = None
            }
        }
    }

    /// A tunnel has been alive for `life` so far.
    pub(super) fn tunnel_lived(&mut self, life: Duration) {
        if life >= MIN_LIFETIME {
            self.0 = None;
        }
    }

    /// One more failure, of a tunnel that was dialled at `dialed`.
    ///
    /// Tunnels that were dialled before the last failure belong to the same wave and count once: a restart that
    /// ends a thousand tunnels is one failure, not a thousand. A `retry-after` counts whenever it comes.
    pub(super) fn record_failure(
        &mut self,
        env: Env,
        config: &Config,
        kind: Failure,
        dialed: Instant,
        retry_after: Option<Duration>,
    ) {
        let same_wave = |before: &Failures| before.kind == kind && dialed < before.last;
        let in_a_row = match &self.0 {
            Some(before) if same_wave(before) && retry_after.is_none() => return,
            Some(before) if same_wave(before) => before.in_a_row,
            Some(before) if before.kind == kind => before.in_a_row.saturating_add(1),
            Some(_) | None => 1,
        };
        let pause = pause(env, config, kind, in_a_row, retry_after);
        // A pause that a responder asked for is not shortened by other failures.
        let until = env.now.after(pause).max(self.until());
        self.0 = Some(Failures { kind, in_a_row, last: env.now, until });
    }

    /// The same backoff of `host` with its moments where `clock` puts them, for comparing states.
    pub(super) fn retimed(&self, host: HostId, clock: &mut impl FnMut(Moment, Instant) -> Instant) -> Self {
        Self(self.0.clone().map(|failures| Failures {
            // Beyond this the pauses do not grow any more.
            in_a_row: failures.in_a_row.min(32),
            last: clock(Moment::Failed(host), failures.last),
            until: clock(Moment::Pause(host), failures.until),
            ..failures
        }))
    }

    /// What the specification calls it.
    pub(super) const fn spec_state(&self) -> &'static str {
        match &self.0 {
            None => "none",
            Some(Failures { kind: Failure::Flapping, in_a_row: 0 | 1, .. }) => "flapped",
            Some(Failures { kind: Failure::Flapping, .. }) => "flapping",
            Some(Failures { kind: Failure::ConnectionRefused | Failure::Failing | Failure::Denied, .. }) => "failing",
        }
    }
}

fn pause(env: Env, config: &Config, kind: Failure, in_a_row: u32, retry_after: Option<Duration>) -> Duration {
    if let Some(asked) = retry_after {
        let asked = asked.min(config.retry_after_cap);
        // Every initiator was told the same number: spread them a little (reference §2.5 adds up to 15 %).
        return asked + jitter(asked * 15 / 100, env.dice);
    }
    match kind {
        Failure::ConnectionRefused => {
            let backoff = match in_a_row.checked_sub(RESTART_DIALS) {
                None | Some(0) => Backoff { base: config.backoff_base, cap: config.refused_cap }.step(in_a_row),
                Some(more) => {
                    let cap = config.down_cap.max(config.refused_cap);
                    Backoff { base: config.refused_cap.saturating_mul(2), cap }.step(more)
                }
            };
            jitter(backoff, env.dice)
        }
        Failure::Failing => {
            let backoff = Backoff { base: config.backoff_base, cap: config.backoff_cap };
            jitter(backoff.step(in_a_row), env.dice)
        }
        // A configuration is not changed within milliseconds, so only half of the step is random.
        Failure::Denied => {
            let backoff = Backoff { base: config.denied_base, cap: config.backoff_cap.max(config.denied_base) };
            let half = backoff.step(in_a_row) / 2;
            half + jitter(half, env.dice)
        }
        Failure::Flapping => match in_a_row {
            0 | 1 => Duration::ZERO,
            more => {
                let backoff = Backoff { base: config.backoff_base, cap: config.backoff_cap };
                jitter(backoff.step(more - 1), env.dice)
            }
        },
    }
}
