//! What everybody but its own task holds of a tunnel.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use revtun_core::responder::CloseReason;

use super::egress::Client;
use crate::sync::{AtomicBool, Ordering, SetOnce, mpsc};

/// Orders under way to one tunnel. The machine pings again only after an echo and says goaway and close once, and
/// one caller asks for the start: fewer than this.
const ORDERS: usize = 8;

/// What a tunnel's task is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Write one ping.
    Ping,
    /// Start HTTP/2: somebody has a request.
    Start,
    /// Say GOAWAY and carry on.
    Goaway,
    /// Close at once.
    Close(CloseReason),
}

/// The way to a tunnel's task, and through the tunnel once it is in use.
#[derive(Debug)]
pub(super) struct Link {
    peer: SocketAddr,
    name: OnceLock<Box<str>>,
    orders: mpsc::Sender<Order>,
    asked: AtomicBool,
    client: SetOnce<Option<Client>>,
}

impl Link {
    /// A link to a connection from `peer`, and where its task hears of orders.
    pub(super) fn new(peer: SocketAddr) -> (Arc<Self>, mpsc::Receiver<Order>) {
        let (orders, ordered) = mpsc::channel(ORDERS);
        let link = Self { peer, name: OnceLock::new(), orders, asked: AtomicBool::new(false), client: SetOnce::new() };
        (Arc::new(link), ordered)
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
        if let Err(mpsc::error::TrySendError::Full(order)) = self.orders.try_send(order) {
            panic!("a tunnel has fewer than {ORDERS} orders under way, yet there is no room for {order:?}");
        }
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
