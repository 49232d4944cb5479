//! As much of HTTP/2 framing as a tunnel needs beside the HTTP/2 library: telling it from HTTP/1.1, seeing
//! GOAWAY and what SETTINGS say of limits, and finding places where a GOAWAY may be put in (RFC 9113 §3.4, §4.1, §6.5, §6.8).

use crate::initiator::Protocol;

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// GOAWAY, last stream 0, NO_ERROR: from a responder, "I take this tunnel out of use, finish what you have".
///
/// Zero, since the streams that a GOAWAY counts are those of the peer, and an initiator opens none. An Envoy
/// initiator dials a replacement on it, but takes 2^31-1 for a protocol error (reference §6.7).
pub const GOAWAY_NO_ERROR: [u8; 17] = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// All that a responder sends on a tunnel that it closes without having used it: preface, empty SETTINGS, GOAWAY.
pub const GOAWAY_UNUSED_CLIENT: [u8; 24 + 9 + 17] = {
    let mut bytes = [0; 24 + 9 + 17];
    let (preface, frames) = bytes.split_at_mut(PREFACE.len());
    preface.copy_from_slice(PREFACE);
    let (settings, goaway) = frames.split_at_mut(SETTINGS.len());
    settings.copy_from_slice(&SETTINGS);
    goaway.copy_from_slice(&GOAWAY_NO_ERROR);
    bytes
};

/// GOAWAY, last stream 2^31-1, NO_ERROR: from an initiator, "I take this tunnel out of use, finish what you have".
///
/// Not a lower stream, since a request of the responder's may be on its way already, and is served.
pub const GOAWAY_SERVER: [u8; 17] = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// What an initiator sends on a tunnel that it drains before its first use: empty SETTINGS, GOAWAY. Only a revtun
/// understands an initiator that speaks first ([`Answer::Accepted`](crate::handshake::Answer::Accepted)).
pub const GOAWAY_UNUSED_SERVER: [u8; 9 + 17] = {
    let mut bytes = [0; 9 + 17];
    let (settings, goaway) = bytes.split_at_mut(SETTINGS.len());
    settings.copy_from_slice(&SETTINGS);
    goaway.copy_from_slice(&GOAWAY_SERVER);
    bytes
};

const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

const HEADERS: u8 = 1;
const SETTINGS_TYPE: u8 = 4;
const ACK: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Bytes before a frame's payload, and those of them that the scanner reads: length, type, flags.
const HEADER_BYTES: u8 = 9;
const READ_BYTES: usize = 5;

/// The protocol of a client, by its first bytes; none while both are still possible.
#[must_use]
pub fn detect_protocol(first: &[u8]) -> Option<Protocol> {
    let seen = first.len().min(PREFACE.len());
    if first[..seen] != PREFACE[..seen] {
        Some(Protocol::Http1)
    } else if seen == PREFACE.len() {
        Some(Protocol::Http2)
    } else {
        None
    }
}

/// Bytes of one setting: its identifier, its value (RFC 9113 §6.5.1).
const SETTING_BYTES: usize = 6;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const MAX_HEADER_LIST_SIZE: u16 = 6;
/// RFC 8441 §3.
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// Scans one direction of an HTTP/2 connection, frame by frame, however the bytes are segmented.
///
/// It looks into no payload but that of SETTINGS, so the cost of a call is proportional to the frames in its bytes. It validates
/// nothing: on a malformed stream its result is arbitrary, and the HTTP/2 library ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameScanner {
    /// Bytes to pass over before the next frame header: of the preface, or of a payload.
    skip: u32,
    /// The frame header so far.
    header: [u8; READ_BYTES],
    filled: u8,
    position: Position,
    /// The setting so far, within the payload of SETTINGS.
    setting: Option<([u8; SETTING_BYTES], u8)>,
    /// The last SETTINGS_ENABLE_CONNECT_PROTOCOL.
    extended_connect: bool,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Position {
    /// SETTINGS, and nothing before them (RFC 9113 §3.4).
    Start,
    /// CONTINUATION, and nothing before it (RFC 9113 §6.10).
    Headers,
    /// Any frame.
    Open,
}

