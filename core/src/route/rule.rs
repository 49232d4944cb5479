//! One rule: the conditions that a request has to meet.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use super::host::{HostError, HostPattern, normalized};
use super::{Head, path_of};

/// The longest path of a rule, in bytes.
pub const MAX_PATH: usize = 1024;

/// The longest method or condition of a header, in bytes, and the most of each in a rule.
pub const MAX_TEXT: usize = 1024;

/// The most methods, and the most headers, of one rule.
const MAX_CONDITIONS: usize = 16;

/// Conditions on a request; all of them have to be met.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    pub(super) host: HostPattern,
    /// Whole segments, each with its slash; empty for any path.
    pub(super) path: Box<str>,
    methods: Vec<Box<str>>,
    headers: Vec<HeaderMatch>,
}

/// A condition on a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct HeaderMatch {
    /// In lower case.
    name: Box<str>,
    value: ValueMatch,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ValueMatch {
    Present,
    Exact(Box<str>),
    Prefix(Box<str>),
}

impl Rule {
    /// Without conditions: every request matches.
    #[must_use]
    pub fn any() -> Self {
        Self { host: HostPattern::Any, path: Box::default(), methods: Vec::new(), headers: Vec::new() }
    }

    /// For this host: a name or an address, `*.suffix` or `prefix.*` for one or more labels in place of the `*`, or `*` for any.
    /// Case, a port of the request and a dot at its end do not count.
    ///
    /// # Errors
    /// If the text is none of these.
    pub fn with_host(mut self, text: &str) -> Result<Self, HostError> {
        self.host = HostPattern::parse(text)?;
        Ok(self)
    }

    /// For paths that are this one or lie below it: `/a` is for `/a`, `/a/` and `/a/b?c`, but not for `/ab`. Slashes at the end do
    /// not count. Paths are compared as they are written, without decoding.
    ///
    /// # Errors
    /// If the text is no path.
    pub fn with_path(mut self, text: &str) -> Result<Self, PathError> {
        let path = text.trim_end_matches('/');
        if text.is_empty() || !text.starts_with('/') {
            return Err(PathError::NoSlash);
        }
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'#')) {
            return Err(PathError::Illegal);
        }
        self.path = path.into();
        Ok(self)
    }

    /// For this method; called again, for that one as well.
    ///
    /// # Errors
    /// If the text is no token (RFC 9110 §5.6.2) in capitals, or there are too many.
    pub fn with_method(mut self, text: &str) -> Result<Self, MethodError> {
        let is_legal = |byte: u8| is_token(byte) && !byte.is_ascii_lowercase();
        if text.is_empty() || text.len() > MAX_TEXT || !text.bytes().all(is_legal) {
            return Err(MethodError::Illegal);
        }
        if self.methods.len() == MAX_CONDITIONS {
            return Err(MethodError::TooMany);
        }
        self.methods.push(text.into());
        Ok(self)
    }

    /// For requests with this header: `name` alone, `name: value`, or `name: value*` for values that begin so. Called again,
    /// for requests that have both.
    ///
    /// # Errors
    /// If the text is none of these, or there are too many.
    pub fn with_header(mut self, text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value.trim_ascii())));
        let is_value = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if name.is_empty() || text.len() > MAX_TEXT || !name.bytes().all(is_token) {
            return Err(HeaderError::Name);
        }
        if value.is_some_and(|value| !value.bytes().all(is_value)) {
            return Err(HeaderError::Value);
        }
        if self.headers.len() == MAX_CONDITIONS {
            return Err(HeaderError::TooMany);
        }
        let value = match value {
            None => ValueMatch::Present,
            Some(value) => match value.strip_suffix('*') {
                Some("") => ValueMatch::Present,
                Some(prefix) => ValueMatch::Prefix(prefix.into()),
                None => ValueMatch::Exact(value.into()),
            },
        };
        self.headers.push(HeaderMatch { name: name.to_ascii_lowercase().into(), value });
        Ok(self)
    }

    /// Which condition a request does not meet; none if it meets them all.
    #[must_use]
    pub fn mismatch(&self, head: &impl Head) -> Option<Mismatch> {
        if !self.host.fits(normalized(head.host())) {
            return Some(Mismatch::Host);
        }
        let path = path_of(head.path());
        let rest = path.strip_prefix(self.path.as_bytes());
        if !rest.is_some_and(|rest| self.path.is_empty() || rest.is_empty() || rest[0] == b'/') {
            return Some(Mismatch::Path);
        }
        if !self.meets_method(head) {
            return Some(Mismatch::Method);
        }
        (!self.meets_headers(head)).then_some(Mismatch::Header)
    }

    /// Whether it has no condition at all.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::any()
    }

    /// How many conditions it has besides host and path.
    pub(super) fn conditions(&self) -> usize {
        usize::from(!self.methods.is_empty()) + self.headers.len()
    }

    pub(super) fn meets_conditions(&self, head: &impl Head) -> bool {
        self.meets_method(head) && self.meets_headers(head)
    }

    fn meets_method(&self, head: &impl Head) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|method| method.as_bytes() == head.method())
    }

    fn meets_headers(&self, head: &impl Head) -> bool {
        let mut headers = self.headers.iter();
        headers.all(|header| head.any_header(&header.name, &mut |value| header.value.fits(value)))
    }

    /// Whether every request that this rule matches meets the conditions of `other`, which has the same host and path.
    pub(super) fn implies(&self, other: &Self) -> bool {
        let of_methods = other.methods.is_empty()
            || (!self.methods.is_empty() && self.methods.iter().all(|method| other.methods.contains(method)));
        of_methods
            && other.headers.iter().all(|wanted| {
                let same = self.headers.iter().filter(|own| own.name == wanted.name);
                same.into_iter().any(|own| own.value.implies(&wanted.value))
            })
    }
}

