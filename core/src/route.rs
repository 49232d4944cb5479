//! Routes: which rule a request falls under, by host, path, method and headers.
//!
//! Of all rules that match a request, that with the most specific host is taken; among those, that with the longest path; then
//! that with the most further conditions; then the first. A rule without conditions matches what no other does.
//!
//! ```text
//!   host ──▶ exact ▸ *.suffix, the longest first ▸ prefix.*, the longest first ▸ any
//!              └──▶ path, the longest prefix first
//!                     └──▶ the rules of this host and path: most conditions first, then as they were written
//! ```
//!
//! Rules are compiled once. Finding one hashes the host and the path of the request, and looks at the rules that have both:
//! the number of the others does not matter. Nothing is allocated.

mod host;
mod index;
mod rewrite;
mod rule;

pub use self::host::{HostError, MAX_HOST};
pub use self::rewrite::rewrite_path;
pub use self::rule::{HeaderError, MAX_PATH, MAX_TEXT, MethodError, Mismatch, PathError, Rule};

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use self::host::{HostPattern, normalized};
use self::index::{Hash, Index};

/// The most rules of one table.
pub const MAX_RULES: usize = 65_536;

/// The most rules with the same host and the same path: a request may have to be compared with all of them.
pub const MAX_ALIKE: usize = 64;

/// What rules look at of a request.
pub trait Head {
    /// The host that was asked for, perhaps with a port; empty if none was.
    fn host(&self) -> &[u8];

    /// The path, perhaps with a query.
    fn path(&self) -> &[u8];

    /// The method.
    fn method(&self) -> &[u8];

    /// Whether `test` holds of the value of any header of that name, which is in lower case.
    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// Compiled rules.
#[derive(Clone, Debug)]
pub struct Table {
    rules: Box<[Rule]>,
    /// Hosts of rules, each once; their patterns are those of a rule.
    hosts: Vec<HostEntry>,
    exact: Index,
    suffixes: Index,
    prefixes: Index,
    /// The entry of rules for any host.
    any: Option<usize>,
    paths: Index,
    path_entries: Vec<PathEntry>,
}

/// The rules of one host.
#[derive(Clone, Debug)]
struct HostEntry {
    pattern: HostPattern,
    /// The next less specific pattern of the same kind that every host of this one fits.
    parent: Option<usize>,
    /// The bytes of the longest path of its rules.
    longest_path: usize,
}

/// The rules of one host and one path.
#[derive(Clone, Debug)]
struct PathEntry {
    host: usize,
    path: Box<str>,
    /// That of the same host with the next shorter path which is a prefix of this one.
    parent: Option<usize>,
    /// Rules by their places, the one that is to be tried first in front.
    rules: Vec<usize>,
}

impl Table {
    /// Compiles `rules`; the place of each is what [`Self::find`] returns.
    ///
    /// # Errors
    /// If there are too many of them, or too many of the same host and path.
    pub fn new(rules: Vec<Rule>) -> Result<Self, TableError> {
        if rules.len() > MAX_RULES {
            return Err(TableError::TooMany);
        }
        let mut table = Self {
            hosts: Vec::new(),
            exact: Index::new(rules.len()),
            suffixes: Index::new(rules.len()),
            prefixes: Index::new(rules.len()),
            any: None,
            paths: Index::new(rules.len()),
            path_entries: Vec::new(),
            rules: rules.into_boxed_slice(),
        };
        for place in 0..table.rules.len() {
            let entry = table.insert(place);
            table.path_entries[entry].rules.push(place);
            if table.path_entries[entry].rules.len() > MAX_ALIKE {
                return Err(TableError::TooManyAlike { rule: place });
            }
        }
        let rules = &table.rules;
        for entry in &mut table.path_entries {
            entry.rules.sort_by_key(|place| core::cmp::Reverse(rules[*place].conditions()));
        }
        table.link();
        Ok(table)
    }

