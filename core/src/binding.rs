//! Binding identities to certificates and tokens: for each name a template over SANs or claims.
//!
//! A template is a text with placeholders. For a certificate it is a SAN: `spiffe://{tenant}/{cluster}/{node}` is a
//! URI, `{node}.edge.example` a DNS name. For a token it is a claim with its name: `sub={tenant}/{cluster}/{node}`. An
//! identity is proven if each of its three names stands there as its template says, and everything else that the
//! template asks for too. What cannot be told apart for certain is not proven; two templates that one statement could fit are
//! refused.

mod overlap;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::identity::Identity;
use crate::responder::Verdict;

/// A statement of a certificate or a token about its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement<'a> {
    /// A subject alternative name of a certificate (RFC 5280 §4.2.1.6) that is a URI, such as a SPIFFE id.
    Uri(&'a str),
    /// One that is a DNS name. Other kinds, and the common name, prove nothing.
    Dns(&'a str),
    /// A claim of a token (RFC 7519 §4) that is a text, or one text of a list.
    Claim {
        /// Its name.
        name: &'a str,
        /// The text.
        value: &'a str,
    },
}

/// The templates that authenticate an identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    node: Template,
    cluster: Template,
    tenant: Template,
}

impl Binding {
    /// Binds identities by a template for each name; the same one may serve for several.
    ///
    /// # Errors
    /// If a template lacks the name that it is for, or if two that are not the same fit one statement: by
    /// `spiffe://x/{node}` and `spiffe://x/{tenant}` the node `acme` of any tenant would prove that it is the tenant `acme`.
    pub fn new(node: Template, cluster: Template, tenant: Template) -> Result<Self, BindingError> {
        let all = [(Placeholder::Node, &node), (Placeholder::Cluster, &cluster), (Placeholder::Tenant, &tenant)];
        for (index, (name, template)) in all.into_iter().enumerate() {
            if !template.pieces.contains(&Piece::Placeholder(name)) {
                return Err(BindingError::Missing(name));
            }
            let mut before = all[..index].iter().filter(|(_, other)| *other != template);
            if let Some((other, _)) = before.find(|(_, other)| overlap::overlap(other, template)) {
                return Err(BindingError::Overlap(*other, name));
            }
        }
        Ok(Self { node, cluster, tenant })
    }

    /// What everything that was `statements` makes of a claim. Fails closed: a name that nothing can carry is
    /// contradicted.
    #[must_use]
    pub fn verify(&self, statements: &[Statement<'_>], claim: &Identity<'_>) -> Verdict {
        let proven = [&self.node, &self.cluster, &self.tenant]
            .into_iter()
            .all(|template| statements.iter().any(|statement| template.matches(*statement, claim)));
        if proven { Verdict::Authenticated } else { Verdict::Mismatch }
    }
}

/// Why templates cannot bind identities together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingError {
    /// The template for this name has no placeholder for it.
    Missing(Placeholder),
    /// One statement could fit the templates for both of these names.
    Overlap(Placeholder, Placeholder),
}

impl fmt::Display for BindingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the template for {} does not contain it", name.as_str()),
            Self::Overlap(one, other) => write!(
                f,
                "the same text could fit the templates for {} and {}, so that one name proves another",
                one.as_str(),
                other.as_str()
            ),
        }
    }
}

impl core::error::Error for BindingError {}

/// A SAN or a claim with placeholders for names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    kind: Kind,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Uri,
    Dns,
    /// The claim of this name.
    Claim(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Text(Box<str>),
    Placeholder(Placeholder),
}

/// A placeholder of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// `{node}`.
    Node,
    /// `{cluster}`.
    Cluster,
    /// `{tenant}`.
    Tenant,
}

impl Placeholder {
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
    /// Whether `byte` may stand in a placeholder: part of a label in DNS names, else unreserved (RFC 3986 §2.3). All
    /// else can keep two placeholders apart, and so must not be in either.
    const fn is_allowed(&self, byte: u8) -> bool {
        match byte {
            b'-' | b'_' => true,
            b'.' | b'~' => matches!(self, Self::Uri | Self::Claim(_)),
            other => other.is_ascii_alphanumeric(),
        }
    }
}