impl ValueMatch {
    fn fits(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text) => text.as_bytes() == value,
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
        }
    }

    fn implies(&self, other: &Self) -> bool {
        match self {
            Self::Present => *other == Self::Present,
            Self::Exact(text) => other.fits(text.as_bytes()),
            Self::Prefix(text) => !matches!(other, Self::Exact(_)) && other.fits(text.as_bytes()),
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `host/path`, and behind it the further conditions: `*.example.com/api method GET,HEAD header x-env: dev`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}{}", self.host, if self.path.is_empty() { "/" } else { &self.path });
        if !self.methods.is_empty() {
            text += &format!(" method {}", self.methods.join(","));
        }
        for HeaderMatch { name, value } in &self.headers {
            text += &match value {
                ValueMatch::Present => format!(" header {name}"),
                ValueMatch::Exact(value) => format!(" header {name}: {value}"),
                ValueMatch::Prefix(value) => format!(" header {name}: {value}*"),
            };
        }
        f.write_str(&text)
    }
}

/// The first condition that a request does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Its host.
    Host,
    /// Its path.
    Path,
    /// Its method.
    Method,
    /// A header.
    Header,
}

impl Mismatch {
    /// What differs, in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Path => "path",
            Self::Method => "method",
            Self::Header => "header",
        }
    }
}

/// Why a text is no path of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with a slash.
    NoSlash,
    /// It is longer than [`MAX_PATH`].
    TooLong,
    /// It has a query, a fragment, or something other than visible ASCII characters.
    Illegal,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "does not begin with a slash",
            Self::TooLong => "is longer than 1024 bytes",
            Self::Illegal => "has a ?, a #, or something other than visible ASCII characters",
        })
    }
}

impl core::error::Error for PathError {}

/// Why a text is no method of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodError {
    /// It is no method, or has small letters.
    Illegal,
    /// There are more than 16.
    TooMany,
}

impl fmt::Display for MethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Illegal => "is no method in capitals",
            Self::TooMany => "is one method too many; a route has 16 at most",
        })
    }
}

impl core::error::Error for MethodError {}

/// Why a text is no condition on a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// It does not begin with the name of a header, or is longer than [`MAX_TEXT`].
    Name,
    /// Its value has something other than visible ASCII characters and spaces.
    Value,
    /// There are more than 16.
    TooMany,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "does not begin with the name of a header, or is longer than 1024 bytes",
            Self::Value => "has a value with something other than visible ASCII characters",
            Self::TooMany => "is one header too many; a route has 16 at most",
        })
    }
}

impl core::error::Error for HeaderError {}
