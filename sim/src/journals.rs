//! The journals of the machines of a simulation: a file for each start of each host that has one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use revtun::journal::{Journal, JournalFile};

/// Where the journals of one simulation go. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Journals {
    /// What the path of every file begins with.
    prefix: PathBuf,
    files: Arc<Mutex<Vec<JournalFile>>>,
}

impl Journals {
    /// Files in `folder` whose names begin with `name`.
    #[must_use]
    pub fn in_folder(folder: &Path, name: &str) -> Self {
        Self { prefix: folder.join(name), files: Arc::default() }
    }

    /// Begins the journal of the machine that `host` has after its `start`th start.
    ///
    /// # Panics
    /// If the file cannot be made.
    #[must_use]
    pub fn begin(&self, host: &str, start: u64) -> Journal {
        let mut path = self.prefix.as_os_str().to_owned();
        path.push(format!("-{host}-{start}.journal"));
        let file = JournalFile::create(Path::new(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let journal = file.journal();
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push(file);
        journal
    }

    /// Waits until everything is written. Later steps of the machines are not.
    pub fn finish(&self) {
        let files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        files.into_iter().for_each(JournalFile::finish);
    }
}
