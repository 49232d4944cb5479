//! `revtun config`: the settings in force, and where each of them comes from.

use std::io::{self, Write};

use revtun_program::config::{Diagnostic, End, InitiatorSettings, ResponderSettings, in_force};

use super::process::Loaded;
use crate::cli::Given;
use crate::error::CliError;

/// Prints what the process of `end` would run with, or of the ends that the file configures.
pub(super) fn run(end: Option<End>, given: &Given) -> Result<(), CliError> {
    let loaded = Loaded::read(given, end)?;
    let settings = &loaded.settings;
    let configured = [(End::Responder, settings.responder.is_some()), (End::Initiator, settings.initiator.is_some())];
    let configured = configured.into_iter().filter(|(_, is_there)| *is_there).map(|(end, _)| end);
    let ends: Vec<_> = end.map_or_else(|| configured.collect(), |end| vec![end]);
    if ends.is_empty() {
        return Err(CliError::user(
            "nothing to print; name responder or initiator, or give a file that configures one by --config",
        ));
    }
    // Whoever closed our standard output does not want to know.
    let _unread = io::stdout().write_all(in_force(settings, &ends, loaded.source()).as_bytes());
    let missing = |end: &End| match end {
        End::Responder => settings.responder.as_ref().map(ResponderSettings::missing),
        End::Initiator => settings.initiator.as_ref().map(InitiatorSettings::missing),
    };
    let missing: Vec<Diagnostic> = ends.iter().filter_map(missing).flatten().collect();
    loaded.check(&missing)
}
