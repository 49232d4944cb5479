//! Golden tables: what each event does in each situation, written down. `REVTUN_BLESS=1 cargo test` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use revtun_core::journal::{Journaled, Line};
use revtun_core::{Env, Instant};

/// A machine in a situation.
#[derive(Clone)]
pub(crate) struct Scene<M> {
    pub(crate) machine: M,
    pub(crate) now: Instant,
}

impl<M: Journaled> Scene<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self { machine, now: Instant::from_nanos(100_000_000_000) }
    }

    /// Something happens, after so many milliseconds. The dice always falls in the middle.
    pub(crate) fn then(mut self, after_ms: u64, event: M::Event<'_>) -> Self {
        let _ = self.line(after_ms, event);
        self
    }

    /// Everything that is due now is done.
    pub(crate) fn ticks(mut self) -> Self {
        while self.machine.deadline().is_some_and(|deadline| deadline <= self.now) {
            self = self.then(0, M::TICK);
        }
        self
    }

    /// Time goes on to the next timer, which fires.
    pub(crate) fn fire(mut self) -> Self {
        self.now = self.machine.deadline().map_or(self.now, |deadline| deadline.max(self.now));
        self.then(0, M::TICK)
    }

    fn line(&mut self, after_ms: u64, event: M::Event<'_>) -> String {
        self.now = self.now.after(std::time::Duration::from_millis(after_ms));
        let env = Env { now: self.now, dice: u64::MAX / 2 };
        let (line, _) = Line::step(&mut self.machine, env, event);
        self.machine.check();
        let text = line.to_string();
        text.splitn(3, ' ').nth(2).expect("a line has an event").to_owned()
    }

    /// Where every tunnel stands, and the timer that is armed.
    fn state(&self) -> String {
        let stages = self.machine.stages();
        let stages: Vec<_> = stages.iter().map(|(slot, stage)| format!("{slot}:{stage}")).collect();
        let timer = match (self.machine.encode_timer(), self.machine.deadline()) {
            (Some(timer), Some(at)) => format!("{timer} in {:?}", at.since(self.now)),
            (None, None) => "no timer".to_owned(),
            (timer, at) => panic!("{timer:?} at {at:?}"),
        };
        format!("[{}] {timer}", stages.join(" "))
    }
}

/// Writes what each of `events` does in each of `scenes`, and compares it with the table of that name.
pub(crate) fn compare<M: Journaled>(name: &str, scenes: Vec<(&str, Scene<M>)>, events: &[M::Event<'static>]) {
    let mut table = String::from(
        "# What each event does in each situation, 100 ms later: the event -> its effects | the tunnels by slot, the next\n\
         # timer. Events that change neither are left out. REVTUN_BLESS=1 cargo test writes this file anew.\n",
    );
    for (title, scene) in scenes {
        writeln!(table, "\n{title}\n    {}", scene.state()).expect("a string takes everything");
        // What fires next is an event like any other.
        let mut fired = scene.clone();
        fired.now = fired.machine.deadline().map_or(fired.now, |deadline| deadline.max(fired.now));
        let moment_later = events.iter().map(|event| (scene.clone(), 100, *event));
        for (mut after, wait, event) in moment_later.chain([(fired, 0, M::TICK)]) {
            let before = (after.machine.stages(), after.machine.encode_timer(), after.machine.deadline());
            let line = after.line(wait, event);
            let changed = before != (after.machine.stages(), after.machine.encode_timer(), after.machine.deadline());
            if changed || line.contains(" -> ") {
                writeln!(table, "{line} | {}", after.state()).expect("a string takes everything");
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("REVTUN_BLESS").is_some() {
        fs::write(&path, &table).expect("the table can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let (old, new) = (rows(&golden), rows(&table));
    let mut differences = String::new();
    for (title, row) in old.difference(&new) {
        writeln!(differences, "{title}\n- {row}").expect("a string takes everything");
    }
    for (title, row) in new.difference(&old) {
        writeln!(differences, "{title}\n+ {row}").expect("a string takes everything");
    }
    assert!(differences.is_empty(), "{name} differs; REVTUN_BLESS=1 takes the new one\n{differences}");
}

/// Every line of a table with the situation that it is about.
fn rows(table: &str) -> BTreeSet<(&str, &str)> {
    let mut title = "";
    let rows = table.lines().map(|line| {
        title = if line.starts_with("==") { line } else { title };
        (title, line)
    });
    rows.collect()
}
