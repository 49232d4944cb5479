//! Requests that one server takes for one and another for two: what goes in, what the caller is told, and that the
//! service behind sees exactly that, or nothing.

use revtun_tests::client::get;
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::frames::{END_HEADERS, END_STREAM, frame, goaway, kind, list, read};
use revtun_tests::patience::{SOON, until};
use revtun_tests::raw::{HTTP2_HELLO, Raw, count};
use revtun_tests::recorder::{Record, Recorder};

const NODE: &str = "x-node-id: node-a\r\nx-tenant-id: tenant-a\r\n";
/// What a smuggler would like to see the service answer.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: a\r\nx-node-id: node-a\r\nx-tenant-id: tenant-a\r\n\r\n";
const CONTROL: &str = "GET /control ";

struct System {
    responder: Responder,
    _initiator: Initiator,
    service: Recorder,
}

impl System {
    async fn start() -> Self {
        let service = Recorder::start().await;
        let responder = Responder::revtun(&[]).await;
        let hosts = [responder.tunnel()];
        let initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
        responder.has_within(SOON, "node-a", 1).await;
        Self { responder, _initiator: initiator, service }
    }

    /// What the service has seen once everything sent before is sure to have reached it, or never to do so.
    async fn seen(&self) -> Record {
        let control = format!("GET /control HTTP/1.1\r\nhost: a\r\n{NODE}\r\n");
        let mut raw = Raw::connect(self.responder.egress()).await;
        raw.send(control.as_bytes()).await;
        raw.read_until(SOON, "an answer", |bytes| bytes.ends_with(b"\r\n\r\n")).await;
        until(SOON, "no request is under way", async || {
            let tunnels = get(self.responder.admin(), "/tunnels").await.ok()?.json();
            (tunnels["tunnels"][0]["streams"] == 0).then_some(())
        })
        .await;
        let mut record = self.service.take();
        record.requests.retain(|request| request != CONTROL);
        record
    }
}

