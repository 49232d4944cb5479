//! How much may be under way in one HTTP connection, at either end of a tunnel and at the egress listener.

use std::time::Duration;

/// Bytes of one stream that its reader may leave unread: enough for 20 MiB/s over a path of 50 ms, and the most that
/// a reader who has stopped keeps in memory where its stream comes out of the tunnel.
pub const STREAM_WINDOW: u32 = 1024 * 1024;

/// Requests that a tunnel carries at the same time.
pub const STREAMS: u32 = 1024;

/// Bytes of all streams of a connection: as many full windows as a tunnel carries streams, so that readers who have
/// stopped never stop the others.
pub const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// The longest frame that is taken through a tunnel. Each costs a write and two reads or more: with 256 KiB, sixteen times
/// what everybody takes, a body of 100 MiB needs 500 writes instead of 6 500, and longer ones save little more. But a frame
/// lets no other stream pass, and a tunnel may have to keep one in memory.
pub const FRAME_BYTES: u32 = 256 * 1024;

/// Bytes of one body that may wait for the tunnel: one frame that is being sent, and the next.
pub const SEND_BUFFER: usize = 2 * FRAME_BYTES as usize;

/// The most bytes that are read at once from a connection in HTTP/1.1, and handed on in one piece. Of a body that nobody takes
/// further up to four such pieces are in memory, besides a full [`SEND_BUFFER`]. With 256 KiB a body of 100 MiB takes a tenth
/// longer.
pub const READ_BUFFER: usize = 408 * 1024;

/// How long an HTTP library waits for the answer to a PING in a tunnel: a last resort, for tunnels that are leaving. Whether
/// any other is dead, the machines decide long before, who know of every sign of life; a PING alone waits behind whatever a
/// slow path has still to carry.
pub const PING_PATIENCE: Duration = Duration::from_secs(30);

/// Streams that a peer may have opened and reset again before anybody looked at them. One more is a flood, and ends the
/// connection (h2 says ENHANCE_YOUR_CALM).
pub const PENDING_RESETS: u32 = 20;

/// Streams of a connection that may have been reset because the peer broke the rules. One more ends the connection.
pub const FAULTY_STREAMS: u32 = 1024;

/// Headers that one HTTP/1.1 message may have. In HTTP/2 the size of the list alone counts.
pub const HEADERS: usize = 100;

/// Bytes that may come through a tunnel before HTTP begins, from one ping to the next; each needs five.
pub const IDLE_BYTES: u32 = 64 * 1024;

/// How long a body may lie still.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(300);

/// The longest list of headers, names and values, that is taken from a peer (reference §2.2: an Envoy's limit).
pub const HEADER_LIST_BYTES: u32 = 60 * 1024;

/// What an operator may set of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Bytes of the headers of one message, names and values, each with 32 more (RFC 9113 §6.5.2).
    pub header_bytes: u32,
    /// See [`PENDING_RESETS`].
    pub pending_resets: u32,
    /// How long a body may lie still, in either direction; zero is for ever.
    pub body_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { header_bytes: HEADER_LIST_BYTES, pending_resets: PENDING_RESETS, body_timeout: BODY_TIMEOUT }
    }
}
