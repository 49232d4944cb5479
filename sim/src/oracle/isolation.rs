//! S4 TenantIsolation: a request reaches the node or the cluster that it names, of the tenant that it names, and no other;
//! and nobody gets to be a node whose certificate it does not have.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Oracle;
use crate::history::{Answer, Fact, Question};
use crate::plan::Plan;

/// See above.
#[derive(Default)]
pub(super) struct TenantIsolation {
    asked: BTreeMap<u64, Question>,
}

impl TenantIsolation {
    fn judge(&self, request: u64, by: usize) -> Result<(), String> {
        let Some(question) = self.asked.get(&request) else { return Err(format!("nobody asked {request}")) };
        if Plan::tenant(by) != question.tenant {
            return Err(format!("request {question} came to initiator-{by} of tenant-{}", Plan::tenant(by)));
        }
        match question.node {
            Some(node) if node != by => Err(format!("request {question} came to initiator-{by}")),
            Some(_) | None => Ok(()),
        }
    }
}

impl Oracle for TenantIsolation {
    fn property(&self) -> &'static str {
        "TenantIsolation"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Asked(question) => {
                self.asked.insert(question.request, question.clone());
                Ok(())
            }
            Fact::Served { request, by, .. } | Fact::Answered { request, answer: Answer::Served { by, .. } } => {
                self.judge(*request, *by)
            }
            Fact::Fooled(_) => Err(fact.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::tests::question;

    #[test]
    fn only_the_node_or_the_cluster_that_was_named_may_serve() {
        let mut oracle = TenantIsolation::default();
        let mut see = |fact| oracle.see(Duration::ZERO, &fact);
        see(Fact::Asked(Question { node: Some(2), tenant: 0, ..question(1) })).expect("it may be asked");
        see(Fact::Asked(Question { node: None, tenant: 0, ..question(2) })).expect("it may be asked");
        let served = |request, by| Fact::Served { request, by, exact: true };
        see(served(1, 2)).expect("the node that it names");
        see(served(1, 0)).expect_err("another node");
        see(served(2, 0)).expect("a node of the tenant");
        see(served(2, 1)).expect_err("another tenant's node");
        see(served(3, 0)).expect_err("a request that nobody sent");
        see(Fact::Fooled("HTTP/1.1 200".to_owned())).expect_err("a forged claim was believed");
    }
}
