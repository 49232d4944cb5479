//! What becomes of packets on their way: the weather of the whole network, and troubles of single links.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Place;

/// What every packet between unsheltered hosts has to reckon with. Shares are in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// How long packets take.
    pub latency: Latency,
    /// Lost.
    pub loss: u16,
    /// Delivered twice.
    pub duplicate: u16,
    /// Not held back behind what was sent before.
    pub overtake: u16,
    /// Bytes in a millisecond on each link and way; none is as many as there are.
    pub bandwidth: Option<u32>,
}

/// How long a packet takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always so long.
    Fixed(Duration),
    /// Anything between these.
    Between(Duration, Duration),
    /// So long, but one in fifty up to fifteen times as long.
    Tailed(Duration),
}

impl Weather {
    /// A good network: ten milliseconds, and nothing happens.
    pub const CALM: Self = Self {
        latency: Latency::Fixed(Duration::from_millis(10)),
        loss: 0,
        duplicate: 0,
        overtake: 0,
        bandwidth: None,
    };
}

impl Weather {
    /// Whether nothing is lost, late or narrow.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let usual = Duration::from_millis(300);
        self.loss == 0 && self.bandwidth.is_none() && self.latency.most() <= usual && self.latency.is_steady()
    }
}

impl Latency {
    /// The longest that a packet takes.
    #[must_use]
    pub fn most(self) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Between(_, most) => most,
            Self::Tailed(time) => time * TAIL,
        }
    }

    const fn is_steady(self) -> bool {
        !matches!(self, Self::Tailed(_))
    }
}

/// How many times as long the latest packets take.
const TAIL: u32 = 15;

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { latency, loss, duplicate, overtake, bandwidth } = self;
        match latency {
            Latency::Fixed(time) => write!(f, "latency {time:?}")?,
            Latency::Between(least, most) => write!(f, "latency {least:?} to {most:?}")?,
            Latency::Tailed(time) => write!(f, "latency {time:?} with a tail")?,
        }
        write!(f, ", loss {loss}‰, duplicates {duplicate}‰, overtaking {overtake}‰")?;
        match bandwidth {
            Some(bandwidth) => write!(f, ", {bandwidth} B/ms"),
            None => Ok(()),
        }
    }
}

/// Troubles of one way of one link. Several of a kind may lie over each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// Nothing passes.
    pub cut: u32,
    /// Nothing that begins a connection passes.
    pub no_syn: u32,
    /// So many thousandths more are lost.
    pub loss: u32,
    /// Everything takes so much longer.
    pub delay: Duration,
    /// The last arrival, behind which others queue.
    pub(super) last: Duration,
    /// When the link is free again.
    pub(super) free: Duration,
}

/// Every way of every link that something was sent on.
#[derive(Clone, Debug, Default)]
pub struct Troubles(BTreeMap<(Place, Place), Trouble>);

impl Troubles {
    /// The way from one place to another.
    pub fn way(&mut self, from: Place, to: Place) -> &mut Trouble {
        self.0.entry((from, to)).or_default()
    }

    /// Heals every way between two places of which `chosen` says so.
    pub fn heal(&mut self, chosen: impl Fn(Place, Place) -> bool) {
        for ((from, to), trouble) in &mut self.0 {
            if chosen(*from, *to) {
                let Trouble { last, free, .. } = *trouble;
                *trouble = Trouble { last, free, ..Trouble::default() };
            }
        }
    }
}

impl Latency {
    /// How long the next packet takes.
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
