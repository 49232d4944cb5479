//! Settings of an initiator, and their defaults.

use core::time::Duration;

use crate::address::MAX_COUNT;

/// The most often that `Heard` is reported for one tunnel. Liveness windows are far longer.
pub const HEARD_GRANULARITY: Duration = Duration::from_millis(500);

/// The settings of one initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// From `Dial` to `Connected`.
    pub connect_timeout: Duration,
    /// From `Connected` to `Answered`.
    pub handshake_timeout: Duration,
    /// A tunnel that was not heard for so long is closed and replaced. Stretched for responders that are seen to
    /// ping less often.
    pub silence: Duration,
    /// How often the runtime sends HTTP/2 PINGs through a tunnel in use that is quiet.
    pub probe_interval: Duration,
    /// How long streams of a tunnel may go on after the responder's GOAWAY, or after the host was removed.
    pub drain_grace: Duration,
    /// The most tunnels of one host that may drain at a time: more than a healthy responder could ever cause.
    pub max_draining: u16,
    /// The longest pause after a failure that a restart of the responder explains: the dial was refused.
    pub refused_cap: Duration,
    /// The longest pause once more dials in a row were refused than a restart explains.
    pub down_cap: Duration,
    /// The first step of the pause after any other failure.
    pub backoff_base: Duration,
    /// The longest pause after any other failure.
    pub backoff_cap: Duration,
    /// The first step of the pause after a 401, 403 or 404: somebody has to mend a configuration.
    pub denied_base: Duration,
    /// The longest pause that a `retry-after` can ask for.
    pub retry_after_cap: Duration,
    /// How often the runtime asks the resolver for the hosts behind a name.
    pub resolve_interval: Duration,
    /// How long the runtime waits for a connection to the local service.
    pub service_connect_timeout: Duration,
    /// How long the runtime keeps a connection to the local service that carries no request. Less than the 5 s after
    /// which common servers close theirs, so that a request seldom meets one that is being closed.
    pub service_idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(15),
            silence: Duration::from_secs(7),
            probe_interval: Duration::from_secs(2),
            drain_grace: Duration::from_secs(600),
            max_draining: MAX_COUNT,
            refused_cap: Duration::from_millis(600),
            down_cap: Duration::from_secs(5),
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
            denied_base: Duration::from_secs(5),
            retry_after_cap: Duration::from_secs(300),
            resolve_interval: Duration::from_secs(5),
            service_connect_timeout: Duration::from_secs(5),
            service_idle: Duration::from_secs(4),
        }
    }
}
