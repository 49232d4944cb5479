//! Where a request wants to go, and how it looks in the tunnel.

use std::net::IpAddr;

use http::header::{EXPECT, HOST, HeaderMap, HeaderName};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Method, Version};
use revtun_core::identity::{ClusterId, NameError, NodeId, TenantId};
use revtun_core::responder::{Target, TargetName};

use super::answer::OwnAnswer;
use crate::http::strip_hop_by_hop;

const NODE: HeaderName = HeaderName::from_static("x-node-id");
const CLUSTER: HeaderName = HeaderName::from_static("x-cluster-id");
const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a request wants to go, in its own words: cheap to keep while the request itself is on its way.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    name: HeaderValue,
    is_node: bool,
    tenant: Option<HeaderValue>,
}

impl Destination {
    /// Reads `x-node-id`, or else `x-cluster-id`, and `x-tenant-id` if tenants are kept apart. Of several values none
    /// counts: whoever put the last one there may not know of the first.
    pub(super) fn of(headers: &HeaderMap, tenant_isolation: bool) -> Result<Self, OwnAnswer> {
        let node = only(headers, NODE)?;
        let name = match node {
            Some(node) => node.clone(),
            None => only(headers, CLUSTER)?.ok_or(OwnAnswer::NoTarget)?.clone(),
        };
        let tenant = match only(headers, TENANT)? {
            Some(tenant) if tenant_isolation => Some(tenant.clone()),
            None if tenant_isolation => return Err(OwnAnswer::NoTenant),
            Some(_) | None => None,
        };
        Ok(Self { name, is_node: node.is_some(), tenant })
    }

    /// The same for the machine, if such a place can exist.
    pub(super) fn target(&self) -> Result<Target<'_>, OwnAnswer> {
        let name = match self.is_node {
            true => TargetName::Node(parsed(&self.name, NodeId::new)?),
            false => TargetName::Cluster(parsed(&self.name, ClusterId::new)?),
        };
        let tenant = self.tenant.as_ref().map(|tenant| parsed(tenant, TenantId::new)).transpose()?;
        Ok(Target { tenant, name })
    }
}

/// The value of a header that may stand there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, OwnAnswer> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(OwnAnswer::IllegalTarget),
    }
}

fn parsed<'a, T>(value: &'a HeaderValue, parse: impl FnOnce(&'a str) -> Result<T, NameError>) -> Result<T, OwnAnswer> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| OwnAnswer::IllegalTarget)?;
    parse(text).map_err(|_| OwnAnswer::IllegalTarget)
}

/// A caller's address as `x-forwarded-for` has it; made once for each connection.
pub(super) fn address(caller: IpAddr) -> HeaderValue {
    HeaderValue::try_from(caller.to_canonical().to_string()).expect("an address is a header value")
}

/// Makes what a caller at `from` sent fit for the tunnel: hop-by-hop headers go, `x-forwarded-*` come, all else stays.
pub(super) fn prepare(head: &mut Parts, from: &HeaderValue, tls: bool) -> Result<(), OwnAnswer> {
    if head.method == Method::CONNECT {
        return Err(OwnAnswer::ConnectUnsupported);
    }
    let authority = authority(head)?;
    head.headers.remove(HOST);
    // The caller is told to go on by us, as soon as the tunnel takes its body.
    head.headers.remove(EXPECT);
    strip_hop_by_hop(&mut head.headers);
    append_forwarded_for(&mut head.headers, from);
    head.headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static(if tls { "https" } else { "http" }));
    // Moved, since the first copy of it would be an allocation.
    let path = std::mem::take(&mut head.uri).into_parts().path_and_query;
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
    // A request of HTTP/1.0 may name no host at all. Only as one of HTTP/1 may it do so in the tunnel.
    head.version = if authority.is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
    uri.scheme = authority.is_some().then_some(Scheme::HTTP);
    uri.authority = authority;
    head.uri = Uri::from_parts(uri).map_err(|_| OwnAnswer::IllegalHost)?;
    Ok(())
}

