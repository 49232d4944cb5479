//! Bearer tokens: their form, their time, whom they name, and that they are never shown.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use revtun_core::binding::{Binding, Placeholder, Statement, Template, TemplateError};
use revtun_core::handshake::{HeaderNames, Instance, PATH, ParsedRequest, RequestHead, RequestParser, Rules};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Verdict::{self, Authenticated, Mismatch, Unauthenticated};
use revtun_core::token::{
    CLOCK_SKEW_SECONDS, Claims, MAX_LIFETIME_SECONDS, MAX_TOKEN_BYTES, Policy, Token, TokenError,
};

const SUBJECT: &str = "sub={tenant}/{cluster}/{node}";
const NOW: u64 = 1_795_381_085;

fn claim<'a>(tenant: &'a str, cluster: &'a str, node: &'a str) -> Identity<'a> {
    Identity {
        node: NodeId::new(node).unwrap(),
        cluster: ClusterId::new(cluster).unwrap(),
        tenant: TenantId::new(tenant).unwrap(),
    }
}

fn policy([node, cluster, tenant]: [&str; 3]) -> Policy {
    let binding = Binding::new(
        Template::parse_claim(node, Placeholder::Node).unwrap(),
        Template::parse_claim(cluster, Placeholder::Cluster).unwrap(),
        Template::parse_claim(tenant, Placeholder::Tenant).unwrap(),
    )
    .unwrap();
    Policy::new("https://issuer.example", "revtun", binding)
}

