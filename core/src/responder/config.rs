//! Settings of a responder, and their defaults.

use core::time::Duration;

/// The most often that `Heard` is reported for one tunnel. Liveness windows are far longer.
pub const HEARD_GRANULARITY: Duration = Duration::from_millis(500);

/// The settings of a responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Whether names of one tenant are kept apart from the same names of another.
    pub tenant_isolation: bool,
    /// Whether a request for a node by its name alone is refused while nodes of that name are connected in several
    /// clusters of the tenant. If not, it goes to any of them.
    pub refuse_ambiguous_node: bool,
    /// From `Admit` to `HandshakeReceived` (reference §10: 10 s).
    pub handshake_timeout: Duration,
    /// How long a tunnel of a peer that is not revtun is left alone after the 200: Envoy 1.40 chokes on bytes that
    /// arrive together with it (reference §2.4).
    pub settle: Duration,
    /// From one answered ping to the next.
    pub ping_interval: Duration,
    /// How long a ping may stay unanswered.
    pub echo_timeout: Duration,
    /// A tunnel in use that was not heard for so long is closed.
    pub silence: Duration,
    /// How long a caller waits for a tunnel; zero turns waiting off.
    pub wait: Duration,
    /// How long streams may go on after the initiator's GOAWAY, or after a newer process took the node over.
    pub drain_grace: Duration,
    /// Streams that one tunnel carries at the same time.
    pub max_streams: u32,
    /// Requests of one tenant at the same time, where tenants are isolated; those that wait for a tunnel included.
    pub max_streams_per_tenant: u32,
    /// Callers waiting at the same time.
    pub max_waiting: u32,
    /// Callers of one tenant waiting at the same time, where tenants are isolated.
    pub max_waiting_per_tenant: u32,
    /// Connections whose handshake is not done.
    pub max_handshakes: u32,
    /// Those of them that come from one [`Source`](super::Source).
    pub max_handshakes_per_source: u32,
    /// New connections per second, which is also the size of a burst; zero is no limit.
    pub max_accepts_per_second: u32,
    /// Tunnels of one node of one cluster.
    pub max_tunnels_per_node: u32,
    /// Tunnels of one cluster.
    pub max_tunnels_per_cluster: u32,
    /// Tunnels of one tenant, where tenants are isolated.
    pub max_tunnels_per_tenant: u32,
    /// Tunnels in all.
    pub max_tunnels: u32,
}

impl Config {
    /// A limit of one tenant, as it applies: without tenant isolation nobody is told apart by tenant, and all together do not
    /// share what is meant for one.
    #[must_use]
    pub const fn of_tenant(&self, limit: u32) -> u32 {
        if self.tenant_isolation { limit } else { u32::MAX }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tenant_isolation: true,
            refuse_ambiguous_node: true,
            handshake_timeout: Duration::from_secs(10),
            settle: Duration::from_millis(50),
            ping_interval: Duration::from_secs(2),
            echo_timeout: Duration::from_secs(5),
            silence: Duration::from_secs(7),
            wait: Duration::from_secs(1),
            drain_grace: Duration::from_secs(600),
            max_streams: 1024,
            max_streams_per_tenant: 16_384,
            max_waiting: 4096,
            max_waiting_per_tenant: 1024,
            max_handshakes: 4096,
            max_handshakes_per_source: 1024,
            max_accepts_per_second: 5000,
            max_tunnels_per_node: 128,
            max_tunnels_per_cluster: 100_000,
            max_tunnels_per_tenant: 100_000,
            max_tunnels: 1_000_000,
        }
    }
}
