//! What an operator may set: from a TOML file, and by flags on top of it.
//!
//! Every key stands once, in the `read` function of its table, beside the setting that it changes; defaults are those
//! of the machines' own configurations. [`Settings::parse`] notes every mistake, not only the first.

mod diagnostic;
pub mod duration;
mod endpoint;
mod files;
mod initiator;
mod log;
mod responder;
mod section;
mod tls;
mod token;

pub use diagnostic::{ConfigError, Diagnostic, Origin, Source};
pub use endpoint::{parse_endpoint, parse_listen, parse_service};
pub use initiator::{InitiatorSettings, Listener, parse_address, parse_upstream};
pub use log::{LogFormat, LogSettings, parse_level};
pub use responder::ResponderSettings;
pub use tls::{ClientTlsSettings, ServerTlsSettings, parse_extent, parse_identity, parse_server_name};
pub use token::{TokenSettings, parse_claim, parse_claims};

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use revtun_core::handshake::HeaderNames;
use section::{Section, Zero};
use toml::de::DeTable;

use revtun::http::HttpLimits;

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
}

impl Settings {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let (file, errors) = DeTable::parse_recoverable(text);
        // What was recovered from a broken file is not what its author meant: no word on the rest.
        if !errors.is_empty() {
            let mut diagnostics: Vec<_> = errors.iter().map(|error| syntax_diagnostic(text, error)).collect();
            diagnostics.sort_by_key(Diagnostic::position);
            return Err(diagnostics);
        }
        let mut root = Section::new("", file.into_inner());
        let settings = Self::read(&mut root);
        let mut diagnostics = root.finish();
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

    fn read(root: &mut Section<'_>) -> Self {
        let mut settings = Self::default();
        if let Some(mut table) = root.table("log") {
            settings.log = LogSettings::read(&mut table);
            root.absorb(table);
        }
        if let Some(mut table) = root.table("responder") {
            settings.responder = Some(ResponderSettings::read(&mut table));
            root.absorb(table);
        }
        if let Some(mut table) = root.table("initiator") {
            settings.initiator = Some(InitiatorSettings::read(&mut table));
            root.absorb(table);
        }
        settings
    }
}

fn read_http(section: &mut Section<'_>, limits: &mut HttpLimits) {
    section.number("max_header_bytes", MIN_HEAD_BYTES..=MAX_HEAD_BYTES, &mut limits.header_bytes);
    section.number("max_pending_resets", 1..=MAX_RESETS, &mut limits.pending_resets);
    section.duration("body_timeout", Zero::IsOff, &mut limits.body_timeout);
}

/// Reads how many intervals between pings one may stay unanswered.
///
/// # Errors
/// If it is no number, zero or too large.
pub fn parse_threshold(text: &str) -> Result<u32, ConfigError> {
    let number = text.parse().ok().filter(|number| (1..=MAX_MISSES).contains(number));
    number.ok_or_else(|| {
        ConfigError::new(
            format!("{text:?} is not a valid threshold"),
            format!("write a whole number from 1 to {MAX_MISSES}"),
        )
    })
}

/// Reads a number of worker threads.
///
/// # Errors
/// If it is no number, zero or too large.
pub fn parse_threads(text: &str) -> Result<NonZeroUsize, ConfigError> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MAX_THREADS as usize);
    number.ok_or_else(|| {
        ConfigError::new(
            format!("{text:?} is not a valid number of threads"),
            format!("write a whole number from 1 to {MAX_THREADS}"),
        )
    })
}

/// Reads a ping interval: a duration that is not zero.
///
/// # Errors
/// If it is anything else.
pub fn parse_interval(text: &str) -> Result<Duration, ConfigError> {
    section::nonzero(duration::parse(text)?, Zero::IsWrong)
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

fn parse_journal(text: &str) -> Result<PathBuf, ConfigError> {
    if text.is_empty() { Err(ConfigError::new("is empty", "write the path of a file")) } else { Ok(text.into()) }
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
