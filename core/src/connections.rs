//! The connections of one listener: how many there may be, in all and from one source, and which one has to go when there
//! is no room.
//!
//! A connection is *mute* until its peer has sent a request. Whoever occupies a listener by mute connections must not keep
//! others out: when there is no room, a new connection displaces a mute one, the oldest from the source that has most of
//! them. Connections that have sent a request are never displaced; if there are no others, the new one is refused.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// How many connections a listener has at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionLimits {
    /// In all.
    pub total: u32,
    /// From one [`Source`].
    pub per_source: u32,
}

/// Names a connection of a listener. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// What is to be done with a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Admission {
    /// Serve it.
    Admit(ConnectionId),
    /// Serve it, and close this other one, which has been forgotten.
    AdmitInPlaceOf(ConnectionId, ConnectionId),
    /// Close it.
    Refuse(ConnectionRefusal),
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionRefusal {
    /// The listener has as many as it may have.
    TooMany,
    /// Its source has as many as it may have.
    TooManyFromSource,
}

impl ConnectionRefusal {
    /// Every refusal, in the order above.
    pub const ALL: [Self; 2] = [Self::TooMany, Self::TooManyFromSource];

    /// The name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too-many-connections",
            Self::TooManyFromSource => "too-many-connections-from-source",
        }
    }
}

/// The connections of one listener. No step takes time in proportion to their number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connections {
    limits: ConnectionLimits,
    admitted: u64,
    /// Every connection, with its source.
    open: BTreeMap<ConnectionId, Source>,
    sources: BTreeMap<Source, OfSource>,
    /// Sources with mute connections, by how many those are.
    by_mute: BTreeSet<(usize, Source)>,
}

/// The connections from one source; there is at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct OfSource {
    count: u32,
    mute: BTreeSet<ConnectionId>,
}

impl Connections {
    /// No connection yet.
    #[must_use]
    pub const fn new(limits: ConnectionLimits) -> Self {
        Self { limits, admitted: 0, open: BTreeMap::new(), sources: BTreeMap::new(), by_mute: BTreeSet::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// A connection from `source` was accepted. Answers what is to become of it.
    pub fn accepted(&mut self, source: Source) -> Admission {
        let of_source = self.sources.get(&source);
        let displaced = if of_source.map_or(0, |of| of.count) >= self.limits.per_source {
            match of_source.and_then(|of| of.mute.first()) {
                Some(oldest) => Some(*oldest),
                None => return Admission::Refuse(ConnectionRefusal::TooManyFromSource),
            }
        } else if self.open.len() >= self.limits.total as usize {
            match self.oldest_mute_of_fullest_source() {
                Some(oldest) => Some(oldest),
                None => return Admission::Refuse(ConnectionRefusal::TooMany),
            }
        } else {
            None
        };
        if let Some(displaced) = displaced {
            self.closed(displaced);
        }
        let id = ConnectionId(self.admitted);
        self.admitted += 1;
        self.open.insert(id, source);
        self.sources.entry(source).or_default().count += 1;
        self.change_mute(source, |mute| mute.insert(id));
        displaced.map_or(Admission::Admit(id), |displaced| Admission::AdmitInPlaceOf(id, displaced))
    }

    /// The peer has sent a request: the connection is not mute any more. Only the first call counts.
    pub fn heard(&mut self, id: ConnectionId) {
        if let Some(source) = self.open.get(&id) {
            self.change_mute(*source, |mute| mute.remove(&id));
        }
    }

    /// The connection is closed. Without effect if it was displaced.
    pub fn closed(&mut self, id: ConnectionId) {
        let Some(source) = self.open.remove(&id) else { return };
        self.change_mute(source, |mute| mute.remove(&id));
        let of_source = self.sources.get_mut(&source).expect("the source of an open connection is known");
        of_source.count -= 1;
        if of_source.count == 0 {
            self.sources.remove(&source);
        }
    }

    fn oldest_mute_of_fullest_source(&self) -> Option<ConnectionId> {
        let (_, fullest) = self.by_mute.last()?;
        self.sources.get(fullest)?.mute.first().copied()
    }

    fn change_mute(&mut self, source: Source, change: impl FnOnce(&mut BTreeSet<ConnectionId>) -> bool) {
        let of_source = self.sources.get_mut(&source).expect("the source of an open connection is known");
        let before = of_source.mute.len();
        if change(&mut of_source.mute) {
            let after = of_source.mute.len();
            self.by_mute.remove(&(before, source));
            if after > 0 {
                self.by_mute.insert((after, source));
            }
        }
    }

    /// Asserts that what is kept twice agrees.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(&self) {
        assert!(self.open.len() <= self.limits.total as usize, "the limit in all holds");
        let mut sources = BTreeMap::<Source, u32>::new();
        for source in self.open.values() {
            *sources.entry(*source).or_default() += 1;
        }
        assert!(sources.values().all(|count| *count <= self.limits.per_source), "the limit per source holds");
        let counts: BTreeMap<_, _> = self.sources.iter().map(|(source, of)| (*source, of.count)).collect();
        assert_eq!(counts, sources, "connections are counted by source");
        for (source, of) in &self.sources {
            assert!(of.mute.iter().all(|id| self.open.get(id) == Some(source)), "who is mute is there");
        }
        let mute = self.sources.iter().filter(|(_, of)| !of.mute.is_empty());
        let by_mute: BTreeSet<_> = mute.map(|(source, of)| (of.mute.len(), *source)).collect();
        assert_eq!(self.by_mute, by_mute, "sources are sorted by their mute connections");
    }
}
