//! Methods and status codes that mean something to whoever is in between.

use crate::row::{Row, answer, answered, both, get, http1, scripted};

pub(crate) fn rows() -> Vec<Row> {
    [methods(), statuses(), fields()].concat()
}

fn methods() -> Vec<Row> {
    let head = |status: &str| {
        scripted(
            &format!("HEAD answered with {status}"),
            "RFC 9110 §9.3.2",
            "HEAD",
            answer(format!("HTTP/1.1 {status}\r\n\r\n")),
        )
    };
    [
        head("200 and a length\r\ncontent-length: 1000")
            .map(|row| row.gets("content-length: 1000\r\n"))
            .map(|row| named(row, "HEAD, a length"))
            .to_vec(),
        head("200 OK\r\ntransfer-encoding: chunked").map(|row| named(row, "HEAD, chunked")).into(),
        head("200 OK").map(|row| named(row, "HEAD, neither")).into(),
        scripted(
            "HEAD, and a body all the same",
            "RFC 9110 §9.3.2",
            "HEAD",
            answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        )
        .map(|row| row.lacks("hello"))
        .into(),
        both("OPTIONS that goes no further", "RFC 9110 §7.6.2", "OPTIONS", &[("max-forwards", "0")], "")
            .map(|row| row.status(&[200, 204, 405, 501]).requests(&[0]))
            .into(),
        both("OPTIONS that goes on", "RFC 9110 §7.6.2", "OPTIONS", &[("max-forwards", "5")], "")
            .map(|row| row.sees("max-forwards: 4\r\n"))
            .into(),
        both("TRACE that goes no further", "RFC 9110 §7.6.2", "TRACE", &[("max-forwards", "0")], "")
            .map(|row| row.status(&[200, 405, 501]).requests(&[0]))
            .into(),
        both("PATCH", "RFC 5789 §2", "PATCH", &[], "hello")
            .map(|row| row.sees("PATCH /row").sees("hello (whole)"))
            .into(),
        both("PUT", "RFC 9110 §9.3.4", "PUT", &[], "hello").map(|row| row.sees("hello (whole)")).into(),
    ]
    .concat()
}

fn named(mut row: Row, name: &str) -> Row {
    name.clone_into(&mut row.name);
    row
}

fn statuses() -> Vec<Row> {
    let with = |name: &str, section, status: &'static [u16], head: &str| {
        answered(name, section, format!("HTTP/1.1 {head}\r\n\r\n")).map(|row| row.status(status)).to_vec()
    };
    [
        with("204", "RFC 9110 §15.3.5", &[204], "204 No Content"),
        with("205", "RFC 9110 §15.3.6", &[205], "205 Reset Content\r\ncontent-length: 0"),
        answered("204 with a length", "RFC 9110 §8.6", "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n")
            .map(|row| row.status(&[204]).lacks("content-length: 5"))
            .into(),
        answered("204 in chunks", "RFC 9112 §6.1", "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n")
            .map(|row| row.status(&[204]).lacks("transfer-encoding"))
            .into(),
        answered(
            "304 with a length",
            "RFC 9110 §8.6",
            "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 5\r\n\r\n",
        )
        .map(|row| row.status(&[304]).gets("content-length: 5\r\n").gets("etag: \"a\"\r\n"))
        .into(),
        with("304", "RFC 9110 §15.4.5", &[304], "304 Not Modified"),
        answered(
            "206",
            "RFC 9110 §15.3.7",
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-1/9\r\ncontent-length: 2\r\n\r\nab",
        )
        .map(|row| row.status(&[206]).gets("content-range: bytes 0-1/9\r\n"))
        .into(),
        answered("302", "RFC 9110 §10.2.2", "HTTP/1.1 302 Found\r\nlocation: /x?y\r\ncontent-length: 0\r\n\r\n")
            .map(|row| row.status(&[302]).gets("location: /x?y\r\n"))
            .into(),
        with("a status nobody knows", "RFC 9110 §15", &[299], "299 Nobody Knows\r\ncontent-length: 0"),
        with("a status of 599", "RFC 9110 §15", &[599], "599 Nobody Knows\r\ncontent-length: 0"),
        with("a status of 799", "RFC 9110 §15", &[799, 502, 500], "799 Nobody Knows\r\ncontent-length: 0"),
        with("a status without a reason", "RFC 9112 §4", &[200], "200 \r\ncontent-length: 0"),
        answered(
            "503 and when to come back",
            "RFC 9110 §10.2.3",
            "HTTP/1.1 503 Later\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
        )
        .map(|row| row.status(&[503]).gets("retry-after: 7\r\n").requests(&[1]))
        .into(),
        answered("a 431 of the service", "RFC 6585 §5", "HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n")
            .map(|row| row.status(&[431]))
            .into(),
    ]
    .concat()
}

fn fields() -> Vec<Row> {
    let with = |name: &str, section, lines: &str| {
        answered(name, section, format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\nok")).to_vec()
    };
    let all = |rows: Vec<Row>, change: &dyn Fn(Row) -> Row| rows.into_iter().map(change).collect::<Vec<_>>();
    [
        all(with("no date", "RFC 9110 §6.6.1", ""), &|row| row.gets("\r\ndate: ")),
        all(with("a date", "RFC 9110 §6.6.1", "date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"), &|row| {
            row.gets("date: Tue, 15 Nov 1994 08:12:31 GMT\r\n")
        }),
        all(with("two cookies", "RFC 9110 §5.3", "set-cookie: a=1\r\nset-cookie: b=2\r\n"), &|row| {
            row.gets("set-cookie: a=1\r\n").gets("set-cookie: b=2\r\n")
        }),
        all(with("a challenge", "RFC 9110 §11.6.1", "www-authenticate: Basic realm=\"a\"\r\n"), &|row| {
            row.gets("www-authenticate: Basic realm=\"a\"\r\n")
        }),
        answered(
            "a proxy's challenge",
            "RFC 9110 §11.7.1",
            "HTTP/1.1 407 Who\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
        )
        .map(|row| row.status(&[407]).gets("proxy-authenticate: Basic\r\n"))
        .into(),
        all(
            with(
                "fields of the service's connection",
                "RFC 9110 §7.6.1",
                "connection: x-hop, keep-alive\r\nkeep-alive: timeout=5\r\nx-hop: 1\r\nproxy-connection: a\r\n",
            ),
            &|row| row.lacks("x-hop").lacks("keep-alive: timeout=5").lacks("proxy-connection"),
        ),
        all(with("an offer to upgrade", "RFC 9110 §7.8", "connection: upgrade\r\nupgrade: h2c\r\n"), &|row| {
            row.lacks("upgrade")
        }),
        all(
            with("a coding of the body", "RFC 9110 §8.4", "content-encoding: gzip\r\nvary: accept-encoding\r\n"),
            &|row| row.gets("content-encoding: gzip\r\n").gets("vary: accept-encoding\r\n"),
        ),
        all(with("who has served it", "RFC 9110 §10.2.4", "server: first/1.0\r\n"), &|row| row.gets("server: ")),
        vec![http1("via", "RFC 9110 §7.6.3", get("")).sees("\r\nvia: ")],
    ]
    .concat()
}
