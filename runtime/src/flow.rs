//! How much may be under way in one HTTP/2 connection, at either end of a tunnel and at the egress listener.

/// Bytes of one stream that its reader may leave unread: enough for 20 MiB/s over a path of 50 ms, and the most that
/// a reader who has stopped keeps in memory.
pub const STREAM_WINDOW: u32 = 1024 * 1024;

/// Requests that a tunnel carries at the same time.
pub const STREAMS: u32 = 1024;

/// Bytes of all streams of a connection: as many full windows as a tunnel carries streams, so that readers who have
/// stopped never stop the others.
pub const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// The longest list of headers, names and values, that is taken from a peer (reference §2.2: an Envoy's limit).
pub const HEADER_LIST_BYTES: u32 = 60 * 1024;
