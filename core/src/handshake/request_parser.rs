//! How a responder reads a handshake request (reference §2.2, §2.3).

use alloc::boxed::Box;
use core::mem::MaybeUninit;
use core::str;

use httparse::{Header, Status};

use super::head::{
    AUTHORIZATION, CONTENT_LENGTH, INSTANCE, MAX_HEADERS, ParseSchedule, TLS, TLS_WHOLE, TRANSFER_ENCODING, UPGRADE,
    UPGRADE_TOKEN, has_bare_lf, value, values,
};
use super::request::PATH;
use super::{HeaderNames, Instance, Rejection};
use crate::identity::{ClusterId, Identity, NodeId, TenantId};
use crate::token::{Token, TokenError};

/// The longest request head in bytes, the blank line at its end included, unless [`Rules`] say otherwise
/// (reference §2.2).
pub const MAX_REQUEST_HEAD_BYTES: usize = 60 * 1024;

/// The only body that a handshake may have.
const EMPTY_CHUNKED_BODY: &[u8] = b"0\r\n\r\n";

/// What a responder demands of a handshake.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// What the headers about the initiator are called.
    pub names: HeaderNames,
    /// The path, query included; nothing else is a tunnel request.
    pub path: Box<str>,
    /// Whether the request has to ask for an upgrade. Where it need not, it may.
    pub upgrade: bool,
    /// Whether names of one tenant are kept apart from the same names of another; then no name holds a `:`.
    pub tenant_isolation: bool,
    /// What the initiator has to call the responder.
    pub required_cluster: Option<Box<str>>,
    /// Whether the initiator has to say that the whole tunnel stays inside TLS.
    pub whole_tls: bool,
    /// The longest head in bytes, the blank line at its end included.
    pub max_head_bytes: usize,
    /// Headers that a head may have; of more than [`MAX_HEADERS`] none is taken.
    pub max_headers: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            names: HeaderNames::default(),
            path: PATH.into(),
            upgrade: false,
            tenant_isolation: true,
            required_cluster: None,
            whole_tls: false,
            max_head_bytes: MAX_REQUEST_HEAD_BYTES,
            max_headers: MAX_HEADERS,
        }
    }
}

/// A handshake that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request<'a> {
    /// Who the initiator says it is.
    pub identity: Identity<'a>,
    /// Which run of the initiator's process; none from an Envoy, or if it is not 32 hexadecimal digits.
    pub instance: Option<Instance>,
    /// When the initiator began to want this tunnel: milliseconds of the Unix epoch. None if it is no such number.
    pub initiation_time_ms: Option<u64>,
    /// The initiator's name of its thread.
    pub worker: Option<&'a str>,
    /// The initiator's name of the connection.
    pub connection: Option<&'a str>,
    /// What the initiator calls the responder.
    pub upstream: Option<&'a str>,
    /// What the initiator proves itself with, not looked into, or why there is none.
    pub token: Result<Token<'a>, TokenError>,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParsedRequest<'a> {
    /// Not a whole request.
    Incomplete,
    /// A request that keeps the rules.
    Complete {
        /// The request.
        request: Request<'a>,
        /// Its bytes. An Envoy throws away what comes behind them before the 200 (reference §2.3).
        consumed: usize,
    },
    /// Something else.
    Rejected(Rejection),
}

/// Reads one request from a growing buffer.
///
/// The outcome depends on the bytes alone, never on how they are cut; only a fault in a line that has not ended yet
/// may be noticed a little later. What could be understood in two ways is turned away: lines that end without CR, CR
/// within a line, folded lines, `transfer-encoding` other than one `chunked`, more than one idea of the length. So are
/// trailers, chunk extensions and blank lines before the request, which no initiator sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestParser {
    schedule: ParseSchedule,
}

impl RequestParser {
    /// A parser that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at all bytes that came so far. Of more than [`Rules::max_head_bytes`] and a few bytes it has no need.
    pub fn parse<'a>(&mut self, rules: &Rules, bytes: &'a [u8]) -> ParsedRequest<'a> {
        if !self.schedule.is_due(bytes) {
            return ParsedRequest::Incomplete;
        }
        match read(rules, bytes) {
            Ok(Some((request, consumed))) => ParsedRequest::Complete { request, consumed },
            Ok(None) => {
                self.schedule.wait(bytes.len(), rules.max_head_bytes);
                ParsedRequest::Incomplete
            }
            Err(rejection) => ParsedRequest::Rejected(rejection),
        }
    }
}

/// The checks in the order of reference §2.2. None while bytes are missing.
fn read<'a>(rules: &Rules, bytes: &'a [u8]) -> Result<Option<(Request<'a>, usize)>, Rejection> {
    let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let room = &mut room[..rules.max_headers.min(MAX_HEADERS)];
    let mut head = httparse::Request::new(&mut []);
    let Some(length) = head_length(&mut head, room, bytes, rules.max_head_bytes)? else { return Ok(None) };
    let Some(body) = body_length(head.headers, &bytes[length..])? else { return Ok(None) };
    if head.method != Some("GET") || head.path != Some(&rules.path) {
        return Err(Rejection::NotATunnelRequest);
    }
    let token = |it: &[u8]| it.eq_ignore_ascii_case(UPGRADE_TOKEN.as_bytes());
    if rules.upgrade && !value(head.headers, UPGRADE).is_some_and(token) {
        return Err(Rejection::UpgradeRequired);
    }
    if rules.whole_tls && value(head.headers, TLS) != Some(TLS_WHOLE.as_bytes()) {
        return Err(Rejection::TlsRequired);
    }
    let identity = identity(rules, head.headers)?;
    Ok(Some((request(&rules.names, identity, head.headers), length + body)))
}

