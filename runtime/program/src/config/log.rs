//! The settings of the log: the table `[log]`.

use super::ConfigError;
use super::section::Section;

/// What an operator may set of the log.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a level, or directives such as `revtun=debug,info`. None means `RUST_LOG`, and without that
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
}

impl LogSettings {
    /// Reads the table; what is wrong stays noted in `section`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            format: section.text("format", LogFormat::parse).map_or(LogFormat::Human, |found| found.value),
            level: section.text("level", parse_level).map(|found| found.value),
        }
    }
}

/// Reads what is logged: a level, or directives such as `revtun=debug,info`.
///
/// # Errors
/// If the text is neither.
pub fn parse_level(text: &str) -> Result<String, ConfigError> {
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(ConfigError::new(
            format!("{text:?} is not a log level"),
            "write error, warn, info, debug or trace, or directives such as revtun=debug,info",
        )),
    }
}
