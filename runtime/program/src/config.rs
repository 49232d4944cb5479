//! What an operator may set: from a TOML file, and by flags on top of it.
//!
//! Every setting is declared once, in the table of its end: key, type, range, flag, one sentence, and the place that it
//! changes. The reader of files, the flags, the environment variables, `--help`, `revtun config` and the reference are made
//! from that. Defaults are those of the machines' own configurations. [`Settings::parse`] notes every mistake, not only the
//! first.

mod declared;
mod diagnostic;
pub mod duration;
mod endpoint;
mod files;
mod in_force;
mod initiator;
mod log;
mod reference;
mod responder;
mod section;
mod setting;
mod sources;
mod tls;
mod token;

pub use declared::{Declared, DeclaredGroup, declared, declared_log};
pub use diagnostic::{ConfigError, Diagnostic, Origin, Source};
use endpoint::{parse_endpoint, parse_service};
pub use initiator::{InitiatorSettings, Listener};
pub use log::{LogFormat, LogSettings};
pub use reference::{example, reference};
pub use responder::ResponderSettings;
pub use setting::Takes;
pub use sources::{End, Sources, variable_of};
pub use tls::{ClientTlsSettings, ServerTlsSettings};
pub use token::TokenSettings;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use revtun_core::handshake::HeaderNames;
use section::Section;
use toml::de::DeTable;

/// The most worker threads that can be asked for.
const MAX_THREADS: u32 = 1024;
/// The most streams on one tunnel that can be asked for.
const MAX_PER_TUNNEL: u32 = 100_000;
/// The most tunnels, handshakes or waiting callers that can be asked for.
const MAX_TABLE: u32 = 10_000_000;
/// The most intervals that a ping may stay unanswered.
const MAX_MISSES: u32 = 1000;
/// The least and the most bytes of a head, or before HTTP begins, that can be asked for.
const MIN_HEAD_BYTES: u32 = 1024;
const MAX_HEAD_BYTES: u32 = 1024 * 1024;
/// The least headers that can be asked for: those of a handshake, and some that proxies add.
const MIN_HEADERS: u32 = 16;
/// The most streams reset at once that can be asked for.
const MAX_RESETS: u32 = 10_000;
/// How long requests may go on after SIGTERM, unless an operator says otherwise.
const DRAIN_GRACE: Duration = Duration::from_secs(30);

/// Everything that a file can set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The table `[log]`.
    pub log: LogSettings,
    /// The table `[responder]`, if the file has one.
    pub responder: Option<ResponderSettings>,
    /// The table `[initiator]`, if the file has one.
    pub initiator: Option<InitiatorSettings>,
    /// Where each setting came from that has not its default, by dotted name.
    origins: BTreeMap<String, Origin>,
}

impl Settings {
    /// Reads a TOML file of the working directory.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        Self::parse_in(text, Path::new(""))
    }

    /// Reads a TOML file that lies in `folder`; the paths in it are relative to that.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse_in(text: &str, folder: &Path) -> Result<Self, Vec<Diagnostic>> {
        let (file, errors) = DeTable::parse_recoverable(text);
        // What was recovered from a broken file is not what its author meant: no word on the rest.
        if !errors.is_empty() {
            let mut diagnostics: Vec<_> = errors.iter().map(|error| syntax_diagnostic(text, error)).collect();
            diagnostics.sort_by_key(Diagnostic::position);
            return Err(diagnostics);
        }
        let mut root = Section::new("", file.into_inner());
        let mut settings = Self::read(&mut root, folder);
        let (found, mut diagnostics) = root.finish();
        settings.origins.extend(found.into_iter().map(|(setting, span)| (setting, Origin::File(span))));
        settings.follow();
        diagnostics.sort_by_key(Diagnostic::position);
        if diagnostics.is_empty() { Ok(settings) } else { Err(diagnostics) }
    }

    /// What is missing in a file that has to stand on its own, without flags.
    #[must_use]
    pub fn missing(&self) -> Vec<Diagnostic> {
        if self.responder.is_none() && self.initiator.is_none() {
            let error = ConfigError::new(
                "configures neither a responder nor an initiator",
                "write a table [responder] or [initiator]",
            );
            return vec![Diagnostic::new(Origin::Absent, "", error)];
        }
        let of_responder = self.responder.iter().flat_map(ResponderSettings::missing);
        of_responder.chain(self.initiator.iter().flat_map(InitiatorSettings::missing)).collect()
    }

    /// What is wrong with the files that are named here: certificates, keys and tokens.
    #[must_use]
    pub fn unusable(&self) -> Vec<Diagnostic> {
        let of_responder = self.responder.iter().flat_map(ResponderSettings::unusable);
        of_responder.chain(self.initiator.iter().flat_map(InitiatorSettings::unusable)).collect()
    }

    fn read(root: &mut Section<'_>, folder: &Path) -> Self {
        let mut settings = Self::default();
        if let Some(mut table) = root.table("log") {
            settings.log = LogSettings::read(&mut table, folder);
            root.absorb(table);
        }
        if let Some(mut table) = root.table("responder") {
            settings.responder = Some(responder::table::read(&mut table, folder));
            root.absorb(table);
        }
        if let Some(mut table) = root.table("initiator") {
            settings.initiator = Some(initiator::table::read(&mut table, folder));
            root.absorb(table);
        }
        settings
    }
}

fn parse_path(text: &str) -> Result<String, ConfigError> {
    if revtun_core::handshake::is_path(text) {
        return Ok(text.to_owned());
    }
    let remedy = "write a path that begins with /, at most 255 visible ASCII characters, no #";
    Err(ConfigError::new(format!("{text:?} is not a valid request path"), remedy))
}

fn parse_prefix(text: &str) -> Result<HeaderNames, ConfigError> {
    HeaderNames::with_prefix(text).ok_or_else(|| {
        let remedy = "write 1 to 64 letters, digits, - and _, such as x-envoy";
        ConfigError::new(format!("{text:?} is not a valid header name prefix"), remedy)
    })
}

fn parse_name(text: &str) -> Result<String, ConfigError> {
    let name = revtun_core::identity::ClusterId::new(text);
    name.map(|name| name.as_str().to_owned()).map_err(|error| {
        ConfigError::new(format!("{text:?} {error}"), "write 1 to 255 bytes without control characters")
    })
}

/// The liveness window that belongs to probes every `interval`: three of them and a second, so that one that is lost
/// and one that is late do no harm; `current` if that is longer.
fn follow_silence(interval: Duration, current: Duration) -> Duration {
    (interval * 3 + Duration::from_secs(1)).max(current)
}

fn syntax_diagnostic(text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(text.len()..text.len());
    let what = error.message().lines().collect::<Vec<_>>().join(", ");
    Diagnostic::new(Origin::File(span), "", ConfigError::new(what, "correct the TOML here"))
}
