//! Answers of services: their framing, and what a caller is told of broken ones.

use crate::row::{Next, Row, Step, answered, get, http1, scripted};

pub(crate) fn rows() -> Vec<Row> {
    [whole(), lengths(), broken(), heads()].concat()
}

fn in_chunks(chunks: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")
}

/// An answer behind which the service closes.
fn closing(name: &str, section: &'static str, bytes: impl Into<Vec<u8>>) -> [Row; 2] {
    scripted(name, section, "GET", vec![Step::ReadWhole, Step::Send(bytes.into()), Step::Pause, Step::Close])
}

fn whole() -> Vec<Row> {
    let megabyte = "a".repeat(1 << 20);
    [
        answered("an answer in chunks", "RFC 9112 §7.1", in_chunks("5\r\nhello\r\n0\r\n\r\n"))
            .map(|row| row.gets("\r\n\r\nhello"))
            .to_vec(),
        answered(
            "chunks with extensions and capitals",
            "RFC 9112 §7.1.1",
            in_chunks("00A;x=\"y\"\r\nhelloworld\r\n0\r\n\r\n"),
        )
        .map(|row| row.gets("\r\n\r\nhelloworld"))
        .into(),
        closing("an answer that ends with the connection", "RFC 9112 §6.3", "HTTP/1.1 200 OK\r\n\r\nhello")
            .map(|row| row.gets("\r\n\r\nhello"))
            .into(),
        closing("an answer of HTTP/1.0", "RFC 9112 §6.3", "HTTP/1.0 200 OK\r\n\r\nhello")
            .map(|row| row.gets("\r\n\r\nhello"))
            .into(),
        answered(
            "an answer of HTTP/1.0 with a length",
            "RFC 9112 §9.3",
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        )
        .map(|row| row.gets("hello"))
        .into(),
        answered(
            "an answer of a megabyte",
            "RFC 9112 §6.3",
            format!("HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n{megabyte}"),
        )
        .map(|row| row.gets(&megabyte))
        .into(),
        answered(
            "more than the length says",
            "RFC 9112 §6.3",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
        )
        .map(|row| row.lacks("okHTTP"))
        .into(),
        vec![
            http1("chunks to a caller of HTTP/1.0", "RFC 9112 §6.1", get("").replacen("1.1", "1.0", 1))
                .answer(in_chunks("5\r\nhello\r\n0\r\n\r\n"))
                .lacks("transfer-encoding")
                .gets("\r\n\r\nhello")
                .next(Next::Closed),
            http1("broken chunks to a caller of HTTP/1.0", "RFC 9112 §8", get("").replacen("1.1", "1.0", 1))
                .script(vec![Step::ReadWhole, Step::Send(in_chunks("5\r\nhello\r\n").into()), Step::Pause, Step::Close])
                .broken(),
        ],
    ]
    .concat()
}

fn lengths() -> Vec<Row> {
    let section = "RFC 9112 §6.3";
    let bad = |name: &str, lines: &str, body: &str| {
        let bytes = format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}");
        closing(name, section, bytes).map(|row| row.status(&[502, 503]).requests(&[])).to_vec()
    };
    let te = "transfer-encoding: chunked\r\n";
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    let either = |rows: [Row; 2]| {
        rows.map(|row| row.or_refused().requests(&[]).lacks("content-length: 50").next(Next::Either)).to_vec()
    };
    [
        bad("an answer with two lengths", "content-length: 5\r\ncontent-length: 4\r\n", "hello"),
        bad("an answer whose length is none", "content-length: five\r\n", "hello"),
        bad("an answer whose length has a sign", "content-length: +5\r\n", "hello"),
        bad("an answer whose length is below zero", "content-length: -5\r\n", "hello"),
        either(closing(
            "an answer with the same length twice",
            section,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        ))
        .into_iter()
        .map(|row| row.gets("hello").lacks("5, 5"))
        .collect(),
        either(closing(
            "an answer with a length and chunks",
            section,
            format!("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n{te}\r\n{chunks}"),
        )),
        either(closing(
            "an answer with chunks and a length",
            section,
            format!("HTTP/1.1 200 OK\r\n{te}content-length: 50\r\n\r\n{chunks}"),
        )),
        bad("an answer in gzip and chunks", "transfer-encoding: gzip, chunked\r\n", chunks),
        bad("an answer in gzip", "transfer-encoding: gzip\r\n", "hello"),
        bad("an answer in a coding nobody knows", "transfer-encoding: xchunked\r\n", chunks),
        closing("chunks in an answer of HTTP/1.0", "RFC 9112 §6.1", format!("HTTP/1.0 200 OK\r\n{te}\r\n{chunks}"))
            .map(|row| row.or_refused().requests(&[]))
            .into(),
    ]
    .concat()
}

