//! Journals: every step of a machine, written to a file while the machine runs.
//!
//! ```text
//!   Journal::step ── Line ──▶ (bounded) ──▶ a thread of its own ──▶ FILE
//! ```
//!
//! A step never waits for the file. Where steps come faster than they can be written for so long that the room between
//! them is full, the journal ends there for good and says so: a journal with a hole would be worth nothing behind it.
//! Instead of a file there may be a [check](Journal::CHECKED) behind every step, for simulations.
//!
//! What was written is on its way to the disk whenever the writer has caught up, so a process that is killed leaves
//! a journal that is true as far as it goes.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use revtun_core::journal::{Header, Journaled, Line, TRUNCATED};
use revtun_core::{Effects, Env};

/// Steps that were taken and are not written yet.
const ROOM: usize = 1 << 14;

/// Takes the steps of one machine and writes them down, or only takes them. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Journal(Reader);

/// Who looks at the steps.
#[derive(Clone, Debug)]
enum Reader {
    Nobody,
    /// Asserts what has to hold behind each of them.
    Checker,
    Writer(Arc<JournalWriter>),
}

#[derive(Debug)]
struct JournalWriter {
    entries: SyncSender<Entry>,
    cut_short: AtomicBool,
}

#[derive(Debug)]
enum Entry {
    Header(Header),
    Step(Line),
    End,
}

impl Journal {
    /// Writes nothing.
    pub const OFF: Self = Self(Reader::Nobody);

    /// Writes nothing, but asserts the machine's invariants behind every step, which takes time in proportion to what
    /// the machine knows: for simulations and tests.
    pub const CHECKED: Self = Self(Reader::Checker);

    /// Says what `machine` is. Comes before its first step.
    pub fn begin<M: Journaled>(&self, machine: &M) {
        if let Reader::Writer(writer) = &self.0 {
            writer.write(Entry::Header(Header::of(machine)));
        }
    }

    /// Takes a step of `machine`.
    ///
    /// # Panics
    /// If the steps are checked and an invariant does not hold, which is a bug of ours.
    #[inline]
    pub fn step<M: Journaled>(&self, machine: &mut M, env: Env, event: M::Event<'_>) -> Effects<M::Effect> {
        match &self.0 {
            Reader::Nobody => machine.step(env, event),
            Reader::Checker => {
                let effects = machine.step(env, event);
                machine.check();
                effects
            }
            Reader::Writer(writer) => writer.step(machine, env, event),
        }
    }
}

impl JournalWriter {
    fn step<M: Journaled>(&self, machine: &mut M, env: Env, event: M::Event<'_>) -> Effects<M::Effect> {
        if self.cut_short.load(Ordering::Relaxed) {
            return machine.step(env, event);
        }
        let (line, effects) = Line::step(machine, env, event);
        self.write(Entry::Step(line));
        effects
    }

    fn write(&self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.cut_short.store(true, Ordering::Relaxed);
        }
    }
}

/// A file that the journal of one machine is written to.
#[derive(Debug)]
pub struct JournalFile {
    writer: Arc<JournalWriter>,
    thread: JoinHandle<()>,
}

impl JournalFile {
    /// Begins a new file at `path`, in place of whatever is there.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let (entries, written) = sync_channel(ROOM);
        let writer = Arc::new(JournalWriter { entries, cut_short: AtomicBool::new(false) });
        let name = path.display().to_string();
        let writing = Arc::clone(&writer);
        let write = move || {
            if let Err(error) = write(file, &written, &writing.cut_short) {
                tracing::error!(file = name, %error, "the journal ends here: it cannot be written");
            }
        };
        Ok(Self { writer, thread: thread::Builder::new().name("journal".to_owned()).spawn(write)? })
    }

    /// What takes the steps. For one machine alone.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal(Reader::Writer(Arc::clone(&self.writer)))
    }

    /// Waits until everything is written.
    pub fn finish(self) {
        // A writer that failed has said why, and is gone.
        let _gone = self.writer.entries.send(Entry::End);
        let _panicked = self.thread.join();
    }
}

fn write(mut file: impl Write, entries: &Receiver<Entry>, cut_short: &AtomicBool) -> io::Result<()> {
    loop {
        let entry = match entries.try_recv() {
            Ok(entry) => entry,
            Err(TryRecvError::Empty) => {
                file.flush()?;
                entries.recv().unwrap_or(Entry::End)
            }
            Err(TryRecvError::Disconnected) => Entry::End,
        };
        let line: &dyn Display = match &entry {
            Entry::Header(header) => header,
            Entry::Step(line) => line,
            Entry::End => break,
        };
        writeln!(file, "{line}")?;
    }
    if cut_short.load(Ordering::Relaxed) {
        writeln!(file, "{TRUNCATED}: steps came faster than they could be written")?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use revtun_core::initiator::{Config, Event, HostId, Initiator};
    use revtun_core::journal::replay;
    use revtun_core::{Instant, Machine};

    use super::*;

    /// Takes `steps` steps with room for `room` of them and a writer that comes too late; returns the journal.
    fn written(steps: usize, room: usize) -> String {
        let (entries, taken) = sync_channel(room);
        let writer = Arc::new(JournalWriter { entries, cut_short: AtomicBool::new(false) });
        let journal = Journal(Reader::Writer(Arc::clone(&writer)));
        let mut machine = Initiator::new(Config::default());
        journal.begin(&machine);
        let env = Env { now: Instant::EPOCH, dice: 0 };
        for _ in 0..steps {
            let _effects = journal.step(&mut machine, env, Event::TargetSet { host: HostId(1), count: 1 });
        }
        drop(journal);
        let writer = Arc::into_inner(writer).expect("the last of them");
        drop(writer.entries);
        let mut file = Vec::new();
        write(&mut file, &taken, &writer.cut_short).expect("memory can be written");
        assert_eq!(machine.deadline(), Some(Instant::EPOCH), "a journal that is full does not stop the machine");
        String::from_utf8(file).expect("UTF-8")
    }

    #[test]
    fn a_journal_is_replayed_from_its_header_on() {
        let journal = written(5, 6);
        let header = Header::parse(journal.lines().next().expect("a header")).expect("a header");
        let mut machine = header.machine::<Initiator>().expect("an initiator");
        assert_eq!(replay(&mut machine, &journal), Ok(5));
        assert!(!journal.contains(TRUNCATED));
    }

    #[test]
    fn a_journal_that_cannot_keep_up_ends_and_says_so() {
        let journal = written(50, 6);
        let lines: Vec<_> = journal.lines().collect();
        assert_eq!(lines.len(), 7);
        assert!(lines[6].starts_with(TRUNCATED));
        assert_eq!(replay(&mut Initiator::new(Config::default()), &journal), Ok(5));
    }
}
