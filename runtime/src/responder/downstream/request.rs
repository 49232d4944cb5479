//! The target of a request, and its head as it goes through the tunnel.

use std::net::IpAddr;

use http::header::{EXPECT, HOST, HeaderMap, HeaderName, MAX_FORWARDS, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Method, Request, Version};
use revtun_core::http::is_host;
use revtun_core::identity::{ClusterId, NameError, NodeId, TenantId};
use revtun_core::responder::{Target, TargetName};

use super::stream_request::StreamRequest;
use crate::http::{is_only_chunked, single_length, strip_hop_by_hop};
use crate::responder::local_reply::LocalReply;

const NODE: HeaderName = HeaderName::from_static("x-node-id");
const CLUSTER: HeaderName = HeaderName::from_static("x-cluster-id");
const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The host of a request that need not name one.
const NO_HOST: &str = "localhost";
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The target of a request, as header values: cheap to keep while the request itself is sent.
#[derive(Clone, Debug)]
pub(super) struct TargetHeaders {
    name: HeaderValue,
    is_node: bool,
    tenant: Option<HeaderValue>,
}

impl TargetHeaders {
    /// Reads `x-node-id`, or else `x-cluster-id`, and `x-tenant-id` if tenants are isolated. Several values of one header are
    /// an error: whoever added the last one may not know of the first.
    pub(super) fn read(headers: &HeaderMap, tenant_isolation: bool) -> Result<Self, LocalReply> {
        let node = single(headers, NODE)?;
        let name = match node {
            Some(node) => node.clone(),
            None => single(headers, CLUSTER)?.ok_or(LocalReply::NoTarget)?.clone(),
        };
        let tenant = match single(headers, TENANT)? {
            Some(tenant) if tenant_isolation => Some(tenant.clone()),
            None if tenant_isolation => return Err(LocalReply::NoTenant),
            Some(_) | None => None,
        };
        Ok(Self { name, is_node: node.is_some(), tenant })
    }

    /// The target for the machine, if the names are legal.
    pub(super) fn target(&self) -> Result<Target<'_>, LocalReply> {
        let name = match self.is_node {
            true => TargetName::Node(parsed(&self.name, NodeId::new)?),
            false => TargetName::Cluster(parsed(&self.name, ClusterId::new)?),
        };
        let tenant = self.tenant.as_ref().map(|tenant| parsed(tenant, TenantId::new)).transpose()?;
        Ok(Target { tenant, name })
    }
}

/// The value of a header that may appear once.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, LocalReply> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(LocalReply::IllegalTarget),
    }
}

fn parsed<'a, T>(value: &'a HeaderValue, parse: impl FnOnce(&'a str) -> Result<T, NameError>) -> Result<T, LocalReply> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| LocalReply::IllegalTarget)?;
    parse(text).map_err(|_| LocalReply::IllegalTarget)
}

/// A caller's address for `x-forwarded-for`; made once for each connection.
pub(super) fn address(caller: IpAddr) -> HeaderValue {
    HeaderValue::try_from(caller.to_canonical().to_string()).expect("an address is a header value")
}

/// Makes the head of a request from `caller` that of a request on a tunnel: hop-by-hop headers are removed, `x-forwarded-*`
/// added if the caller has an address, all else stays.
pub(super) fn prepare(
    head: &mut Parts,
    stream: Option<&StreamRequest>,
    caller: Option<&HeaderValue>,
    tls: bool,
) -> Result<(), LocalReply> {
    if head.headers.contains_key(TRANSFER_ENCODING) && !is_only_chunked(&head.headers) {
        return Err(LocalReply::CodingUnsupported);
    }
    let authority = authority(head)?;
    let is_tcp = stream.is_some_and(StreamRequest::is_tcp);
    if !is_tcp {
        check_path(head)?;
    }
    count_forwards(head)?;
    single_length(&mut head.headers).map_err(|_| LocalReply::RequestIncomplete)?;
    head.headers.remove(HOST);
    // In HTTP/1.0 nobody expects anything (RFC 9110 §10.1.1).
    if head.version <= Version::HTTP_10 {
        head.headers.remove(EXPECT);
    }
    strip_hop_by_hop(&mut head.headers);
    if let Some(caller) = caller {
        append_forwarded_for(&mut head.headers, caller);
        head.headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static(if tls { "https" } else { "http" }));
    }
    // Taken and not cloned: the first clone of its bytes would allocate.
    let path = std::mem::take(&mut head.uri).into_parts().path_and_query;
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(match path {
        None => PathAndQuery::from_static("/"),
        // A URL may have a query and no path (RFC 9112 §3.2.1).
        Some(path) if path.as_str().starts_with('?') => {
            PathAndQuery::try_from(format!("/{}", path.as_str())).map_err(|_| LocalReply::IllegalPath)?
        }
        Some(path) => path,
    });
    head.version = Version::HTTP_2;
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(authority);
    if is_tcp {
        // Its target has no more than that (RFC 9113 §8.5).
        (uri.scheme, uri.path_and_query) = (None, None);
    }
    head.uri = Uri::from_parts(uri).map_err(|_| LocalReply::IllegalHost)?;
    Ok(())
}

