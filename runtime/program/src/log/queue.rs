//! The way from whoever logs to standard error: a bounded queue, and a thread that alone waits for the reader.
//!
//! The library `tracing-appender` has such a thread too, but bounds lines and not bytes, does not count what cannot be
//! written, and prints when it finds no room to say goodbye.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use revtun::world::{Tokio, World};
use revtun_core::Instant;
use revtun_program::config::LogFormat;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use super::escape::escaped;
use super::limits::Limits;
use super::line::LogLine;

/// Lines that wait to be written.
const LINES: usize = 8192;

/// Bytes of lines that wait to be written.
const BYTES: usize = 4 << 20;

/// How often the thread looks for something to tell of its own.
const TICK: Duration = Duration::from_secs(1);

/// How long a writer is left alone that would make us wait, although it was told not to.
const RETRY: Duration = Duration::from_millis(10);

/// Takes lines. Cheap to clone: all clones are one.
#[derive(Clone)]
pub(super) struct Queue {
    entries: SyncSender<Entry>,
    account: Arc<Account>,
    format: LogFormat,
    /// Whether a terminal is told of colours.
    colours: bool,
}

enum Entry {
    Line(Box<[u8]>),
    /// Everything before it is written when this is dropped.
    Flush {
        _done: SyncSender<()>,
    },
}

/// What both sides of the queue count.
#[derive(Default)]
struct Account {
    /// Of lines that wait.
    bytes: AtomicUsize,
    /// Lines that found no room.
    queue_full: AtomicU64,
    /// Lines that could not be written, or not whole.
    write_failed: AtomicU64,
}

impl Queue {
    /// Starts the thread, which writes to standard error.
    ///
    /// It has a descriptor of its own: the standard library's has a lock, which everybody who prints would wait for
    /// with it.
    pub(super) fn start(world: Tokio, limits: &'static Limits, format: LogFormat, colours: bool) -> io::Result<Self> {
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let (queue, entries) = Self::with_room_for(LINES);
        let queue = Self { format, colours, ..queue };
        let writer = Writer::new(stderr, Arc::clone(&queue.account), format);
        thread::Builder::new().name("log".to_owned()).spawn(move || run(&world, limits, writer, &entries))?;
        Ok(queue)
    }

    fn with_room_for(lines: usize) -> (Self, Receiver<Entry>) {
        let (entries, taken) = sync_channel(lines);
        (Self { entries, account: Arc::default(), format: LogFormat::Human, colours: false }, taken)
    }

