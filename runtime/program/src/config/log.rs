//! The settings of the log: the table `[log]`.

use std::path::Path;

use strsim::jaro_winkler;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::diagnostic::ConfigError;
use super::section::Section;
use super::setting::{Access, Declaration, Group, Setting};

/// What is logged unless somebody says otherwise.
const DEFAULT_LEVEL: &str = "info";

/// How a level is written.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// How alike a word and a level are, at least, if the one may be the other misspelt.
const ALIKE: f64 = 0.7;

/// What an operator may set of the log.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a level, or directives such as `revtun=debug,info`. None means
    /// `info`.
    pub level: Option<String>,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Reads `human` or `json`.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(ConfigError::new(format!("{text:?} is not a log format"), "write human or json")),
        }
    }

    /// How it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

/// Every setting of the log.
pub(super) static DECLARATION: Declaration<LogSettings> = Declaration {
    name: "log",
    flag_prefix: "log",
    groups: &[Group {
        heading: "Log",
        table: "",
        note: "The log is written to standard error.",
        presence: None,
        settings: &[
            Setting::flag(
                "format",
                Access::<LogSettings>::Text {
                    value_name: "human|json",
                    example: "json",
                    read: |s, text| LogFormat::parse(text).map(|format| s.format = format),
                    show: |s| Some(s.format.as_str().to_owned()),
                },
                "The format of a line: human or json",
            ),
            Setting::flag(
                "level",
                Access::<LogSettings>::Text {
                    value_name: "LEVEL",
                    example: "info",
                    read: |s, text| parse_level(text).map(|level| s.level = Some(level)),
                    show: |s| Some(s.level().to_owned()),
                },
                "The level: error, warn, info, debug, trace, off, or directives such as revtun=debug,info",
            )
            .or_variable("RUST_LOG"),
        ],
    }],
};

impl LogSettings {
    /// Reads the table; what is wrong stays noted in `section`.
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Self {
        let mut settings = Self::default();
        DECLARATION.read(section, &mut settings, folder);
        settings
    }

    /// What is logged.
    #[must_use]
    pub fn level(&self) -> &str {
        self.level.as_deref().unwrap_or(DEFAULT_LEVEL)
    }
}

/// Reads what is logged: a level, or directives such as `revtun=debug,info`.
///
/// # Errors
/// If the text is neither. A word that is no level is not taken for the name of a module, of which all is logged: it is a
/// misspelt level.
fn parse_level(text: &str) -> Result<String, ConfigError> {
    let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    if let Some(word) = parts().map(level_of).find(|word| !is_level(word)) {
        return Err(no_level(word));
    }
    let directives = parts().collect::<Vec<_>>().join(",");
    match EnvFilter::builder().parse(&directives) {
        Ok(_) if !directives.is_empty() => Ok(directives),
        Ok(_) | Err(_) => Err(no_level(text)),
    }
}

/// What has to be a level in `part`, which is one, or a module and one behind `=`; or a span in brackets, whose level may be
/// missing.
fn level_of(part: &str) -> &str {
    match part.rsplit_once(']') {
        Some((_, rest)) => rest.strip_prefix('=').unwrap_or(LEVELS[0]),
        None => part.rsplit_once('=').map_or(part, |(_, level)| level),
    }
}

fn is_level(word: &str) -> bool {
    !word.is_empty() && word.parse::<LevelFilter>().is_ok()
}

fn no_level(text: &str) -> ConfigError {
    let alike = |level: &str| jaro_winkler(level, &text.to_lowercase());
    let near = LEVELS.into_iter().max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|level| alike(level) >= ALIKE);
    let remedy = near.map_or_else(
        || "write error, warn, info, debug or trace, or directives such as revtun=debug,info".to_owned(),
        |level| format!("did you mean {level}?"),
    );
    ConfigError::new(format!("{text:?} is not a log level"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_read() {
        for text in [
            "error",
            "warn",
            "INFO",
            "debug",
            "trace",
            "off",
            "revtun=debug,info",
            "info,h2=warn,hyper=off",
            "revtun=debug,",
            "revtun[initiator]=debug",
            "[initiator{address=a}]=trace,warn",
            "revtun::initiator=trace",
            "info, h2=warn",
        ] {
            assert_eq!(parse_level(text), Ok(text.replace(", ", ",").trim_end_matches(',').to_owned()));
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_a_mistake_wherever_it_stands() {
        for (text, told) in [
            ("warning", "\"warning\" is not a log level; did you mean warn?"),
            ("Warning", "\"Warning\" is not a log level; did you mean warn?"),
            ("err", "\"err\" is not a log level; did you mean error?"),
            ("revtun=warning", "\"warning\" is not a log level; did you mean warn?"),
            ("info,revtun=inf", "\"inf\" is not a log level; did you mean info?"),
            ("revtun[initiator]=debgu", "\"debgu\" is not a log level; did you mean debug?"),
            ("revtun", "\"revtun\" is not a log level; write error, warn,"),
            ("verbose,info", "\"verbose\" is not a log level; write error, warn,"),
            ("revtun=", "\"\" is not a log level; write error"),
            ("", "\"\" is not a log level; write error"),
            (" , ", "is not a log level; write error"),
        ] {
            let fault = parse_level(text).expect_err(text).to_string();
            assert!(fault.contains(told), "{text:?}: {fault}");
        }
    }
}
