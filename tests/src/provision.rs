//! Clients and servers of other people, fetched once by their ordinary tools.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::revtun::profile_dir;

/// The release of the Python package `websockets`.
const WEBSOCKETS: &str = "websockets==17.4";

/// A folder from which Python imports `websockets`; none, with a line that says why, where it cannot be had.
#[must_use]
pub fn websockets() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let fetch = |folder: &Path| {
        let options = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"];
        succeeds(Command::new("python3").args(options).arg(folder).arg(WEBSOCKETS))
    };
    FOUND.get_or_init(|| told("the Python package websockets", once("websockets-17.4", fetch))).clone()
}

/// A folder with the files of the Debian packages of OpenSSH's server and what that needs; none, with a line that says why,
/// where it cannot be had.
#[must_use]
pub fn openssh_server() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let fetch = |folder: &Path| {
        succeeds(Command::new("apt-get").args(["download", "openssh-server", "libwrap0"]).current_dir(folder))?;
        for package in fs::read_dir(folder)? {
            let package = package?.path();
            if package.extension().is_some_and(|extension| extension == "deb") {
                succeeds(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))?;
            }
        }
        Ok(())
    };
    FOUND.get_or_init(|| told("OpenSSH's server", once("openssh-server", fetch))).clone()
}

fn told(what: &str, found: io::Result<PathBuf>) -> Option<PathBuf> {
    let found = found.inspect_err(|error| {
        // Not by `eprintln!`, which the test harness hides when the test passes.
        let _nobody_listens = writeln!(io::stderr(), "SKIPPED: tests with {what}, not to be had: {error}");
    });
    found.ok()
}

/// The folder `name` beside the built files, which `fetch` fills the first time.
fn once(name: &str, fetch: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let beside = profile_dir().parent().expect("target/PROFILE").to_owned();
    let (folder, fetching) = (beside.join(name), beside.join(format!("{name}.fetching")));
    let lock = File::create(beside.join(format!("{name}.lock")))?;
    lock.lock()?;
    if !folder.exists() {
        if fetching.exists() {
            fs::remove_dir_all(&fetching)?;
        }
        fs::create_dir_all(&fetching)?;
        fetch(&fetching)?;
        // Last, so that a half-done attempt is never mistaken for a whole one.
        fs::rename(&fetching, &folder)?;
    }
    Ok(folder)
}

fn succeeds(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
    Err(io::Error::other(format!("{} failed: {last}", command.get_program().display())))
}
