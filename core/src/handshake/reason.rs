//! Why a responder refused, in its own words: the text behind the head of its answer.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use httparse::{EMPTY_HEADER, Status};

use super::head::{CONTENT_LENGTH, MAX_HEADERS, TRANSFER_ENCODING, value};

/// For how long to wait for the rest of the text.
pub const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest body that is looked at.
pub const MAX_REASON_BODY_BYTES: usize = 1024;

/// The longest text, in characters.
const MAX_CHARACTERS: usize = 200;

/// The words of a responder, as far as they have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// One line of visible ASCII, at most 200 characters; empty if there is none.
    pub text: String,
    /// Whether more bytes could change it.
    pub is_complete: bool,
}

enum Framing {
    Chunked,
    Length(usize),
    UntilEnd,
}

impl Reason {
    /// Reads `answer`, of which the first `head` bytes are the head that a
    /// [`ResponseParser`](super::ResponseParser) has found complete.
    #[must_use]
    pub fn read(answer: &[u8], head: usize) -> Self {
        let (head, body) = answer.split_at(head.min(answer.len()));
        let body = &body[..body.len().min(MAX_REASON_BODY_BYTES)];
        let is_full = body.len() == MAX_REASON_BODY_BYTES;
        let (bytes, is_complete) = match framing(head) {
            Framing::Chunked => unchunk(body),
            Framing::Length(length) => (body[..length.min(body.len())].to_vec(), body.len() >= length),
            Framing::UntilEnd => (body.to_vec(), false),
        };
        Self { text: line(&bytes), is_complete: is_complete || is_full }
    }
}

/// That of the last head, for interim responses may come before it. What is wrong in a head has no text.
fn framing(mut heads: &[u8]) -> Framing {
    loop {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let Ok(Status::Complete(length)) = head.parse(heads) else { return Framing::Length(0) };
        heads = &heads[length..];
        if !heads.is_empty() {
            continue;
        }
        if value(head.headers, TRANSFER_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
            return Framing::Chunked;
        }
        let length = value(head.headers, CONTENT_LENGTH).and_then(|length| core::str::from_utf8(length).ok());
        return match length.map(str::parse) {
            None => Framing::UntilEnd,
            Some(length) => Framing::Length(length.unwrap_or(0)),
        };
    }
}

/// The data of the chunks that have come (RFC 9112 §7.1), and whether the last one has.
fn unchunk(mut body: &[u8]) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    loop {
        let Some(end) = body.windows(2).position(|pair| pair == b"\r\n") else { return (data, false) };
        let size = body[..end].split(|byte| *byte == b';').next().unwrap_or_default();
        let size = core::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        body = &body[end + 2..];
        match size {
            // Whatever follows is no text.
            None | Some(0) => return (data, true),
            Some(size) if size <= body.len() => {
                data.extend_from_slice(&body[..size]);
                body = body[size..].strip_prefix(b"\r\n").unwrap_or_default();
            }
            Some(_) => {
                data.extend_from_slice(body);
                return (data, false);
            }
        }
    }
}

/// The first line that is not blank. A peer must not write whatever it likes into a log.
fn line(bytes: &[u8]) -> String {
    let lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    let line = lines.map(<[u8]>::trim_ascii).find(|line| !line.is_empty()).unwrap_or_default();
    let visible = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' };
    line.iter().take(MAX_CHARACTERS).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Rejection, encode_rejection};
    use super::*;

    fn read(head: &str, body: &[u8]) -> (String, bool) {
        let Reason { text, is_complete } = Reason::read(&[head.as_bytes(), body].concat(), head.len());
        (text, is_complete)
    }

    #[test]
    fn every_rejection_of_our_own_is_understood() {
        for rejection in Rejection::ALL {
            let answer = encode_rejection(rejection);
            let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("it has a head") + 4;
            let reason = Reason::read(&answer, head);
            assert_eq!(reason.text, rejection.body());
            assert_eq!(reason.is_complete, rejection != Rejection::UnsupportedVersion);
            for cut in head..answer.len() {
                let part = Reason::read(&answer[..cut], head);
                assert!(rejection.body().starts_with(&part.text));
            }
        }
    }

    #[test]
    fn a_length_or_the_end_bounds_the_text() {
        let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\n";
        assert_eq!(read(head, b"no way!"), ("no way".into(), true));
        assert_eq!(read(head, b"no"), ("no".into(), false));
        let head = "HTTP/1.0 403 Forbidden\r\n\r\n";
        assert_eq!(read(head, b"no way"), ("no way".into(), false));
        assert_eq!(read(head, &[b'x'; 5_000]), ("x".repeat(MAX_CHARACTERS), true));
        assert_eq!(read("HTTP/1.1 403 No\r\ncontent-length: x\r\n\r\n", b"text"), (String::new(), true));
        assert_eq!(read("nonsense", b"text"), (String::new(), true));
    }

    #[test]
    fn chunks_are_joined_and_faults_end_the_text() {
        let head = "HTTP/1.1 403 No\r\ntransfer-encoding: Chunked\r\n\r\n";
        assert_eq!(read(head, b"3;a=b\r\nno \r\n3\r\nway\r\n0\r\n\r\n"), ("no way".into(), true));
        assert_eq!(read(head, b"3\r\nno \r\nff\r\nway"), ("no way".into(), false));
        assert_eq!(read(head, b"zz\r\nno"), (String::new(), true));
        assert_eq!(read(head, b"fffffffffffffffff\r\nno"), (String::new(), true));
    }

    #[test]
    fn nothing_but_one_line_of_visible_text_gets_into_a_log() {
        let head = "HTTP/1.1 403 No\r\n\r\n";
        assert_eq!(read(head, b"\r\n  a\x1b[31m\xff b  \nlevel=ERROR").0, "a?[31m? b");
        assert_eq!(read(head, b" \r\n").0, "");
    }
}
