//! Bodies of requests over HTTP/1.1: lengths and codings.

use crate::row::{Next, Part, Row, get, http1, http1_in_parts, post};

const TE: &str = "transfer-encoding: chunked\r\n";
const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
/// What a smuggler would like to see the service answer.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: a.example\r\nx-node-id: node-a\r\n\r\n";

pub(crate) fn rows() -> Vec<Row> {
    [lengths(), codings(), chunks()].concat()
}

fn lengths() -> Vec<Row> {
    let length = "RFC 9110 §8.6";
    let wrong = |name: &str, value: &str| {
        http1(name, length, post(&format!("content-length: {value}\r\n"), "hello")).refused_with(&[400])
    };
    vec![
        http1("a length", length, post("content-length: 5\r\n", "hello")).sees("\r\n\r\nhello (whole)"),
        http1("a length of nothing", length, post("content-length: 0\r\n", "")).sees("content-length: 0\r\n"),
        http1("POST without a body", length, post("", "")).sees("POST /row"),
        http1("GET with a body", "RFC 9110 §9.3.1", get("content-length: 5\r\n") + "hello").sees("hello (whole)"),
        http1(
            "DELETE with a body",
            "RFC 9110 §9.3.5",
            post("content-length: 5\r\n", "hello").replacen("POST", "DELETE", 1),
        )
        .sees("hello (whole)"),
        http1("twice the same length", length, post("content-length: 5\r\ncontent-length: 5\r\n", "hello"))
            .or_refused()
            .misses("5, 5"),
        http1("a list of the same length", length, post("content-length: 5, 5\r\n", "hello"))
            .or_refused()
            .misses("5, 5"),
        http1("two lengths", length, post("content-length: 5\r\ncontent-length: 4\r\n", "hello")).refused_with(&[400]),
        wrong("a list of lengths", "5, 4"),
        wrong("a length with a sign", "+5"),
        wrong("a length below zero", "-1"),
        wrong("a length in hexadecimal", "0x5"),
        wrong("a length without digits", ""),
        wrong("a length with a fraction", "5.0"),
        wrong("a length beyond 64 bits", "99999999999999999999"),
        http1_in_parts(
            "a body that breaks off",
            "RFC 9112 §8",
            vec![Part::Send(post("content-length: 50\r\n", "hello").into()), Part::Fin],
        )
        .requests(&[0, 1])
        .refused()
        .requests(&[0, 1])
        .misses("(whole)"),
        http1(
            "a length that connection lists",
            "RFC 9110 §7.6.1",
            post("connection: content-length\r\ncontent-length: 5\r\n", "hello"),
        )
        .or_refused()
        .sees("hello (whole)"),
    ]
}

fn codings() -> Vec<Row> {
    let coding = "RFC 9112 §6.1";
    let length = "RFC 9112 §6.3";
    let te = |value: &str| post(&format!("transfer-encoding: {value}\r\n"), CHUNKS);
    vec![
        http1("chunked", coding, te("chunked")).sees("hello (whole)"),
        http1("chunked in capitals", "RFC 9112 §7", te("Chunked")).sees("hello (whole)"),
        http1("GET in chunks", coding, get(TE) + CHUNKS).sees("hello (whole)"),
        http1("gzip, then chunked", coding, te("gzip, chunked")).refused_with(&[501]),
        http1("gzip and chunked in two lines", coding, post(&format!("transfer-encoding: gzip\r\n{TE}"), CHUNKS))
            .refused_with(&[501]),
        http1("chunked, then gzip", length, te("chunked, gzip")).refused_with(&[400, 501]),
        http1("chunked twice", "RFC 9112 §6.1", te("chunked, chunked")).refused_with(&[400, 501]),
        http1("identity", coding, te("identity")).refused_with(&[400, 501]),
        http1("a coding nobody knows", coding, te("xchunked")).refused_with(&[400, 501]),
        http1("chunked behind a control character", coding, te("\x0bchunked")).refused_with(&[400, 501]),
        http1("an empty coding", coding, te("")).refused_with(&[400, 501]),
        http1("chunked in HTTP/1.0", coding, te("chunked").replacen("HTTP/1.1", "HTTP/1.0", 1))
            .or_refused()
            .next(Next::Closed),
        http1("a length and chunks", length, post(&format!("content-length: 5\r\n{TE}"), CHUNKS))
            .or_refused()
            .misses("content-length")
            .next(Next::Closed),
        http1("chunks and a length", length, post(&format!("{TE}content-length: 50\r\n"), CHUNKS))
            .or_refused()
            .misses("content-length")
            .next(Next::Closed),
        http1(
            "a request hidden behind a length",
            length,
            post(&format!("content-length: 9\r\n{TE}"), &format!("0\r\n\r\n{HIDDEN}")),
        )
        .or_refused()
        .next(Next::Closed),
    ]
}

fn chunks() -> Vec<Row> {
    let chunked = "RFC 9112 §7.1";
    let sent = |chunks: &str| post(TE, chunks);
    let broken =
        |name: &str, chunks: &str| http1(name, chunked, sent(chunks)).refused().requests(&[0, 1]).misses("(whole)");
    vec![
        http1("an extension of a chunk", "RFC 9112 §7.1.1", sent("5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n"))
            .sees("\r\n\r\nhello (whole)"),
        http1("sizes with zeros and capitals", chunked, sent("00A\r\nhelloworld\r\n000\r\n\r\n"))
            .sees("helloworld (whole)"),
        http1("many small chunks", chunked, sent(&("1\r\na\r\n".repeat(100) + "0\r\n\r\n")))
            .sees(&("a".repeat(100) + " (whole)")),
        broken("a size beyond 64 bits", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        broken("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        broken("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        broken("no size", "\r\nhello\r\n0\r\n\r\n"),
        broken("a chunk that is longer", "3\r\nhello\r\n0\r\n\r\n"),
        http1("lines of chunks that end with LF alone", chunked, sent("5\nhello\n0\n\n"))
            .or_refused()
            .requests(&[0, 1]),
        http1_in_parts(
            "chunks that break off",
            "RFC 9112 §8",
            vec![Part::Send(sent("5\r\nhello\r\n").into()), Part::Fin],
        )
        .refused()
        .requests(&[0, 1])
        .misses("(whole)"),
        broken("an extension without end", &format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(100_000))),
    ]
}
