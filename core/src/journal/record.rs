//! The grammar of both formats: a tag, then named values.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use super::ParseError;

/// An event, effect, timer or machine's settings: a tag and named values, such as `Dial tunnel=0.0 host=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    tag: Cow<'static, str>,
    fields: Vec<(Cow<'static, str>, Value)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The name of a variant or a truth value: `Accepted`, `true`.
    Symbol(Cow<'static, str>),
    /// A count, or nanoseconds.
    Number(u128),
    /// A slot and its generation: `3.1`.
    Id(u32, u32),
    /// Text that a peer or an operator chose, in quotes.
    Text(String),
}

impl Record {
    pub(super) const fn new(tag: &'static str) -> Self {
        Self { tag: Cow::Borrowed(tag), fields: Vec::new() }
    }

    /// The name of the event, effect, timer or machine.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The value called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    pub(super) fn push(&mut self, name: &'static str, value: Value) {
        self.fields.push((Cow::Borrowed(name), value));
    }

    /// Appends another record: its tag becomes the value of `name`, its fields follow.
    pub(super) fn add(&mut self, name: &'static str, other: Self) {
        self.push(name, Value::Symbol(other.tag));
        self.fields.extend(other.fields);
    }

    /// The same record as the specification names it: by its timer, if it has one.
    pub(super) fn as_action(&self) -> Cow<'_, Self> {
        match self.fields.split_first() {
            Some(((name, Value::Symbol(timer)), rest)) if name == "timer" => {
                Cow::Owned(Self { tag: timer.clone(), fields: rest.to_vec() })
            }
            Some(_) | None => Cow::Borrowed(self),
        }
    }

    /// `[a |-> "Tag", name |-> value`, without the closing bracket.
    pub(super) fn write_tla_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[a |-> \"{}\"", self.tag)?;
        for (name, value) in &self.fields {
            write!(f, ", {name} |-> ")?;
            match value {
                Value::Symbol(symbol) if symbol == "true" => f.write_str("TRUE")?,
                Value::Symbol(symbol) if symbol == "false" => f.write_str("FALSE")?,
                Value::Symbol(symbol) => write!(f, "\"{symbol}\"")?,
                // TLC counts in 32 bits; what is larger is time, which the specification does not have.
                Value::Number(number) if i32::try_from(*number).is_err() => write!(f, "\"{number}\"")?,
                Value::Number(number) => write!(f, "{number}")?,
                // A slot is a name: numbers cannot be compared with what else stands where tunnels stand.
                Value::Id(slot, generation) => write!(f, "<<\"{slot}\", {generation}>>")?,
                Value::Text(text) => write_quoted(f, text)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tag)?;
        for (name, value) in &self.fields {
            write!(f, " {name}=")?;
            match value {
                Value::Symbol(symbol) => f.write_str(symbol)?,
                Value::Number(number) => write!(f, "{number}")?,
                Value::Id(slot, generation) => write!(f, "{slot}.{generation}")?,
                Value::Text(text) => write_quoted(f, text)?,
            }
        }
        Ok(())
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' | '\\' => write!(f, "\\{char}")?,
            control if control.is_control() => write!(f, "{}", control.escape_unicode())?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}

/// A line of the text format, read piece by piece.
pub(super) struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    pub(super) const fn new(line: &'a str) -> Self {
        Self(line)
    }

    /// Whether everything was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `name=123`.
    pub(super) fn number(&mut self, name: &'static str) -> Result<u64, ParseError> {
        match self.field()? {
            Some((found, Value::Number(number))) if found == name => u64::try_from(number).ok(),
            Some(_) | None => None,
        }
        .ok_or(ParseError { expected: "at=NANOSECONDS dice=NUMBER at the beginning" })
    }

    /// A tag and its fields.
    pub(super) fn record(&mut self) -> Result<Record, ParseError> {
        let tag = self.until_space();
        if tag.is_empty() || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ParseError { expected: "the name of an event or an effect" });
        }
        let mut fields = Vec::new();
        while let Some((name, value)) = self.field()? {
            fields.push((Cow::Owned(name.into()), value));
        }
        Ok(Record { tag: Cow::Owned(tag.into()), fields })
    }

    /// Whether the line goes on with `expected`; if it goes on with anything else, it is malformed.
    pub(super) fn separator(&mut self, expected: &'static str) -> Result<bool, ParseError> {
        if self.0.is_empty() {
            return Ok(false);
        }
        if self.until_space() == expected { Ok(true) } else { Err(ParseError { expected }) }
    }

    /// `name=value` if that comes next.
    fn field(&mut self) -> Result<Option<(&'a str, Value)>, ParseError> {
        let end = self.0.find([' ', '=']).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        let Some(value) = rest.strip_prefix('=') else { return Ok(None) };
        self.0 = value;
        let value = match value.strip_prefix('"') {
            Some(quoted) => Value::Text(self.text(quoted)?),
            None => plain(self.until_space()),
        };
        Ok(Some((name, value)))
    }

    /// The text whose opening quote is just before `quoted`.
    fn text(&mut self, quoted: &'a str) -> Result<String, ParseError> {
        const BROKEN: ParseError = ParseError { expected: "a text in quotes, with \\\", \\\\ and \\u{…} only" };
        let mut text = String::new();
        let mut chars = quoted.chars();
        loop {
            match chars.next().ok_or(BROKEN)? {
                '"' => break,
                '\\' => text.push(match chars.next().ok_or(BROKEN)? {
                    plain @ ('"' | '\\') => plain,
                    'u' => {
                        let (code, rest) =
                            chars.as_str().strip_prefix('{').and_then(|code| code.split_once('}')).ok_or(BROKEN)?;
                        chars = rest.chars();
                        u32::from_str_radix(code, 16).ok().and_then(char::from_u32).ok_or(BROKEN)?
                    }
                    _ => return Err(BROKEN),
                }),
                char => text.push(char),
            }
        }
        self.0 = chars.as_str();
        if self.until_space().is_empty() { Ok(text) } else { Err(BROKEN) }
    }

    /// Takes what comes before the next space, and the space.
    fn until_space(&mut self) -> &'a str {
        let (token, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        token
    }
}

/// What a value without quotes is.
fn plain(token: &str) -> Value {
    let id = |token: &str| {
        let (slot, generation) = token.split_once('.')?;
        Some(Value::Id(slot.parse().ok()?, generation.parse().ok()?))
    };
    let number = || token.parse().ok().map(Value::Number);
    number().or_else(|| id(token)).unwrap_or_else(|| Value::Symbol(Cow::Owned(token.into())))
}
