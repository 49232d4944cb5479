//! Reads one table of a file key by key, and remembers everything that is wrong with it.
//!
//! A derived deserializer stops at the first mistake; an operator wants to see them all.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::bounds::follow_silence;
use super::diagnostic::{ConfigError, Diagnostic, Origin};
use super::duration;

/// How alike an unknown key and a known one must be for us to suggest it; 1.0 is equal.
const ALIKE: f64 = 0.8;

/// Whether a duration may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    /// It may, and turns the thing off.
    IsOff,
    /// It may not.
    IsWrong,
}

/// A value and the bytes it stands at.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<T> Found<T> {
    /// Puts the value into `slot`, and tells where it stood.
    pub(super) fn put(self, slot: &mut T) -> Range<usize> {
        *slot = self.value;
        self.span
    }
}

/// One table that is being read.
pub(super) struct Section<'i> {
    /// Its dotted name; empty for the whole file.
    name: String,
    left: DeTable<'i>,
    asked: Vec<&'static str>,
    /// Settings that were read, by their dotted names.
    found: Vec<(String, Range<usize>)>,
    diagnostics: Vec<Diagnostic>,
}

impl<'i> Section<'i> {
    pub(super) fn new(name: impl Into<String>, table: DeTable<'i>) -> Self {
        Self { name: name.into(), left: table, asked: Vec::new(), found: Vec::new(), diagnostics: Vec::new() }
    }