/// Names the host in a header where a caller in this process does not: in its URL or nowhere, since no connection asks it to.
pub(super) fn name_host<B>(request: &mut Request<B>) {
    let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    request.headers_mut().entry(HOST).or_insert(host.unwrap_or(HeaderValue::from_static(NO_HOST)));
}

/// The host: that of the request target, or else of the header (RFC 9112 §3.2.2). Only a request of HTTP/1.0 may have none.
fn authority(head: &Parts) -> Result<Authority, LocalReply> {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    let host = hosts.next();
    if hosts.next().is_some() || (host.is_none() && head.version == Version::HTTP_11) {
        return Err(LocalReply::IllegalHost);
    }
    let old = head.version <= Version::HTTP_10;
    let bytes = match (head.uri.authority(), host.filter(|host| !(old && host.is_empty()))) {
        (Some(authority), _) => authority.as_str().as_bytes(),
        (None, Some(host)) => host.as_bytes(),
        (None, None) if old => return Ok(Authority::from_static(NO_HOST)),
        (None, None) => return Err(LocalReply::IllegalHost),
    };
    if !is_host(bytes) {
        return Err(LocalReply::IllegalHost);
    }
    match head.uri.authority() {
        Some(authority) => Ok(authority.clone()),
        None => Authority::try_from(bytes).map_err(|_| LocalReply::IllegalHost),
    }
}

/// A path, or a URL, or `*` for OPTIONS (RFC 9112 §3.2).
fn check_path(head: &Parts) -> Result<(), LocalReply> {
    let is_authority_form = head.uri.scheme().is_none() && head.uri.authority().is_some();
    let asterisk = head.uri.path() == "*";
    if is_authority_form || (asterisk && head.method != Method::OPTIONS) {
        return Err(LocalReply::IllegalPath);
    }
    Ok(())
}

/// Counts down how often OPTIONS and TRACE may be forwarded (RFC 9110 §7.6.2).
fn count_forwards(head: &mut Parts) -> Result<(), LocalReply> {
    if ![Method::OPTIONS, Method::TRACE].contains(&head.method) {
        return Ok(());
    }
    let Some(value) = head.headers.get(MAX_FORWARDS) else { return Ok(()) };
    // What is no number is for the service to judge.
    let Some(left) = value.to_str().ok().and_then(|value| value.parse::<u64>().ok()) else { return Ok(()) };
    let left = left.checked_sub(1).ok_or(LocalReply::NoMoreForwards)?;
    head.headers.insert(MAX_FORWARDS, left.into());
    Ok(())
}

