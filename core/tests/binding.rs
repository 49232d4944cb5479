//! What a certificate proves, and what it does not.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use proptest::prelude::*;
use revtun_core::binding::{Binding, BindingError, Placeholder, Statement, Template, TemplateError};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Verdict;

const SPIFFE: &str = "spiffe://{tenant}/{cluster}/{node}";

fn binding(node: &str, cluster: &str, tenant: &str) -> Binding {
    bind(node, cluster, tenant).unwrap()
}

fn bind(node: &str, cluster: &str, tenant: &str) -> Result<Binding, BindingError> {
    Binding::new(
        Template::parse(node, Placeholder::Node).unwrap(),
        Template::parse(cluster, Placeholder::Cluster).unwrap(),
        Template::parse(tenant, Placeholder::Tenant).unwrap(),
    )
}

fn claim<'a>(tenant: &'a str, cluster: &'a str, node: &'a str) -> Identity<'a> {
    Identity {
        node: NodeId::new(node).unwrap(),
        cluster: ClusterId::new(cluster).unwrap(),
        tenant: TenantId::new(tenant).unwrap(),
    }
}

#[test]
fn a_spiffe_id_proves_all_three_names() {
    let spiffe = binding(SPIFFE, SPIFFE, SPIFFE);
    let names = [Statement::Dns("other.example"), Statement::Uri("spiffe://acme/edge/edge-1")];
    assert_eq!(spiffe.verify(&names, &claim("acme", "edge", "edge-1")), Verdict::Authenticated);
    for (tenant, cluster, node) in [
        ("acme", "edge", "edge-2"),
        ("acme", "core", "edge-1"),
        ("evil", "edge", "edge-1"),
        ("Acme", "edge", "edge-1"),
        ("acme", "edge", "edge-"),
        ("acme", "edge", "edge-11"),
        ("acme/edge", "edge-1", "x"),
    ] {
        assert_eq!(
            spiffe.verify(&names, &claim(tenant, cluster, node)),
            Verdict::Mismatch,
            "{tenant}/{cluster}/{node}"
        );
    }
}

#[test]
fn names_may_be_in_separate_sans() {
    let mixed = binding("{node}.nodes.example", "spiffe://x/cluster/{cluster}", "spiffe://x/tenant/{tenant}");
    let names = [
        Statement::Dns("n1.nodes.example"),
        Statement::Uri("spiffe://x/cluster/c"),
        Statement::Uri("spiffe://x/tenant/t"),
    ];
    assert_eq!(mixed.verify(&names, &claim("t", "c", "n1")), Verdict::Authenticated);
    for missing in 0..names.len() {
        let mut left = names.to_vec();
        left.remove(missing);
        assert_eq!(mixed.verify(&left, &claim("t", "c", "n1")), Verdict::Mismatch, "without {missing}");
    }
    assert_eq!(mixed.verify(&[], &claim("t", "c", "n1")), Verdict::Mismatch);
}

#[test]
fn a_name_that_a_san_cannot_carry_is_never_authenticated() {
    let dns = binding(
        "{node}.{cluster}.{tenant}.example",
        "{node}.{cluster}.{tenant}.example",
        "{node}.{cluster}.{tenant}.example",
    );
    assert_eq!(dns.verify(&[Statement::Dns("a.b.c.example")], &claim("c", "b", "a")), Verdict::Authenticated);
    // A dot within a name, a wildcard, another kind of SAN with the same text.
    assert_eq!(dns.verify(&[Statement::Dns("a.b.c.d.example")], &claim("c.d", "b", "a")), Verdict::Mismatch);
    assert_eq!(dns.verify(&[Statement::Dns("*.b.c.example")], &claim("c", "b", "*")), Verdict::Mismatch);
    assert_eq!(dns.verify(&[Statement::Uri("a.b.c.example")], &claim("c", "b", "a")), Verdict::Mismatch);
    let spiffe = binding(SPIFFE, SPIFFE, SPIFFE);
    assert_eq!(spiffe.verify(&[Statement::Uri("spiffe://t/c/ä")], &claim("t", "c", "ä")), Verdict::Mismatch);
    assert_eq!(spiffe.verify(&[Statement::Uri("spiffe://t/c/a b")], &claim("t", "c", "a b")), Verdict::Mismatch);
}

