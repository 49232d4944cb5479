//! `revtun replay`: whether a journal is what the machine does.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};

use revtun_core::initiator::Initiator;
use revtun_core::journal::{Header, Journaled, ReplayError, ReplayErrorKind, TRUNCATED, replay_line};
use revtun_core::responder::Responder;

use crate::cli::ReplayArgs;
use crate::error::CliError;

/// How the part of a journal ends that could be checked.
enum End {
    /// With the last step.
    Whole,
    /// In the middle of a line: the process was killed.
    Torn,
    /// Where its writer did not keep up any more.
    CutShort,
}

/// Takes every step of the journal again.
pub(super) fn run(args: &ReplayArgs) -> Result<(), CliError> {
    let name = args.journal.display();
    let unreadable = |error| CliError::user(format!("cannot read {name}: {error}; give the path of a journal"));
    let mut file = BufReader::new(File::open(&args.journal).map_err(unreadable)?);
    let mut first = String::new();
    file.read_line(&mut first).map_err(unreadable)?;
    let header = Header::parse(first.trim_end_matches('\n'));
    let header = header.map_err(|malformed| CliError::user(format!("{name}:1: {malformed}")))?;
    let journal = Journal { name: &name, file, tla: args.tla };
    if let Some(machine) = header.machine::<Initiator>() {
        journal.check(machine)
    } else if let Some(machine) = header.machine::<Responder>() {
        journal.check(machine)
    } else {
        Err(CliError::user(format!("{name}:1: expected Initiator or Responder, and all its settings")))
    }
}

struct Journal<'a> {
    name: &'a dyn Display,
    /// Behind the header.
    file: BufReader<File>,
    tla: bool,
}

impl Journal<'_> {
    fn check<M: Journaled>(mut self, mut machine: M) -> Result<(), CliError> {
        let mut to = BufWriter::new(io::stdout().lock());
        let (mut number, mut steps) = (1, 0);
        let mut text = String::new();
        let end = loop {
            text.clear();
            number += 1;
            let read = self.file.read_line(&mut text);
            if read.map_err(|error| self.wrong(number, &format!("cannot be read: {error}")))? == 0 {
                break End::Whole;
            }
            let Some(line) = text.strip_suffix('\n') else { break End::Torn };
            if line.starts_with(TRUNCATED) {
                break End::CutShort;
            }
            let step = replay_line(&mut machine, number, line).map_err(|fault| self.faulty(line, &fault))?;
            steps += usize::from(step.is_some());
            if let Some(step) = step.filter(|_| self.tla) {
                // Whoever closed our standard output does not want to know.
                let _unread = writeln!(to, "{}", step.tla(&machine));
            }
        };
        let _unread = if self.tla { to.flush() } else { writeln!(to, "{}: {steps} steps, equal{end}", self.name) };
        Ok(())
    }

    fn faulty(&self, line: &str, fault: &ReplayError) -> CliError {
        match &fault.kind {
            ReplayErrorKind::Differs { machine } => CliError::own(format!(
                "{}:{}: the machine does something else\n  written: {line}\n  machine: {machine}",
                self.name, fault.line
            )),
            ReplayErrorKind::Malformed(malformed) => self.wrong(fault.line, malformed),
            ReplayErrorKind::Unknown => self.wrong(fault.line, &"not an event of this machine"),
        }
    }

    fn wrong(&self, number: usize, what: &dyn Display) -> CliError {
        CliError::user(format!("{}:{number}: {what}", self.name))
    }
}

impl Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole => "",
            Self::Torn => "; its last line is torn off",
            Self::CutShort => "; then it is cut short: its writer did not keep up",
        })
    }
}
