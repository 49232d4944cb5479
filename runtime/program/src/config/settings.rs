//! Everything that an operator may set, and where each of it came from.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::bounds::follow_silence;
use super::diagnostic::{ConfigError, Diagnostic, Origin};
use super::initiator::InitiatorSettings;
use super::log::LogSettings;
use super::responder::ResponderSettings;
use super::section::Section;
use super::{initiator, responder};

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
    pub(super) origins: BTreeMap<String, Origin>,
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

    /// What should be mended about those files, although they can be used.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let of_responder = self.responder.iter().flat_map(ResponderSettings::warnings);
        of_responder.chain(self.initiator.iter().flat_map(InitiatorSettings::warnings)).collect()
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

    /// Gives settings that follow from others their values, once those are known.
    pub(super) fn follow(&mut self) {
        let origins = &mut self.origins;
        if let Some(responder) = &mut self.responder {
            let default = ResponderSettings::default().responder.core.silence;
            let core = &mut responder.responder.core;
            let of_file = |setting: &str| matches!(origins.get(setting), Some(Origin::File(_)));
            // An interval that is overridden may leave no room for the silence of the file.
            let stands = of_file("responder.silence") && core.silence > core.ping_interval;
            if !stands {
                core.silence = follow_silence(core.ping_interval, default);
                origins.remove("responder.silence");
                if core.silence != default {
                    origins.insert("responder.silence".to_owned(), Origin::Follows("ping_interval"));
                }
            }
            if let Some(threshold) = responder.ping_failure_threshold {
                responder.set_ping_failure_threshold(threshold);
                origins.insert("responder.echo_timeout".to_owned(), Origin::Follows("ping_failure_threshold"));
            }
        }
        if let Some(initiator) = &self.initiator
            && !origins.contains_key("initiator.silence")
            && initiator.core.silence != InitiatorSettings::default().core.silence
        {
            origins.insert("initiator.silence".to_owned(), Origin::Follows("probe_interval"));
        }
    }

    /// Where a setting came from, by its dotted name.
    #[must_use]
    pub fn origin(&self, setting: &str) -> Origin {
        self.origins.get(setting).cloned().unwrap_or(Origin::Absent)
    }
}

fn syntax_diagnostic(text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(text.len()..text.len());
    let what = error.message().lines().collect::<Vec<_>>().join(", ");
    Diagnostic::new(Origin::File(span), "", ConfigError::new(what, "correct the TOML here"))
}
