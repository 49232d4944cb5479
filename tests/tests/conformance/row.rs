//! What is asked, what the service does about it, and what has to come of it.

use revtun_tests::frames::{END_HEADERS, END_STREAM, frame, kind, list};

/// The path of most rows.
pub(crate) const PATH: &str = "/row";
/// The header that names the target, in a request of HTTP/1.1.
pub(crate) const TO: &str = "x-node-id: node-a\r\n";

/// One request, and what has to come of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The section that says so.
    pub(crate) section: &'static str,
    pub(crate) ask: Ask,
    /// What the service does.
    pub(crate) script: Vec<Step>,
    pub(crate) expect: Expect,
}

/// What the caller sends.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) version: Version,
    /// Whether it is a HEAD, whose answer has no body.
    pub(crate) head: bool,
    pub(crate) parts: Vec<Part>,
}

/// What the caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// A part of what the caller sends.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Send(Vec<u8>),
    /// Waits for 100 Continue; with a final answer instead the rest is not sent.
    AwaitContinue,
    /// Waits for the head of the answer.
    AwaitHead,
    /// Says that nothing more comes.
    Fin,
    /// Waits for nothing more.
    Leave,
}

/// What the service does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads the head of a request.
    ReadHead,
    /// Reads the whole of it.
    ReadWhole,
    Send(Vec<u8>),
    /// Waits until what it sent before has most likely been read.
    Pause,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
}

/// What has to come of a request.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub(crate) answer: Expected,
    /// How many requests the service may see; any number if there are none.
    pub(crate) requests: &'static [usize],
    /// What stands in the request that the service sees, names in lower case.
    pub(crate) service_sees: Vec<String>,
    pub(crate) service_misses: Vec<String>,
    /// What stands in the answer that the caller gets, names in lower case.
    pub(crate) caller_gets: Vec<String>,
    pub(crate) caller_misses: Vec<String>,
    pub(crate) next: Next,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A whole one, with one of these statuses.
    Status(&'static [u16]),
    /// A status of 400 and above, or the end of the stream or the connection without any.
    Refused,
    /// One of these statuses, and a body that is visibly not whole, or a status of 500 and above.
    Broken,
    /// None is waited for.
    Nothing,
    /// A whole answer with one of these statuses, or one that is refused.
    StatusOrRefused(&'static [u16]),
}

/// What becomes of the next request on the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is served.
    Served,
    /// The connection was closed in order.
    Closed,
    /// Either.
    Either,
}

impl Row {
    fn new(name: &str, section: &'static str, ask: Ask) -> Self {
        let expect = Expect {
            answer: Expected::Status(&[200]),
            requests: &[1],
            service_sees: Vec::new(),
            service_misses: Vec::new(),
            caller_gets: Vec::new(),
            caller_misses: Vec::new(),
            next: Next::Served,
        };
        Self { name: name.to_owned(), section, ask, script: answer(OK), expect }
    }

    /// The service answers with these bytes when it has the whole request.
    pub(crate) fn answer(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.script(answer(bytes))
    }

    pub(crate) fn script(mut self, script: Vec<Step>) -> Self {
        self.script = script;
        self
    }

    /// A whole answer has one of these statuses.
    pub(crate) fn status(mut self, statuses: &'static [u16]) -> Self {
        self.expect.answer = Expected::Status(statuses);
        self
    }

    /// The request is refused, and the service sees nothing of it.
    pub(crate) fn refused(mut self) -> Self {
        self.expect.answer = Expected::Refused;
        self.expect.requests = &[0];
        self.next(Next::Either)
    }

    /// The request is refused with one of these statuses, and the service sees nothing of it.
    pub(crate) fn refused_with(self, statuses: &'static [u16]) -> Self {
        let mut row = self.refused();
        row.expect.answer = Expected::Status(statuses);
        row
    }

    /// The request is served, once, or refused.
    pub(crate) fn or_refused(mut self) -> Self {
        self.expect.answer = Expected::StatusOrRefused(&[200]);
        self.expect.requests = &[0, 1];
        self.next(Next::Either)
    }

    /// The caller does not wait for the answer.
    pub(crate) fn left(mut self) -> Self {
        self.expect.answer = Expected::Nothing;
        self.expect.requests = &[0, 1];
        self
    }

    /// The caller can tell that the answer is not whole.
    pub(crate) fn broken(mut self) -> Self {
        self.expect.answer = Expected::Broken;
        self.next(Next::Either)
    }

    pub(crate) fn requests(mut self, counts: &'static [usize]) -> Self {
        self.expect.requests = counts;
        self
    }

    pub(crate) fn sees(mut self, text: &str) -> Self {
        self.expect.service_sees.push(text.to_owned());
        self
    }

    pub(crate) fn misses(mut self, text: &str) -> Self {
        self.expect.service_misses.push(text.to_owned());
        self
    }

    pub(crate) fn gets(mut self, text: &str) -> Self {
        self.expect.caller_gets.push(text.to_owned());
        self
    }

    pub(crate) fn lacks(mut self, text: &str) -> Self {
        self.expect.caller_misses.push(text.to_owned());
        self
    }