fn append_forwarded_for(headers: &mut HeaderMap, caller: &HeaderValue) {
    let earlier = headers.get_all(FORWARDED_FOR).into_iter().map(HeaderValue::as_bytes);
    let mut list = earlier.collect::<Vec<_>>().join(&b", "[..]);
    let list = if list.is_empty() {
        caller.clone()
    } else {
        list.extend_from_slice(b", ");
        list.extend_from_slice(caller.as_bytes());
        HeaderValue::from_bytes(&list).expect("header values joined by commas are a header value")
    };
    headers.insert(FORWARDED_FOR, list);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn head(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    fn get(uri: &str) -> http::request::Builder {
        http::Request::get(uri)
    }

    fn rejection(request: http::request::Builder) -> LocalReply {
        prepare(&mut head(request), None, Some(&address(CALLER)), false).unwrap_err()
    }

    fn prepared(request: http::request::Builder) -> Parts {
        let mut head = head(request);
        prepare(&mut head, None, Some(&address(CALLER)), false).unwrap();
        head
    }

    fn target(request: http::request::Builder, tenant_isolation: bool) -> Result<TargetHeaders, LocalReply> {
        let headers = TargetHeaders::read(&head(request).headers, tenant_isolation)?;
        headers.target()?;
        Ok(headers)
    }

    #[test]
    fn a_node_takes_precedence_over_a_cluster() {
        let both = target(get("/").header(CLUSTER, "c").header(NODE, "n").header(TENANT, "t"), true).unwrap();
        assert_eq!(both.target().unwrap().name, TargetName::Node(NodeId::new("n").unwrap()));
        assert_eq!(both.target().unwrap().tenant, Some(TenantId::new("t").unwrap()));
        let cluster = target(get("/").header(CLUSTER, "c"), false).unwrap();
        assert_eq!(cluster.target().unwrap().name, TargetName::Cluster(ClusterId::new("c").unwrap()));
        assert_eq!(cluster.target().unwrap().tenant, None);
    }

    #[test]
    fn a_request_without_a_legal_target_is_rejected() {
        let rejection = |request, isolation| target(request, isolation).unwrap_err();
        assert_eq!(rejection(get("/"), false), LocalReply::NoTarget);
        assert_eq!(rejection(get("/").header(NODE, "n"), true), LocalReply::NoTenant);
        assert_eq!(rejection(get("/").header(NODE, ""), false), LocalReply::IllegalTarget);
        assert_eq!(rejection(get("/").header(NODE, "n").header(NODE, "n"), false), LocalReply::IllegalTarget);
        assert_eq!(rejection(get("/").header(NODE, "n".repeat(256)), false), LocalReply::IllegalTarget);
        assert_eq!(rejection(get("/").header(NODE, &b"\xff"[..]), false), LocalReply::IllegalTarget);
        assert_eq!(rejection(get("/").header(NODE, "n").header(TENANT, ""), true), LocalReply::IllegalTarget);
        // A tenant that does not matter may be anything.
        assert!(target(get("/").header(NODE, "n").header(TENANT, ""), false).is_ok());
    }

    #[test]
    fn the_host_becomes_the_authority() {
        let head = prepared(get("/a?b=c").header(HOST, "shop.example:81"));
        assert_eq!(head.uri, "http://shop.example:81/a?b=c");
        assert_eq!(head.version, Version::HTTP_2);
        assert!(!head.headers.contains_key(HOST));
        assert_eq!(prepared(get("http://a.example?b").header(HOST, "a")).uri, "http://a.example/?b");
        let absolute = prepared(get("https://a.example/").header(HOST, "b.example"));
        assert_eq!(absolute.uri, "http://a.example/");
    }

    #[test]
    fn only_http10_may_have_no_host() {
        for request in [get("/a"), get("/a").header(HOST, "")] {
            assert_eq!(prepared(request.version(Version::HTTP_10)).uri, "http://localhost/a");
        }
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(rejection(get("/").version(version)), LocalReply::IllegalHost);
        }
        assert_eq!(rejection(get("http://a/").version(Version::HTTP_11)), LocalReply::IllegalHost);
    }

    #[test]
    fn an_asterisk_is_kept() {
        let head = prepared(http::Request::options("*").header(HOST, "a"));
        assert_eq!(head.uri.path_and_query().unwrap(), "*");
    }

    #[test]
    fn requests_that_cannot_be_forwarded_are_rejected() {
        for host in ["a b", "", "me@a", ":80", "a:b"] {
            assert_eq!(rejection(get("/").header(HOST, host)), LocalReply::IllegalHost, "{host}");
        }
        assert_eq!(rejection(get("http://me@a/").header(HOST, "a")), LocalReply::IllegalHost);
        for uri in ["a:1", "a", "*"] {
            assert_eq!(rejection(get(uri).header(HOST, "a")), LocalReply::IllegalPath, "{uri}");
        }
        for coding in ["gzip, chunked", "chunked, chunked", "identity"] {
            let request = get("/").header(HOST, "a").header(TRANSFER_ENCODING, coding);
            assert_eq!(rejection(request), LocalReply::CodingUnsupported, "{coding}");
        }
        assert_eq!(rejection(get("/").header(HOST, "a").header(HOST, "a")), LocalReply::IllegalHost);
    }

    #[test]
    fn forwards_are_counted_down() {
        let options = |left| http::Request::options("/").header(HOST, "a").header(MAX_FORWARDS, left);
        assert_eq!(prepared(options("5")).headers[MAX_FORWARDS], "4");
        assert_eq!(rejection(options("0")), LocalReply::NoMoreForwards);
        assert_eq!(prepared(get("/").header(HOST, "a").header(MAX_FORWARDS, "0")).headers[MAX_FORWARDS], "0");
    }

    #[test]
    fn the_caller_is_appended_to_x_forwarded_for() {
        let head = prepared(
            get("/")
                .header(HOST, "a")
                .header(FORWARDED_FOR, "a")
                .header(FORWARDED_FOR, "b, c")
                .header(FORWARDED_PROTO, "https"),
        );
        assert_eq!(head.headers.get_all(FORWARDED_FOR).into_iter().collect::<Vec<_>>(), ["a, b, c, 192.0.2.7"]);
        assert_eq!(head.headers[FORWARDED_PROTO], "https");
        let first = prepared(get("/").header(HOST, "a"));
        assert_eq!(first.headers[FORWARDED_FOR], "192.0.2.7");
        assert_eq!(first.headers[FORWARDED_PROTO], "http");
    }
}