/// The host that the caller means: that of the request target, or else of the header (RFC 9112 §3.2.2).
fn authority(head: &Parts) -> Result<Option<Authority>, OwnAnswer> {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    let host = hosts.next().filter(|host| !host.is_empty());
    if hosts.next().is_some() {
        return Err(OwnAnswer::IllegalHost);
    }
    if let Some(authority) = head.uri.authority() {
        return Ok(Some(authority.clone()));
    }
    host.map(|host| Authority::try_from(host.as_bytes()).map_err(|_| OwnAnswer::IllegalHost)).transpose()
}

fn append_forwarded_for(headers: &mut HeaderMap, from: &HeaderValue) {
    let earlier = headers.get_all(FORWARDED_FOR).into_iter().map(HeaderValue::as_bytes);
    let mut list = earlier.collect::<Vec<_>>().join(&b", "[..]);
    let list = if list.is_empty() {
        from.clone()
    } else {
        list.extend_from_slice(b", ");
        list.extend_from_slice(from.as_bytes());
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
        prepare(&mut head, &address(CALLER), false).unwrap();
        head
    }

    fn destination(request: http::request::Builder, tenant_isolation: bool) -> Result<Destination, OwnAnswer> {
        let destination = Destination::of(&head(request).headers, tenant_isolation)?;
        destination.target()?;
        Ok(destination)
    }

    #[test]
    fn a_node_comes_before_a_cluster() {
        let both = destination(get("/").header(CLUSTER, "c").header(NODE, "n").header(TENANT, "t"), true).unwrap();
        assert_eq!(both.target().unwrap().name, TargetName::Node(NodeId::new("n").unwrap()));
        assert_eq!(both.target().unwrap().tenant, Some(TenantId::new("t").unwrap()));
        let cluster = destination(get("/").header(CLUSTER, "c"), false).unwrap();
        assert_eq!(cluster.target().unwrap().name, TargetName::Cluster(ClusterId::new("c").unwrap()));
        assert_eq!(cluster.target().unwrap().tenant, None);
    }

    #[test]
    fn a_request_without_a_possible_target_is_turned_away() {
        let turned_away = |request, isolation| destination(request, isolation).unwrap_err();
        assert_eq!(turned_away(get("/"), false), OwnAnswer::NoTarget);
        assert_eq!(turned_away(get("/").header(NODE, "n"), true), OwnAnswer::NoTenant);
        assert_eq!(turned_away(get("/").header(NODE, ""), false), OwnAnswer::IllegalTarget);
        assert_eq!(turned_away(get("/").header(NODE, "n").header(NODE, "n"), false), OwnAnswer::IllegalTarget);
        assert_eq!(turned_away(get("/").header(NODE, "n".repeat(256)), false), OwnAnswer::IllegalTarget);
        assert_eq!(turned_away(get("/").header(NODE, &b"\xff"[..]), false), OwnAnswer::IllegalTarget);
        assert_eq!(turned_away(get("/").header(NODE, "n").header(TENANT, ""), true), OwnAnswer::IllegalTarget);
        // A tenant that does not matter may be anything.
        assert!(destination(get("/").header(NODE, "n").header(TENANT, ""), false).is_ok());
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
    fn a_request_of_old_may_name_no_host() {
        let head = prepared(get("/a"));
        assert_eq!((head.uri.to_string().as_str(), head.version), ("/a", Version::HTTP_11));
    }

    #[test]
    fn an_asterisk_stays_one() {
        let head = prepared(http::Request::options("*").header(HOST, "a"));
        assert_eq!(head.uri.path_and_query().unwrap(), "*");
    }

    #[test]
    fn what_cannot_be_passed_on_is_turned_away() {
        let turned_away = |request| prepare(&mut head(request), &address(CALLER), false).unwrap_err();
        assert_eq!(turned_away(get("/").header(HOST, "a b")), OwnAnswer::IllegalHost);
        assert_eq!(turned_away(get("/").header(HOST, "a").header(HOST, "a")), OwnAnswer::IllegalHost);
        assert_eq!(
            turned_away(http::Request::builder().method(Method::CONNECT).uri("a:1")),
            OwnAnswer::ConnectUnsupported
        );
    }

    #[test]
    fn the_caller_is_added_to_those_before_it() {
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
