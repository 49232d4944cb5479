//! Frames of HTTP/2: what is ignored, and what ends a connection.

use revtun_tests::frames::{END_HEADERS, END_STREAM, frame, kind, list};

use crate::row::{Next, Row, data, headers, http2_frames, last_data, open, request};

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const WINDOW_UPDATE: u8 = 8;
const UNKNOWN: u8 = 0xbe;
const PADDED: u8 = 8;
const HAS_PRIORITY: u8 = 0x20;

pub(crate) fn rows() -> Vec<Row> {
    [fine(), faults()].concat()
}

fn get() -> Vec<u8> {
    headers(END_STREAM | END_HEADERS, &request("GET", &[]))
}

fn block() -> Vec<u8> {
    list(&request("GET", &[]))
}

fn fine() -> Vec<Row> {
    let block = block();
    let (first, second) = block.split_at(block.len() / 2);
    let padded = [&[5], &block[..], &[0; 5]].concat();
    let priority = [&[0, 0, 0, 0, 15], &block[..]].concat();
    let padded_data = [&[3], &b"hello"[..], &[0; 3]].concat();
    vec![
        http2_frames(
            "a list in two frames",
            "RFC 9113 §4.3",
            &[frame(kind::HEADERS, END_STREAM, 1, first), frame(kind::CONTINUATION, END_HEADERS, 1, second)],
        ),
        http2_frames(
            "padded HEADERS",
            "RFC 9113 §6.2",
            &[frame(kind::HEADERS, END_STREAM | END_HEADERS | PADDED, 1, &padded)],
        ),
        http2_frames(
            "HEADERS with a priority",
            "RFC 9113 §5.3.2",
            &[frame(kind::HEADERS, END_STREAM | END_HEADERS | HAS_PRIORITY, 1, &priority)],
        ),
        http2_frames(
            "padded DATA",
            "RFC 9113 §6.1",
            &[open("POST", &[]), frame(kind::DATA, END_STREAM | PADDED, 1, &padded_data)],
        )
        .sees("hello (whole)"),
        http2_frames("a frame of a kind nobody knows", "RFC 9113 §5.5", &[frame(UNKNOWN, 0xff, 0, b"?"), get()]),
        http2_frames("PRIORITY", "RFC 9113 §6.3", &[frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 15]), get()]),
        http2_frames("PING", "RFC 9113 §6.7", &[frame(kind::PING, 0, 0, b"12345678"), get()]),
        http2_frames("WINDOW_UPDATE", "RFC 9113 §6.9", &[frame(WINDOW_UPDATE, 0, 0, &1000_u32.to_be_bytes()), get()]),
        http2_frames("a stream number that was left out", "RFC 9113 §5.1.1", &[get()]),
    ]
}

fn faults() -> Vec<Row> {
    let fault = |name: &str, section, frames: &[Vec<u8>]| {
        http2_frames(name, section, frames).refused().requests(&[0, 1]).next(Next::Closed)
    };
    let of_stream =
        |name: &str, section, frames: &[Vec<u8>]| http2_frames(name, section, frames).refused().requests(&[0, 1]);
    vec![
        fault(
            "an even stream number",
            "RFC 9113 §5.1.1",
            &[frame(kind::HEADERS, END_STREAM | END_HEADERS, 2, &block())],
        ),
        fault("HEADERS of stream 0", "RFC 9113 §6.2", &[frame(kind::HEADERS, END_STREAM | END_HEADERS, 0, &block())]),
        fault("DATA of stream 0", "RFC 9113 §6.1", &[frame(kind::DATA, 0, 0, b"x"), get()]),
        fault("DATA of an idle stream", "RFC 9113 §5.1", &[frame(kind::DATA, END_STREAM, 1, b"x"), get()]),
        fault("a reset of an idle stream", "RFC 9113 §6.4", &[frame(kind::RST_STREAM, 0, 9, &[0, 0, 0, 8]), get()]),
        fault("CONTINUATION without HEADERS", "RFC 9113 §6.10", &[frame(kind::CONTINUATION, END_HEADERS, 1, &block())]),
        fault(
            "DATA between HEADERS and CONTINUATION",
            "RFC 9113 §6.10",
            &[frame(kind::HEADERS, END_STREAM, 1, &block()), frame(kind::DATA, 0, 1, b"x")],
        ),
        fault("SETTINGS of a stream", "RFC 9113 §6.5", &[frame(kind::SETTINGS, 0, 1, &[]), get()]),
        fault("SETTINGS of five bytes", "RFC 9113 §6.5", &[frame(kind::SETTINGS, 0, 0, &[0; 5]), get()]),
        fault(
            "a window beyond 2^31-1",
            "RFC 9113 §6.5.2",
            &[frame(kind::SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]), get()],
        ),
        fault("a frame size below 2^14", "RFC 9113 §6.5.2", &[frame(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]), get()]),
        fault("PING of seven bytes", "RFC 9113 §6.7", &[frame(kind::PING, 0, 0, &[0; 7]), get()]),
        fault("WINDOW_UPDATE of nothing", "RFC 9113 §6.9", &[frame(WINDOW_UPDATE, 0, 0, &[0; 4]), get()]),
        fault(
            "a window that overflows",
            "RFC 9113 §6.9.1",
            &[frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()), get()],
        ),
        fault("PUSH_PROMISE of a client", "RFC 9113 §8.4", &[frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])]),
        fault(
            "a list that cannot be decoded",
            "RFC 9113 §4.3",
            &[frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 8])],
        ),
        fault(
            "padding longer than the frame",
            "RFC 9113 §6.1",
            &[open("POST", &[]), frame(kind::DATA, END_STREAM | PADDED, 1, &[200, 1])],
        ),
        of_stream("DATA behind the end", "RFC 9113 §5.1", &[open("POST", &[]), last_data(b"hello"), data(b"more")])
            .requests(&[]),
        of_stream(
            "HEADERS that depend on themselves",
            "RFC 9113 §5.3.2",
            &[frame(
                kind::HEADERS,
                END_STREAM | END_HEADERS | HAS_PRIORITY,
                1,
                &[&[0, 0, 0, 1, 15], &block()[..]].concat(),
            )],
        )
        .or_refused(),
        of_stream(
            "a pseudo-header among trailers",
            "RFC 9113 §8.1",
            &[
                open("POST", &[]),
                data(b"hello"),
                frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &list(&[(":path", "/hidden")])),
            ],
        )
        .misses("(whole)"),
    ]
}
