//! `rc://` addresses: reference §1, line by line.

use proptest::prelude::*;
use revtun_core::address::{Address, AddressErrorKind, Field, MAX_COUNT};
use revtun_core::identity::NameError;

#[test]
fn the_parts_of_an_address_are_returned_unchanged() {
    let address = Address::parse("rc://n1:c1:t1@upc:3").unwrap();
    assert_eq!(address.identity().to_string(), "t1/c1/n1");
    assert_eq!(address.upstream(), "upc");
    assert_eq!(address.count(), 3);
    assert_eq!(address.to_string(), "rc://n1:c1:t1@upc:3");
    assert_eq!("rc://n1:c1:t1@upc:3".parse(), Ok(address));
}

#[test]
fn every_address_that_envoy_accepts_is_accepted() {
    let long = "x".repeat(255);
    let accepted = [
        ("rc://n:c:t@u: 7", 7),
        ("rc://n:c:t@u:7 ", 7),
        ("rc://n:c:t@u:0", 0),
        ("rc://n:c:t@u:007", 7),
        ("rc://n:c:t@u:1024", MAX_COUNT),
        ("rc://a node:größe:t\tt@u/x.y:1", 1),
        ("rc://%40:rc:t@u:1", 1),
        (&format!("rc://{long}:{long}:{long}@{long}:1"), 1),
    ];
    for (text, count) in accepted {
        assert_eq!(Address::parse(text).map(|address| address.count()), Ok(count), "{text}");
    }
}

#[test]
fn every_error_has_its_text_and_offset() {
    const FORMAT: &str = "rc://src_node_id:src_cluster_id:src_tenant_id@cluster_name:count";
    let scheme = format!("Address must start with 'rc://' for reverse connection resolver. Expected format: {FORMAT}");
    let parts = format!("Invalid reverse connection address format. Expected: {FORMAT}");
    let source = "Invalid source info format. Expected: src_node_id:src_cluster_id:src_tenant_id";
    let target = |text: &str| format!("Invalid cluster config format: {text}. Expected: cluster_name:count");
    let long = "x".repeat(256);
    let limit = "exceeds the 255-byte limit for reverse connection identifiers";
    let illegal = "contains characters that are invalid in an HTTP header value";
    let padded = "begins or ends with a space, which an HTTP header does not keep";
    let range = "is outside the supported range [0, 1024]";

    let faults = [
        ("", scheme.clone(), 0),
        ("n:c:t@u:1", scheme.clone(), 0),
        (" rc://n:c:t@u:1", scheme.clone(), 0),
        ("RC://n:c:t@u:1", scheme, 0),
        ("rc://", parts.clone(), 5),
        ("rc://n:c:t", parts.clone(), 5),
        ("rc://n:c:t@u@v:1", parts, 5),
        ("rc://n:c@u:1", source.into(), 5),
        ("rc://n:c:t:x@u:1", source.into(), 5),
        ("rc://@u:1", source.into(), 5),
        ("rc://:c:t@u:1", "Source node ID cannot be empty".into(), 5),
        ("rc://n::t@u:1", "Source cluster ID cannot be empty".into(), 7),
        ("rc://n:c:@u:1", "Source tenant ID cannot be empty: a responder answers 400 to it".into(), 9),
        ("rc://n:c:t@u", target("u"), 11),
        ("rc://n:c:t@", target(""), 11),
        ("rc://n:c:t@u:1,v:2", target("u:1,v:2"), 11),
        ("rc://n:c:t@[::1]:2", target("[::1]:2"), 11),
        ("rc://n:c:t@u\n", target("u\\n"), 11),
        ("rc://n:c:t@u:", "Invalid connection count: ".into(), 13),
        ("rc://n:c:t@u:x", "Invalid connection count: x".into(), 13),
        ("rc://n:c:t@u:-1", "Invalid connection count: -1".into(), 13),
        ("rc://n:c:t@u:+1", "Invalid connection count: +1".into(), 13),
        ("rc://n:c:t@u:1 2", "Invalid connection count: 1 2".into(), 13),
        ("rc://n:c:t@u:4294967296", "Invalid connection count: 4294967296".into(), 13),
        ("rc://n:c:t@u:1025", format!("Connection count 1025 {range}"), 13),
        ("rc://n:c:t@u:4294967295", format!("Connection count 4294967295 {range}"), 13),
        ("rc://n:c:t@:1", "Remote cluster name cannot be empty".into(), 11),
        (&format!("rc://{long}:c:t@u:1"), format!("source node ID {limit}"), 5),
        (&format!("rc://n:{long}:t@u:1"), format!("source cluster ID {limit}"), 7),
        (&format!("rc://n:c:{long}@u:1"), format!("source tenant ID {limit}"), 9),
        (&format!("rc://n:c:t@{long}:1"), format!("remote cluster name {limit}"), 11),
        ("rc://n\r\nx:c:t@u:1", format!("source node ID {illegal}"), 5),
        ("rc://n:c\0:t@u:1", format!("source cluster ID {illegal}"), 7),
        ("rc://n:c:t\x7f@u:1", format!("source tenant ID {illegal}"), 9),
        ("rc://n:c:t@u\x1b:1", format!("remote cluster name {illegal}"), 11),
        ("rc:// n:c:t@u:1", format!("source node ID {padded}"), 5),
        ("rc://n:c:t@u\t:1", format!("remote cluster name {padded}"), 11),
    ];
    for (text, message, at) in faults {
        let error = Address::parse(text).unwrap_err();
        assert_eq!(error.to_string(), format!("{message} (at byte {at})"), "{text:?}");
        assert_eq!(error.offset(), at);
    }
}

