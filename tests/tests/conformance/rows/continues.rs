//! Expect, and interim answers.

use crate::row::{
    Next, OK, Part, Row, Step, get, http1, http1_in_parts, http2_in_parts, last_data, open, post, scripted,
};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno";
const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";

pub(crate) fn rows() -> Vec<Row> {
    [expect(), interim()].concat()
}

/// A request that waits for 100 Continue before its body.
fn waiting(name: &str, expectation: &str, script: Vec<Step>) -> [Row; 2] {
    let section = "RFC 9110 §10.1.1";
    let head = post(&format!("expect: {expectation}\r\ncontent-length: 5\r\n"), "");
    let parts = |first: Vec<u8>, second: Vec<u8>| vec![Part::Send(first), Part::AwaitContinue, Part::Send(second)];
    let http2 = open("POST", &[("expect", expectation), ("content-length", "5")]);
    [
        http1_in_parts(name, section, parts(head.into(), b"hello".to_vec())).script(script.clone()),
        http2_in_parts(name, section, parts(http2, last_data(b"hello"))).script(script),
    ]
}

fn expect() -> Vec<Row> {
    let section = "RFC 9110 §10.1.1";
    let whole = vec![Step::ReadWhole, Step::Send(OK.into())];
    let agreed = vec![Step::ReadHead, Step::Send(CONTINUE.into()), Step::ReadWhole, Step::Send(OK.into())];
    [
        waiting("a service that sends 100", "100-continue", agreed.clone())
            .map(|row| row.sees("hello (whole)").gets("status 100\r\n"))
            .to_vec(),
        waiting("a service that never sends 100", "100-continue", whole.clone())
            .map(|row| row.sees("hello (whole)").gets("status 100\r\n"))
            .into(),
        waiting("100-Continue in capitals", "100-Continue", agreed.clone()).map(|row| row.sees("hello (whole)")).into(),
        waiting(
            "a service that refuses with 417",
            "100-continue",
            vec![Step::ReadHead, Step::Pause, Step::Send(REFUSED.into())],
        )
        .map(|row| row.status(&[417]).lacks("status 100\r\n").misses("hello").next(Next::Either))
        .into(),
        waiting(
            "a service that refuses with 413",
            "100-continue",
            vec![Step::ReadHead, Step::Pause, Step::Send(TOO_LARGE.into()), Step::Pause, Step::Close],
        )
        .map(|row| row.status(&[413]).lacks("status 100\r\n").misses("hello").next(Next::Either))
        .into(),
        vec![
            http1(
                "a body that does not wait for 100",
                section,
                post("expect: 100-continue\r\ncontent-length: 5\r\n", "hello"),
            )
            .script(agreed.clone())
            .sees("hello (whole)"),
            http1("an expectation without a body", section, get("expect: 100-continue\r\n")),
            http1("an expectation nobody knows", section, get("expect: more\r\n"))
                .status(&[200, 417])
                .requests(&[0, 1])
                .next(Next::Either),
            http1(
                "an expectation in HTTP/1.0",
                section,
                post("expect: 100-continue\r\ncontent-length: 5\r\n", "hello").replacen("1.1", "1.0", 1),
            )
            .script(agreed)
            .sees("hello (whole)")
            .lacks("status 100\r\n")
            .next(Next::Closed),
        ],
    ]
    .concat()
}

fn interim() -> Vec<Row> {
    let section = "RFC 9110 §15.2";
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let script = |interim: &str| vec![Step::ReadWhole, Step::Send(interim.into()), Step::Pause, Step::Send(OK.into())];
    let old = |script| {
        http1("103 to a caller of HTTP/1.0", section, get("").replacen("1.1", "1.0", 1))
            .script(script)
            .lacks("status 103\r\n")
            .next(Next::Closed)
    };
    [
        scripted("103", "RFC 8297 §2", "GET", script(hints))
            .map(|row| row.gets("status 103\r\n").gets("link: </a.css>; rel=preload\r\n"))
            .to_vec(),
        scripted(
            "103 and the answer at once",
            section,
            "GET",
            vec![Step::ReadWhole, Step::Send(format!("{hints}{OK}").into())],
        )
        .map(|row| row.gets("status 103\r\n"))
        .into(),
        scripted("103 twice", section, "GET", script(&hints.repeat(2))).map(|row| row.gets("status 103\r\n")).into(),
        scripted("102", section, "GET", script("HTTP/1.1 102 Processing\r\n\r\n"))
            .map(|row| row.gets("status 102\r\n"))
            .into(),
        scripted("100 that nobody asked for", section, "GET", script(CONTINUE)).into(),
        scripted(
            "101 that nobody asked for",
            "RFC 9110 §15.2.2",
            "GET",
            vec![
                Step::ReadWhole,
                Step::Send(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".into(),
                ),
                Step::Pause,
                Step::Close,
            ],
        )
        .map(|row| row.status(&[502, 503]).requests(&[]))
        .into(),
        vec![old(script(hints))],
    ]
    .concat()
}
