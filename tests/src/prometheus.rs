//! Reads Prometheus' text format, version 0.0.4, and forgives nothing.

use std::collections::BTreeMap;

/// What a page says.
#[derive(Debug, Default)]
pub struct Metrics {
    families: BTreeMap<String, String>,
    samples: BTreeMap<String, u64>,
}

impl Metrics {
    /// Reads a page: each metric has a help and a type, in this order and before its samples, which stand together; each
    /// sample has a whole number and labels that are not the same as another's.
    ///
    /// # Panics
    /// If the page does not keep a rule; the message holds the line.
    #[must_use]
    pub fn parse(page: &str) -> Self {
        assert!(page.ends_with('\n'), "the last line has an end");
        let mut metrics = Self::default();
        let mut current = String::new();
        let mut lines = page.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(is_name(name) && !help.trim().is_empty(), "{line}");
                current = name.to_owned();
                let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
                let kind = kind.unwrap_or_else(|| panic!("no type behind: {line}")).to_owned();
                assert!(matches!(kind.as_str(), "counter" | "gauge"), "{kind} of {line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(metrics.families.insert(current.clone(), kind).is_none(), "a second family: {line}");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
                assert_eq!(name_and_labels(series).0, current, "outside of its family: {line}");
                let value = value.parse().unwrap_or_else(|_| panic!("no whole number: {line}"));
                assert!(metrics.samples.insert(series.to_owned(), value).is_none(), "a second time: {line}");
            }
        }
        metrics
    }

    /// The value of `series`, written as on the page.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn value(&self, series: &str) -> u64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.samples))
    }

    /// Every series.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(String::as_str)
    }
}

/// Splits a series and checks its parts.
fn name_and_labels(series: &str) -> (&str, Vec<(&str, &str)>) {
    let Some((name, labels)) = series.split_once('{') else {
        assert!(is_name(series), "{series}");
        return (series, Vec::new());
    };
    assert!(is_name(name), "{series}");
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("no closing brace: {series}"));
    let labels = labels.split(',').map(|label| {
        let (key, value) = label.split_once('=').unwrap_or_else(|| panic!("no label: {series}"));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.unwrap_or_else(|| panic!("no quotes: {series}"));
        assert!(is_name(key) && !key.starts_with("__"), "{series}");
        assert!(!value.contains(['"', '\\']), "our labels need no escapes: {series}");
        (key, value)
    });
    (name, labels.collect())
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}
