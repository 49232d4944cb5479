//! Where requests come from, as the service is told.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use revtun_core::forwarding::{Claim, claim};
use revtun_core::network::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where the requests of a connection come from; made once for each connection.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// As in `x-forwarded-for`.
    address: HeaderValue,
    /// What the caller says of hops before it counts.
    is_trusted: bool,
}

impl Origin {
    /// That of connections from `caller`.
    pub(super) fn new(caller: IpAddr, trusted_hops: &Networks) -> Self {
        let address = HeaderValue::try_from(caller.to_canonical().to_string()).expect("an address is a header value");
        Self { address, is_trusted: trusted_hops.contains(caller) }
    }

    /// Sets `x-forwarded-for` and `x-forwarded-proto`, and removes what the caller says and cannot know. `has_claims`: there is any
    /// such header, see [`claim`]. `tls`: the connection is inside TLS.
    pub(super) fn state(&self, headers: &mut HeaderMap, has_claims: bool, tls: bool) {
        let list = if has_claims {
            remove_claims(headers, self.is_trusted);
            append(headers, &self.address)
        } else {
            self.address.clone()
        };
        headers.insert(FORWARDED_FOR, list);
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static(if tls { "https" } else { "http" }));
    }
}

/// Removes what nobody may say, and what only a trusted hop may.
fn remove_claims(headers: &mut HeaderMap, is_trusted: bool) {
    let is_removed = |name: &&HeaderName| match claim(name.as_str()) {
        None => false,
        Some(Claim::Origin) => !is_trusted,
        Some(Claim::Forged) => true,
    };
    let removed: Vec<_> = headers.keys().filter(is_removed).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
}

/// The list of `x-forwarded-for` with `caller` behind.
fn append(headers: &HeaderMap, caller: &HeaderValue) -> HeaderValue {
    let earlier = headers.get_all(FORWARDED_FOR).into_iter().map(HeaderValue::as_bytes);
    let mut list = earlier.collect::<Vec<_>>().join(&b", "[..]);
    if list.is_empty() {
        return caller.clone();
    }
    list.extend_from_slice(b", ");
    list.extend_from_slice(caller.as_bytes());
    HeaderValue::from_bytes(&list).expect("header values joined by commas are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    /// What becomes of `headers` from a caller, of whom those in `trusted_hops` are trusted.
    fn stated(trusted_hops: &str, headers: &[(&'static str, &'static str)], tls: bool) -> Vec<(String, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let has_claims = map.keys().any(|name| claim(name.as_str()).is_some());
        Origin::new(CALLER, &Networks::parse(trusted_hops).unwrap()).state(&mut map, has_claims, tls);
        let mut stated: Vec<_> =
            map.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        stated.sort();
        stated
    }

    fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_service_is_told_where_a_request_comes_from() {
        let expected = |proto| pairs(&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", proto)]);
        assert_eq!(stated("", &[], false), expected("http"));
        assert_eq!(stated("", &[], true), expected("https"));
        let mapped = Origin::new("::ffff:192.0.2.7".parse().unwrap(), &Networks::default());
        assert_eq!(mapped.address, "192.0.2.7");
    }

    #[test]
    fn only_a_trusted_hop_says_what_was_before_it() {
        let said = [
            ("authorization", "it"),
            ("forwarded", "it"),
            ("x-forwarded-client-cert", "it"),
            ("x-forwarded-for", "a"),
            ("x-forwarded-for", "b, c"),
            ("x-forwarded-proto", "https"),
            ("x-revtun-caller", "it"),
            ("x-user", "it"),
            ("x_forwarded_for", "it"),
        ];
        let stranger = [
            ("authorization", "it"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "http"),
            ("x-user", "it"),
        ];
        assert_eq!(stated("10.0.0.0/8", &said, false), pairs(&stranger));
        let hop = [
            ("authorization", "it"),
            ("forwarded", "it"),
            ("x-forwarded-client-cert", "it"),
            ("x-forwarded-for", "a, b, c, 192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-user", "it"),
        ];
        assert_eq!(stated("10.0.0.0/8,192.0.2.0/24", &said, false), pairs(&hop));
    }
}
