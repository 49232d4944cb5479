//! `rc://node:cluster:tenant@upstream:count`: who an initiator is, where it dials and how often (reference §1).

use alloc::boxed::Box;
use core::convert::Infallible;
use core::fmt;
use core::str::FromStr;

use crate::identity::{ClusterId, Identity, NameError, NodeId, TenantId, legal_name};

/// The most tunnels that one address may ask for, for each host of its upstream.
pub const MAX_COUNT: u16 = 1024;

const SCHEME: &str = "rc://";

/// A parsed `rc://` address.
///
/// The text is only ever split: on `@`, then on `:`. So no part can hold either of them, and nothing is
/// percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    node: Box<str>,
    cluster: Box<str>,
    tenant: Box<str>,
    upstream: Box<str>,
    count: u16,
}

impl Address {
    /// Reads an address. Spaces around the count are ignored.
    ///
    /// Envoy lets the tenant be empty, and then every responder since 1.40 answers 400 for ever (reference
    /// §2.2). Here that is an error, as is a name that begins or ends with a space: no responder sees those.
    ///
    /// # Errors
    /// If the text is not an address; the error names the fault and the byte where it lies.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let body = text.strip_prefix(SCHEME).ok_or(AddressError { kind: AddressErrorKind::Scheme, offset: 0 })?;
        let [source, target] = split(body, '@').ok_or(AddressError::new(text, body, AddressErrorKind::Parts))?;
        let [node, cluster, tenant] =
            split(source, ':').ok_or(AddressError::new(text, source, AddressErrorKind::Source))?;
        name(text, node, Field::Node)?;
        name(text, cluster, Field::Cluster)?;
        name(text, tenant, Field::Tenant)?;
        let [upstream, count] = split(target, ':')
            .ok_or_else(|| AddressError::new(text, target, AddressErrorKind::Target(target.into())))?;
        let count = parse_count(text, count)?;
        name(text, upstream, Field::Upstream)?;
        Ok(Self { node: node.into(), cluster: cluster.into(), tenant: tenant.into(), upstream: upstream.into(), count })
    }

    /// Who the initiator says it is.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        const CHECKED: &str = "the names of an address were checked when it was parsed";
        Identity {
            node: NodeId::new(&self.node).expect(CHECKED),
            cluster: ClusterId::new(&self.cluster).expect(CHECKED),
            tenant: TenantId::new(&self.tenant).expect(CHECKED),
        }
    }

    /// The initiator's own name for what it dials.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// How many tunnels each host of the upstream gets, at most [`MAX_COUNT`]. Zero dials nothing.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }
}

/// The text that parses to this address again.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, cluster, tenant, upstream, count } = self;
        write!(f, "{SCHEME}{node}:{cluster}:{tenant}@{upstream}:{count}")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

fn split<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    let mut parts = text.split(separator);
    let mut found = [""; N];
    for slot in &mut found {
        *slot = parts.next()?;
    }
    parts.next().is_none().then_some(found)
}

fn name(text: &str, part: &str, field: Field) -> Result<(), AddressError> {
    legal_name(part).map(drop).map_err(|error| AddressError::new(text, part, AddressErrorKind::Name(field, error)))
}

fn parse_count(text: &str, part: &str) -> Result<u16, AddressError> {
    let digits = part.trim_matches(' ');
    let error = |kind| AddressError::new(text, part, kind);
    // `u32::from_str` takes a leading plus, which is no digit.
    let number = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u32 =
        number.and_then(|digits| digits.parse().ok()).ok_or_else(|| error(AddressErrorKind::Count(part.into())))?;
    u16::try_from(number).ok().filter(|count| *count <= MAX_COUNT).ok_or_else(|| error(AddressErrorKind::Range(number)))
}

/// Why a text is not an address, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressError {
    kind: AddressErrorKind,
    offset: usize,
}

impl AddressError {
    /// `part` is the piece of `text` that is at fault.
    fn new(text: &str, part: &str, kind: AddressErrorKind) -> Self {
        let offset = part.as_ptr() as usize - text.as_ptr() as usize;
        Self { kind, offset }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> &AddressErrorKind {
        &self.kind
    }

    /// Where the part begins that is at fault: bytes from the start of the text.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

/// The fault, then `(at byte N)`.
impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind, self.offset)
    }
}

impl core::error::Error for AddressError {}

/// What takes an address or its text has this error for both.
impl From<Infallible> for AddressError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What can be wrong with an address. Texts are those of reference §1 where it names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AddressErrorKind {
    /// It does not start with `rc://`.
    Scheme,
    /// It is not two parts around one `@`.
    Parts,
    /// There are not three names before the `@`.
    Source,
    /// There are not two parts, an upstream and a count, behind the `@`.
    Target(Box<str>),
    /// The count is not a decimal number of 32 bits.
    Count(Box<str>),
    /// The count is above [`MAX_COUNT`].
    Range(u32),
    /// One of the names may not be used.
    Name(Field, NameError),
}

impl fmt::Display for AddressErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str(
                "Address must start with 'rc://' for reverse connection resolver. \
                 Expected format: rc://src_node_id:src_cluster_id:src_tenant_id@cluster_name:count",
            ),
            Self::Parts => f.write_str(
                "Invalid reverse connection address format. \
                 Expected: rc://src_node_id:src_cluster_id:src_tenant_id@cluster_name:count",
            ),
            Self::Source => {
                f.write_str("Invalid source info format. Expected: src_node_id:src_cluster_id:src_tenant_id")
            }
            Self::Target(text) => {
                write!(f, "Invalid cluster config format: {}. Expected: cluster_name:count", text.escape_debug())
            }
            Self::Count(text) => write!(f, "Invalid connection count: {}", text.escape_debug()),
            Self::Range(count) => {
                write!(f, "Connection count {count} is outside the supported range [0, {MAX_COUNT}]")
            }
            Self::Name(field, NameError::Empty) => {
                let why = if *field == Field::Tenant { ": a responder answers 400 to it" } else { "" };
                write!(f, "{} cannot be empty{why}", field.title())
            }
            Self::Name(field, error) => write!(f, "{} {error}", field.name()),
        }
    }
}

/// Which of the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The node id.
    Node,
    /// The cluster id.
    Cluster,
    /// The tenant id.
    Tenant,
    /// The name of the upstream.
    Upstream,
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Node => "source node ID",
            Self::Cluster => "source cluster ID",
            Self::Tenant => "source tenant ID",
            Self::Upstream => "remote cluster name",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Node => "Source node ID",
            Self::Cluster => "Source cluster ID",
            Self::Tenant => "Source tenant ID",
            Self::Upstream => "Remote cluster name",
        }
    }
}
