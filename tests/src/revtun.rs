//! The `revtun` binary, built once and run with flags.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::patience::SOON;
use crate::process::Process;

/// The path of the binary: what the environment calls `REVTUN_BINARY`, or else one built with the profile of this test.
///
/// # Panics
/// If it does not build.
pub fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = env::var_os("REVTUN_BINARY") {
            return given.into();
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // As an integration test of the program has it built, in the midst of all tests: with the same features of what it depends
        // on, so that nothing is compiled twice.
        build.args(["test", "--quiet", "--workspace", "--no-run", "--test", "supervision"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        for (name, _) in env::vars().filter(|(name, _)| is_about_package(name)) {
            build.env_remove(name);
        }
        assert!(build.status().expect("cargo runs").success(), "revtun does not build");
        profile_dir().join("revtun")
    })
}

/// Whether cargo sets a variable so named for a test, to tell it of its package. Build scripts that ask for one of these run again
/// when it changes, and all that depends on them is compiled again: there and, when cargo is called from outside the next time,
/// back.
fn is_about_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Where this profile's programs are: `target/debug` or `target/release`.
///
/// # Panics
/// If the test was moved away from where cargo put it.
#[must_use]
pub fn profile_dir() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST").to_owned()
}

/// Programs of tests whose ends are recorded for the specification. In others hundreds of requests or connections are there
/// at the same time, which is too much for TLC, or a process writes a journal already.
const RECORDED: [&str; 3] = ["drain", "pairings", "selection"];

/// Starts `revtun` with `args`. If the environment names a folder `REVTUN_JOURNALS`, the steps of either end are recorded in
/// a file there, in those tests that are made for it.
#[must_use]
pub fn start(args: &[String]) -> Process {
    start_with(None, args)
}

/// The same with at most so many file descriptors: the arguments of the shell's `ulimit`.
#[must_use]
pub fn start_with(descriptors: Option<&str>, args: &[String]) -> Process {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let mut command = match descriptors {
        None => Command::new(binary()),
        Some(most) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit {most} && exec \"$0\" \"$@\"")]).arg(binary());
            shell
        }
    };
    command.args(args);
    let is_an_end = ["initiator", "responder"].contains(&args[0].as_str());
    if let (Some(folder), Some(program), true) = (env::var_os("REVTUN_JOURNALS"), recorded(), is_an_end) {
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let name = format!("{program}-{}-{}-{number}.journal", args[0], process::id());
        command.arg("--journal").arg(PathBuf::from(folder).join(name));
    }
    Process::start(&format!("revtun {}", args.join(" ")), &mut command)
}

/// The program of tests that this is, if its ends are recorded: cargo puts a hash behind its name.
fn recorded() -> Option<&'static str> {
    let path = env::current_exe().expect("a program has a file");
    let (program, _) = path.file_name()?.to_str()?.rsplit_once('-')?;
    RECORDED.into_iter().find(|name| *name == program)
}

/// The address that `process` says its `which` listener (`tunnel`, `egress`, `admin`) is bound to.
///
/// # Panics
/// If it does not say so soon.
pub async fn listener(process: &mut Process, which: &str) -> SocketAddr {
    let said = process.line(&format!("{which} listener on "), SOON).await;
    said.trim().parse().unwrap_or_else(|error| panic!("{said:?} is no address: {error}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn no_build_script_asks_for_what_only_tests_are_told() {
        const ASKS: &str = "rerun-if-env-changed=";
        let scripts = fs::read_dir(profile_dir().join("build")).expect("some crates have build scripts");
        let outputs = scripts.filter_map(|script| fs::read_to_string(script.ok()?.path().join("output")).ok());
        let names = |output: String| {
            let asks = output.lines().filter_map(|line| Some(line.split_once(ASKS)?.1.trim().to_owned()));
            asks.collect::<Vec<_>>()
        };
        let asked: BTreeSet<_> = outputs.flat_map(names).collect();
        assert!(asked.contains("CARGO_MANIFEST_DIR"), "ring asks for it: {asked:?}");
        let is_told = |name: &&String| name.starts_with("CARGO_") && env::var_os(name).is_some();
        let told: Vec<_> = asked.iter().filter(is_told).filter(|name| !is_about_package(name)).collect();
        assert!(told.is_empty(), "{told:?}");
    }
}
