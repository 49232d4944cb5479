//! HTTP/2 frames by hand (RFC 9113 §4, §6), to say what no library would.

/// The kinds of frames that are sent or looked for here.
pub mod kind {
    /// Bytes of a body.
    pub const DATA: u8 = 0;
    /// Begins a list of headers.
    pub const HEADERS: u8 = 1;
    /// Ends a stream before its time.
    pub const RST_STREAM: u8 = 3;
    /// What the sender can take.
    pub const SETTINGS: u8 = 4;
    /// A question that has to be answered.
    pub const PING: u8 = 6;
    /// Ends the connection.
    pub const GOAWAY: u8 = 7;
    /// Goes on with a list of headers.
    pub const CONTINUATION: u8 = 9;
}

/// The flag of DATA and HEADERS: nothing more comes on this stream.
pub const END_STREAM: u8 = 1;
/// The flag of HEADERS and CONTINUATION: the list of headers is whole.
pub const END_HEADERS: u8 = 4;
/// The error code of those who have had enough.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
///
/// # Panics
/// If the payload is longer than a frame can be.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    assert_eq!(length[0], 0, "a frame has no room for {} bytes", payload.len());
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Names and values as a list of headers: in full, without any of HPACK's savings (RFC 7541 §6.2.2).
#[must_use]
pub fn list(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The list of headers of `GET /` for `node` of `tenant`, with `more` behind it.
#[must_use]
pub fn request(node: &str, tenant: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "service.example")];
    list(&[&pseudo[..], &[("x-node-id", node), ("x-tenant-id", tenant)], more].concat())
}

/// RST_STREAM, since the sender has changed its mind.
#[must_use]
pub fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// Many streams, each opened and reset at once.
#[must_use]
pub fn rapid_resets(request: &[u8], count: u32) -> Vec<u8> {
    let stream = |nr: u32| {
        let stream = 2 * nr + 1;
        [frame(kind::HEADERS, END_STREAM | END_HEADERS, stream, request), reset(stream)].concat()
    };
    (0..count).flat_map(stream).collect()
}

/// A list of headers that goes on and on: in many frames, and `bytes` in each.
#[must_use]
pub fn continuations(first: &[u8], stream: u32, count: usize, bytes: usize) -> Vec<u8> {
    let header = list(&[("x-more", &"a".repeat(bytes))]);
    [frame(kind::HEADERS, 0, stream, first), frame(kind::CONTINUATION, 0, stream, &header).repeat(count)].concat()
}

/// The whole frames at the front of `bytes`: kind, stream and payload.
#[must_use]
pub fn read(bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while let [a, b, c, kind, _, d, e, f, g, behind @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some(payload) = behind.get(..length) else { break };
        frames.push((*kind, u32::from_be_bytes([*d, *e, *f, *g]), payload.to_vec()));
        rest = &behind[length..];
    }
    frames
}

/// The error code of the first GOAWAY among `bytes`.
#[must_use]
pub fn goaway(bytes: &[u8]) -> Option<u32> {
    let (_, _, payload) = read(bytes).into_iter().find(|(kind, ..)| *kind == kind::GOAWAY)?;
    Some(u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?))
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn length(length: usize, block: &mut Vec<u8>) {
    if length < 127 {
        block.push(length as u8);
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}
