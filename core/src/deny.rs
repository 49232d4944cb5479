//! Deny lists: certificates, tokens and identities that count no more, although nothing about them has ended.
//!
//! ```text
//! # the laptop that was lost
//! serial 0a:1b:2c:3d
//! san spiffe://acme/edge/edge-1
//! token 4f1c27a0
//! node acme/edge/edge-1
//! ```

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::binding::Statement;
use crate::identity::Identity;

/// The most entries of a list.
pub const MAX_ENTRIES: usize = 100_000;

/// What counts no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    serials: BTreeSet<Box<[u8]>>,
    names: BTreeSet<Box<str>>,
    tokens: BTreeSet<Box<str>>,
    nodes: BTreeSet<Box<str>>,
}

/// What an initiator has shown.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The serial numbers of its certificate and of those between it and a root, big-endian.
    pub serials: &'a [&'a [u8]],
    /// The names in its certificate.
    pub names: &'a [Statement<'a>],
    /// The `jti` of its token.
    pub token: Option<&'a str>,
    /// Who it says it is.
    pub identity: Identity<'a>,
}

impl DenyList {
    /// Reads a list, an entry a line: `serial` with a certificate's serial number in hexadecimal digits, `san` with a name of a
    /// certificate, `token` with the `jti` of a token, `node` with a tenant, a cluster and a node, as logs show them. Empty lines and
    /// those that begin with `#` are passed over.
    ///
    /// # Errors
    /// Which line is none of that.
    pub fn parse(text: &str) -> Result<Self, DenyListError> {
        let mut list = Self::default();
        for (index, line) in text.lines().enumerate() {
            let entry = line.trim();
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            let error = |fault| DenyListError { line: index + 1, fault };
            let (kind, what) = entry.split_once([' ', '\t']).ok_or(error(DenyListFault::NoValue))?;
            let what = what.trim_start();
            match kind {
                "serial" => drop(list.serials.insert(serial(what).ok_or(error(DenyListFault::NoSerial))?)),
                "san" => drop(list.names.insert(what.into())),
                "token" => drop(list.tokens.insert(what.into())),
                "node" => drop(list.nodes.insert(what.into())),
                _ => return Err(error(DenyListFault::UnknownKind)),
            }
            if list.len() > MAX_ENTRIES {
                return Err(error(DenyListFault::TooMany));
            }
        }
        Ok(list)
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.serials.len() + self.names.len() + self.tokens.len() + self.nodes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an entry is about any of what was shown.
    #[must_use]
    pub fn denies(&self, shown: &Credentials<'_>) -> bool {
        let of_san = |name: &Statement<'_>| match *name {
            Statement::Uri(name) | Statement::Dns(name) => self.names.contains(name),
            Statement::Claim { .. } => false,
        };
        shown.serials.iter().any(|serial| self.serials.contains(without_zeros(serial)))
            || shown.names.iter().any(of_san)
            || shown.token.is_some_and(|id| self.tokens.contains(id))
            || (!self.nodes.is_empty() && self.nodes.contains(&*shown.identity.to_string()))
    }
}

/// The bytes of a serial number.
fn serial(text: &str) -> Option<Box<[u8]>> {
    let mut digits: String = text.chars().filter(|letter| *letter != ':').collect();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    if digits.len() % 2 == 1 {
        digits.insert(0, '0');
    }
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hexadecimal digits are a byte");
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    Some(without_zeros(&bytes).into())
}

/// A positive number may have a zero before it in a certificate, and more of them where people write it down.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// Why a text is no deny list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenyListError {
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub fault: DenyListFault,
}

/// What is wrong with a line of a deny list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyListFault {
    /// It has one word.
    NoValue,
    /// It begins with none of the known words.
    UnknownKind,
    /// Its serial number is not written in hexadecimal digits.
    NoSerial,
    /// It is one too many.
    TooMany,
}

impl fmt::Display for DenyListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} ", self.line)?;
        match self.fault {
            DenyListFault::NoValue => f.write_str("names nothing behind its first word"),
            DenyListFault::UnknownKind => f.write_str("begins with none of serial, san, token and node"),
            DenyListFault::NoSerial => f.write_str("has no serial number in hexadecimal digits"),
            DenyListFault::TooMany => write!(f, "is one more than the {MAX_ENTRIES} that a list may have"),
        }
    }
}

impl core::error::Error for DenyListError {}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;
    use crate::identity::{ClusterId, NodeId, TenantId};

    fn identity(node: &'static str) -> Identity<'static> {
        Identity {
            node: NodeId::new(node).expect("legal"),
            cluster: ClusterId::new("c").expect("legal"),
            tenant: TenantId::new("t").expect("legal"),
        }
    }

    fn shown() -> Credentials<'static> {
        Credentials {
            serials: &[&[0, 0x0a, 0x1b], &[7]],
            names: &[Statement::Uri("x://t/c/n"), Statement::Dns("n.example")],
            token: Some("id-1"),
            identity: identity("n"),
        }
    }

    #[test]
    fn each_kind_of_entry_denies_what_it_names() {
        for (entry, denied) in [
            ("serial 0a1b", true),
            ("serial 0A:1B", true),
            ("serial 00:0a:1b", true),
            ("serial A1B", true),
            ("serial 7", true),
            ("serial 0a1b00", false),
            ("serial 1b", false),
            ("san x://t/c/n", true),
            ("san\tn.example", true),
            ("san x://t/c", false),
            ("token id-1", true),
            ("token   id-1  ", true),
            ("token id-2", false),
            ("token n.example", false),
            ("node t/c/n", true),
            ("node t/c/m", false),
            ("node n", false),
            ("# san x://t/c/n", false),
            ("", false),
        ] {
            let list = DenyList::parse(entry).expect("a list");
            assert_eq!(list.denies(&shown()), denied, "{entry}");
        }
    }

    #[test]
    fn a_list_that_is_none_is_refused_by_its_line() {
        let too_long: String = (0..=MAX_ENTRIES).map(|number| alloc::format!("token {number}\n")).collect();
        for (text, line, fault) in [
            ("serial", 1, DenyListFault::NoValue),
            ("\n# x\nserial 1\nserial xyz", 4, DenyListFault::NoSerial),
            ("serial :", 1, DenyListFault::NoSerial),
            ("san a\nnodes t/c/n", 2, DenyListFault::UnknownKind),
            (&too_long, MAX_ENTRIES + 1, DenyListFault::TooMany),
        ] {
            let error = DenyList::parse(text).expect_err("it is none");
            assert_eq!(error, DenyListError { line, fault });
            assert!(error.to_string().starts_with(&alloc::format!("line {line} ")));
        }
        assert!(DenyList::parse("").expect("an empty list").is_empty());
    }

    #[test]
    fn nothing_that_was_not_shown_is_denied() {
        let list = DenyList::parse("token id-1\nserial 7\nsan n.example\n").expect("a list");
        let nothing = Credentials { serials: &[], names: &[], token: None, identity: identity("n") };
        assert_eq!((list.len(), list.denies(&nothing)), (3, false));
        // A claim is no name of a certificate, whatever it says.
        let claim = [Statement::Claim { name: "sub", value: "n.example" }];
        assert!(!list.denies(&Credentials { names: &claim, ..nothing }));
    }
}
