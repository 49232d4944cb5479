//! How a setting is declared: once, with everything that files, flags, the environment and documents need of it.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{ConfigError, Origin};
use super::duration;
use super::endpoint::parse_listen;
use super::section::{Section, Zero, nonzero};

/// The settings of one table of the file and of the tables within it.
pub(super) struct Declaration<S: 'static> {
    /// The table: `log`, `responder` or `initiator`.
    pub(super) name: &'static str,
    /// What the names of its flags begin with.
    pub(super) flag_prefix: &'static str,
    /// Its settings, in the order of documents. A flag that acts on what others set comes after them.
    pub(super) groups: &'static [Group<S>],
}

/// Settings that belong together, under one heading.
pub(super) struct Group<S: 'static> {
    /// The heading in `--help` and documents.
    pub(super) heading: &'static str,
    /// The table within the declaration's; empty for that table itself.
    pub(super) table: &'static str,
    /// Sentences about all of them; may be empty.
    pub(super) note: &'static str,
    /// Whether the table is there, and how to put it there, where that means something.
    pub(super) presence: Option<Presence<S>>,
    pub(super) settings: &'static [Setting<S>],
}

/// A table that means something by being there.
pub(super) struct Presence<S> {
    pub(super) is_there: fn(&S) -> bool,
    pub(super) put: fn(&mut S),
}

/// One setting.
pub(super) struct Setting<S: 'static> {
    /// Its key in the table.
    pub(super) key: &'static str,
    /// What it is.
    pub(super) sentence: &'static str,
    /// What applies without a value, where there may be none.
    pub(super) absent: &'static str,
    /// Whether there are a flag and an environment variable for it.
    pub(super) has_flag: bool,
    /// What the flag is called if not by the table and the key, without its dashes.
    pub(super) flag_name: Option<&'static str>,
    /// An environment variable that counts as well, unless ours is set.
    pub(super) variable: Option<&'static str>,
    pub(super) changes: Changes,
    pub(super) access: Access<S>,
}

/// Whether a setting can change while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// It is read when the process starts.
    AtStart,
    /// So is its value, the path of a file; what is in the file counts when that changes.
    Contents,
}

/// Of what type a setting is, and where its value is kept. The slots are asked for the default as well.
pub(super) enum Access<S: 'static> {
    Switch(fn(&mut S) -> &mut bool),
    Number(RangeInclusive<u32>, fn(&mut S) -> &mut u32),
    /// A number that may be absent.
    Count {
        range: RangeInclusive<u32>,
        example: u32,
        set: fn(&mut S, u32),
        get: fn(&S) -> Option<u32>,
    },
    Duration(Zero, fn(&mut S) -> &mut Duration),
    Listen(fn(&mut S) -> &mut SocketAddr),
    /// The path of such a file.
    File {
        what: &'static str,
        example: &'static str,
        slot: fn(&mut S) -> &mut Option<PathBuf>,
    },
    /// Everything else that is a string.
    Text {
        value_name: &'static str,
        example: &'static str,
        read: fn(&mut S, &str) -> Result<(), ConfigError>,
        show: fn(&S) -> Option<String>,
    },
    /// A list of strings; not as a flag.
    List {
        value_name: &'static str,
        example: &'static [&'static str],
        max: usize,
        add: fn(&mut S, &str) -> Result<(), ConfigError>,
        show: fn(&S) -> Vec<String>,
    },
    /// Not in the file: a flag that acts on other settings. It tells which, by their dotted keys within the declaration.
    Act {
        takes: Takes,
        value_name: &'static str,
        act: Act<S>,
    },
}

/// Acts on settings with the texts of a flag, which came from there.
pub(super) type Act<S> = fn(&mut S, &[&str], &Origin) -> Result<Vec<String>, ConfigError>;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing, or `=true` or `=false`.
    Switch,
    /// One value.
    One,
    /// One value each time that it is given; in its environment variable, values with spaces between them.
    Several,
}

impl<S> Setting<S> {
    /// A setting of the file.
    pub(super) const fn new(key: &'static str, access: Access<S>, sentence: &'static str) -> Self {
        Self {
            key,
            sentence,
            absent: "none",
            has_flag: false,
            flag_name: None,
            variable: None,
            changes: Changes::AtStart,
            access,
        }
    }

    /// The same with a flag and an environment variable.
    pub(super) const fn flag(key: &'static str, access: Access<S>, sentence: &'static str) -> Self {
        Self { has_flag: true, ..Self::new(key, access, sentence) }
    }

    /// What applies if it has no value.
    pub(super) const fn or(self, absent: &'static str) -> Self {
        Self { absent, ..self }
    }