fn broken() -> Vec<Row> {
    let section = "RFC 9112 §8";
    let cut = |name: &str, bytes: String| closing(name, section, bytes).map(|row| row.broken().requests(&[])).to_vec();
    let reset = |name: &str, bytes: &str| {
        let script = vec![Step::ReadWhole, Step::Send(bytes.into()), Step::Pause, Step::Reset];
        scripted(name, section, "GET", script).map(|row| row.broken().requests(&[])).to_vec()
    };
    let none = |name: &str, bytes: &str| {
        closing(name, section, bytes).map(|row| row.status(&[502, 503]).requests(&[])).to_vec()
    };
    [
        cut("an answer that breaks off", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello".to_owned()),
        cut("an answer's chunks that break off", in_chunks("5\r\nhello\r\n")),
        cut("an answer's chunk that breaks off", in_chunks("5\r\nhel")),
        cut("trailers that break off", in_chunks("5\r\nhello\r\n0\r\nx-sum: 4")),
        cut("an answer's chunk without a size", in_chunks("5\r\nhello\r\nx\r\nhello\r\n0\r\n\r\n")),
        cut("an answer's chunk that is longer", in_chunks("3\r\nhello\r\n0\r\n\r\n")),
        reset("a body that ends with a reset", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello"),
        reset("an endless body that ends with a reset", "HTTP/1.1 200 OK\r\n\r\nhello"),
        none("a head that breaks off", "HTTP/1.1 200 OK\r\ncontent-le"),
        none("no HTTP in answer", "hello, who are you?\r\n\r\n"),
        none("another version in answer", "HTTP/3.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
        none("an answer without a status", "HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n"),
        none("a status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n"),
    ]
    .concat()
}

fn heads() -> Vec<Row> {
    let with = |name: &str, section, lines: &str| {
        answered(name, section, format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\nok"))
    };
    let line = |number: usize| format!("x-{number}: 1\r\n");
    let many = |count: usize| (0..count).map(line).collect::<String>();
    let large = |bytes: usize| format!("x-large: {}\r\n", "a".repeat(bytes));
    let refused = |rows: [Row; 2]| rows.map(|row| row.status(&[200, 502, 503]).requests(&[1])).to_vec();
    [
        with("90 fields of an answer", "RFC 9110 §5.4", &many(90)).map(|row| row.gets("x-89: 1\r\n")).to_vec(),
        with("150 fields of an answer", "RFC 9110 §5.4", &many(150))
            .map(|row| row.status(&[200, 502, 503]).requests(&[1]))
            .into(),
        with("40 000 bytes of an answer's head", "RFC 9110 §5.4", &large(40_000))
            .map(|row| row.gets("x-large: aaa"))
            .into(),
        refused(with("70 000 bytes of an answer's head", "RFC 9110 §5.4", &large(70_000))),
        refused(with("262 000 bytes of an answer's head", "RFC 9110 §5.4", &large(262_000))),
        refused(with("a megabyte of an answer's head", "RFC 9110 §5.4", &large(1 << 20))),
        with("a space before an answer's colon", "RFC 9112 §5.1", "x-one : 1\r\n")
            .map(|row| row.or_refused().requests(&[]).lacks("x-one :").next(Next::Served))
            .into(),
        with("a folded line of an answer", "RFC 9112 §5.2", "x-one: 1\r\n two\r\n")
            .map(|row| row.or_refused().requests(&[]).lacks("1\r\n two").next(Next::Served))
            .into(),
        with("a NUL in an answer", "RFC 9110 §5.5", "x-one: a\0b\r\n")
            .map(|row| row.or_refused().requests(&[]).lacks("\0").next(Next::Served))
            .into(),
        with("a line of an answer without a colon", "RFC 9112 §5", "x-one\r\n")
            .map(|row| row.or_refused().requests(&[]).next(Next::Served))
            .into(),
        with("a value of an answer in UTF-8", "RFC 9110 §5.5", "x-one: ä\r\n")
            .map(|row| row.gets("x-one: ä\r\n"))
            .into(),
        answered(
            "an answer whose lines end with LF alone",
            "RFC 9112 §2.2",
            "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        )
        .map(|row| row.or_refused().requests(&[]).next(Next::Served))
        .into(),
        answered(
            "an empty line before an answer",
            "RFC 9112 §2.2",
            "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        )
        .map(|row| row.or_refused().requests(&[]).next(Next::Served))
        .into(),
    ]
    .concat()
}
