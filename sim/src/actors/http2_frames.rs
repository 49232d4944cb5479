//! HTTP/2 frames, byte by byte, for hostile peers.

/// The connection preface of a client.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS with one setting or none.
pub(super) fn settings(change: Option<(u16, u32)>) -> Vec<u8> {
    let payload = change.map(|(what, value)| [&what.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(SETTINGS, 0, 0, &payload.unwrap_or_default())
}

/// SETTINGS frames, each of which changes values of earlier ones.
pub(super) fn changing_settings(turn: u32) -> Vec<u8> {
    let changes =
        [(1, turn % 8192), (4, turn * 7 % 0xffff), (3, turn % 5), (5, 16_384 + turn % 1000), (4, 0x7fff_ffff)];
    changes.into_iter().flat_map(|change| settings(Some(change))).collect()
}

/// A request without a body, for a response body of `down` bytes.
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
    // END_STREAM and END_HEADERS.
    frame(HEADERS, 5, stream, &block)
}

/// RST_STREAM with CANCEL.
pub(super) fn rst_stream(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

/// PING without ACK.
pub(super) fn ping(turn: u32) -> Vec<u8> {
    frame(PING, 0, 0, &u64::from(turn).to_be_bytes())
}

/// GOAWAY with this last stream.
pub(super) fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_how_long_it_is() {
        assert_eq!(settings(None), [0, 0, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(goaway(7), [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        assert_eq!(rst_stream(1), [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8]);
        let request = request(3, "9");
        assert_eq!(request[..9], [0, 0, 22, 1, 5, 0, 0, 0, 3]);
        assert_eq!(request.len(), 9 + 22);
    }
}