    /// The rules, in the order in which they were given.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The place of the rule that is taken for a request; none if none matches.
    #[must_use]
    pub fn find(&self, head: &impl Head) -> Option<usize> {
        self.search(head, &mut 0)
    }

    /// How many entries and rules [`Self::find`] looks at for a request.
    #[must_use]
    pub fn cost(&self, head: &impl Head) -> u32 {
        let mut looks = 0;
        let _found = self.search(head, &mut looks);
        looks
    }

    /// An earlier or equal rule that is taken whenever the rule at `place` matches, so that this one never is.
    #[must_use]
    pub fn shadowed_by(&self, place: usize) -> Option<usize> {
        let rule = &self.rules[place];
        let entry = self.path_entries.iter().find(|entry| entry.rules.contains(&place))?;
        let before = entry.rules.iter().take_while(|other| **other != place);
        before.copied().find(|other| rule.implies(&self.rules[*other]))
    }

    fn search(&self, head: &impl Head, looks: &mut u32) -> Option<usize> {
        let host = normalized(head.host());
        let path = path_of(head.path());
        let exact = self.exact_host(host, looks);
        let suffix = self.suffix_host(host, looks);
        let prefix = self.prefix_host(host, looks);
        [exact, suffix, prefix, self.any].into_iter().flatten().find_map(|first| {
            let mut next = Some(first);
            while let Some(host) = next {
                if let Some(found) = self.search_path(host, path, head, looks) {
                    return Some(found);
                }
                next = self.hosts[host].parent;
            }
            None
        })
    }

    fn exact_host(&self, host: &[u8], looks: &mut u32) -> Option<usize> {
        if self.exact.is_empty() {
            return None;
        }
        let mut hash = Hash::new(0);
        host.iter().for_each(|byte| hash.push(byte.to_ascii_lowercase()));
        self.exact.find(hash, looks, |entry| self.hosts[entry].pattern.is_text(host))
    }

    /// The longest suffix: what stands behind each dot is a candidate.
    fn suffix_host(&self, host: &[u8], looks: &mut u32) -> Option<usize> {
        if self.suffixes.is_empty() {
            return None;
        }
        let (mut hash, mut longest) = (Hash::new(0), None);
        for (at, byte) in host.iter().enumerate().rev() {
            // Something stands before the dot.
            if *byte == b'.' && at > 0 {
                let suffix = &host[at + 1..];
                let found = self.suffixes.find(hash, looks, |entry| self.hosts[entry].pattern.is_text(suffix));
                longest = found.or(longest);
            }
            hash.push(byte.to_ascii_lowercase());
        }
        longest
    }

    /// The longest prefix: what stands before each dot is a candidate.
    fn prefix_host(&self, host: &[u8], looks: &mut u32) -> Option<usize> {
        if self.prefixes.is_empty() {
            return None;
        }
        let (mut hash, mut longest) = (Hash::new(0), None);
        for (at, byte) in host.iter().enumerate() {
            // Something stands behind the dot.
            if *byte == b'.' && at + 1 < host.len() {
                let prefix = &host[..at];
                let found = self.prefixes.find(hash, looks, |entry| self.hosts[entry].pattern.is_text(prefix));
                longest = found.or(longest);
            }
            hash.push(byte.to_ascii_lowercase());
        }
        longest
    }

    /// The first rule of `host` that matches, the longest path first.
    fn search_path(&self, host: usize, path: &[u8], head: &impl Head, looks: &mut u32) -> Option<usize> {
        let mut next = self.longest_path(host, path, looks);
        while let Some(entry) = next {
            let entry = &self.path_entries[entry];
            let found = entry.rules.iter().find(|place| {
                *looks += 1;
                self.rules[**place].meets_conditions(head)
            });
            if let Some(place) = found {
                return Some(*place);
            }
            next = entry.parent;
        }
        None
    }