/// What [`FrameScanner::scan`] came across.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scanned {
    /// GOAWAY frames that began.
    pub goaways: u32,
    /// The last SETTINGS_MAX_HEADER_LIST_SIZE: the largest list of headers that the sender takes, in bytes, if it said so.
    pub max_header_list_bytes: Option<u32>,
    /// Whether the sender takes the extended CONNECT, by what it has said so far; none unless a SETTINGS frame ended.
    pub extended_connect: Option<bool>,
    /// The last SETTINGS_MAX_CONCURRENT_STREAMS: how many streams at the same time the sender takes, if it said so.
    pub max_concurrent_streams: Option<u32>,
}

impl Scanned {
    /// Whether SETTINGS ended that are no acknowledgement.
    #[must_use]
    pub const fn settings(&self) -> bool {
        self.extended_connect.is_some()
    }
}

impl FrameScanner {
    /// For what a client sends: the preface comes first.
    #[must_use]
    pub const fn client() -> Self {
        Self { skip: PREFACE.len() as u32, ..Self::server() }
    }

    /// For what a server sends.
    #[must_use]
    pub const fn server() -> Self {
        Self {
            skip: 0,
            header: [0; READ_BYTES],
            filled: 0,
            position: Position::Start,
            setting: None,
            extended_connect: false,
        }
    }

    /// Passes over the next bytes of the stream.
    pub fn scan(&mut self, bytes: &[u8]) -> Scanned {
        let mut scanned = Scanned::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let payload = self.skip;
            let (used, begun) = self.advance(rest);
            scanned.goaways += u32::from(begun == Some(GOAWAY));
            if payload > 0 && self.setting.is_some() {
                self.read_settings(&rest[..used], &mut scanned);
            }
            if self.skip == 0 && self.filled == 0 && self.setting.take().is_some() {
                scanned.extended_connect = Some(self.extended_connect);
            }
            rest = &rest[used..];
        }
        scanned
    }

    /// Whether another frame may stand here: between two frames, behind the first one, and not within a sequence of
    /// HEADERS and CONTINUATION.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        self.skip == 0 && self.filled == 0 && matches!(self.position, Position::Open)
    }

    /// How many of the next bytes of the stream come before the first place where another frame may stand; zero if
    /// that is here, none if it lies behind them.
    #[must_use]
    pub fn first_boundary(mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while !self.at_boundary() {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            at += self.advance(rest).0;
        }
        Some(at)
    }

    /// Moves to the end of the preface, frame header or payload, as far as `bytes` reach. Says how many it used and
    /// the type of the frame whose header ended.
    fn advance(&mut self, bytes: &[u8]) -> (usize, Option<u8>) {
        if self.skip > 0 {
            let used = bytes.len().min(self.skip as usize);
            self.skip -= used as u32;
            return (used, None);
        }
        let filled = usize::from(self.filled);
        let used = bytes.len().min(usize::from(HEADER_BYTES) - filled);
        let kept = filled.min(READ_BYTES)..(filled + used).min(READ_BYTES);
        let count = kept.len();
        self.header[kept].copy_from_slice(&bytes[..count]);
        self.filled += used as u8;
        if self.filled < HEADER_BYTES {
            return (used, None);
        }
        self.filled = 0;
        (used, Some(self.begin()))
    }

    /// Takes note of the frame whose header is complete.
    fn begin(&mut self) -> u8 {
        let [high, middle, low, kind, flags] = self.header;
        self.skip = u32::from_be_bytes([0, high, middle, low]);
        let unended = matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) && flags & END_HEADERS == 0;
        self.position = if unended { Position::Headers } else { Position::Open };
        self.setting = (kind == SETTINGS_TYPE && flags & ACK == 0).then_some(([0; SETTING_BYTES], 0));
        kind
    }

    /// Reads settings in `payload`, the next bytes of a SETTINGS frame.
    fn read_settings(&mut self, payload: &[u8], scanned: &mut Scanned) {
        let Some((setting, filled)) = &mut self.setting else { return };
        for byte in payload {
            setting[usize::from(*filled)] = *byte;
            *filled += 1;
            if usize::from(*filled) == SETTING_BYTES {
                *filled = 0;
                let [high, low, value @ ..] = *setting;
                let value = u32::from_be_bytes(value);
                match u16::from_be_bytes([high, low]) {
                    MAX_CONCURRENT_STREAMS => scanned.max_concurrent_streams = Some(value),
                    MAX_HEADER_LIST_SIZE => scanned.max_header_list_bytes = Some(value),
                    ENABLE_CONNECT_PROTOCOL => self.extended_connect = value == 1,
                    _ => {}
                }
            }
        }
    }
}
