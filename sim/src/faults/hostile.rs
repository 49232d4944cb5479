//! What hostile peers do, one enum for each kind of them. How they do it is in [`actors`](crate::actors).

/// What a client without a valid handshake does at a responder's tunnel port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GarbageClient {
    /// Connects and sends nothing.
    Silent,
    /// Connects and closes.
    ClosesAtOnce,
    /// Sends bytes that are neither TLS nor HTTP.
    RandomBytes,
    /// Sends a request one byte at a time.
    Slowloris,
    /// Sends a request head without an end.
    EndlessHead,
    /// Opens many connections at once and sends nothing on any of them.
    ConnectionFlood,
    /// With TLS: claims another tenant's node with its own certificate. Without TLS it sends nothing.
    ForgedIdentity,
}

/// What an initiator with a valid identity does to a responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostileInitiator {
    /// Shuts down its sending side: after half of the request head (0), all of it (1), the response (2), or during HTTP/2 (3).
    HalfCloses(u8),
    /// Echoes every ping three seconds late.
    LateEchoes,
    /// Echoes pings byte by byte.
    SplitEchoes,
    /// Echoes every ping twice.
    DoubleEchoes,
    /// Echoes five bytes that are not a ping.
    MalformedEchoes,
    /// Sends pings that nobody asked for.
    UnsolicitedPings,
    /// Sends its SETTINGS and a GOAWAY with this last stream id.
    Goaway(u32),
    /// Resets every request, and streams that do not exist.
    ResetFlood,
    /// Sends SETTINGS without an end.
    SettingsFlood,
    /// Never answers a request.
    NeverAnswers,
}

/// What a host that is listed as a responder does to initiators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostileResponder {
    /// Accepts connections and sends nothing.
    Silent,
    /// Closes before anything is sent.
    ClosesAtOnce,
    /// Answers with this status, and this many seconds of Retry-After if not zero.
    Rejects(u16, u16),
    /// Accepts with a response that has a body.
    AcceptsWithBody,
    /// Sends two responses.
    AcceptsTwice,
    /// Sends a response head without an end.
    EndlessHead,
    /// Sends a response head of 60 KiB.
    LargeHead,
    /// Sends a ping before its response.
    PingBeforeResponse,
    /// Sends a ping together with its response.
    PingWithResponse,
    /// Accepts and closes.
    AcceptsAndCloses,
    /// Sends pings without an end.
    PingFlood,
    /// Sends pings byte by byte.
    SplitPings,
    /// Sends five bytes that are not a ping.
    MalformedPing,
    /// Shuts down its sending side: after half of the response (0), all of it (1), a ping (2), or a request (3).
    HalfCloses(u8),
    /// Starts HTTP/2 and sends a GOAWAY with this last stream id.
    Goaway(u32),
    /// Sends SETTINGS without an end.
    SettingsFlood,
    /// Opens requests and resets them without an end (CVE-2023-44487).
    RapidReset,
    /// Sends HTTP/2 PINGs without an end.
    Http2PingFlood,
    /// Sends requests and never reads the responses.
    NeverReads,
}

impl GarbageClient {
    const ALL: [Self; 7] = [
        Self::Silent,
        Self::ClosesAtOnce,
        Self::RandomBytes,
        Self::Slowloris,
        Self::EndlessHead,
        Self::ConnectionFlood,
        Self::ForgedIdentity,
    ];

    /// Any of them.
    pub(super) fn draw(dice: &mut fastrand::Rng) -> Self {
        Self::ALL[dice.usize(..Self::ALL.len())]
    }
}

impl HostileInitiator {
    const ALL: [Self; 14] = [
        Self::HalfCloses(0),
        Self::HalfCloses(1),
        Self::HalfCloses(2),
        Self::HalfCloses(3),
        Self::LateEchoes,
        Self::SplitEchoes,
        Self::DoubleEchoes,
        Self::MalformedEchoes,
        Self::UnsolicitedPings,
        Self::Goaway(0),
        Self::Goaway(0x7fff_ffff),
        Self::ResetFlood,
        Self::SettingsFlood,
        Self::NeverAnswers,
    ];

    /// Any of them.
    pub(super) fn draw(dice: &mut fastrand::Rng) -> Self {
        Self::ALL[dice.usize(..Self::ALL.len())]
    }
}

impl HostileResponder {
    const ALL: [Self; 28] = [
        Self::Silent,
        Self::ClosesAtOnce,
        Self::Rejects(401, 0),
        Self::Rejects(403, 0),
        Self::Rejects(404, 0),
        Self::Rejects(429, 0),
        Self::Rejects(429, 3),
        Self::Rejects(503, 0),
        Self::AcceptsWithBody,
        Self::AcceptsTwice,
        Self::EndlessHead,
        Self::LargeHead,
        Self::PingBeforeResponse,
        Self::PingWithResponse,
        Self::AcceptsAndCloses,
        Self::PingFlood,
        Self::SplitPings,
        Self::MalformedPing,
        Self::HalfCloses(0),
        Self::HalfCloses(1),
        Self::HalfCloses(2),
        Self::HalfCloses(3),
        Self::Goaway(0),
        Self::Goaway(0x7fff_ffff),
        Self::SettingsFlood,
        Self::RapidReset,
        Self::Http2PingFlood,
        Self::NeverReads,
    ];

    /// Any of them.
    pub(super) fn draw(dice: &mut fastrand::Rng) -> Self {
        Self::ALL[dice.usize(..Self::ALL.len())]
    }
}
