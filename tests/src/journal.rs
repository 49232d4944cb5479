//! A journal of a revtun process, and what `revtun replay` says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::revtun::{binary, profile_dir};

/// A file in the target folder that the steps of a process are recorded in; removed on drop.
#[derive(Debug)]
pub struct Journal(PathBuf);

/// How `revtun replay` ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed on standard output.
    pub said: String,
    /// What it printed on standard error.
    pub complained: String,
}

impl Journal {
    /// A file that is not there yet.
    #[must_use]
    pub fn reserve() -> Self {
        static RESERVED: AtomicUsize = AtomicUsize::new(0);
        Self(profile_dir().join(format!("{}-{}.journal", process::id(), RESERVED.fetch_add(1, Ordering::SeqCst))))
    }

    /// A file with `text` in it.
    ///
    /// # Panics
    /// If the target folder is not writable.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let journal = Self::reserve();
        fs::write(&journal.0, text).expect("the target folder is writable");
        journal
    }

    /// Where it is.
    ///
    /// # Panics
    /// If the target folder's name is not UTF-8.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }

    /// What is in it.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_else(|error| panic!("{}: {error}", self.path()))
    }

    /// Asks `revtun replay`.
    #[must_use]
    pub fn check(&self) -> Judgement {
        check(&self.0)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _not_there = fs::remove_file(&self.0);
    }
}

/// Asks `revtun replay` about the file at `path`.
///
/// # Panics
/// If the program does not start.
#[must_use]
pub fn check(path: &Path) -> Judgement {
    let output = Command::new(binary()).arg("replay").arg(path).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).expect("UTF-8");
    Judgement { code: output.status.code(), said: text(&output.stdout), complained: text(&output.stderr) }
}
