//! The files of steps that the machines of a process take: one each.

use std::path::{Path, PathBuf};

use revtun::journal::{Journal, JournalFile};

use crate::error::CliError;

/// One file for each machine, or none at all.
pub(super) struct Journals(Vec<JournalFile>);

impl Journals {
    /// Begins a file for each of so many machines: `path` for the first, `path.2` for the second.
    pub(super) fn create(path: Option<&Path>, machines: usize) -> Result<Self, CliError> {
        let paths = path.into_iter().flat_map(|path| (1..=machines).map(|number| numbered(path, number)));
        let create = |path: PathBuf| {
            JournalFile::create(&path).map_err(|error| {
                CliError::user(format!("cannot write the journal {}: {error}; give another path", path.display()))
            })
        };
        paths.map(create).collect::<Result<_, _>>().map(Self)
    }

    /// What takes the steps of `machine`, counted from zero.
    pub(super) fn of(&self, machine: usize) -> Journal {
        self.0.get(machine).map_or(Journal::OFF, JournalFile::journal)
    }

    /// Waits until everything is written. To be called when no machine is at work any more.
    pub(super) fn finish(self) {
        self.0.into_iter().for_each(JournalFile::finish);
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
