//! Which identity a certificate proves: a template for each name, over the certificate's subject alternative names.
//!
//! A template is a SAN with holes: `spiffe://{tenant}/{cluster}/{node}` is a URI, `{node}.edge.example` a DNS name. A
//! claim is proven if each of its three names stands in a SAN as its template says, and everything else that the
//! template asks for too. What cannot be told apart for certain is not proven.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::identity::Identity;
use crate::responder::Verdict;

/// A subject alternative name of a certificate (RFC 5280 §4.2.1.6). Other kinds, and the common name, prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum San<'a> {
    /// A URI, such as a SPIFFE id.
    Uri(&'a str),
    /// A DNS name.
    Dns(&'a str),
}

/// What certificates have to say for a claim to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Where the node id stands; has a `{node}`.
    pub node: Template,
    /// Where the cluster id stands; has a `{cluster}`.
    pub cluster: Template,
    /// Where the tenant id stands; has a `{tenant}`.
    pub tenant: Template,
}

impl Binding {
    /// What a certificate with `names` makes of a claim. Fails closed: a name that no SAN can carry is contradicted.
    #[must_use]
    pub fn judge(&self, names: &[San<'_>], claim: &Identity<'_>) -> Verdict {
        let proven = [&self.node, &self.cluster, &self.tenant]
            .into_iter()
            .all(|template| names.iter().any(|name| template.fits(*name, claim)));
        if proven { Verdict::Believed } else { Verdict::Contradicted }
    }
}

/// A SAN with holes for names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    kind: Kind,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Uri,
    Dns,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Text(Box<str>),
    Hole(Hole),
}

/// What stands in a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hole {
    /// `{node}`.
    Node,
    /// `{cluster}`.
    Cluster,
    /// `{tenant}`.
    Tenant,
}

impl Hole {
    const ALL: [Self; 3] = [Self::Node, Self::Cluster, Self::Tenant];

    /// How it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "{node}",
            Self::Cluster => "{cluster}",
            Self::Tenant => "{tenant}",
        }
    }

    const fn of<'a>(self, claim: &Identity<'a>) -> &'a str {
        match self {
            Self::Node => claim.node.as_str(),
            Self::Cluster => claim.cluster.as_str(),
            Self::Tenant => claim.tenant.as_str(),
        }
    }
}

impl Kind {
    /// Whether `byte` may stand in a hole: unreserved in URIs (RFC 3986 §2.3), part of a label in DNS names. All else
    /// can keep two holes apart, and so must not be in either.
    const fn fills(self, byte: u8) -> bool {
        match byte {
            b'-' | b'_' => true,
            b'.' | b'~' => matches!(self, Self::Uri),
            other => other.is_ascii_alphanumeric(),
        }
    }
}

impl Template {
    /// Reads a template that `proves` one of the names. With `://` in it it is about URIs, else about DNS names.
    ///
    /// # Errors
    /// If it has no hole for that name, a brace that is part of no hole, a control character, or two holes with
    /// nothing between them that could not be part of a name.
    pub fn parse(text: &str, proves: Hole) -> Result<Self, TemplateError> {
        let kind = if text.contains("://") { Kind::Uri } else { Kind::Dns };
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (plain, behind) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
            if plain.bytes().any(|byte| !byte.is_ascii_graphic()) {
                return Err(TemplateError::Illegal);
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(plain.into()));
            }
            rest = behind;
            if rest.is_empty() {
                break;
            }
            let hole = Hole::ALL.into_iter().find(|hole| rest.starts_with(hole.as_str()));
            let hole = hole.ok_or(TemplateError::UnknownHole)?;
            rest = &rest[hole.as_str().len()..];
            let apart = match &pieces[..] {
                [] | [Piece::Text(_)] => true,
                [.., Piece::Text(text)] => text.bytes().any(|byte| !kind.fills(byte)),
                [.., Piece::Hole(_)] => false,
            };
            if !apart {
                return Err(TemplateError::HolesTouch);
            }
            pieces.push(Piece::Hole(hole));
        }
        if pieces.contains(&Piece::Hole(proves)) {
            Ok(Self { kind, pieces })
        } else {
            Err(TemplateError::Missing(proves))
        }
    }

    /// Whether `name` is this template with the names of `claim` in its holes.
    fn fits(&self, name: San<'_>, claim: &Identity<'_>) -> bool {
        let mut rest = match (self.kind, name) {
            (Kind::Uri, San::Uri(name)) | (Kind::Dns, San::Dns(name)) => name,
            (Kind::Uri, San::Dns(_)) | (Kind::Dns, San::Uri(_)) => return false,
        };
        for piece in &self.pieces {
            let part = match piece {
                Piece::Text(text) => text,
                Piece::Hole(hole) => hole.of(claim),
            };
            let fills = matches!(piece, Piece::Text(_)) || part.bytes().all(|byte| self.kind.fills(byte));
            match rest.strip_prefix(part) {
                Some(behind) if fills => rest = behind,
                Some(_) | None => return false,
            }
        }
        rest.is_empty()
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Hole(hole) => f.write_str(hole.as_str()),
        })
    }
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It holds something that is no visible ASCII character.
    Illegal,
    /// A brace is part of no known hole.
    UnknownHole,
    /// Two holes could not be told apart.
    HolesTouch,
    /// The hole that it is there for is missing.
    Missing(Hole),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Illegal => f.write_str("holds something other than visible ASCII characters"),
            Self::UnknownHole => f.write_str("has a brace that belongs to none of {node}, {cluster} and {tenant}"),
            Self::HolesTouch => f.write_str("has two holes with no separator between them, such as / or ."),
            Self::Missing(hole) => write!(f, "has no {}", hole.as_str()),
        }
    }
}

impl core::error::Error for TemplateError {}
