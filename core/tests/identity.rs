//! How names and ids are told to people.

use revtun_core::TunnelId;
use revtun_core::identity::{ClusterId, Identity, MAX_NAME_BYTES, NameError, NodeId, TenantId};

#[test]
fn every_illegal_name_has_its_error() {
    let too_long = "n".repeat(MAX_NAME_BYTES + 1);
    for (name, error, said) in [
        ("", NameError::Empty, "is empty"),
        (&*too_long, NameError::TooLong, "exceeds the 255-byte limit for reverse connection identifiers"),
        ("a\u{7f}", NameError::Illegal, "contains characters that are invalid in an HTTP header value"),
        ("a ", NameError::Padded, "begins or ends with a space, which an HTTP header does not keep"),
    ] {
        assert_eq!(NodeId::new(name), Err(error));
        assert_eq!(error.to_string(), said);
    }
    assert!(ClusterId::new(&too_long[1..]).is_ok());
}

#[test]
fn an_identity_is_written_as_tenant_cluster_node() {
    let identity = Identity {
        node: NodeId::new("n").expect("legal"),
        cluster: ClusterId::new("c").expect("legal"),
        tenant: TenantId::new("t").expect("legal"),
    };
    assert_eq!(identity.to_string(), "t/c/n");
    assert_eq!(TunnelId::new(3, 1).to_string(), "3.1");
}
