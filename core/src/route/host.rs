//! Hosts of rules and of requests.

use alloc::boxed::Box;
use core::fmt;

/// The longest host of a rule, in bytes, as in DNS (RFC 1035 §2.3.4).
pub const MAX_HOST: usize = 255;

/// The hosts that a rule is for, in lower case and without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum HostPattern {
    Any,
    Exact(Box<str>),
    /// `*.` and this: any host that ends so, with at least one label before it.
    Suffix(Box<str>),
    /// This and `.*`: any host that begins so, with at least one label behind it.
    Prefix(Box<str>),
}

impl HostPattern {
    /// Reads a name, an address, `*.suffix`, `prefix.*` or `*`.
    pub(super) fn parse(text: &str) -> Result<Self, HostError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.len() > MAX_HOST {
            return Err(HostError::TooLong);
        }
        let lower = text.to_ascii_lowercase();
        let lower = lower.strip_suffix('.').unwrap_or(&lower);
        let (kind, host): (fn(Box<str>) -> Self, _) = match (lower.strip_prefix("*."), lower.strip_suffix(".*")) {
            (Some(suffix), _) => (Self::Suffix, suffix),
            (None, Some(prefix)) => (Self::Prefix, prefix),
            (None, None) => (Self::Exact, lower),
        };
        if host.contains('*') {
            return Err(HostError::Wildcard);
        }
        let has_empty_label = host.starts_with('.') || host.ends_with('.') || host.contains("..");
        if has_empty_label || !crate::http::is_host(host.as_bytes()) {
            return Err(HostError::Illegal);
        }
        if normalized(host.as_bytes()).len() != host.len() {
            return Err(HostError::Port);
        }
        Ok(kind(host.into()))
    }

    /// Whether its text is this, in whatever case.
    pub(super) fn is_text(&self, text: &[u8]) -> bool {
        match self {
            Self::Any => false,
            Self::Exact(own) | Self::Suffix(own) | Self::Prefix(own) => own.as_bytes().eq_ignore_ascii_case(text),
        }
    }

    /// Whether a [normalized] host fits.
    pub(super) fn fits(&self, host: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(_) => self.is_text(host),
            Self::Suffix(suffix) => {
                let dot = host.len().checked_sub(suffix.len() + 1).filter(|at| *at > 0 && host[*at] == b'.');
                dot.is_some_and(|dot| self.is_text(&host[dot + 1..]))
            }
            Self::Prefix(prefix) => {
                let rest = host.get(prefix.len()..).filter(|rest| rest.len() > 1 && rest[0] == b'.');
                rest.is_some() && self.is_text(&host[..prefix.len()])
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*.{suffix}"),
            Self::Prefix(prefix) => write!(f, "{prefix}.*"),
        }
    }
}

/// The host of a request without its port and without the dot at the end of a full name; empty if it is longer than any host may be.
pub(super) fn normalized(host: &[u8]) -> &[u8] {
    let end = match host {
        [b'[', ..] => host.iter().position(|byte| *byte == b']').map_or(host.len(), |end| end + 1),
        _ => host.iter().position(|byte| *byte == b':').unwrap_or(host.len()),
    };
    let host = &host[..end];
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host.len() > MAX_HOST { b"" } else { host }
}

/// Why a text is no host of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// It is longer than [`MAX_HOST`].
    TooLong,
    /// A `*` stands elsewhere than alone, as the first label or as the last one.
    Wildcard,
    /// It has a port, of which requests are not judged.
    Port,
    /// It is no name and no address.
    Illegal,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is longer than 255 bytes",
            Self::Wildcard => "has a * that is neither its first label, nor its last one, nor all of it",
            Self::Port => "has a port, but the port of a request does not count",
            Self::Illegal => "is no host",
        })
    }
}

impl core::error::Error for HostError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_for_any_host_is_the_text_of_none() {
        assert!(HostPattern::Any.fits(b"a") && !HostPattern::Any.is_text(b"a"));
        assert_eq!(normalized(&[b'a'; MAX_HOST + 1]), b"");
        assert_eq!(normalized(b"[::1"), b"[::1");
    }
}
