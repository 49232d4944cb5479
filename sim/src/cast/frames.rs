//! Frames of HTTP/2, byte by byte, for peers that mean no good.

/// What a client says first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// One setting, or none.
pub(super) fn settings(change: Option<(u16, u32)>) -> Vec<u8> {
    let payload = change.map(|(what, value)| [&what.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(SETTINGS, 0, 0, &payload.unwrap_or_default())
}

/// Settings one after the other, each of which changes what was said before.
pub(super) fn unsteady(turn: u32) -> Vec<u8> {
    let changes =
        [(1, turn % 8192), (4, turn * 7 % 0xffff), (3, turn % 5), (5, 16_384 + turn % 1000), (4, 0x7fff_ffff)];
    changes.into_iter().flat_map(|change| settings(Some(change))).collect()
}

/// A request without a body, for an answer of so many bytes.
pub(super) fn request(stream: u32, down: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 1, 7];
    block.extend(b"service");
    for text in ["x-down", down] {
        if text == "x-down" {
            block.push(0);
        }
        block.push(u8::try_from(text.len()).expect("it is short"));
        block.extend(text.as_bytes());
    }
    // The stream ends with its head.
    frame(HEADERS, 5, stream, &block)
}

/// Nobody wants this stream any more.
pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

/// A ping that wants to be answered.
pub(super) fn ping(turn: u32) -> Vec<u8> {
    frame(PING, 0, 0, &u64::from(turn).to_be_bytes())
}

/// Nothing above `last` is served.
pub(super) fn goodbye(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_how_long_it_is() {
        assert_eq!(settings(None), [0, 0, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(goodbye(7), [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        assert_eq!(reset(1), [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8]);
        let request = request(3, "9");
        assert_eq!(request[..9], [0, 0, 22, 1, 5, 0, 0, 0, 3]);
        assert_eq!(request.len(), 9 + 22);
    }
}
