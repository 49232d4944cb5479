//! What becomes of connections: persistence, pipelining, half-close, and answers that come before the request is whole.

use revtun_tests::frames::{END_HEADERS, frame, kind};

use crate::row::{
    Next, Part, Row, Step, data, get, http1, http1_in_parts, http2_in_parts, last_data, open, post, scripted,
};

const CLOSING: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const EARLY: &str = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntoo big";
const EARLY_KEPT: &str = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big";

pub(crate) fn rows() -> Vec<Row> {
    [persistence(), early()].concat()
}

fn persistence() -> Vec<Row> {
    let persistence = "RFC 9112 §9.3";
    let pipelining = "RFC 9112 §9.3.2";
    let sent = |bytes: String| Part::Send(bytes.into_bytes());
    [
        vec![
            http1("connection: close", "RFC 9112 §9.6", get("connection: close\r\n"))
                .gets("connection: close\r\n")
                .next(Next::Closed),
            http1("connection: keep-alive", persistence, get("connection: keep-alive\r\n")),
            http1("connection: Close, and more", "RFC 9112 §9.6", get("connection: x-hop, Close\r\nx-hop: 1\r\n"))
                .next(Next::Closed),
            http1("HTTP/1.0 closes", persistence, get("").replacen("1.1", "1.0", 1)).next(Next::Closed),
            http1("a request behind another", pipelining, get("").repeat(2)).requests(&[2]).next(Next::Served),
            http1("a request behind a body", pipelining, post("content-length: 5\r\n", "hello") + &get(""))
                .requests(&[2]),
            http1("an empty line between requests", "RFC 9112 §2.2", format!("{}\r\n", get(""))),
            http1_in_parts("half-closed behind the request", "RFC 9112 §9.6", vec![sent(get("")), Part::Fin])
                .next(Next::Either),
            http1_in_parts(
                "half-closed behind a body",
                "RFC 9112 §9.6",
                vec![sent(post("content-length: 5\r\n", "hello")), Part::Fin],
            )
            .sees("hello (whole)")
            .next(Next::Either),
        ],
        scripted(
            "half-closed, and a slow answer",
            "RFC 9112 §9.6",
            "GET",
            vec![Step::ReadWhole, Step::Pause, Step::Send(CLOSING.into()), Step::Close],
        )
        .map(|mut row| {
            if row.ask.version == crate::row::Version::Http1 {
                row.ask.parts.push(Part::Fin);
                row.next(Next::Either)
            } else {
                row
            }
        })
        .into(),
        scripted(
            "an answer that closes the service's connection",
            persistence,
            "GET",
            vec![Step::ReadWhole, Step::Send(CLOSING.into()), Step::Close],
        )
        .map(|row| row.lacks("connection: close"))
        .into(),
        scripted(
            "a service that says nothing and closes",
            "RFC 9110 §15.6.3",
            "GET",
            vec![Step::ReadWhole, Step::Close],
        )
        .map(|row| row.status(&[502, 503, 504]).requests(&[]))
        .into(),
        scripted(
            "a service that says nothing and resets",
            "RFC 9110 §15.6.3",
            "GET",
            vec![Step::ReadWhole, Step::Reset],
        )
        .map(|row| row.status(&[502, 503, 504]).requests(&[]))
        .into(),
        scripted(
            "a POST that the service does not answer",
            "RFC 9110 §9.2.2",
            "POST",
            vec![Step::ReadWhole, Step::Close],
        )
        .map(|row| row.status(&[502, 503, 504]).requests(&[1]))
        .into(),
    ]
    .concat()
}

fn early() -> Vec<Row> {
    let early = "RFC 9112 §9.6";
    let early2 = "RFC 9113 §8.1";
    let mib = "a".repeat(1 << 20);
    let upload =
        || vec![Part::Send(post("content-length: 1048576\r\n", "").into()), Part::Send(mib.clone().into_bytes())];
    let refuse = |end: Option<Step>| {
        let mut script = vec![Step::ReadHead, Step::Send(EARLY.into()), Step::Pause];
        script.extend(end);
        script
    };
    let over_http2 = || {
        let mut frames = open("POST", &[]);
        for _ in 0..3 {
            frames.extend(data(&[b'a'; 16_000]));
        }
        vec![Part::Send(frames)]
    };
    vec![
        http1_in_parts("an early answer, then a close", early, upload())
            .script(refuse(Some(Step::Close)))
            .status(&[413])
            .gets("too big")
            .next(Next::Either),
        http1_in_parts("an early answer, then a reset", early, upload())
            .script(refuse(Some(Step::Reset)))
            .status(&[413])
            .gets("too big")
            .next(Next::Either),
        http1_in_parts("an early answer to who reads on", early, upload())
            .script(vec![Step::ReadHead, Step::Send(EARLY_KEPT.into())])
            .status(&[413])
            .gets("too big")
            .next(Next::Either),
        http1_in_parts(
            "an early answer to a caller that waits",
            early,
            vec![
                Part::Send(post("content-length: 10\r\n", "hello").into()),
                Part::AwaitHead,
                Part::Send(b"world".to_vec()),
            ],
        )
        .script(vec![Step::ReadHead, Step::Send(EARLY_KEPT.into())])
        .status(&[413])
        .gets("too big")
        .next(Next::Either),
        http2_in_parts("an early answer, then a close", early2, over_http2())
            .script(refuse(Some(Step::Close)))
            .status(&[413])
            .gets("too big"),
        http2_in_parts("an early answer, then a reset", early2, over_http2())
            .script(refuse(Some(Step::Reset)))
            .status(&[413])
            .gets("too big"),
        http2_in_parts(
            "an early answer, and the rest behind it",
            early2,
            vec![Part::Send(open("POST", &[])), Part::AwaitHead, Part::Send(last_data(b"hello"))],
        )
        .script(vec![Step::ReadHead, Step::Send(EARLY_KEPT.into())])
        .status(&[413])
        .gets("too big"),
        http2_in_parts(
            "a request that its caller resets",
            "RFC 9113 §5.4.2",
            vec![
                Part::Send([open("POST", &[]), frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes())].concat()),
                Part::Leave,
            ],
        )
        .left(),
        http2_in_parts(
            "a body in empty frames",
            "RFC 9113 §6.1",
            vec![Part::Send([open("POST", &[]), data(b""), data(b"hello"), data(b""), last_data(b"")].concat())],
        )
        .sees("hello (whole)"),
        http2_in_parts(
            "trailers without END_STREAM",
            "RFC 9113 §8.1",
            vec![Part::Send(
                [
                    open("POST", &[]),
                    data(b"hello"),
                    frame(kind::HEADERS, END_HEADERS, 1, &revtun_tests::frames::list(&[("x-t", "1")])),
                ]
                .concat(),
            )],
        )
        .refused()
        .requests(&[0, 1])
        .misses("(whole)"),
    ]
}
