//! A line that the log itself has to say. It is made by hand: it must not go through the limits, and whether it could be
//! written has to be known.

use revtun_program::config::LogFormat;
use serde_json::{Map, Value};
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// A line of the log in the making.
pub(super) struct LogLine {
    level: Level,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl LogLine {
    /// A line of this level.
    pub(super) fn new(level: Level, message: impl Into<String>) -> Self {
        Self { level, message: message.into(), fields: Vec::new() }
    }

    /// An error.
    pub(super) fn error(message: &str) -> Self {
        Self::new(Level::ERROR, message)
    }

    /// The same with a field more.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The line as it is written, with its end; it looks like the others of that format.
    pub(super) fn render(self, format: LogFormat) -> Vec<u8> {
        let mut now = String::new();
        // Without a time it is a line still.
        let _no_time = SystemTime.format_time(&mut Writer::new(&mut now));
        let line = match format {
            LogFormat::Human => self.human(&now),
            LogFormat::Json => self.json(now).to_string(),
        };
        (line + "\n").into_bytes()
    }

    fn human(self, now: &str) -> String {
        let Self { level, message, fields } = self;
        let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{now} {level:>5} {}{fields}", message.escape_debug())
    }

    fn json(self, now: String) -> Value {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), now.into());
        line.insert("level".to_owned(), self.level.as_str().into());
        line.insert("message".to_owned(), self.message.into());
        line.extend(self.fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        line.insert("target".to_owned(), module_path!().into());
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_in_either_format() {
        let line = || LogLine::new(Level::WARN, "so\nit \"is\"").with("lines", 7).with("like", "a \"b\"");
        let human = String::from_utf8(line().render(LogFormat::Human)).expect("UTF-8");
        assert!(human.ends_with("Z  WARN so\\nit \\\"is\\\" lines=7 like=\"a \\\"b\\\"\"\n"), "{human}");
        let json = String::from_utf8(line().render(LogFormat::Json)).expect("UTF-8");
        let line: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json.matches('\n').count(), 1);
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"so\nit \"is\"".into()));
        assert_eq!((&line["lines"], &line["like"]), (&7.into(), &"a \"b\"".into()));
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{json}");
    }
}