    /// Everything that was read and where it stands; and everything that is wrong, unknown keys among it.
    pub(super) fn finish(mut self) -> (Vec<(String, Range<usize>)>, Vec<Diagnostic>) {
        for (key, _) in std::mem::take(&mut self.left) {
            let name = key.get_ref().as_ref();
            let near = self.asked.iter().max_by(|a, b| alike(a, name).total_cmp(&alike(b, name)));
            let remedy = match near.filter(|near| alike(near, name) >= ALIKE) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it, or look the name up in the README".to_owned(),
            };
            let error = ConfigError::new("unknown setting", remedy);
            self.diagnostics.push(Diagnostic::new(Origin::File(key.span()), self.setting(name), error));
        }
        (self.found, self.diagnostics)
    }

    /// Notes that `key` was read from `span`.
    pub(super) fn found(&mut self, key: &str, span: Range<usize>) {
        let name = self.setting(key);
        self.found.push((name, span));
    }

    /// Where `key` stands, if it was read.
    pub(super) fn span_of(&self, key: &str) -> Option<Range<usize>> {
        let name = self.setting(key);
        self.found.iter().find(|(found, _)| *found == name).map(|(_, span)| span.clone())
    }

    /// Notes an error in `key` at `span`.
    pub(super) fn error(&mut self, key: &str, span: Range<usize>, error: ConfigError) {
        self.diagnostics.push(Diagnostic::new(Origin::File(span), self.setting(key), error));
    }

    /// Looks at `silence`, a window in which a peer is probed every `interval`, once both are read. If it was not given, it
    /// follows from the interval.
    pub(super) fn check_silence(&mut self, interval: Duration, silence: &mut Duration) {
        let Some(span) = self.span_of("silence") else {
            *silence = follow_silence(interval, *silence);
            return;
        };
        if *silence <= interval {
            let what = format!("is not longer than the interval of {} between probes", duration::format(interval));
            let remedy = format!("write at least {}", duration::format(follow_silence(interval, Duration::ZERO)));
            self.error("silence", span, ConfigError::new(what, remedy));
        }
    }

    /// Whether `key` is there and was not read yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// Notes if `key` is there beside `other`, where one of them says it all. Neither was read yet.
    pub(super) fn either(&mut self, key: &'static str, other: &str) {
        let span = self.left.get(key).filter(|_| self.has(other)).map(Spanned::span);
        if let Some(span) = span {
            self.error(key, span, ConfigError::new(format!("sets the same as {other}"), "set only one of them"));
        }
    }

    /// The value of `key`, if it is there.
    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.asked.push(key);
        self.left.remove(key)
    }

    /// Reads a text with `parse`.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, ConfigError>,
    ) -> Option<Found<T>> {
        let value = self.take(key)?;
        self.read_text(key, &value, parse)
    }

    /// Reads a whole number within `range`.
    pub(super) fn number(&mut self, key: &'static str, range: &RangeInclusive<u32>) -> Option<Found<u32>> {
        let value = self.take(key)?;
        let number = value.get_ref().as_integer().map(|number| u32::from_str_radix(number.as_str(), number.radix()));
        let remedy = format!("write a whole number from {} to {}", range.start(), range.end());
        match number {
            Some(Ok(number)) if range.contains(&number) => return Some(Found { value: number, span: value.span() }),
            Some(_) => self.error(key, value.span(), ConfigError::new("is out of range", remedy)),
            None => self.wrong_type(key, &value, &remedy),
        }
        None
    }

    /// Reads `true` or `false`.
    pub(super) fn switch(&mut self, key: &'static str) -> Option<Found<bool>> {
        let value = self.take(key)?;
        let on = value.get_ref().as_bool();
        if on.is_none() {
            self.wrong_type(key, &value, "write true or false");
        }
        on.map(|on| Found { value: on, span: value.span() })
    }

    /// The table `key`, if it is there.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Section<'i>> {
        let name = self.setting(key);
        let value = self.take(key)?;
        if value.get_ref().is_table() {
            self.found(key, value.span());
        } else {
            self.wrong_type(key, &value, &format!("write it as a table: [{name}]"));
        }
        let DeValue::Table(table) = value.into_inner() else { return None };
        Some(Section::new(name, table))
    }

    /// The tables of the array `key`, each with where it begins.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Found<Section<'i>>> {
        let name = self.setting(key);
        let Some(value) = self.take(key) else { return Vec::new() };
        let remedy = format!("write it as tables: [[{name}]]");
        if !value.get_ref().is_array() {
            self.wrong_type(key, &value, &remedy);
        }
        let DeValue::Array(items) = value.into_inner() else { return Vec::new() };
        let mut tables = Vec::new();
        for item in items {
            let span = item.span();
            if !item.get_ref().is_table() {
                self.wrong_type(key, &item, &remedy);
            }
            if let DeValue::Table(table) = item.into_inner() {
                tables.push(Found { value: Section::new(name.clone(), table), span });
            }
        }
        tables
    }

    /// Reads a list of at most `max` texts, each with `add`. Returns where it stands.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        max: usize,
        mut add: impl FnMut(&str) -> Result<(), ConfigError>,
    ) -> Option<Range<usize>> {
        let value = self.take(key)?;
        let span = value.span();
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, &value, "write a list of strings: [\"…\", \"…\"]");
            return None;
        };
        if items.len() > max {
            let error = ConfigError::new(format!("has {} entries", items.len()), format!("write at most {max}"));
            self.error(key, span.clone(), error);
        }
        for item in items.iter().take(max) {
            self.read_text(key, item, &mut add);
        }
        Some(span)
    }

    /// The tables of a table whose keys are names of the operator's choice, each with its name and where it begins.
    pub(super) fn named_tables(&mut self) -> Vec<(String, Found<Section<'i>>)> {
        let mut tables = Vec::new();
        for (key, value) in std::mem::take(&mut self.left) {
            let (span, name) = (key.span(), key.into_inner().into_owned());
            let dotted = self.setting(&name);
            if !value.get_ref().is_table() {
                self.wrong_type(&name, &value, &format!("write it as a table: [{dotted}]"));
            }
            if let DeValue::Table(table) = value.into_inner() {
                tables.push((name, Found { value: Section::new(dotted, table), span }));
            }
        }
        tables
    }

    /// Every remaining key of a table whose keys are names of the operator's choice, each with a list of texts.
    pub(super) fn lists<T>(&mut self, parse: impl Fn(&str) -> Result<T, ConfigError>) -> Vec<(String, Found<Vec<T>>)> {
        let mut lists = Vec::new();
        for (key, value) in std::mem::take(&mut self.left) {
            let name = key.into_inner().into_owned();
            let span = value.span();
            let DeValue::Array(items) = value.get_ref() else {
                self.wrong_type(&name, &value, "write a list of strings: [\"…\", \"…\"]");
                continue;
            };
            if items.is_empty() {
                self.error(&name, span.clone(), ConfigError::new("is an empty list", "write at least one entry"));
            }
            let items = items.iter().filter_map(|item| self.read_text(&name, item, &parse));
            let items = items.map(|found| found.value).collect();
            self.found(&name, span.clone());
            lists.push((name, Found { value: items, span }));
        }
        lists
    }

    /// Takes over what was found in a table within this one.
    pub(super) fn absorb(&mut self, inner: Section<'_>) {
        let (found, diagnostics) = inner.finish();
        self.found.extend(found);
        self.diagnostics.extend(diagnostics);
    }

    fn read_text<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl FnOnce(&str) -> Result<T, ConfigError>,
    ) -> Option<Found<T>> {
        let span = value.span();
        match value.get_ref().as_str().map(parse) {
            Some(Ok(value)) => return Some(Found { value, span }),
            Some(Err(error)) => self.error(key, span, error),
            None => self.wrong_type(key, value, "write a string in quotes"),
        }
        None
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, remedy: &str) {
        let what = match value.get_ref().type_str() {
            kind @ ("integer" | "array") => format!("is an {kind}"),
            kind => format!("is a {kind}"),
        };
        self.error(key, value.span(), ConfigError::new(what, remedy));
    }

    fn setting(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

pub(super) fn nonzero(duration: Duration, zero: Zero) -> Result<Duration, ConfigError> {
    if duration.is_zero() && zero == Zero::IsWrong {
        return Err(ConfigError::new("must not be zero", "write for example 1s"));
    }
    Ok(duration)
}

fn alike(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}