#[test]
fn ambiguous_templates_are_refused() {
    for (text, error) in [
        ("", TemplateError::Missing(Placeholder::Node)),
        ("spiffe://{tenant}/{cluster}", TemplateError::Missing(Placeholder::Node)),
        ("{node", TemplateError::UnknownPlaceholder),
        ("node}", TemplateError::UnknownPlaceholder),
        ("{nod}", TemplateError::UnknownPlaceholder),
        ("{tenant}{node}", TemplateError::AdjacentPlaceholders),
        ("{tenant}-{node}", TemplateError::AdjacentPlaceholders),
        ("spiffe://{tenant}.{node}", TemplateError::AdjacentPlaceholders),
        ("x y.{node}", TemplateError::Illegal),
    ] {
        assert_eq!(Template::parse(text, Placeholder::Node), Err(error), "{text}");
    }
    for (error, statements) in [
        (TemplateError::NoClaim, "names no claim before an ="),
        (TemplateError::Illegal, "holds something other than visible ASCII characters"),
        (TemplateError::UnknownPlaceholder, "has a brace that belongs to none of {node}, {cluster} and {tenant}"),
        (TemplateError::AdjacentPlaceholders, "has two placeholders with no separator between them, such as / or ."),
        (TemplateError::Missing(Placeholder::Tenant), "has no {tenant}"),
    ] {
        assert_eq!(error.to_string(), statements);
    }
    for text in [SPIFFE, "{node}", "{node}.{tenant}", "x{node}y"] {
        assert_eq!(Template::parse(text, Placeholder::Node).unwrap().to_string(), text);
    }
}

#[test]
fn templates_that_one_statement_could_fit_are_refused_together() {
    use Placeholder::{Cluster, Node, Tenant};
    let uri = ["x://n/{node}", "x://c/{cluster}", "x://t/{tenant}"];
    for ([node, cluster, tenant], outcome) in [
        (uri, Ok(())),
        ([SPIFFE; 3], Ok(())),
        (["{node}.n.example", "{cluster}.c.example", "{tenant}.t.example"], Ok(())),
        // A dot ends a label, so that no name reaches past it.
        (["{node}.{cluster}.example", "{node}.{cluster}.example", "{tenant}.example"], Ok(())),
        (["{node}", "x://c/{cluster}", "x://t/{tenant}"], Ok(())),
        (["x://{node}", "x://c/{cluster}", "x://t/{tenant}"], Ok(())),
        // The node acme of somebody's would be the tenant acme.
        (["x://y/{node}", "x://c/{cluster}", "x://y/{tenant}"], Err(BindingError::Overlap(Node, Tenant))),
        (["x://y/{node}", "x://y/{cluster}", "x://t/{tenant}"], Err(BindingError::Overlap(Node, Cluster))),
        (["x://n/{node}", "x://y/{cluster}", "x://y/{tenant}"], Err(BindingError::Overlap(Cluster, Tenant))),
        (["{node}", "x://c/{cluster}", "{tenant}"], Err(BindingError::Overlap(Node, Tenant))),
        // Names in another order.
        (["x://{tenant}/{node}", "x://c/{cluster}/", "x://{node}/{tenant}"], Err(BindingError::Overlap(Node, Tenant))),
        // One whose text a name of the other can hold.
        (["x://{tenant}/{node}", "y://c/{cluster}", "x://t/{tenant}"], Err(BindingError::Overlap(Node, Tenant))),
        (["x://a.{node}", "y://c/{cluster}", "x://{tenant}.b"], Err(BindingError::Overlap(Node, Tenant))),
        (["x{node}.example", "y://c/{cluster}", "{tenant}x.example"], Err(BindingError::Overlap(Node, Tenant))),
        (["x://a/{node}", "y://c/{cluster}", "x://{tenant}/b"], Err(BindingError::Overlap(Node, Tenant))),
        (["x://a/{node}", "y://c/{cluster}", "x://{tenant}/b/"], Ok(())),
    ] {
        assert_eq!(bind(node, cluster, tenant).map(|_| ()), outcome, "{node} {cluster} {tenant}");
    }
    let claim = |text, name| Template::parse_claim(text, name).unwrap();
    let claims = |node, cluster, tenant| {
        Binding::new(claim(node, Node), claim(cluster, Cluster), claim(tenant, Tenant)).map(|_| ())
    };
    assert_eq!(claims("n={node}", "c={cluster}", "t={tenant}"), Ok(()));
    assert_eq!(claims("n={node}", "c={cluster}", "n={tenant}"), Err(BindingError::Overlap(Node, Tenant)));
    // A template that is for another name.
    let node = Template::parse("x://{node}", Node).unwrap();
    assert_eq!(Binding::new(node.clone(), node.clone(), node).map(|_| ()), Err(BindingError::Missing(Cluster)));
    for (error, told) in [
        (BindingError::Missing(Cluster), "the template for {cluster} does not contain it"),
        (
            BindingError::Overlap(Node, Tenant),
            "the same text could fit the templates for {node} and {tenant}, so that one name proves another",
        ),
    ] {
        assert_eq!(error.to_string(), told);
    }
}

