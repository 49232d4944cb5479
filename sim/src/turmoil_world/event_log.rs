//! What happened in a simulation, so that two runs can be compared.

use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use revtun_core::Instant;

/// Lines about the larger events, and a digest of all bytes with their moments. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct EventLog(Arc<Mutex<Entries>>);

/// What a log holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// One event each, with its moment and its host.
    pub lines: Vec<String>,
    /// Bytes that were read or written.
    pub bytes: u64,
    /// A digest of every one of those, of its moment, host and direction.
    pub digest: u64,
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the network.
    Read,
    /// To the network.
    Written,
}

impl EventLog {
    /// Notes an event.
    pub fn note(&self, at: Instant, host: &str, what: impl Display) {
        let line = format!("{:>12.6} {host:10} {what}", at.since(Instant::EPOCH).as_secs_f64());
        self.entries().lines.push(line);
    }

    /// Notes bytes.
    pub fn bytes(&self, at: Instant, host: &str, direction: Direction, bytes: &[u8]) {
        let mut entries = self.entries();
        entries.bytes += bytes.len() as u64;
        let direction = match direction {
            Direction::Read => b'r',
            Direction::Written => b'w',
        };
        let moment = at.as_nanos().to_le_bytes();
        let all = moment.iter().chain(host.as_bytes()).chain([&direction]).chain(bytes);
        entries.digest = all.fold(entries.digest, |digest, byte| fnv(digest, *byte));
    }

    /// Everything so far.
    #[must_use]
    pub fn read(&self) -> Entries {
        self.entries().clone()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere has been reported already; the lines are still useful.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One round of FNV-1a.
const fn fnv(digest: u64, byte: u8) -> u64 {
    (digest ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

/// The lines, then the digest.
impl Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "{} bytes, digest {:016x}", self.bytes, self.digest)
    }
}