    pub(crate) fn next(mut self, next: Next) -> Self {
        self.expect.next = next;
        self
    }
}

/// The most bytes of a frame that everybody takes (RFC 9113 §4.2).
const FRAME_BYTES: usize = 16_384;

/// What the service says if nothing else is asked of it.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers with these bytes behind the whole request.
pub(crate) fn answer(bytes: impl Into<Vec<u8>>) -> Vec<Step> {
    vec![Step::ReadWhole, Step::Send(bytes.into())]
}

/// A request of HTTP/1.1 by its bytes.
pub(crate) fn http1(name: &str, section: &'static str, bytes: impl Into<Vec<u8>>) -> Row {
    http1_in_parts(name, section, vec![Part::Send(bytes.into())])
}

/// The same in parts.
pub(crate) fn http1_in_parts(name: &str, section: &'static str, parts: Vec<Part>) -> Row {
    let head = matches!(&parts[0], Part::Send(bytes) if bytes.starts_with(b"HEAD "));
    Row::new(name, section, Ask { version: Version::Http1, head, parts })
}

/// The bytes of `GET` with these header lines besides.
pub(crate) fn get(lines: &str) -> String {
    format!("GET {PATH} HTTP/1.1\r\nhost: a.example\r\n{TO}{lines}\r\n")
}

/// The bytes of `POST` with these header lines besides, and a body.
pub(crate) fn post(lines: &str, body: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nhost: a.example\r\n{TO}{lines}\r\n{body}")
}

/// Names and values.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// The names and values of a request of HTTP/2 by `method`, with these besides.
pub(crate) fn request<'a>(method: &'a str, fields: Fields<'a>) -> Vec<(&'a str, &'a str)> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", PATH), (":authority", "a.example")];
    [&pseudo[..], &[("x-node-id", "node-a")], fields].concat()
}

/// A request of HTTP/2 that ends with its HEADERS.
pub(crate) fn http2(name: &str, section: &'static str, fields: Fields<'_>) -> Row {
    let head = fields.contains(&(":method", "HEAD"));
    let frames = headers(END_STREAM | END_HEADERS, fields);
    Row::new(name, section, Ask { version: Version::Http2, head, parts: vec![Part::Send(frames)] })
}

/// A request of HTTP/2 in frames.
pub(crate) fn http2_frames(name: &str, section: &'static str, frames: &[Vec<u8>]) -> Row {
    http2_in_parts(name, section, vec![Part::Send(frames.concat())])
}

/// The same in parts.
pub(crate) fn http2_in_parts(name: &str, section: &'static str, parts: Vec<Part>) -> Row {
    Row::new(name, section, Ask { version: Version::Http2, head: false, parts })
}

/// HEADERS of the first stream, in as many frames as it takes.
pub(crate) fn headers(flags: u8, fields: Fields<'_>) -> Vec<u8> {
    let block = list(fields);
    let mut pieces = block.chunks(FRAME_BYTES).peekable();
    let mut frames = Vec::new();
    while let Some(piece) = pieces.next() {
        let kind = if frames.is_empty() { kind::HEADERS } else { kind::CONTINUATION };
        let begins = if frames.is_empty() { flags & !END_HEADERS } else { 0 };
        let ends = if pieces.peek().is_none() { flags & END_HEADERS } else { 0 };
        frames.extend(frame(kind, begins | ends, 1, piece));
    }
    frames
}

/// HEADERS of the first stream, whose body follows.
pub(crate) fn open(method: &str, fields: Fields<'_>) -> Vec<u8> {
    headers(END_HEADERS, &request(method, fields))
}

/// DATA of the first stream, its last.
pub(crate) fn last_data(bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, END_STREAM, 1, bytes)
}

/// DATA of the first stream.
pub(crate) fn data(bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, 0, 1, bytes)
}

/// The same request over either version: a method, headers and, if it is not empty, a body with a length.
pub(crate) fn both(name: &str, section: &'static str, method: &str, fields: Fields<'_>, body: &str) -> [Row; 2] {
    let length = body.len().to_string();
    let mut fields = fields.to_vec();
    if !body.is_empty() {
        fields.push(("content-length", &length));
    }
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("{method} {PATH} HTTP/1.1\r\nhost: a.example\r\n{TO}{lines}\r\n{body}");
    let over_http2 = match body {
        "" => http2(name, section, &request(method, &fields)),
        body => http2_frames(name, section, &[open(method, &fields), last_data(body.as_bytes())]),
    };
    [http1(name, section, text), over_http2]
}

/// The same answer to a GET over either version.
pub(crate) fn answered(name: &str, section: &'static str, bytes: impl Into<Vec<u8>>) -> [Row; 2] {
    scripted(name, section, "GET", answer(bytes))
}

/// The same deeds of the service about a request by `method` over either version.
pub(crate) fn scripted(name: &str, section: &'static str, method: &str, script: Vec<Step>) -> [Row; 2] {
    both(name, section, method, &[("te", "trailers")], "").map(|row| row.script(script.clone()))
}
