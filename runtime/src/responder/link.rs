//! What everybody holds of a tunnel, its own task too.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::egress::Client;
use super::orders::{Order, Orders};
use crate::sync::{AtomicBool, Ordering, SetOnce};

/// The way to a tunnel's task, and through the tunnel once it is in use.
#[derive(Debug)]
pub(super) struct Link {
    peer: SocketAddr,
    name: OnceLock<Box<str>>,
    orders: Orders,
    asked: AtomicBool,
    client: SetOnce<Option<Client>>,
}

impl Link {
    /// A link to a connection from `peer`.
    pub(super) fn new(peer: SocketAddr) -> Arc<Self> {
        let (asked, client) = (AtomicBool::new(false), SetOnce::new());
        Arc::new(Self { peer, name: OnceLock::new(), orders: Orders::new(), asked, client })
    }

    /// Where the connection comes from.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Who is at the other end, as in logs; empty before the handshake.
    pub(super) fn name(&self) -> &str {
        self.name.get().map_or("", |name| name)
    }

    /// The peer said who it is. Heard once.
    pub(super) fn call(&self, name: String) {
        let _first = self.name.set(name.into());
    }

    /// Passes an order on; a task that is gone needs none.
    pub(super) fn order(&self, order: Order) {
        self.orders.give(order);
    }

    /// What its own task is to do next, and nobody else.
    pub(super) async fn ordered(&self) -> Order {
        self.orders.next().await
    }

    /// What sends requests through the tunnel; starts HTTP/2 if nobody did. None if the tunnel was never used and
    /// never will be.
    pub(super) async fn client(&self) -> Option<Client> {
        if let Some(client) = self.client.get() {
            return client.clone();
        }
        if !self.asked.swap(true, Ordering::Relaxed) {
            self.order(Order::Start);
        }
        self.client.wait().await.clone()
    }

    /// The tunnel's task started HTTP/2, or never will. The first word counts.
    pub(super) fn settle(&self, client: Option<Client>) {
        let _first = self.client.set(client);
    }
}
