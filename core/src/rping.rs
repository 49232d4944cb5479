//! RPING, the keepalive of idle tunnels: five bytes, echoed (reference §3).

/// One ping, and its echo. Write it in one piece: an Envoy does not put split ones together.
pub const PING: [u8; 5] = *b"RPING";

/// Counts pings at the front of a byte stream until the first byte that is not part of one.
///
/// Both ends use it, from the handshake until the tunnel is used: the initiator owes an echo for each ping,
/// the responder takes each as an echo. However the bytes are split or run together, the outcome is the same.
///
/// The filter sets no limit of its own. One call reports at most `(bytes + 4) / 5` pings, so that the size of
/// the read bounds the burst, and a reader that writes its echoes before it reads on cannot be made to owe more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PingFilter {
    /// Bytes of a ping begun and not ended, which may yet turn out to be data.
    held: u8,
    passed: bool,
}

/// What [`PingFilter::feed`] made of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Filtered {
    /// Pings that these bytes completed.
    pub pings: u32,
    /// The first bytes that are not part of a ping, if they came.
    pub data: Option<Data>,
}

/// Where the data of a tunnel begins: `held`, then the fed bytes from `from` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Data {
    /// What earlier calls kept back since it looked like a ping; at most four bytes.
    pub held: &'static [u8],
    /// Where in the bytes of this call the rest begins.
    pub from: usize,
}

impl PingFilter {
    /// A filter at the start of a tunnel.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: 0, passed: false }
    }

    /// Looks at the next bytes of the stream.
    ///
    /// Once data was seen, all further bytes are data: a tunnel in use carries no pings.
    pub fn feed(&mut self, bytes: &[u8]) -> Filtered {
        if self.passed {
            return Filtered { pings: 0, data: Some(Data { held: &[], from: 0 }) };
        }
        let mut pings = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let held = usize::from(self.held);
            if *byte != PING[held] {
                *self = Self { held: 0, passed: true };
                // Of the ping that was not one, `index` bytes at most came with this call.
                let data = Data { held: &PING[..held.saturating_sub(index)], from: index.saturating_sub(held) };
                return Filtered { pings, data: Some(data) };
            }
            self.held = if held + 1 == PING.len() { 0 } else { self.held + 1 };
            pings += u32::from(self.held == 0);
        }
        Filtered { pings, data: None }
    }

    /// The bytes kept back: the start of a ping, or of data that looks like one so far.
    #[must_use]
    pub fn held(&self) -> &'static [u8] {
        &PING[..usize::from(self.held)]
    }
}
