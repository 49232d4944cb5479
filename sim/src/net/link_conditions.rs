//! What happens to packets in transit: conditions that all links share, and the state of single links.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::host_id::HostId;

/// Conditions of every link, except those of callers. Shares are in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkConditions {
    /// Latency of packets.
    pub latency: Latency,
    /// Share of packets lost.
    pub loss: u16,
    /// Share of packets delivered twice.
    pub duplicate: u16,
    /// Share of packets that may overtake earlier ones.
    pub reorder: u16,
    /// Bandwidth of each link and direction in bytes per millisecond; none is unlimited.
    pub bandwidth: Option<u32>,
}

/// How long a packet takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Constant.
    Fixed(Duration),
    /// Uniform between these.
    Between(Duration, Duration),
    /// Constant, but one in fifty takes up to fifteen times as long.
    Tailed(Duration),
}

impl LinkConditions {
    /// A good network: ten milliseconds, no loss, duplicates, reordering or bandwidth limit.
    pub const GOOD: Self =
        Self { latency: Latency::Fixed(Duration::from_millis(10)), loss: 0, duplicate: 0, reorder: 0, bandwidth: None };
}

impl LinkConditions {
    /// Whether there is no loss, no latency tail and no bandwidth limit.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let usual = Duration::from_millis(300);
        self.loss == 0 && self.bandwidth.is_none() && self.latency.max() <= usual && self.latency.has_no_tail()
    }
}

impl Latency {
    /// The longest that a packet takes.
    #[must_use]
    pub fn max(self) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Between(_, most) => most,
            Self::Tailed(time) => time * TAIL,
        }
    }

    const fn has_no_tail(self) -> bool {
        !matches!(self, Self::Tailed(_))
    }
}

/// The factor of the slowest packets.
const TAIL: u32 = 15;

impl fmt::Display for LinkConditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { latency, loss, duplicate, reorder, bandwidth } = self;
        match latency {
            Latency::Fixed(time) => write!(f, "latency {time:?}")?,
            Latency::Between(least, most) => write!(f, "latency {least:?} to {most:?}")?,
            Latency::Tailed(time) => write!(f, "latency {time:?} with a tail")?,
        }
        write!(f, ", loss {loss}‰, duplicates {duplicate}‰, overtaking {reorder}‰")?;
        match bandwidth {
            Some(bandwidth) => write!(f, ", {bandwidth} B/ms"),
            None => Ok(()),
        }
    }
}

/// The state of one direction of one link. Faults of the same kind add up.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkState {
    /// Faults that drop every packet.
    pub cut: u32,
    /// Faults that drop SYNs.
    pub syns_blocked: u32,
    /// Additional loss, in thousandths.
    pub loss: u32,
    /// Additional latency.
    pub delay: Duration,
    /// The arrival of the last packet in order.
    pub(super) last: Duration,
    /// When the bandwidth is free again.
    pub(super) free: Duration,
}

/// The state of every direction of every link that was used.
#[derive(Clone, Debug, Default)]
pub struct Links(BTreeMap<(HostId, HostId), LinkState>);

impl Links {
    /// The direction from one host to another.
    pub fn direction(&mut self, from: HostId, to: HostId) -> &mut LinkState {
        self.0.entry((from, to)).or_default()
    }

    /// Removes the faults of every direction that matches `chosen`.
    pub fn heal(&mut self, chosen: impl Fn(HostId, HostId) -> bool) {
        for ((from, to), state) in &mut self.0 {
            if chosen(*from, *to) {
                let LinkState { last, free, .. } = *state;
                *state = LinkState { last, free, ..LinkState::default() };
            }
        }
    }
}

impl Latency {
    /// The latency of the next packet.
    pub(super) fn draw(self, dice: &mut fastrand::Rng) -> Duration {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        match self {
            Self::Fixed(time) => time,
            Self::Between(least, most) => Duration::from_micros(dice.u64(micros(least)..=micros(most))),
            Self::Tailed(time) if dice.u8(..50) == 0 => time * dice.u32(2..=TAIL),
            Self::Tailed(time) => time,
        }
    }
}
