//! What a test has found, in numbers, for whoever reads the log of a check: one file for each program of tests.

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Prints `figure`, and adds it as a line to the file of this program in the folder `REVTUN_FIGURES`, if the environment
/// names one.
///
/// # Panics
/// If the folder is not writable.
pub(crate) fn tell(figure: impl Display) {
    println!("{figure}");
    if let Some(folder) = env::var_os("REVTUN_FIGURES") {
        let path = PathBuf::from(folder).join(env!("CARGO_CRATE_NAME"));
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the folder is writable");
        // At once, so that no other test's line comes between.
        file.write_all(format!("{figure}\n").as_bytes()).expect("the folder is writable");
    }
}
