//! What counts no more of what initiators prove, now and while their tunnels stand.

use std::future;

use revtun_core::deny::{Credentials, DenyList};
use revtun_core::identity::Identity;

use crate::tls::{ClientVerifier, Current, Proof};

/// What counts no more.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Revocation {
    /// Certificates, tokens and identities by name.
    pub deny: Option<Current<DenyList>>,
    /// Verifies certificates again when revocation lists change.
    pub certificates: Option<Current<ClientVerifier>>,
}

/// The same lists, now and later.
impl PartialEq for Revocation {
    fn eq(&self, other: &Self) -> bool {
        fn same<C>(one: Option<&Current<C>>, other: Option<&Current<C>>) -> bool {
            match (one, other) {
                (Some(one), Some(other)) => one.same_channel(other),
                (one, other) => one.is_none() && other.is_none(),
            }
        }
        same(self.deny.as_ref(), other.deny.as_ref()) && same(self.certificates.as_ref(), other.certificates.as_ref())
    }
}

impl Eq for Revocation {}

impl Revocation {
    /// Whether there is nothing that could ever revoke anything.
    pub(super) fn is_empty(&self) -> bool {
        self.deny.is_none() && self.certificates.is_none()
    }

    /// Whether `proof`, a token that is called `token` and a claim to be `identity` count no more, `now` being in seconds since 1970.
    pub(super) fn revokes(&self, proof: &Proof, token: Option<&str>, identity: Identity<'_>, now: u64) -> bool {
        let denied = self.deny.as_ref().is_some_and(|deny| {
            let deny = deny.borrow().clone();
            proof.inspect(|serials, names| deny.denies(&Credentials { serials, names, token, identity }))
        });
        denied || self.certificates.as_ref().is_some_and(|certificates| certificates.borrow().refuses(proof, now))
    }

    /// Waits until something may have been revoked. Never ends if nothing is read again.
    pub(super) async fn changed(&mut self) {
        async fn changed<C>(current: Option<&mut Current<C>>) {
            let alive = match current {
                Some(current) => current.changed().await.is_ok(),
                None => false,
            };
            if !alive {
                future::pending().await
            }
        }
        tokio::select! {
            biased;
            () = changed(self.deny.as_mut()) => {}
            () = changed(self.certificates.as_mut()) => {}
        }
    }
}
