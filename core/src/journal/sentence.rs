//! The grammar of both forms: a word, then named values.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use super::Malformed;

/// An event, an effect or a timer as words: `Dial tunnel=0.0 host=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    word: Cow<'static, str>,
    fields: Vec<(Cow<'static, str>, Value)>,
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// One of a few: `Accepted`, `true`.
    Word(Cow<'static, str>),
    /// A count, or nanoseconds.
    Number(u128),
    /// A slot and its generation: `3.1`.
    Id(u32, u32),
    /// Anybody's text, in quotes.
    Text(String),
}

impl Sentence {
    pub(super) const fn new(word: &'static str) -> Self {
        Self { word: Cow::Borrowed(word), fields: Vec::new() }
    }

    /// What it is about: the name of an event, effect or timer.
    #[must_use]
    pub fn word(&self) -> &str {
        &self.word
    }

    /// The value called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    pub(super) fn push(&mut self, name: &'static str, value: Value) {
        self.fields.push((Cow::Borrowed(name), value));
    }

    /// Takes in another sentence: its word becomes the value of `name`, its fields follow.
    pub(super) fn add(&mut self, name: &'static str, other: Self) {
        self.push(name, Value::Word(other.word));
        self.fields.extend(other.fields);
    }

    /// The same sentence as the specification names it: by its timer, if it has one.
    pub(super) fn as_action(&self) -> Cow<'_, Self> {
        match self.fields.split_first() {
            Some(((name, Value::Word(timer)), rest)) if name == "timer" => {
                Cow::Owned(Self { word: timer.clone(), fields: rest.to_vec() })
            }
            Some(_) | None => Cow::Borrowed(self),
        }
    }

    /// `[a |-> "Word", name |-> value`, without the closing bracket.
    pub(super) fn write_tla_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[a |-> \"{}\"", self.word)?;
        for (name, value) in &self.fields {
            write!(f, ", {name} |-> ")?;
            match value {
                Value::Word(word) if word == "true" => f.write_str("TRUE")?,
                Value::Word(word) if word == "false" => f.write_str("FALSE")?,
                Value::Word(word) => write!(f, "\"{word}\"")?,
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

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)?;
        for (name, value) in &self.fields {
            write!(f, " {name}=")?;
            match value {
                Value::Word(word) => f.write_str(word)?,
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

/// A line of the text form, read piece by piece.
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
    pub(super) fn number(&mut self, name: &'static str) -> Result<u64, Malformed> {
        match self.field()? {
            Some((found, Value::Number(number))) if found == name => u64::try_from(number).ok(),
            Some(_) | None => None,
        }
        .ok_or(Malformed { expected: "at=NANOSECONDS dice=NUMBER at the beginning" })
    }

    /// A word and the fields behind it.
    pub(super) fn sentence(&mut self) -> Result<Sentence, Malformed> {
        let word = self.until_space();
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Malformed { expected: "the name of an event or an effect" });
        }
        let mut fields = Vec::new();
        while let Some((name, value)) = self.field()? {
            fields.push((Cow::Owned(name.into()), value));
        }
        Ok(Sentence { word: Cow::Owned(word.into()), fields })
    }

    /// Whether the line goes on with `word`; if it goes on with anything else, it is malformed.
    pub(super) fn conjunction(&mut self, word: &'static str) -> Result<bool, Malformed> {
        if self.0.is_empty() {
            return Ok(false);
        }
        if self.until_space() == word { Ok(true) } else { Err(Malformed { expected: word }) }
    }

    /// `name=value` if that comes next.
    fn field(&mut self) -> Result<Option<(&'a str, Value)>, Malformed> {
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
    fn text(&mut self, quoted: &'a str) -> Result<String, Malformed> {
        const BROKEN: Malformed = Malformed { expected: "a text in quotes, with \\\", \\\\ and \\u{…} only" };
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
    number().or_else(|| id(token)).unwrap_or_else(|| Value::Word(Cow::Owned(token.into())))
}
