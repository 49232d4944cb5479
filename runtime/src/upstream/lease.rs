//! The place of a request at an endpoint of a service.

use std::sync::{Arc, PoisonError};

use revtun_core::Instant;
use revtun_core::balance::{Balancer, Pick};

use crate::sync::{Mutex, MutexGuard};

/// The balancer of a service. Clones are the same one.
#[derive(Clone)]
pub(super) struct SharedBalancer(Arc<Mutex<Balancer>>);

impl SharedBalancer {
    pub(super) fn new(endpoints: usize) -> Self {
        Self(Arc::new(Mutex::new(Balancer::new(endpoints))))
    }

    /// The endpoint of a request; see [`Balancer::pick`].
    pub(super) fn pick(&self, now: Instant, dice: u64, tried: u32) -> Option<Lease> {
        let pick = self.lock().pick(now, dice, tried)?;
        Some(Lease { pick, balancer: Some(self.clone()) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Balancer> {
        // Nothing that is done under the lock can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request at an endpoint, until it is dropped.
pub(super) struct Lease {
    pick: Pick,
    /// None if it was not asked.
    balancer: Option<SharedBalancer>,
}

impl Lease {
    /// At the only endpoint of a service that has no trouble.
    pub(super) const fn unbalanced() -> Self {
        Self { pick: Pick { endpoint: 0, is_trial: false }, balancer: None }
    }

    /// The endpoint, by its place.
    pub(super) const fn endpoint(&self) -> usize {
        self.pick.endpoint
    }

    /// Its connection is open.
    pub(super) fn connected(&self) {
        if let Some(balancer) = self.balancer.as_ref().filter(|_| self.pick.is_trial) {
            balancer.lock().connected(self.pick);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(balancer) = &self.balancer {
            balancer.lock().release(self.pick);
        }
    }
}
