//! Headers by which proxies tell services who a caller is: whose word counts, and which of them a caller may have removed.
//!
//! A service believes them, so they must come from a proxy that it trusts. Many servers also take a header whose name has
//! underscores for the one with hyphens (RFC 3875 §4.1.18), so those names are nobody's.

/// What a caller says that only a proxy in front of it can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// Where a request comes from: true if a trusted hop says so.
    Origin,
    /// What only revtun itself says, or a name that a service could take for another: never true.
    Forged,
}

/// Whether a request header is a [`Claim`]. `name` is in lower case.
///
/// - Origin: `forwarded` (RFC 7239), `x-forwarded-*`, `x-real-ip`.
/// - Forged: `x-revtun-*`, and each of the above, and of the headers that name a target, with an underscore for a hyphen.
#[must_use]
pub fn claim(name: &str) -> Option<Claim> {
    match name.as_bytes() {
        b"forwarded" => return Some(Claim::Origin),
        [b'x', b'-' | b'_', ..] => {}
        _ => return None,
    }
    let rest = &name[2..];
    let is_ours = begins(rest, "revtun-");
    let is_origin = begins(rest, "forwarded-") || is(rest, "real-ip");
    let is_target = is(rest, "node-id") || is(rest, "cluster-id") || is(rest, "tenant-id");
    let has_underscore = name.bytes().any(|byte| byte == b'_');
    match (is_ours || is_origin || is_target, has_underscore) {
        (true, false) if is_ours => Some(Claim::Forged),
        (true, false) if is_origin => Some(Claim::Origin),
        (true, true) => Some(Claim::Forged),
        (_, _) => None,
    }
}

/// Whether a caller may name a header in `connection`, and so have it removed on the way (RFC 9110 §7.6.1). Not if it was put there for
/// the service by a hop before us, or is for the service by its definition: what names those is refused. `name` is in any case.
#[must_use]
pub fn may_be_connection_option(name: &str) -> bool {
    const END_TO_END: [&str; 10] = [
        "authorization",
        "cache-control",
        "content-type",
        "cookie",
        "forwarded",
        "via",
        "x-cluster-id",
        "x-node-id",
        "x-real-ip",
        "x-tenant-id",
    ];
    const PREFIXES: [&str; 3] = ["x-forwarded-", "x-revtun-", "x-envoy-"];
    let is_prefixed = |prefix: &&str| name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    !END_TO_END.iter().any(|header| name.eq_ignore_ascii_case(header)) && !PREFIXES.iter().any(is_prefixed)
}

/// Whether `name` is `hyphened`, with a hyphen or an underscore for each hyphen.
fn is(name: &str, hyphened: &str) -> bool {
    name.len() == hyphened.len() && begins(name, hyphened)
}

/// Whether `name` begins so.
fn begins(name: &str, hyphened: &str) -> bool {
    let same = |(byte, other): (u8, u8)| byte == other || (byte == b'_' && other == b'-');
    name.len() >= hyphened.len() && name.bytes().zip(hyphened.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_trusted_hop_knows_is_told_from_the_rest() {
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-client-cert", "x-real-ip"] {
            assert_eq!(claim(name), Some(Claim::Origin), "{name}");
        }
        let forged = [
            "x-revtun-reason",
            "x-revtun-",
            "x_revtun_a",
            "x_forwarded-for",
            "x-forwarded_for",
            "x-real_ip",
            "x_real-ip",
            "x_node_id",
            "x-tenant_id",
            "x_cluster-id",
        ];
        for name in forged {
            assert_eq!(claim(name), Some(Claim::Forged), "{name}");
        }
        let others = [
            "",
            "x",
            "x-",
            "x_",
            "x-node-id",
            "x-tenant-id",
            "x-forwarded",
            "x-real-ips",
            "x-real",
            "x-user_id",
            "forwarded_",
            "authorization",
            "xx-forwarded-for",
            "x-revtun",
        ];
        for name in others {
            assert_eq!(claim(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_for_the_service_stays() {
        for name in [
            "Authorization",
            "cookie",
            "X-Forwarded-For",
            "x-forwarded-",
            "X-Revtun-Caller",
            "x-tenant-id",
            "via",
            "x-envoy-internal",
        ] {
            assert!(!may_be_connection_option(name), "{name}");
        }
        for name in ["close", "keep-alive", "upgrade", "te", "http2-settings", "x-mine", "x-forwarded", ""] {
            assert!(may_be_connection_option(name), "{name}");
        }
    }
}
