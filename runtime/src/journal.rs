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
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use revtun_core::journal::{Header, Journaled, Line, TRUNCATED};
use revtun_core::{Effects, Env};

/// The longest first line of a journal that is looked at.
const MAX_HEADER_BYTES: u64 = 64 * 1024;

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
    /// Begins a new file at `path`, which only its owner may read, in place of another journal if there is one.
    ///
    /// # Errors
    /// If the file cannot be made, or if there is something else than a journal, or a link to one.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(new_file(path)?);
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

/// A new file at `path`. Links are not followed, so that nobody who may write into the folder chooses what is written over.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !is_journal(path)? {
                let what = "something else than a journal is there already";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

/// Whether there is a file of our making: a journal from its first line on, or one that was not begun yet.
fn is_journal(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut first = String::new();
    let read = BufReader::new(File::open(path)?.take(MAX_HEADER_BYTES)).read_line(&mut first);
    Ok(read.is_ok() && (first.is_empty() || Header::parse(first.trim_end()).is_ok()))
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

    /// A folder of a test's own.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("revtun-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _left_behind = fs::remove_dir_all(&self.0);
        }
    }

    fn journal_at(path: &Path) -> io::Result<()> {
        let file = JournalFile::create(path)?;
        file.journal().begin(&Initiator::new(Config::default()));
        file.finish();
        Ok(())
    }

    #[test]
    fn a_journal_takes_the_place_of_another_and_of_nothing_else() {
        let folder = Folder::new("journals");
        let path = folder.0.join("journal");
        for _ in 0..2 {
            journal_at(&path).unwrap();
            assert!(Header::parse(fs::read_to_string(&path).unwrap().lines().next().unwrap()).is_ok());
        }
        fs::write(&path, "").unwrap();
        journal_at(&path).unwrap();
        for other in ["not a journal\n", "\u{0}\u{1}", "[Unit]\nDescription=x\n"] {
            fs::write(&path, other).unwrap();
            assert_eq!(journal_at(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&path).unwrap(), other, "it is as it was");
        }
        assert!(journal_at(&folder.0).is_err(), "a folder");
    }

    #[cfg(unix)]
    #[test]
    fn a_journal_follows_no_link_and_is_its_owners_alone() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = Folder::new("links");
        let (path, aim, link) = (folder.0.join("journal"), folder.0.join("aim"), folder.0.join("link"));
        journal_at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // One that others could read, of an earlier version.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        journal_at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // To nothing, to what is precious, and to a journal.
        symlink(&aim, &link).unwrap();
        assert!(journal_at(&link).is_err());
        assert!(!aim.exists());
        fs::write(&aim, "precious").unwrap();
        assert!(journal_at(&link).is_err());
        assert_eq!(fs::read_to_string(&aim).unwrap(), "precious");
        journal_at(&path).unwrap();
        fs::remove_file(&link).unwrap();
        symlink(&path, &link).unwrap();
        assert!(journal_at(&link).is_err());
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
