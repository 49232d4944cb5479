//! Limits of an HTTP connection: windows, buffers, streams, headers, idle time. They hold in tunnels and at the egress listener.

use std::time::Duration;

/// The initial window of a stream, in bytes: enough for 20 MiB/s with a round trip of 50 ms, and the most that a stopped reader
/// keeps in memory at the receiving end of the tunnel.
pub const STREAM_WINDOW: u32 = 1024 * 1024;

/// Concurrent requests on one tunnel.
pub const STREAMS: u32 = 1024;

/// The window of a connection, in bytes: a full window for each stream of a tunnel, so that stopped readers never block the
/// others.
pub const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// The largest frame that is accepted on a tunnel (SETTINGS_MAX_FRAME_SIZE), in bytes. Each frame costs a write and two reads or
/// more: with 256 KiB, sixteen times the default, a body of 100 MiB needs 500 writes instead of 6 500, and larger frames save
/// little more. But a frame blocks all other streams, and a tunnel may have to keep one in memory.
pub const FRAME_BYTES: u32 = 256 * 1024;

/// The largest frame that is accepted from a caller: the default, and the least that is allowed (RFC 9113 §6.5.2), in bytes.
pub const CALLER_FRAME_BYTES: u32 = 16 * 1024;

/// Bytes of one body that may be buffered before they are sent: the current frame, and the next.
pub const SEND_BUFFER: usize = 2 * FRAME_BYTES as usize;

/// The most bytes that are read at once from an HTTP/1.1 connection, and passed on as one chunk. Of a body that is not read
/// further up to four such chunks are in memory, besides a full [`SEND_BUFFER`]. With 256 KiB a body of 100 MiB takes a tenth
/// longer.
pub const READ_BUFFER: usize = 408 * 1024;

/// Streams that a peer may open and reset before they are accepted. One more is a flood, and ends the connection with
/// ENHANCE_YOUR_CALM.
pub const PENDING_RESETS: u32 = 20;

/// Streams of a connection that may be reset for protocol errors of the peer. One more ends the connection.
pub const FAULTY_STREAMS: u32 = 1024;

/// What the frames of a connection that are smaller than 256 bytes may take in memory beside their bytes, in bytes, while nobody
/// takes them; more end the connection with ENHANCE_YOUR_CALM. Each counts as what it lacks to 256 bytes. Streams of bytes both ways
/// keep theirs in one piece, so that only bodies count which nobody reads.
pub const SMALL_FRAMES: usize = 128 * 1024 * 1024;

/// The default limit of headers of one request: Envoy's.
pub const HEADERS: u32 = 100;

/// Bytes that may come on a tunnel between two pings, before HTTP begins; a ping has five.
pub const IDLE_BYTES: u32 = 64 * 1024;

/// The default stream idle timeout.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(300);

/// The default idle timeout of streams of bytes both ways, such as WebSockets: that of Envoy's TCP proxy.
pub const UPGRADE_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The largest list of headers, names and values, that is accepted (reference §2.2: the limit of an Envoy), in bytes.
pub const HEADER_LIST_BYTES: u32 = 60 * 1024;

/// The limits that an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Bytes of the headers of one message: names and values, plus 32 for each header (RFC 9113 §6.5.2).
    pub header_bytes: u32,
    /// Headers of one request.
    pub headers: u32,
    /// See [`PENDING_RESETS`].
    pub pending_resets: u32,
    /// The stream idle timeout: how long the body of a request or response may make no progress; zero is no limit.
    pub body_timeout: Duration,
    /// How long nothing may pass on a stream of bytes both ways, in either direction; zero is no limit. The stream idle timeout
    /// does not concern it.
    pub upgrade_idle_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_bytes: HEADER_LIST_BYTES,
            headers: HEADERS,
            pending_resets: PENDING_RESETS,
            body_timeout: BODY_TIMEOUT,
            upgrade_idle_timeout: UPGRADE_IDLE_TIMEOUT,
        }
    }
}