    /// Takes a line, or drops and counts it. Never waits.
    pub(super) fn push(&self, line: &[u8]) {
        let account = &self.account;
        let waiting = account.bytes.fetch_add(line.len(), Ordering::Relaxed);
        let has_room = waiting.saturating_add(line.len()) <= BYTES;
        if !has_room || self.entries.try_send(Entry::Line(line.into())).is_err() {
            account.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            account.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when everything taken so far is written, or after `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let (flushed, done) = sync_channel(0);
        let mut entry = Entry::Flush { _done: flushed };
        let mut left = limit;
        // A full queue is being emptied, unless the reader has stalled.
        while let Err(TrySendError::Full(again)) = self.entries.try_send(entry) {
            let Some(rest) = left.checked_sub(RETRY) else { return };
            (left, entry) = (rest, again);
            thread::sleep(RETRY);
        }
        // Nothing is ever sent: the thread drops its side when it is done, and so does one that is gone.
        let _stalled = done.recv_timeout(left);
    }

    /// Lines dropped so far, by reason.
    pub(super) fn dropped(&self) -> [(&'static str, u64); 2] {
        let [queue_full, write_failed] = self.account.dropped();
        [("queue-full", queue_full), ("write-failed", write_failed)]
    }
}

impl Account {
    fn dropped(&self) -> [u64; 2] {
        [self.queue_full.load(Ordering::Relaxed), self.write_failed.load(Ordering::Relaxed)]
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Takes one line, which is written to it as a whole.
pub(super) struct Line<'a>(&'a Queue);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Queue { format, colours, .. } = *self.0;
        self.0.push(&escaped(line, format, colours));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread's life, which is as long as the process'.
fn run(world: &Tokio, limits: &Limits, mut writer: Writer<File>, entries: &Receiver<Entry>) {
    let mut told = Instant::EPOCH;
    loop {
        let entry = entries.recv_timeout(TICK);
        let flushing = matches!(entry, Ok(Entry::Flush { .. }));
        match &entry {
            Ok(Entry::Line(line)) => writer.take(line),
            Ok(Entry::Flush { .. }) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if flushing || world.now().since(told) >= TICK {
            told = world.now();
            limits.summaries(flushing).for_each(|line| writer.tell(line));
            writer.tell_dropped();
        }
    }
}

/// Writes lines, and knows what became of them.
struct Writer<F> {
    to: F,
    account: Arc<Account>,
    format: LogFormat,
    /// A line was written in part.
    torn: bool,
    /// How many dropped lines somebody could read of.
    told: [u64; 2],
}

impl<F: Write> Writer<F> {
    fn new(to: F, account: Arc<Account>, format: LogFormat) -> Self {
        Self { to, account, format, torn: false, told: [0; 2] }
    }

    /// Writes a line that waited.
    fn take(&mut self, line: &[u8]) {
        self.account.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        if self.write(line).is_err() {
            self.account.write_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a line of the log's own.
    fn tell(&mut self, line: LogLine) {
        if self.write(&line.render(self.format)).is_err() {
            self.account.write_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says how many lines nobody will read, if that is not known and can be written.
    fn tell_dropped(&mut self) {
        let dropped = self.account.dropped();
        let [queue_full, write_failed] = [dropped[0] - self.told[0], dropped[1] - self.told[1]];
        let lines = queue_full + write_failed;
        if lines > 0 {
            let message = format!("{lines} log lines dropped");
            let line =
                LogLine::new(Level::WARN, message).with("queue_full", queue_full).with("write_failed", write_failed);
            if self.write(&line.render(self.format)).is_ok() {
                self.told = dropped;
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write_all(b"\n")?;
        }
        self.write_all(line)
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.to.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.torn = !bytes.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody else has made what we share with them so. Only this thread waits.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        written: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer(room: usize) -> Writer<Disk> {
        Writer::new(Disk { written: Vec::new(), room }, Arc::default(), LogFormat::Human)
    }

    fn lines(writer: &Writer<Disk>) -> Vec<&str> {
        std::str::from_utf8(&writer.to.written).expect("UTF-8").lines().collect()
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_and_told_when_there_is_room_again() {
        let mut writer = writer(9);
        writer.account.bytes.store(18, Ordering::Relaxed);
        for line in ["one..\n", "two..\n", "three\n"] {
            writer.take(line.as_bytes());
            writer.tell_dropped();
        }
        assert_eq!(writer.account.dropped(), [0, 2], "the note itself does not count");
        assert_eq!(lines(&writer), ["one..", "two"]);
        writer.to.room = 1000;
        writer.tell_dropped();
        writer.tell_dropped();
        writer.take(b"");
        writer.write(b"four\n").expect("there is room");
        let lines = lines(&writer);
        assert_eq!((lines.len(), lines[1], lines[3]), (4, "two", "four"), "{lines:?}");
        assert!(lines[2].ends_with(" WARN 2 log lines dropped queue_full=0 write_failed=2"), "{lines:?}");
        assert_eq!(writer.account.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_queue_is_bounded_in_lines_and_in_bytes() {
        let (queue, entries) = Queue::with_room_for(3);
        (0..5).for_each(|_| queue.push(b"a line\n"));
        assert_eq!(queue.dropped(), [("queue-full", 2), ("write-failed", 0)]);
        assert_eq!(entries.try_iter().count(), 3);

        let (queue, entries) = Queue::with_room_for(100);
        let line = vec![b'x'; BYTES / 4];
        (0..6).for_each(|_| queue.push(&line));
        assert_eq!(queue.dropped(), [("queue-full", 2), ("write-failed", 0)]);
        let mut writer = writer(BYTES * 2);
        writer.account = Arc::clone(&queue.account);
        for entry in entries.try_iter() {
            let Entry::Line(line) = entry else { panic!("nobody flushed") };
            writer.take(&line);
        }
        queue.push(&line);
        assert_eq!(queue.dropped()[0].1, 2, "there is room again");
    }

    #[test]
    fn a_line_that_nobody_takes_is_waited_for_so_long_and_no_longer() {
        let (queue, entries) = Queue::with_room_for(1);
        queue.push(b"full\n");
        queue.flush(Duration::from_millis(30));
        assert_eq!(entries.try_iter().count(), 1);
        queue.flush(Duration::from_millis(30));
        drop(entries);
        queue.flush(Duration::from_secs(3600));
    }
}
