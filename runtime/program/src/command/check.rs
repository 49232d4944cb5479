//! `revtun check`: what is wrong with a file.

use std::io::{self, Write};

use super::process::File;
use crate::cli::Given;
use crate::error::CliError;
use crate::log;

/// Reads the file and judges it on its own, without flags; and then the files with certificates, keys and tokens.
pub(crate) fn run(given: &Given) -> Result<(), CliError> {
    let path = given.config().ok_or_else(|| CliError::user("no file to check; give --config FILE"))?;
    let file = File::read(&path)?;
    let missing = file.settings.missing();
    if !missing.is_empty() {
        return Err(CliError::diagnostics(&missing, Some(file.source())));
    }
    let unusable = file.settings.unusable();
    if !unusable.is_empty() {
        return Err(CliError::diagnostics(&unusable, Some(file.source())));
    }
    for warning in file.settings.warnings() {
        log::say(&format!("warning: {}", warning.render(Some(file.source()))));
    }
    // Whoever closed our standard output does not want to know.
    let _unread = writeln!(io::stdout(), "{}: ok, for {}", path.display(), file.commands());
    Ok(())
}
