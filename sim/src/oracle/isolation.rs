//! S4 TenantIsolation: a request reaches the node or cluster that it names, of the tenant that it names, and no other; and
//! nobody registers as a node without its certificate.

use std::collections::BTreeMap;
use std::time::Duration;

use super::property::Oracle;
use crate::history::{Event, RequestOutcome, RequestSpec};
use crate::plan::Plan;

/// See above.
#[derive(Default)]
pub(super) struct TenantIsolation {
    asked: BTreeMap<u64, RequestSpec>,
}

impl TenantIsolation {
    fn judge(&self, request: u64, by: usize) -> Result<(), String> {
        let Some(spec) = self.asked.get(&request) else { return Err(format!("nobody asked {request}")) };
        if Plan::tenant(by) != spec.tenant {
            return Err(format!("request {spec} came to initiator-{by} of tenant-{}", Plan::tenant(by)));
        }
        match spec.node {
            Some(node) if node != by => Err(format!("request {spec} came to initiator-{by}")),
            Some(_) | None => Ok(()),
        }
    }
}

impl Oracle for TenantIsolation {
    fn property(&self) -> &'static str {
        "TenantIsolation"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::RequestSent(spec) => {
                self.asked.insert(spec.request, spec.clone());
                Ok(())
            }
            Event::RequestServed { request, by, .. }
            | Event::RequestEnded { request, outcome: RequestOutcome::Served { by, .. } } => self.judge(*request, *by),
            Event::ForgeryAccepted(_) => Err(event.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::property::tests::request_spec;

    #[test]
    fn only_the_node_or_the_cluster_that_was_named_may_serve() {
        let mut oracle = TenantIsolation::default();
        let mut observe = |event| oracle.observe(Duration::ZERO, &event);
        observe(Event::RequestSent(RequestSpec { node: Some(2), tenant: 0, ..request_spec(1) }))
            .expect("it may be asked");
        observe(Event::RequestSent(RequestSpec { node: None, tenant: 0, ..request_spec(2) })).expect("it may be asked");
        let served = |request, by| Event::RequestServed { request, by, exact: true };
        observe(served(1, 2)).expect("the node that it names");
        observe(served(1, 0)).expect_err("another node");
        observe(served(2, 0)).expect("a node of the tenant");
        observe(served(2, 1)).expect_err("another tenant's node");
        observe(served(3, 0)).expect_err("a request that nobody sent");
        observe(Event::ForgeryAccepted("HTTP/1.1 200".to_owned())).expect_err("a forged claim was believed");
    }
}