/// The length of the head, if it is all there and HTTP/1.1.
fn head_length<'h, 'a>(
    head: &mut httparse::Request<'h, 'a>,
    room: &'h mut [MaybeUninit<Header<'a>>],
    bytes: &'a [u8],
    limit: usize,
) -> Result<Option<usize>, Rejection> {
    // `httparse` skips blank lines before the request, and would so read them again with each one that comes.
    if bytes.first().is_some_and(|first| matches!(first, b'\r' | b'\n')) {
        return Err(Rejection::BadRequest);
    }
    let window = &bytes[..bytes.len().min(limit)];
    match head.parse_with_uninit_headers(window, room) {
        Ok(Status::Partial) if window.len() == limit => Err(Rejection::HeadTooLarge),
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Rejection::HeadTooLarge),
        Err(_) => Err(Rejection::BadRequest),
        Ok(Status::Complete(length)) => {
            // Methods are case-sensitive, and lower-case ones are no methods that anyone knows (reference §2.3).
            let lower = head.method.is_some_and(|method| method.bytes().any(|byte| byte.is_ascii_lowercase()));
            if lower || has_bare_lf(&window[..length]) {
                Err(Rejection::BadRequest)
            } else if head.version == Some(0) {
                Err(Rejection::UnsupportedVersion)
            } else {
                Ok(Some(length))
            }
        }
    }
}

/// The length of the body, if it is all there: there is none, or it is empty and chunked.
fn body_length(headers: &[Header<'_>], rest: &[u8]) -> Result<Option<usize>, Rejection> {
    let mut encodings = values(headers, TRANSFER_ENCODING);
    match (encodings.next(), encodings.next()) {
        (None, _) => announced_length(headers).map(|()| Some(0)),
        (Some(encoding), None) if encoding.eq_ignore_ascii_case(b"chunked") => {
            if value(headers, CONTENT_LENGTH).is_some() {
                return Err(Rejection::BadRequest);
            }
            chunked_length(rest)
        }
        (Some(_), _) => Err(Rejection::UnsupportedTransferEncoding),
    }
}

fn announced_length(headers: &[Header<'_>]) -> Result<(), Rejection> {
    let mut lengths = values(headers, CONTENT_LENGTH);
    match (lengths.next(), lengths.next()) {
        (None, _) | (Some(b"0"), None) => Ok(()),
        (Some(length), None) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            Err(Rejection::BodyNotAllowed)
        }
        (Some(_), _) => Err(Rejection::BadRequest),
    }
}

fn chunked_length(rest: &[u8]) -> Result<Option<usize>, Rejection> {
    let seen = rest.len().min(EMPTY_CHUNKED_BODY.len());
    if rest[..seen] == EMPTY_CHUNKED_BODY[..seen] {
        Ok((seen == EMPTY_CHUNKED_BODY.len()).then_some(seen))
    } else if matches!(rest[0], b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F') {
        Err(Rejection::BodyNotAllowed)
    } else {
        Err(Rejection::BadRequest)
    }
}

/// First what an Envoy checks, in its order; then what it answers with 200 and closes (reference §2.3), or does not
/// check.
fn identity<'a>(rules: &Rules, headers: &[Header<'a>]) -> Result<Identity<'a>, Rejection> {
    let names = &rules.names;
    let (Some(node), Some(cluster), Some(tenant)) =
        (value(headers, &names.node), value(headers, &names.cluster), value(headers, &names.tenant))
    else {
        return Err(Rejection::MissingIdentity);
    };
    if tenant.is_empty() {
        return Err(Rejection::EmptyTenant);
    }
    if rules.tenant_isolation && [node, cluster, tenant].iter().any(|name| name.contains(&b':')) {
        return Err(Rejection::ColonInIdentity);
    }
    if let Some(required) = &rules.required_cluster {
        let name = value(headers, &names.upstream).ok_or(Rejection::MissingClusterName)?;
        if name != required.as_bytes() {
            return Err(Rejection::ClusterNameMismatch);
        }
    }
    if node.is_empty() {
        return Err(Rejection::EmptyNode);
    }
    if cluster.is_empty() {
        return Err(Rejection::EmptyCluster);
    }
    let legal = || {
        Some(Identity {
            node: NodeId::new(text(node)?).ok()?,
            cluster: ClusterId::new(text(cluster)?).ok()?,
            tenant: TenantId::new(text(tenant)?).ok()?,
        })
    };
    legal().ok_or(Rejection::InvalidIdentity)
}

/// The headers that nothing depends on: what is wrong with one is as if it were not there.
fn request<'a>(names: &HeaderNames, identity: Identity<'a>, headers: &[Header<'a>]) -> Request<'a> {
    let optional = |name: &str| value(headers, name).and_then(text);
    Request {
        identity,
        instance: optional(INSTANCE).and_then(Instance::parse),
        initiation_time_ms: optional(&names.initiation_time)
            .filter(|text| !text.starts_with('+'))
            .and_then(|text| text.parse().ok()),
        worker: optional(&names.worker),
        connection: optional(&names.connection),
        upstream: optional(&names.upstream),
        token: value(headers, AUTHORIZATION).ok_or(TokenError::Missing).and_then(Token::of_header),
    }
}

fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok()
}