fn says<'a>(statements: &'a [Statement<'a>]) -> Claims<'a> {
    Claims {
        issuer: Some("https://issuer.example"),
        audiences: &["other", "revtun"],
        expires: Some(NOW + 1),
        not_before: None,
        kind: None,
        needs_key: false,
        statements,
    }
}

const NAMED: [Statement<'_>; 1] = [Statement::Claim { name: "sub", value: "t/c/n" }];

#[test]
fn a_token_names_its_bearer() {
    let policy = policy([SUBJECT; 3]);
    assert_eq!(policy.verify(&says(&NAMED), NOW, &claim("t", "c", "n")), Ok(Authenticated));
    for (tenant, cluster, node) in [("T", "c", "n"), ("t", "c", "n2"), ("t", "c/n", "n"), ("t/c", "n", "n")] {
        assert_eq!(policy.verify(&says(&NAMED), NOW, &claim(tenant, cluster, node)), Ok(Mismatch), "{node}");
    }
    assert_eq!(policy.verify(&says(&[]), NOW, &claim("t", "c", "n")), Ok(Mismatch));
    // What a certificate says, or another claim, is not what this claim says.
    for other in [
        Statement::Uri("t/c/n"),
        Statement::Dns("t/c/n"),
        Statement::Claim { name: "Sub", value: "t/c/n" },
        Statement::Claim { name: "su", value: "b=t/c/n" },
    ] {
        assert_eq!(policy.verify(&says(&[other]), NOW, &claim("t", "c", "n")), Ok(Mismatch), "{other:?}");
    }
}

#[test]
fn names_may_be_in_separate_claims_and_in_lists() {
    let policy = policy(["node={node}", "groups=cluster:{cluster}", "https://x/tenant=spiffe://{tenant}"]);
    let statements = [
        Statement::Claim { name: "node", value: "n" },
        Statement::Claim { name: "groups", value: "cluster:b" },
        Statement::Claim { name: "groups", value: "cluster:c" },
        Statement::Claim { name: "https://x/tenant", value: "spiffe://t" },
    ];
    assert_eq!(policy.verify(&says(&statements), NOW, &claim("t", "c", "n")), Ok(Authenticated));
    assert_eq!(policy.verify(&says(&statements), NOW, &claim("t", "b", "n")), Ok(Authenticated));
    assert_eq!(policy.verify(&says(&statements), NOW, &claim("t", "d", "n")), Ok(Mismatch));
    for missing in [0, 3] {
        let mut left = statements.to_vec();
        left.remove(missing);
        assert_eq!(policy.verify(&says(&left), NOW, &claim("t", "c", "n")), Ok(Mismatch), "without {missing}");
    }
}

#[test]
fn the_validity_of_a_token_allows_a_minute_of_clock_skew() {
    let policy = policy([SUBJECT; 3]);
    let at = |now, not_before, expires| {
        let claims = Claims { not_before, expires, ..says(&NAMED) };
        policy.verify(&claims, now, &claim("t", "c", "n"))
    };
    assert_eq!(at(NOW, None, Some(NOW - CLOCK_SKEW_SECONDS + 1)), Ok(Authenticated));
    assert_eq!(at(NOW, None, Some(NOW - CLOCK_SKEW_SECONDS)), Err(TokenError::Expired));
    assert_eq!(at(NOW, Some(NOW + CLOCK_SKEW_SECONDS), Some(NOW + 99)), Ok(Authenticated));
    assert_eq!(at(NOW, Some(NOW + CLOCK_SKEW_SECONDS + 1), Some(NOW + 99)), Err(TokenError::NotYetValid));
    assert_eq!(at(NOW, None, None), Err(TokenError::NoExpiry));
    // Nothing overflows at either end of time.
    assert_eq!(at(u64::MAX, Some(u64::MAX), Some(u64::MAX)), Err(TokenError::Expired));
    assert_eq!(at(0, Some(0), Some(u64::MAX)), Err(TokenError::LifetimeTooLong));
}

#[test]
fn a_token_that_hardly_ever_ends_is_refused() {
    let mut policy = policy([SUBJECT; 3]);
    let ends = |policy: &Policy, now, expires| {
        policy.verify(&Claims { expires: Some(expires), ..says(&NAMED) }, now, &claim("t", "c", "n"))
    };
    assert_eq!(ends(&policy, NOW, NOW + MAX_LIFETIME_SECONDS), Ok(Authenticated));
    assert_eq!(ends(&policy, NOW, NOW + MAX_LIFETIME_SECONDS + 1), Err(TokenError::LifetimeTooLong));
    policy.max_lifetime = 3600;
    assert_eq!(ends(&policy, NOW, NOW + 3600), Ok(Authenticated));
    assert_eq!(ends(&policy, NOW, NOW + 3601), Err(TokenError::LifetimeTooLong));
    policy.max_lifetime = u64::MAX;
    assert_eq!(ends(&policy, 1, u64::MAX), Ok(Authenticated));
}

#[test]
fn a_token_for_something_else_proves_nothing() {
    let policy = policy([SUBJECT; 3]);
    let judge = |claims: Claims<'_>| policy.verify(&claims, NOW, &claim("t", "c", "n"));
    for kind in ["JWT", "jwt", "application/jwt", "Application/JWT", "at+jwt", "application/at+JWT", "JOSE"] {
        assert_eq!(judge(Claims { kind: Some(kind), ..says(&NAMED) }), Ok(Authenticated), "{kind}");
    }
    for kind in
        ["", "application/", "dpop+jwt", "logout+jwt", "secevent+jwt", "JWT ", "text/jwt", "ähm", "application/ä"]
    {
        assert_eq!(judge(Claims { kind: Some(kind), ..says(&NAMED) }), Err(TokenError::WrongType), "{kind}");
    }
    assert_eq!(judge(Claims { needs_key: true, ..says(&NAMED) }), Err(TokenError::NeedsKey));
}

#[test]
fn a_wrong_issuer_or_audience_is_refused() {
    let policy = policy([SUBJECT; 3]);
    let judge = |claims: Claims<'_>| policy.verify(&claims, NOW, &claim("t", "c", "n"));
    for issuer in [None, Some(""), Some("https://issuer.example/"), Some("HTTPS://issuer.example")] {
        assert_eq!(judge(Claims { issuer, ..says(&NAMED) }), Err(TokenError::WrongIssuer), "{issuer:?}");
    }
    for audiences in [&[][..], &["Revtun"], &["revtun2", "other"]] {
        assert_eq!(judge(Claims { audiences, ..says(&NAMED) }), Err(TokenError::WrongAudience), "{audiences:?}");
    }
}

#[test]
fn certificate_and_token_both_have_to_authenticate() {
    for (one, other, both) in [
        (Authenticated, Authenticated, Authenticated),
        (Authenticated, Unauthenticated, Unauthenticated),
        (Authenticated, Mismatch, Mismatch),
        (Unauthenticated, Unauthenticated, Unauthenticated),
        (Unauthenticated, Mismatch, Unauthenticated),
        (Mismatch, Mismatch, Mismatch),
    ] {
        assert_eq!(Verdict::and(one, other), both, "{one:?} and {other:?}");
        assert_eq!(Verdict::and(other, one), both, "{other:?} and {one:?}");
    }
}

#[test]
fn templates_for_claims_name_a_claim() {
    for text in [SUBJECT, "node={node}", "a=b={node}", "https://x/n=spiffe://{node}"] {
        assert_eq!(Template::parse_claim(text, Placeholder::Node).unwrap().to_string(), text);
    }
    for (text, error) in [
        ("{node}", TemplateError::NoClaim),
        ("={node}", TemplateError::NoClaim),
        ("a b={node}", TemplateError::NoClaim),
        ("{node}={node}", TemplateError::NoClaim),
        ("sub={tenant}", TemplateError::Missing(Placeholder::Node)),
        ("sub={tenant}.{node}", TemplateError::AdjacentPlaceholders),
    ] {
        assert_eq!(Template::parse_claim(text, Placeholder::Node), Err(error), "{text}");
    }
}

#[test]
fn the_bearer_scheme_is_optional() {
    let long = "a".repeat(MAX_TOKEN_BYTES);
    for (header, token) in [
        ("", Err(TokenError::Missing)),
        ("authorization:\r\n", Err(TokenError::Missing)),
        ("authorization: Bearer\r\n", Ok("Bearer")),
        ("authorization: Bearer a.b.c\r\n", Ok("a.b.c")),
        ("Authorization: bEARER   a.b.c\r\n", Ok("a.b.c")),
        ("authorization: a.b.c\r\n", Ok("a.b.c")),
        ("authorization: Bearer a.b.c\r\nauthorization: Bearer d.e.f\r\n", Ok("a.b.c")),
        ("authorization: Basic YTpi\r\n", Err(TokenError::Malformed)),
        ("authorization: Bearer a.b.c d\r\n", Err(TokenError::Malformed)),
        ("authorization: Bearer a,b\r\n", Err(TokenError::Malformed)),
        ("authorization: Bearer ä\r\n", Err(TokenError::Malformed)),
        (&format!("authorization: Bearer {long}\r\n"), Ok(&long[..])),
        (&format!("authorization: Bearer {long}a\r\n"), Err(TokenError::TooLong)),
    ] {
        let text = format!(
            "GET {PATH} HTTP/1.1\r\nx-envoy-reverse-tunnel-node-id: n\r\nx-envoy-reverse-tunnel-cluster-id: c\r\n\
             x-envoy-reverse-tunnel-tenant-id: t\r\n{header}\r\n"
        );
        let rules = Rules::default();
        let ParsedRequest::Complete { request, .. } = RequestParser::new().parse(&rules, text.as_bytes()) else {
            panic!("{text}");
        };
        assert_eq!(request.token.map(Token::as_str), token, "{header}");
        assert!(!format!("{request:?}").contains("a.b.c"), "a token is never shown");
    }
}

#[test]
fn a_token_is_sent_but_never_logged() {
    let head = RequestHead {
        names: &HeaderNames::default(),
        host: "h",
        identity: claim("t", "c", "n"),
        upstream: "u",
        initiation_time_ms: 0,
        worker: 0,
        connection: 0,
        instance: Instance(0),
        path: PATH,
        upgrade: false,
        whole_tls: true,
        token: Some(Token::new("a-secret.b.c").unwrap()),
    };
    let mut bytes = Vec::new();
    head.encode(&mut bytes);
    assert!(String::from_utf8(bytes).unwrap().contains("\r\nauthorization: Bearer a-secret.b.c\r\n"));
    assert!(!format!("{head:?}").contains("a-secret"));
    assert_eq!(Token::new("a\r\nx: y"), Err(TokenError::Malformed), "no header can be smuggled in");
}

/// They are labels of a metric, which a second fault of the same name would share.
#[test]
fn token_errors_have_distinct_names() {
    let names: BTreeSet<_> = TokenError::ALL.into_iter().map(TokenError::name).collect();
    assert_eq!(names.len(), TokenError::ALL.len());
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')), "{names:?}");
}
