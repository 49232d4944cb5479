//! The files that the machines of a process are traced to: one each.

use std::path::{Path, PathBuf};

use revtun::trace::{Trace, TraceFile};

use crate::error::CliError;

/// One file for each machine, or none at all.
pub(super) struct Traces(Vec<TraceFile>);

impl Traces {
    /// Begins a file for each of so many machines: `path` for the first, `path.2` for the second.
    pub(super) fn create(path: Option<&Path>, machines: usize) -> Result<Self, CliError> {
        let paths = path.into_iter().flat_map(|path| (1..=machines).map(|number| numbered(path, number)));
        let create = |path: PathBuf| {
            TraceFile::create(&path).map_err(|error| {
                CliError::user(format!("cannot write the trace {}: {error}; give another path", path.display()))
            })
        };
        paths.map(create).collect::<Result<_, _>>().map(Self)
    }

    /// What takes the steps of `machine`, counted from zero.
    pub(super) fn of(&self, machine: usize) -> Trace {
        self.0.get(machine).map_or(Trace::OFF, TraceFile::trace)
    }

    /// Waits until everything is written. To be called when no machine is at work any more.
    pub(super) fn finish(self) {
        self.0.into_iter().for_each(TraceFile::finish);
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