    /// Names an environment variable that counts as well.
    pub(super) const fn or_variable(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }

    /// The file that it names is read again when it changes.
    pub(super) const fn read_again(self) -> Self {
        Self { changes: Changes::Contents, ..self }
    }

    /// Whether it may stand in a file.
    pub(super) const fn is_in_file(&self) -> bool {
        !matches!(self.access, Access::Act { .. })
    }

    /// Reads it from its table of a file in `folder`; what is wrong stays noted in `section`.
    pub(super) fn read(&self, section: &mut Section<'_>, settings: &mut S, folder: &Path) {
        let key = self.key;
        let span = match &self.access {
            Access::Switch(slot) => section.switch(key).map(|found| found.put(slot(settings))),
            Access::Number(range, slot) => section.number(key, range).map(|found| found.put(slot(settings))),
            Access::Count { range, set, .. } => section.number(key, range).map(|found| {
                set(settings, found.value);
                found.span
            }),
            Access::Duration(zero, slot) => {
                section.text(key, |text| parse_duration(text, *zero)).map(|found| found.put(slot(settings)))
            }
            Access::Listen(slot) => section.text(key, parse_listen).map(|found| found.put(slot(settings))),
            Access::File { what, slot, .. } => section.text(key, |text| parse_file(text.as_ref(), what)).map(|found| {
                *slot(settings) = Some(folder.join(found.value));
                found.span
            }),
            Access::Text { read, .. } => section.text(key, |text| read(settings, text)).map(|found| found.span),
            Access::List { max, add, .. } => section.texts(key, *max, |text| add(settings, text)),
            Access::Act { .. } => None,
        };
        if let Some(span) = span {
            section.found(key, span);
        }
    }

    /// Reads it from texts that came from `origin`: several for a flag that takes so many, or else one.
    ///
    /// # Errors
    /// If one of them is no legal value.
    fn apply(&self, settings: &mut S, texts: &[&OsStr], origin: &Origin) -> Result<Option<Vec<String>>, ConfigError> {
        let last = texts.last().copied().unwrap_or_default();
        match &self.access {
            Access::Switch(slot) => *slot(settings) = parse_switch(utf8(last)?)?,
            Access::Number(range, slot) => *slot(settings) = parse_number(utf8(last)?, range)?,
            Access::Count { range, set, .. } => set(settings, parse_number(utf8(last)?, range)?),
            Access::Duration(zero, slot) => *slot(settings) = parse_named_duration(utf8(last)?, *zero)?,
            Access::Listen(slot) => *slot(settings) = parse_listen(utf8(last)?)?,
            Access::File { what, slot, .. } => *slot(settings) = Some(parse_file(last, what)?),
            Access::Text { read, .. } => read(settings, utf8(last)?)?,
            Access::List { add, .. } => texts.iter().try_for_each(|text| add(settings, utf8(text)?))?,
            Access::Act { act, .. } => {
                let texts = texts.iter().map(|text| utf8(text)).collect::<Result<Vec<_>, _>>()?;
                return act(settings, &texts, origin).map(Some);
            }
        }
        Ok(None)
    }

    /// Its value as it is written in a file, if it has one. The settings are a copy: a slot may put a table there.
    pub(super) fn show(&self, copy: &mut S) -> Option<String> {
        match &self.access {
            Access::Switch(slot) => Some(slot(copy).to_string()),
            Access::Number(_, slot) => Some(grouped(*slot(copy))),
            Access::Count { get, .. } => get(copy).map(grouped),
            Access::Duration(_, slot) => Some(quoted(&duration::format(*slot(copy)))),
            Access::Listen(slot) => Some(quoted(&slot(copy).to_string())),
            Access::File { slot, .. } => slot(copy).as_ref().map(|path| quoted(&path.to_string_lossy())),
            Access::Text { show, .. } => show(copy).map(|text| quoted(&text)),
            Access::List { show, .. } => Some(show(copy)).filter(|texts| !texts.is_empty()).map(|texts| list(&texts)),
            Access::Act { .. } => None,
        }
    }

    /// A value that could stand in a file.
    pub(super) fn example(&self) -> Option<String> {
        match &self.access {
            Access::Count { example, .. } => Some(example.to_string()),
            Access::File { example, .. } | Access::Text { example, .. } => Some(quoted(example)),
            Access::List { example, .. } => Some(list(example)),
            Access::Switch(_) | Access::Number(..) | Access::Duration(..) | Access::Listen(_) | Access::Act { .. } => {
                None
            }
        }
    }
}