#[test]
fn a_string_is_parsed_like_any_other_text() {
    let text = "rc://n1:c1:t1@upc:3";
    assert_eq!(text.parse::<Address>(), Address::parse(text));
    assert_eq!(Address::try_from(text), Address::parse(text));
    assert_eq!("rc://".parse::<Address>(), Address::parse("rc://"));
}

#[test]
fn errors_can_be_matched_by_kind() {
    let fault = |text| Address::parse(text).unwrap_err().kind().clone();
    assert_eq!(fault("rc://n:c:@u:1"), AddressErrorKind::Name(Field::Tenant, NameError::Empty));
    assert_eq!(fault("rc://n:c:t@u:2000"), AddressErrorKind::Range(2000));
    assert_eq!(fault("rc://n:c:t@u:many"), AddressErrorKind::Count("many".into()));
}

fn name() -> impl Strategy<Value = String> {
    "[^\\x00-\\x1f\\x7f :@]([^\\x00-\\x1f\\x7f:@]{0,30}[^\\x00-\\x1f\\x7f :@])?"
}

proptest! {
    #[test]
    fn an_address_round_trips_through_its_text(
        node in name(), cluster in name(), tenant in name(), upstream in name(), count in 0..=MAX_COUNT,
    ) {
        let text = format!("rc://{node}:{cluster}:{tenant}@{upstream}:{count}");
        let address = Address::parse(&text).unwrap();
        let identity = address.identity();
        prop_assert_eq!(address.to_string(), text);
        prop_assert_eq!(identity.node.as_str(), node);
        prop_assert_eq!(identity.cluster.as_str(), cluster);
        prop_assert_eq!(identity.tenant.as_str(), tenant);
        prop_assert_eq!(address.upstream(), upstream);
        prop_assert_eq!(address.count(), count);
    }

    #[test]
    fn any_text_is_an_address_or_an_error_at_an_offset_within_it(text in "(rc://)?[nct:@0-9 \\x00ü]{0,40}") {
        match Address::parse(&text) {
            Ok(address) => prop_assert_eq!(Address::parse(&address.to_string()), Ok(address)),
            Err(error) => prop_assert!(error.offset() <= text.len() && text.is_char_boundary(error.offset())),
        }
    }
}
