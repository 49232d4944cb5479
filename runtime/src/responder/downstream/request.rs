//! The target of a request, and its head as it goes through the tunnel.

use std::net::IpAddr;

use http::header::{EXPECT, HOST, HeaderMap, HeaderName};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Method, Version};
use revtun_core::identity::{ClusterId, NameError, NodeId, TenantId};
use revtun_core::responder::{Target, TargetName};

use crate::http::strip_hop_by_hop;
use crate::responder::local_reply::LocalReply;

const NODE: HeaderName = HeaderName::from_static("x-node-id");
const CLUSTER: HeaderName = HeaderName::from_static("x-cluster-id");
const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

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

/// A caller's address for `x-forwarded-for`; made once for each connection.
pub(super) fn address(caller: IpAddr) -> HeaderValue {
    HeaderValue::try_from(caller.to_canonical().to_string()).expect("an address is a header value")
}

/// Makes the head of a request from `caller` that of a request on a tunnel: hop-by-hop headers are removed, `x-forwarded-*`
/// added if the caller has an address, all else stays.
pub(super) fn prepare(head: &mut Parts, caller: Option<&HeaderValue>, tls: bool) -> Result<(), LocalReply> {
    if head.method == Method::CONNECT {
        return Err(LocalReply::ConnectUnsupported);
    }
    let authority = authority(head)?;
    head.headers.remove(HOST);
    // We send the caller its 100 Continue, as soon as the tunnel takes the body.
    head.headers.remove(EXPECT);
    strip_hop_by_hop(&mut head.headers);
    if let Some(caller) = caller {
        append_forwarded_for(&mut head.headers, caller);
        head.headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static(if tls { "https" } else { "http" }));
    }
    // ByteCounts: the first clone would allocate.
    let path = std::mem::take(&mut head.uri).into_parts().path_and_query;
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
    // A request of HTTP/1.0 may have no host. Only as one of HTTP/1 does h2 send it without an authority.
    head.version = if authority.is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
    uri.scheme = authority.is_some().then_some(Scheme::HTTP);
    uri.authority = authority;
    head.uri = Uri::from_parts(uri).map_err(|_| LocalReply::IllegalHost)?;
    Ok(())
}

/// The host: that of the request target, or else of the header (RFC 9112 §3.2.2).
fn authority(head: &Parts) -> Result<Option<Authority>, LocalReply> {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    let host = hosts.next().filter(|host| !host.is_empty());
    if hosts.next().is_some() {
        return Err(LocalReply::IllegalHost);
    }
    if let Some(authority) = head.uri.authority() {
        return Ok(Some(authority.clone()));
    }
    host.map(|host| Authority::try_from(host.as_bytes()).map_err(|_| LocalReply::IllegalHost)).transpose()
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

    fn prepared(request: http::request::Builder) -> Parts {
        let mut head = head(request);
        prepare(&mut head, Some(&address(CALLER)), false).unwrap();
        head
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
        let absolute = prepared(get("https://a.example/").header(HOST, "b.example"));
        assert_eq!(absolute.uri, "http://a.example/");
    }

    #[test]
    fn an_http10_request_may_have_no_host() {
        let head = prepared(get("/a"));
        assert_eq!((head.uri.to_string().as_str(), head.version), ("/a", Version::HTTP_11));
    }

    #[test]
    fn an_asterisk_is_kept() {
        let head = prepared(http::Request::options("*").header(HOST, "a"));
        assert_eq!(head.uri.path_and_query().unwrap(), "*");
    }

    #[test]
    fn requests_that_cannot_be_forwarded_are_rejected() {
        let rejection = |request| prepare(&mut head(request), Some(&address(CALLER)), false).unwrap_err();
        assert_eq!(rejection(get("/").header(HOST, "a b")), LocalReply::IllegalHost);
        assert_eq!(rejection(get("/").header(HOST, "a").header(HOST, "a")), LocalReply::IllegalHost);
        assert_eq!(
            rejection(http::Request::builder().method(Method::CONNECT).uri("a:1")),
            LocalReply::ConnectUnsupported
        );
    }

    #[test]
    fn the_caller_is_appended_to_x_forwarded_for() {
        let head = prepared(
            get("/").header(FORWARDED_FOR, "a").header(FORWARDED_FOR, "b, c").header(FORWARDED_PROTO, "https"),
        );
        assert_eq!(head.headers.get_all(FORWARDED_FOR).into_iter().collect::<Vec<_>>(), ["a, b, c, 192.0.2.7"]);
        assert_eq!(head.headers[FORWARDED_PROTO], "https");
        let first = prepared(get("/"));
        assert_eq!(first.headers[FORWARDED_FOR], "192.0.2.7");
        assert_eq!(first.headers[FORWARDED_PROTO], "http");
    }
}
