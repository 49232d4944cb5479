//! The interface of a state machine, for the runtime, the simulator, the fuzzer and the tests alike.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;

use crate::Effects;

/// A moment: nanoseconds since an epoch that the driver chooses once.
///
/// Ours rather than the standard library's, so that it can be built, hashed, logged and shifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's epoch.
    pub const EPOCH: Self = Self(0);

    /// The moment `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment plus `wait`; stays at the last representable moment (after 584 years) instead of wrapping.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment, rounded up to a multiple of `unit` since the epoch.
    pub(crate) fn round_up(self, unit: Duration) -> Self {
        let unit = u64::try_from(unit.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self(self.0.div_ceil(unit).saturating_mul(unit))
    }
}

/// The only two things that a step may not work out for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Env {
    /// What time it is; never earlier than in the step before.
    pub now: Instant,
    /// 64 random bits.
    pub dice: u64,
}

/// A pure state machine: events in, effects out.
pub trait Machine: Clone + Debug + Eq + Hash {
    /// What happened. Borrows text for the duration of the call only.
    type Event<'a>: Copy + Debug;
    /// What is to be done.
    type Effect: Copy + Debug + Eq;

    /// "Your deadline has passed."
    const TICK: Self::Event<'static>;

    /// Takes one event and says what is to be done, in order.
    ///
    /// Total and infallible: every event is legal in every state, and an event about an id that is no longer
    /// known is stale and does nothing but be counted. One call is one action of the specification; one
    /// `Tick` fires at most one due timer.
    fn step(&mut self, env: Env, event: Self::Event<'_>) -> Effects<Self::Effect>;

    /// When to send the next `Tick`: a query, so nothing is armed, cancelled or lost. May lie in the past.
    fn deadline(&self) -> Option<Instant>;

    /// Asserts the invariants of the specification. For tests, simulation and fuzzing: it walks the whole state.
    ///
    /// # Panics
    /// If an invariant does not hold, which is a bug of ours.
    fn check(&self);
}
