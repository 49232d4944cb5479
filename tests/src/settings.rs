//! A configuration file for as long as a test needs it.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::revtun::profile_dir;

/// A file in the target folder; removed on drop.
#[derive(Debug)]
pub struct Settings(PathBuf);

impl Settings {
    /// Writes `text`.
    ///
    /// # Panics
    /// If the target folder is not writable.
    #[must_use]
    pub fn write(text: &str) -> Self {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let name = format!("settings-{}-{}.toml", process::id(), WRITTEN.fetch_add(1, Ordering::SeqCst));
        let path = profile_dir().join(name);
        fs::write(&path, text).expect("the target folder is writable");
        Self(path)
    }

    /// Where it is.
    ///
    /// # Panics
    /// If the target folder's name is not UTF-8.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        let _left_behind = fs::remove_file(&self.0);
    }
}