/// What goes in; the status of the first answer, zero if the connection may end without one; what has to arrive.
type Case = (&'static str, String, u16, &'static [&'static str]);

/// The same over HTTP/2: headers beside those of a request that is in order; what has to arrive.
type Case2 = (&'static str, Vec<(&'static str, &'static str)>, &'static [&'static str]);

fn post(headers: &str, body: &str) -> String {
    format!("POST /open HTTP/1.1\r\nhost: a\r\n{NODE}{headers}\r\n{body}")
}

fn get_with(headers: &str) -> String {
    format!("GET /open HTTP/1.1\r\n{NODE}{headers}\r\n")
}

fn lengths() -> Vec<Case> {
    let te = "transfer-encoding: chunked\r\n";
    let chunk = "5\r\nhello\r\n0\r\n\r\n";
    vec![
        ("one length", post("content-length: 5\r\n", "hello"), 200, &["POST /open hello"]),
        ("one coding", post(te, chunk), 200, &["POST /open hello"]),
        (
            "length before coding",
            post(&format!("content-length: 5\r\n{te}"), &format!("{chunk}{HIDDEN}")),
            200,
            &["POST /open hello"],
        ),
        ("two lengths", post("content-length: 5\r\ncontent-length: 0\r\n", "hello"), 400, &[]),
        ("a list of lengths", post("content-length: 5, 5\r\n", "hello"), 400, &[]),
        ("a length with a sign", post("content-length: +5\r\n", "hello"), 400, &[]),
        ("a length in hexadecimal", post("content-length: 0x5\r\n", "hello"), 400, &[]),
        ("a length without digits", post("content-length: \r\n", "hello"), 400, &[]),
        ("chunked, identity", post("transfer-encoding: chunked, identity\r\n", chunk), 400, &[]),
        ("identity in a line of its own", post(&format!("{te}transfer-encoding: identity\r\n"), chunk), 400, &[]),
        ("a coding nobody knows", post("transfer-encoding: xchunked\r\n", chunk), 400, &[]),
        ("a space before the colon", post("transfer-encoding : chunked\r\n", chunk), 400, &[]),
        ("a tab for a name", post("\ttransfer-encoding: chunked\r\n", chunk), 400, &[]),
        ("a coding in HTTP/1.0", post(te, chunk).replace("HTTP/1.1", "HTTP/1.0"), 400, &[]),
        ("a size that wraps", post(te, "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 0, &[]),
        ("a size with a sign", post(te, "+5\r\nhello\r\n0\r\n\r\n"), 0, &[]),
        ("a chunk that is longer", post(te, "3\r\nhello\r\n0\r\n\r\n"), 0, &[]),
        (
            "a trailer that is a length",
            post(te, "5\r\nhello\r\n0\r\ncontent-length: 9\r\n\r\n"),
            200,
            &["POST /open hello"],
        ),
        (
            "two requests at once",
            post("content-length: 5\r\n", &format!("hello{HIDDEN}")),
            200,
            &["POST /open hello", "GET /hidden "],
        ),
    ]
}

fn lines() -> Vec<Case> {
    vec![
        ("a folded line", get_with("host: a\r\nx-one: 1\r\n two\r\n"), 400, &[]),
        ("a CR within a line", get_with("host: a\r\nx-one: 1\rx-two: 2\r\n"), 400, &[]),
        ("a NUL within a line", get_with("host: a\r\nx-one: 1\0\r\n"), 400, &[]),
        ("two hosts", get_with("host: a\r\nhost: b\r\n"), 400, &[]),
        ("a host that is none", get_with("host: a b\r\n"), 400, &[]),
        ("a host with a path", get_with("host: a/b\r\n"), 400, &[]),
        ("two nodes", get_with("host: a\r\nx-node-id: node-b\r\n"), 400, &[]),
        ("two tenants", get_with("host: a\r\nx-tenant-id: tenant-b\r\n"), 400, &[]),
        ("two spaces", get_with("host: a\r\n").replacen("GET /open", "GET  /open", 1), 400, &[]),
        ("a target in two words", get_with("host: a\r\n").replacen("/open", "/open /x", 1), 400, &[]),
        (
            "another host in the target",
            get_with("host: b\r\n").replacen("/open", "http://a/open", 1),
            200,
            &["GET /open "],
        ),
        ("no line end but LF", get_with("host: a\r\n").replace("\r\n", "\n"), 200, &["GET /open "]),
        (
            "a length that is about this hop",
            post("connection: content-length\r\ncontent-length: 5\r\n", "hello"),
            200,
            &["POST /open hello"],
        ),
        ("CONNECT", get_with("host: a\r\n").replacen("GET /open", "CONNECT a:1", 1), 403, &[]),
        ("an upgrade", get_with("host: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n"), 200, &["GET /open "]),
    ]
}

#[tokio::test]
async fn a_request_is_one_request_or_none() {
    let system = System::start().await;
    for (what, bytes, status, arrives) in [lengths(), lines()].concat() {
        let mut caller = Raw::connect(system.responder.egress()).await;
        caller.send(bytes.as_bytes()).await;
        let answers = arrives.len().max(1);
        caller.read_until(SOON, what, |bytes| count(bytes, b"\r\n\r\n") >= answers).await;
        let answer = String::from_utf8_lossy(caller.received()).into_owned();
        let told = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        assert!(told == status || (status == 0 && (told == 0 || told >= 400)), "{what}: {answer}");
        if arrives.is_empty() {
            // What comes behind a request that was turned away is no request either.
            caller.send(HIDDEN.as_bytes()).await;
            if status != 501 && !has_reason(&answer) {
                caller.read_to_end(SOON, what).await;
            }
        }
        let seen = system.seen().await;
        let seen_hidden = arrives.is_empty() && has_reason(&answer) && seen.requests == ["GET /hidden "];
        assert!(seen.requests == arrives || seen_hidden, "{what}: {seen:?}");
        assert_eq!(seen.offences, <[String; 0]>::default(), "{what}");
    }
}

/// Whether we have understood the request, and turned it away for a reason of our own: its connection may live on.
fn has_reason(answer: &str) -> bool {
    answer.contains("x-revtun-reason: ")
}

#[tokio::test]
async fn a_request_over_http2_is_one_request_or_none() {
    let system = System::start().await;
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/open"), (":authority", "a")];
    let to = [("x-node-id", "node-a"), ("x-tenant-id", "tenant-a")];
    let cases: [Case2; 11] = [
        ("nothing more", vec![], &["GET /open "]),
        ("another host", vec![("host", "b")], &["GET /open "]),
        ("a coding", vec![("transfer-encoding", "chunked")], &[]),
        ("a connection", vec![("connection", "close")], &[]),
        ("a length without a body", vec![("content-length", "5")], &[]),
        ("a length that is none", vec![("content-length", "five")], &[]),
        ("a line end in a value", vec![("x-one", "1\r\nx-two: 2")], &[]),
        ("a request in a value", vec![("x-one", "1\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n")], &[]),
        ("a line end in a name", vec![("x-one\r\nx-two", "1")], &[]),
        ("a capital in a name", vec![("X-One", "1")], &[]),
        ("a second path", vec![(":path", "/hidden")], &[]),
    ];
    for (what, more, arrives) in cases {
        let block = list(&[&pseudo[..], &to, &more].concat());
        let mut caller = Raw::connect(system.responder.egress()).await;
        caller.send(HTTP2_HELLO).await;
        caller.send(&frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &block)).await;
        let over = |bytes: &[u8]| {
            let about_it = |(kind, stream, _): &(u8, u32, Vec<u8>)| *stream == 1 && [1, 3].contains(kind);
            goaway(bytes).is_some() || read(bytes).iter().any(about_it)
        };
        caller.read_until(SOON, what, over).await;
        let answered = read(caller.received()).iter().any(|(kind, stream, _)| (*kind, *stream) == (kind::HEADERS, 1));
        let seen = system.seen().await;
        assert_eq!(
            (&seen.requests[..], seen.offences.len()),
            (&arrives.iter().map(ToString::to_string).collect::<Vec<_>>()[..], 0),
            "{what}: {seen:?}"
        );
        assert!(answered || arrives.is_empty(), "{what}");
    }
}
