//! The target of a request, and its head as it goes through the tunnel.

use http::header::{CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, MAX_FORWARDS, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Method, Version};
use revtun_core::forwarding::may_be_connection_option;
use revtun_core::http::is_host;
use revtun_core::identity::{ClusterId, NameError, NodeId, TenantId};
use revtun_core::responder::{Target, TargetName};

use super::origin::Origin;
use super::stream_request::StreamRequest;
use crate::http::{HeaderSummary, is_only_chunked, single_length, strip_hop_by_hop, tokens};
use crate::responder::local_reply::LocalReply;

const NODE: HeaderName = HeaderName::from_static("x-node-id");
const CLUSTER: HeaderName = HeaderName::from_static("x-cluster-id");
const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
/// The host of a request that need not name one.
const NO_HOST: &str = "localhost";

/// The target of a request, as header values: cheap to keep while the request itself is sent.
#[derive(Clone, Debug)]
pub(super) struct TargetHeaders {
    node: Option<HeaderValue>,
    cluster: Option<HeaderValue>,
    tenant: Option<HeaderValue>,
}

impl TargetHeaders {
    /// Reads `x-node-id`, `x-cluster-id` or both, and `x-tenant-id` if tenants are isolated. Several values of one header are
    /// an error: whoever added the last one may not know of the first.
    pub(super) fn read(headers: &HeaderMap, tenant_isolation: bool) -> Result<Self, LocalReply> {
        let (node, cluster) = (single(headers, NODE)?.cloned(), single(headers, CLUSTER)?.cloned());
        if node.is_none() && cluster.is_none() {
            return Err(LocalReply::NoTarget);
        }
        let tenant = match single(headers, TENANT)? {
            Some(tenant) if tenant_isolation => Some(tenant.clone()),
            None if tenant_isolation => return Err(LocalReply::NoTenant),
            Some(_) | None => None,
        };
        Ok(Self { node, cluster, tenant })
    }

    /// The target for the machine, if the names are legal.
    pub(super) fn target(&self) -> Result<Target<'_>, LocalReply> {
        let node = self.node.as_ref().map(|node| parsed(node, NodeId::new)).transpose()?;
        let cluster = self.cluster.as_ref().map(|cluster| parsed(cluster, ClusterId::new)).transpose()?;
        let name = match (node, cluster) {
            (Some(node), Some(cluster)) => TargetName::Member { node, cluster },
            (Some(node), None) => TargetName::Node(node),
            (None, Some(cluster)) => TargetName::Cluster(cluster),
            (None, None) => return Err(LocalReply::NoTarget),
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

/// Makes the head of a request that of a request on a tunnel: hop-by-hop headers are removed, and if it came from a connection what its
/// caller cannot know, and `x-forwarded-*` added. All else stays. `summary` is that of its headers.
pub(super) fn prepare(
    head: &mut Parts,
    summary: HeaderSummary,
    stream: Option<&StreamRequest>,
    origin: Option<&Origin>,
    tls: bool,
) -> Result<(), LocalReply> {
    if summary.has_hop_by_hop {
        refuse_unsupported(&head.headers)?;
    }
    let authority = authority(head, summary.hosts)?;
    let is_tcp = stream.is_some_and(StreamRequest::is_tcp);
    if !is_tcp {
        check_path(head)?;
    }
    count_forwards(head)?;
    if summary.has_content_length {
        single_length(&mut head.headers).map_err(|_| LocalReply::RequestIncomplete)?;
    }
    // In HTTP/1.0 nobody expects anything (RFC 9110 §10.1.1).
    if head.version <= Version::HTTP_10 {
        head.headers.remove(EXPECT);
    }
    if summary.has_hop_by_hop {
        strip_hop_by_hop(&mut head.headers);
    }
    if let Some(origin) = origin {
        origin.state(&mut head.headers, summary.has_claims, tls);
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

/// Refuses what is not carried.
fn refuse_unsupported(headers: &HeaderMap) -> Result<(), LocalReply> {
    if headers.contains_key(TRANSFER_ENCODING) && !is_only_chunked(headers) {
        return Err(LocalReply::CodingUnsupported);
    }
    match tokens(headers, CONNECTION).all(may_be_connection_option) {
        true => Ok(()),
        false => Err(LocalReply::IllegalConnection),
    }
}

/// Names the host in a header where a caller in this process does not: in its URL or nowhere, since no connection asks it to.
pub(super) fn name_host(head: &mut Parts) {
    let host = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    head.headers.entry(HOST).or_insert(host.unwrap_or(HeaderValue::from_static(NO_HOST)));
}

/// The host: that of the request target, or else of the header (RFC 9112 §3.2.2). Only a request of HTTP/1.0 may have none.
/// It is taken from the header, which is there `hosts` times.
fn authority(head: &mut Parts, hosts: usize) -> Result<Authority, LocalReply> {
    let host = if hosts > 0 { head.headers.remove(HOST) } else { None };
    if hosts > 1 || (host.is_none() && head.version == Version::HTTP_11) {
        return Err(LocalReply::IllegalHost);
    }
    let old = head.version <= Version::HTTP_10;
    let bytes = match (head.uri.authority(), host.as_ref().filter(|host| !(old && host.is_empty()))) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    fn get(uri: &str) -> http::request::Builder {
        http::Request::get(uri)
    }

    fn rejection(request: http::request::Builder) -> LocalReply {
        prepare_head(&mut head(request)).unwrap_err()
    }

    fn prepared(request: http::request::Builder) -> Parts {
        let mut head = head(request);
        prepare_head(&mut head).unwrap();
        head
    }

    fn prepare_head(head: &mut Parts) -> Result<(), LocalReply> {
        let summary = HeaderSummary::of_caller(&head.headers);
        prepare(head, summary, None, None, false)
    }

    fn target(request: http::request::Builder, tenant_isolation: bool) -> Result<TargetHeaders, LocalReply> {
        let headers = TargetHeaders::read(&head(request).headers, tenant_isolation)?;
        headers.target()?;
        Ok(headers)
    }

    #[test]
    fn a_node_and_a_cluster_together_name_one_node() {
        let both = target(get("/").header(CLUSTER, "c").header(NODE, "n").header(TENANT, "t"), true).unwrap();
        let (node, cluster) = (NodeId::new("n").unwrap(), ClusterId::new("c").unwrap());
        assert_eq!(both.target().unwrap().name, TargetName::Member { node, cluster });
        let alone = target(get("/").header(NODE, "n"), false).unwrap();
        assert_eq!(alone.target().unwrap().name, TargetName::Node(node));
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
        assert_eq!(rejection(get("/").header(NODE, "n").header(CLUSTER, ""), false), LocalReply::IllegalTarget);
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
    fn a_caller_has_nothing_removed_that_is_for_the_service() {
        for option in ["x-forwarded-for", "keep-alive, Authorization", "X-Tenant-Id"] {
            assert_eq!(rejection(get("/").header(HOST, "a").header(CONNECTION, option)), LocalReply::IllegalConnection);
        }
        let head = prepared(get("/").header(HOST, "a").header(CONNECTION, "x-mine").header("x-mine", "1"));
        assert!(!head.headers.contains_key("x-mine"));
    }
}