impl<S> Group<S> {
    /// Whether its table is there, or need not be.
    pub(super) fn is_there(&self, settings: &S) -> bool {
        self.presence.as_ref().is_none_or(|presence| (presence.is_there)(settings))
    }

    /// Puts its table there.
    pub(super) fn put(&self, settings: &mut S) {
        if let Some(presence) = &self.presence {
            (presence.put)(settings);
        }
    }

    /// The dotted name of a key within the declaration.
    pub(super) fn dotted(&self, key: &str) -> String {
        joined(".", &[self.table, key])
    }

    fn read(&self, section: &mut Section<'_>, settings: &mut S, folder: &Path) {
        for setting in self.settings {
            setting.read(section, settings, folder);
        }
    }
}

impl<S> Declaration<S> {
    /// Reads what a file in `folder` sets; what is wrong stays noted in `section`.
    pub(super) fn read(&self, section: &mut Section<'_>, settings: &mut S, folder: &Path) {
        for group in self.groups {
            if group.table.is_empty() {
                group.read(section, settings, folder);
            } else if let Some(mut table) = section.table(group.table) {
                group.put(settings);
                group.read(&mut table, settings, folder);
                section.absorb(table);
            }
        }
    }

    /// Reads one setting from elsewhere.
    ///
    /// # Errors
    /// If a text is no legal value. Otherwise the dotted names of the settings that this set.
    pub(super) fn apply(
        &self,
        group: &Group<S>,
        setting: &Setting<S>,
        settings: &mut S,
        texts: &[&OsStr],
        origin: &Origin,
    ) -> Result<Vec<String>, ConfigError> {
        let keys = setting.apply(settings, texts, origin)?;
        let keys = keys.unwrap_or_else(|| vec![group.dotted(setting.key)]);
        Ok(keys.iter().map(|key| joined(".", &[self.name, key])).collect())
    }

    /// All of `settings` that has not its default, as keys and values of TOML.
    pub(super) fn written(&self, settings: &S) -> Vec<(&'static str, String)>
    where
        S: Clone + Default,
    {
        let all = self.groups.iter().flat_map(|group| group.settings);
        let written = all.filter_map(|setting| {
            let value = setting.show(&mut settings.clone())?;
            (setting.show(&mut S::default()).as_ref() != Some(&value)).then_some((setting.key, value))
        });
        written.collect()
    }

    /// What the flag of a setting is called, without its dashes.
    pub(super) fn flag(&self, group: &Group<S>, setting: &Setting<S>) -> Option<String> {
        let name = || joined("_", &[self.flag_prefix, group.table, setting.key]).replace('_', "-");
        setting.has_flag.then(|| setting.flag_name.map_or_else(name, str::to_owned))
    }
}

/// A text as a string of TOML, on one line.
pub(super) fn quoted(text: &str) -> String {
    // The escapes of JSON are those of TOML, which wants one more.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// Texts as a list of TOML, on one line.
fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A number with its thousands apart, if it is a long one.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    if digits.len() <= 4 {
        return digits;
    }
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

fn joined(by: &str, parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(by)
}

fn utf8(text: &OsStr) -> Result<&str, ConfigError> {
    text.to_str().ok_or_else(|| ConfigError::new(format!("{text:?} is not UTF-8"), "write it in UTF-8"))
}

/// Reads `true` or `false`.
///
/// # Errors
/// If it is neither.
pub(super) fn parse_switch(text: &str) -> Result<bool, ConfigError> {
    text.parse().map_err(|_| ConfigError::new(format!("{text:?} is neither true nor false"), "write true or false"))
}

fn parse_number(text: &str, range: &RangeInclusive<u32>) -> Result<u32, ConfigError> {
    let remedy = || format!("write a whole number from {} to {}", range.start(), range.end());
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ConfigError::new(format!("{text:?} is not a whole number"), remedy()));
    }
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| ConfigError::new(format!("{text:?} is out of range"), remedy()))
}

fn parse_duration(text: &str, zero: Zero) -> Result<Duration, ConfigError> {
    nonzero(duration::parse(text)?, zero)
}

/// The same where no file shows what was written.
fn parse_named_duration(text: &str, zero: Zero) -> Result<Duration, ConfigError> {
    let duration = duration::parse(text)?;
    nonzero(duration, zero).map_err(|_| ConfigError::new(format!("{text:?} must not be zero"), "write for example 1s"))
}

fn parse_file(text: &OsStr, what: &str) -> Result<PathBuf, ConfigError> {
    match text.is_empty() {
        true => Err(ConfigError::new("is empty", format!("write the path of a {what}"))),
        false => Ok(text.into()),
    }
}