    fn longest_path(&self, host: usize, path: &[u8], looks: &mut u32) -> Option<usize> {
        let (mut hash, mut longest) = (Hash::new(host), None);
        for at in 0..=path.len().min(self.hosts[host].longest_path) {
            if path.get(at).is_none_or(|byte| *byte == b'/') || at == 0 {
                let prefix = &path[..at];
                let found = self.paths.find(hash, looks, |entry| {
                    let entry = &self.path_entries[entry];
                    entry.host == host && entry.path.as_bytes() == prefix
                });
                longest = found.or(longest);
            }
            if let Some(byte) = path.get(at) {
                hash.push(*byte);
            }
        }
        longest
    }

    /// The entry of the host and the path of a rule, which is made if there is none.
    fn insert(&mut self, place: usize) -> usize {
        let (pattern, path) = (self.rules[place].host.clone(), self.rules[place].path.clone());
        let host = self.insert_host(pattern);
        let entry = &mut self.hosts[host];
        entry.longest_path = entry.longest_path.max(path.len());
        let mut hash = Hash::new(host);
        path.bytes().for_each(|byte| hash.push(byte));
        let entries = &mut self.path_entries;
        let known = self.paths.find(hash, &mut 0, |entry| entries[entry].host == host && entries[entry].path == path);
        known.unwrap_or_else(|| {
            entries.push(PathEntry { host, path, parent: None, rules: Vec::new() });
            self.paths.insert(hash, entries.len() - 1);
            entries.len() - 1
        })
    }

    fn insert_host(&mut self, pattern: HostPattern) -> usize {
        let mut hash = Hash::new(0);
        let index = match &pattern {
            HostPattern::Any => {
                let Some(any) = self.any else {
                    self.any = Some(self.hosts.len());
                    self.hosts.push(HostEntry { pattern, parent: None, longest_path: 0 });
                    return self.hosts.len() - 1;
                };
                return any;
            }
            HostPattern::Exact(text) => {
                text.bytes().for_each(|byte| hash.push(byte));
                &mut self.exact
            }
            HostPattern::Suffix(text) => {
                text.bytes().rev().for_each(|byte| hash.push(byte));
                &mut self.suffixes
            }
            HostPattern::Prefix(text) => {
                text.bytes().for_each(|byte| hash.push(byte));
                &mut self.prefixes
            }
        };
        let hosts = &mut self.hosts;
        let known = index.find(hash, &mut 0, |entry| hosts[entry].pattern == pattern);
        known.unwrap_or_else(|| {
            hosts.push(HostEntry { pattern, parent: None, longest_path: 0 });
            index.insert(hash, hosts.len() - 1);
            hosts.len() - 1
        })
    }

    /// Finds what comes behind each entry when nothing of it matches.
    fn link(&mut self) {
        for entry in 0..self.hosts.len() {
            self.hosts[entry].parent = match &self.hosts[entry].pattern {
                HostPattern::Any | HostPattern::Exact(_) => None,
                HostPattern::Suffix(text) => self.suffix_host(text.as_bytes(), &mut 0),
                HostPattern::Prefix(text) => self.prefix_host(text.as_bytes(), &mut 0),
            };
        }
        for entry in 0..self.path_entries.len() {
            let PathEntry { host, path, .. } = &self.path_entries[entry];
            let shorter = path.rfind('/').map(|end| &path.as_bytes()[..end]);
            self.path_entries[entry].parent = shorter.and_then(|path| self.longest_path(*host, path, &mut 0));
        }
    }
}

/// The path without a query, a fragment, and a slash at its end.
fn path_of(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    &path[..end]
}

/// Why rules are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// More than [`MAX_RULES`].
    TooMany,
    /// More than [`MAX_ALIKE`] of the same host and path.
    TooManyAlike {
        /// The place of the first one too many.
        rule: usize,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "there are more than {MAX_RULES} routes"),
            Self::TooManyAlike { .. } => write!(f, "more than {MAX_ALIKE} routes have the same host and path"),
        }
    }
}

impl core::error::Error for TableError {}
