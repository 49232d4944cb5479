//! Which protocols a request may switch to: the tokens of `upgrade` in HTTP/1.1 (RFC 9110 §7.8), of `:protocol` in HTTP/2
//! (RFC 8441 §4), which are the same.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// WebSocket (RFC 6455, RFC 8441).
pub const WEBSOCKET: &str = "websocket";

/// UDP (RFC 9298).
pub const CONNECT_UDP: &str = "connect-udp";

/// The longest name of a protocol, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// A list of protocols by name. The order of names does not matter, nor do upper and lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upgrades(Box<[String]>);

/// A text that is no list of protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpgradesError {
    /// A name is empty, too long, or no token of HTTP.
    Name,
    /// `h2c`, which is no stream of bytes, or `connect-udp`, which has a list of its own.
    Reserved,
}

impl Upgrades {
    /// No protocol.
    #[must_use]
    pub fn none() -> Self {
        Self(Box::default())
    }

    /// Reads names with commas between them.
    ///
    /// # Errors
    /// If one is no name that may be listed.
    pub fn parse(text: &str) -> Result<Self, UpgradesError> {
        let mut names: Vec<String> = Vec::new();
        for name in text.split(',').map(str::trim_ascii).filter(|name| !name.is_empty()) {
            if !is_name(name) {
                return Err(UpgradesError::Name);
            }
            let name = name.to_ascii_lowercase();
            if name == "h2c" || name == CONNECT_UDP {
                return Err(UpgradesError::Reserved);
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self(names.into_boxed_slice()))
    }

    /// Whether `protocol` is listed.
    #[must_use]
    pub fn allows(&self, protocol: &str) -> bool {
        self.0.iter().any(|name| name.eq_ignore_ascii_case(protocol))
    }

    /// Whether none is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// WebSocket alone.
impl Default for Upgrades {
    fn default() -> Self {
        Self([String::from(WEBSOCKET)].into())
    }
}

/// The names, with commas between them.
impl fmt::Display for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl fmt::Display for UpgradesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "not the name of a protocol",
            Self::Reserved => "h2c and connect-udp are not carried by this list",
        })
    }
}

impl core::error::Error for UpgradesError {}

/// A token of HTTP (RFC 9110 §5.6.2) of bounded length, and perhaps a version behind a slash.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn only_what_is_listed_is_allowed() {
        let list = Upgrades::parse(" WebSocket, echo ,echo,").unwrap();
        assert_eq!(list.to_string(), "websocket,echo");
        for (protocol, allowed) in
            [("websocket", true), ("WEBSOCKET", true), ("Echo", true), ("h2c", false), ("", false)]
        {
            assert_eq!(list.allows(protocol), allowed, "{protocol}");
        }
        assert!(Upgrades::default().allows("websocket") && !Upgrades::default().allows("echo"));
        assert!(Upgrades::none().is_empty() && Upgrades::parse("").unwrap().is_empty());
        assert!(!list.is_empty());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, error) in [
            ("a b", UpgradesError::Name),
            ("ä", UpgradesError::Name),
            ("websocket,H2C", UpgradesError::Reserved),
            ("connect-udp", UpgradesError::Reserved),
        ] {
            assert_eq!(Upgrades::parse(text), Err(error), "{text}");
            assert!(!error.to_string().is_empty());
        }
        let long = "a".repeat(MAX_NAME_BYTES);
        assert!(is_name(&long) && is_name("spdy/3"));
        assert!(!is_name(&(long + "a")));
    }
}