proptest! {
    /// What one statement proves of one name it proves of no other, whatever the templates of a set look like.
    #[test]
    fn no_statement_fits_two_templates_of_a_set(
        templates in proptest::array::uniform3(prop::sample::select(vec![
            "x://{}", "x://a/{}", "x://{}/a", "x://a{}", "x://{}a", "x://a.{}.b", "{}", "a{}", "{}.a", "a.{}", "a{}b",
        ])),
        names in proptest::array::uniform3("[ab.]{1,3}"),
    ) {
        let [node, cluster, tenant] = templates;
        let written = [node.replace("{}", "{node}"), cluster.replace("{}", "{cluster}"), tenant.replace("{}", "{tenant}")];
        let Ok(binding) = bind(&written[0], &written[1], &written[2]) else { return Ok(()) };
        let filled: Vec<_> = templates.iter().zip(&names).map(|(template, name)| template.replace("{}", name)).collect();
        let statements: Vec<_> = filled
            .iter()
            .map(|text| if text.contains("://") { Statement::Uri(text) } else { Statement::Dns(text) })
            .collect();
        for left_out in 0..3 {
            let mut two = statements.clone();
            two.remove(left_out);
            // Whoever can be claimed with two of three statements has one that proves two names.
            for tenant in &names {
                for cluster in &names {
                    for node in &names {
                        prop_assert_ne!(binding.verify(&two, &claim(tenant, cluster, node)), Verdict::Authenticated);
                    }
                }
            }
        }
    }

    /// One SAN proves at most one identity, whatever the names look like.
    #[test]
    fn no_san_proves_two_identities(
        names in proptest::array::uniform6("[a./:~{}*-]{1,4}"),
        template in prop::sample::select(vec![SPIFFE, "{node}.{cluster}.{tenant}", "x://{cluster}:{node}/a{tenant}"]),
    ) {
        let [a, b, c, d, e, f] = &names;
        let (one, other) = (claim(a, b, c), claim(d, e, f));
        prop_assume!(one != other);
        let binding = binding(template, template, template);
        let san = template.replace("{node}", c).replace("{cluster}", b).replace("{tenant}", a);
        let san = if template.contains("://") { Statement::Uri(&san) } else { Statement::Dns(&san) };
        let both = [one, other].map(|claim| binding.verify(&[san], &claim) == Verdict::Authenticated);
        prop_assert_ne!(both, [true, true]);
    }
}
