//! Templates of certificates' names: what one proves, and that it proves nothing else.

use revtun_core::binding::{Binding, Placeholder, Statement, Template};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Verdict;

/// Lines: a template, a name of a certificate, and two claims of three names each.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or("");
    let (template, san) = (line(), line());
    let all = [Placeholder::Node, Placeholder::Cluster, Placeholder::Tenant];
    let parsed = all.map(|placeholder| Template::parse(template, placeholder));
    for (placeholder, parsed) in all.into_iter().zip(&parsed) {
        match parsed {
            Ok(parsed) => {
                assert!(template.contains(placeholder.as_str()));
                assert_eq!(parsed.to_string(), template);
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control), "one clear line"),
        }
    }
    let [Ok(node), Ok(cluster), Ok(tenant)] = parsed else { return };
    let binding = Binding::new(node, cluster, tenant).expect("one template serves for all names");
    let mut claim = || {
        let names = (NodeId::new(line()).ok()?, ClusterId::new(line()).ok()?, TenantId::new(line()).ok()?);
        Some(Identity { node: names.0, cluster: names.1, tenant: names.2 })
    };
    let claims = [claim(), claim()];
    for san in [Statement::Uri(san), Statement::Dns(san)] {
        proves_one(&binding, san, &claims);
    }
    for claim in claims.iter().flatten() {
        proves_itself(&binding, template, claim);
    }
}

/// One name, with all three placeholders in it, proves one claim at most.
fn proves_one(binding: &Binding, san: Statement<'_>, claims: &[Option<Identity<'_>>; 2]) {
    let believed = |claim: &&Identity<'_>| binding.verify(&[san], claim) == Verdict::Authenticated;
    let proven: Vec<_> = claims.iter().flatten().filter(believed).collect();
    assert!(proven.windows(2).all(|pair| pair[0] == pair[1]), "{san:?} proves {proven:?}");
    assert!(claims.iter().flatten().all(|claim| binding.verify(&[], claim) == Verdict::Mismatch));
}

/// The template filled with the names of a claim proves it, if those names can stand there at all.
fn proves_itself(binding: &Binding, template: &str, claim: &Identity<'_>) {
    let names = [claim.node.as_str(), claim.cluster.as_str(), claim.tenant.as_str()];
    let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // A name that looks like a placeholder would be filled again.
    if !names.iter().all(plain) {
        return;
    }
    let [node, cluster, tenant] = names;
    let filled = template.replace("{node}", node).replace("{cluster}", cluster).replace("{tenant}", tenant);
    let san = if template.contains("://") { Statement::Uri(&filled) } else { Statement::Dns(&filled) };
    assert_eq!(binding.verify(&[san], claim), Verdict::Authenticated, "{filled:?} of {template:?}");
}
