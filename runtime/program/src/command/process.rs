//! What the processes of both ends have in common: settings, threads, and the lines on standard output.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use revtun::world::Tokio;
use revtun_program::admin::{self, Admin, AdminConfig, Subject};
use revtun_program::config::{Diagnostic, End, ProcessSettings, Settings, Source, override_by};
use tokio::runtime::Builder;

use crate::cli::Given;
use crate::error::CliError;
use crate::log::Logged;

/// The limit of file descriptors that most systems set, for one that does not tell.
const USUAL_DESCRIPTORS: u64 = 1024;

/// A configuration file that is sound, as far as it goes.
pub(super) struct File {
    path: PathBuf,
    text: String,
    /// What it sets.
    pub(super) settings: Settings,
}

impl File {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::user(format!("cannot read {}: {error}; give the path of a TOML file", path.display()))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let settings = Settings::parse_in(&text, folder)
            .map_err(|diagnostics| CliError::diagnostics(&diagnostics, Some(Source { path, text: &text })))?;
        Ok(Self { path: path.to_owned(), text, settings })
    }

    /// The commands that it is for.
    pub(super) fn commands(&self) -> String {
        let commands: Vec<_> = self.ends().into_iter().map(|end| format!("revtun {}", end.name())).collect();
        commands.join(" and ")
    }

    fn ends(&self) -> Vec<End> {
        let Settings { responder, initiator, .. } = &self.settings;
        let there = [(End::Responder, responder.is_some()), (End::Initiator, initiator.is_some())];
        there.into_iter().filter(|(_, is_there)| *is_there).map(|(end, _)| end).collect()
    }

    /// A file for the other end was given by mistake.
    fn check_end(&self, end: End) -> Result<(), CliError> {
        match self.ends()[..] {
            [other] if other != end => {
                let (path, other, end) = (self.path.display(), other.name(), end.name());
                Err(CliError::user(format!(
                    "{path} configures the {other}, not the {end}: it has a table [{other}] and no table [{end}]; run `revtun {other} --config {path}`, or give the {end}'s file"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Where the settings came from, to say where mistakes in them are.
    pub(super) fn source(&self) -> Source<'_> {
        Source { path: &self.path, text: &self.text }
    }
}

/// What a process runs with: the defaults, the file, the environment and the flags, each over those before it.
pub(crate) struct Loaded {
    pub(super) settings: Settings,
    file: Option<File>,
}

impl Loaded {
    /// Reads everything that `end` is set by; of no end, the log alone beside the file.
    pub(super) fn read(given: &Given, end: Option<End>) -> Result<Self, CliError> {
        let file = given.config().map(|path| File::read(&path)).transpose()?;
        if let (Some(file), Some(end)) = (&file, end) {
            file.check_end(end)?;
        }
        let mut settings = file.as_ref().map(|file| file.settings.clone()).unwrap_or_default();
        let overridden = given.with_sources(|sources| override_by(&mut settings, sources, end));
        let source = file.as_ref().map(File::source);
        overridden.map_err(|diagnostics| CliError::diagnostics(&diagnostics, source))?;
        Ok(Self { settings, file })
    }

    /// The file, to say where mistakes in it are.
    pub(super) fn source(&self) -> Option<Source<'_>> {
        self.file.as_ref().map(File::source)
    }

    /// Says that something is missing or does not fit together, if so.
    pub(super) fn check(&self, missing: &[Diagnostic]) -> Result<(), CliError> {
        if missing.is_empty() { Ok(()) } else { Err(CliError::diagnostics(missing, self.source())) }
    }
}

/// Raises the limit of file descriptors as far as the system lets us; returns it.
pub(super) fn raise_descriptor_limit() -> u32 {
    let raised = rlimit::increase_nofile_limit(u64::MAX);
    let limit = raised.or_else(|error| {
        tracing::warn!(%error, "cannot raise the limit of file descriptors");
        rlimit::Resource::NOFILE.get_soft()
    });
    u32::try_from(limit.unwrap_or(USUAL_DESCRIPTORS)).unwrap_or(u32::MAX)
}

/// Starts the admin listener, for so many connections.
pub(super) async fn start_admin(
    world: &Tokio,
    settings: &ProcessSettings,
    connections: u32,
    subject: impl Subject,
) -> Result<Admin, CliError> {
    let mut config = AdminConfig::at(settings.admin_listen);
    config.hosts.clone_from(&settings.admin_hosts);
    config.max_connections = connections;
    let admin = admin::start(world, config, Logged(subject)).await;
    admin.map_err(|error| unbound(&error, error.kind()))
}

/// Runs `process` on `threads` workers, one per processor by default.
pub(super) fn on_threads(
    threads: Option<NonZeroUsize>,
    process: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    let mut scheduler = scheduler(threads.or_else(|| thread::available_parallelism().ok()));
    let runtime = scheduler
        .enable_all()
        .build()
        .map_err(|error| CliError::own(format!("cannot start the worker threads: {error}")))?;
    let outcome = runtime.block_on(process);
    // Whatever still runs has been told to end or does not matter; a name lookup must not hold the process up.
    runtime.shutdown_background();
    outcome
}

/// One thread needs no second one to wait for it, no queue that others may steal from, and no wake-up across threads.
fn scheduler(threads: Option<NonZeroUsize>) -> Builder {
    match threads.map_or(1, NonZeroUsize::get) {
        1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    }
}

/// Prints where a listener is bound, for scripts that let the system pick ports.
pub(super) fn announce(listener: &str, at: SocketAddr) {
    // Whoever closed our standard output does not want to know.
    let _unread = writeln!(io::stdout(), "{listener} listener on {at}");
}

/// What to tell when a listener cannot be bound, for a reason of such a kind. `error` names the address.
pub(super) fn unbound(error: &dyn Display, kind: io::ErrorKind) -> CliError {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    if kind == AddrInUse {
        CliError::user(format!("{error}; choose another port, or stop what listens there"))
    } else if matches!(kind, AddrNotAvailable | PermissionDenied) {
        CliError::user(format!("{error}; choose an address of this machine that you may listen on"))
    } else {
        CliError::own(error)
    }
}