impl Template {
    /// Reads a template for SANs that `proves` one of the names. With `://` in it it is about URIs, else about DNS
    /// names.
    ///
    /// # Errors
    /// If it has no placeholder for that name, a brace that is part of no placeholder, a control character, or two
    /// placeholders with nothing between them that could not be part of a name.
    pub fn parse(text: &str, proves: Placeholder) -> Result<Self, TemplateError> {
        Self::read(if text.contains("://") { Kind::Uri } else { Kind::Dns }, text, proves)
    }

    /// Reads a template for claims that `proves` one of the names: the claim's name, `=`, and the text with
    /// placeholders.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and if it names no claim.
    pub fn parse_claim(text: &str, proves: Placeholder) -> Result<Self, TemplateError> {
        let (name, text) = text.split_once('=').ok_or(TemplateError::NoClaim)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}')) {
            return Err(TemplateError::NoClaim);
        }
        Self::read(Kind::Claim(name.into()), text, proves)
    }

    fn read(kind: Kind, text: &str, proves: Placeholder) -> Result<Self, TemplateError> {
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
            let placeholder = Placeholder::ALL.into_iter().find(|placeholder| rest.starts_with(placeholder.as_str()));
            let placeholder = placeholder.ok_or(TemplateError::UnknownPlaceholder)?;
            rest = &rest[placeholder.as_str().len()..];
            let apart = match &pieces[..] {
                [] | [Piece::Text(_)] => true,
                [.., Piece::Text(text)] => text.bytes().any(|byte| !kind.is_allowed(byte)),
                [.., Piece::Placeholder(_)] => false,
            };
            if !apart {
                return Err(TemplateError::AdjacentPlaceholders);
            }
            pieces.push(Piece::Placeholder(placeholder));
        }
        if pieces.contains(&Piece::Placeholder(proves)) {
            Ok(Self { kind, pieces })
        } else {
            Err(TemplateError::Missing(proves))
        }
    }

    /// Whether `statement` is this template with the names of `claim` in its placeholders.
    fn matches(&self, statement: Statement<'_>, claim: &Identity<'_>) -> bool {
        let mut rest = match (&self.kind, statement) {
            (Kind::Uri, Statement::Uri(text)) | (Kind::Dns, Statement::Dns(text)) => text,
            (Kind::Claim(wanted), Statement::Claim { name, value }) if **wanted == *name => value,
            (Kind::Uri | Kind::Dns | Kind::Claim(_), _) => return false,
        };
        for piece in &self.pieces {
            let part = match piece {
                Piece::Text(text) => text,
                Piece::Placeholder(placeholder) => placeholder.of(claim),
            };
            let allowed = matches!(piece, Piece::Text(_)) || part.bytes().all(|byte| self.kind.is_allowed(byte));
            match rest.strip_prefix(part) {
                Some(behind) if allowed => rest = behind,
                Some(_) | None => return false,
            }
        }
        rest.is_empty()
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Kind::Claim(name) = &self.kind {
            write!(f, "{name}=")?;
        }
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Placeholder(placeholder) => f.write_str(placeholder.as_str()),
        })
    }
}

/// What is wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It names no claim.
    NoClaim,
    /// It holds something that is no visible ASCII character.
    Illegal,
    /// A brace is part of no known placeholder.
    UnknownPlaceholder,
    /// Two placeholders could not be told apart.
    AdjacentPlaceholders,
    /// The placeholder that it is there for is missing.
    Missing(Placeholder),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoClaim => f.write_str("names no claim before an ="),
            Self::Illegal => f.write_str("holds something other than visible ASCII characters"),
            Self::UnknownPlaceholder => {
                f.write_str("has a brace that belongs to none of {node}, {cluster} and {tenant}")
            }
            Self::AdjacentPlaceholders => {
                f.write_str("has two placeholders with no separator between them, such as / or .")
            }
            Self::Missing(placeholder) => write!(f, "has no {}", placeholder.as_str()),
        }
    }
}

impl core::error::Error for TemplateError {}
