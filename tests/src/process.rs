//! A child process that never outlives its test.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::patience::until;

const LINES_KEPT: usize = 2000;
const LINES_SHOWN: usize = 60;
/// How long the output of a process that has ended may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running (or ended) child process; killed and reaped on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// Starts `command` with its output captured.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command) -> Self {
        Self::start_with_stderr(name, command, Stdio::piped())
    }

    /// Starts `command` with its standard output captured, and standard error wherever `stderr` leads.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn start_with_stderr(name: &str, command: &mut Command, stderr: impl Into<Stdio>) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = Lines::of(child.stdout.take().expect("it is piped"));
        let stderr = child.stderr.take().map_or_else(Lines::default, Lines::of);
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// The first line of standard output that begins with `prefix`, without it.
    ///
    /// # Panics
    /// If there is none within `limit`, or the process ends first.
    pub async fn line(&mut self, prefix: &str, limit: Duration) -> String {
        let what = format!("{} prints {prefix:?}", self.name);
        until(limit, &what, async || {
            let ended = self.ended();
            let found = self.stdout.all().iter().find_map(|line| Some(line.strip_prefix(prefix)?.to_owned()));
            assert!(found.is_some() || ended.is_none(), "{what}: it ended with {ended:?}\n{}", self.stderr());
            found
        })
        .await
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// Never: a child of ours can be asked.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come within `limit`.
    pub async fn end(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let status = until(limit, &what, async || self.ended()).await;
        // What it wrote last is still read; unless a process that it left behind keeps the pipe open.
        let read = until(limit, &what, async || (self.stdout.is_whole() && self.stderr.is_whole()).then_some(()));
        let _kept_open = tokio::time::timeout(LAST_WORDS, read).await;
        status
    }

    /// Sends `signal`, such as `TERM`, to this process alone. Without effect when it has ended.
    ///
    /// # Panics
    /// If the shell is missing.
    pub fn signal(&mut self, signal: &str) {
        if self.ended().is_none() {
            let kill = format!("kill -{signal} {}", self.child.id());
            Command::new("sh").args(["-c", &kill]).status().expect("a shell");
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ended_before = self.child.kill();
        let _reaped_before = self.child.wait();
    }

    /// Bytes of memory in use.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        const PAGE: u64 = 4096;
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).expect("it is running");
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("proc(5)");
        pages * PAGE
    }

    /// File descriptors that are open.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it is running").count()
    }

    /// Lowers the limit of its file descriptors to `most`, whatever it has open.
    ///
    /// # Panics
    /// If the tool is missing that can do so.
    pub fn limit_descriptors(&self, most: usize) {
        let pid = self.child.id().to_string();
        let limit = format!("--nofile={most}:{most}");
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit of util-linux");
        assert!(status.success());
    }

    /// The soft limit of its file descriptors, and the hard one.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn descriptor_limits(&self) -> (String, String) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).expect("it is running");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("proc(5)");
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().expect("proc(5)"), words.next().expect("proc(5)"))
    }

    /// Threads that it runs.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it is running").count()
    }

    /// What it wrote on standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.all().join("\n")
    }

    /// What it wrote on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.all().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let lines = self.stderr.all();
            let tail = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            eprintln!("--- last words of {}:\n{}\n---", self.name, tail.join("\n"));
        }
    }
}

/// The lines of one output, read by a thread so that the child never blocks on us.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let kept = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let mut lines = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == LINES_KEPT {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        });
        lines
    }

    /// Whether all of it was read: the thread is gone that has the other reference.
    fn is_whole(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
