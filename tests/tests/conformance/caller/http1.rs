//! A caller that speaks HTTP/1.1, by hand.

use std::net::SocketAddr;

use revtun_tests::raw::holds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Answer, End, Followed, LIMIT, Progress, line, until};
use crate::row::{Part, TO};
use crate::service::NEXT;

/// More than any answer has.
const HEADERS: usize = 512;

pub(crate) struct Caller {
    reader: OwnedReadHalf,
    writer: Option<OwnedWriteHalf>,
    buffer: Vec<u8>,
    closed: Option<Closed>,
    /// Whether the last answer said that the connection closes, or had no other end.
    closes: bool,
    /// Whether the request was one of HTTP/1.0, or the last, so that the connection closes if nothing else is said.
    is_old: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closed {
    Fin,
    Reset,
}

impl Caller {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let stream = timeout(LIMIT, TcpStream::connect(to)).await.expect("in time").expect("the listener");
        stream.set_nodelay(true).expect("a fresh connection");
        let (reader, writer) = stream.into_split();
        Self { reader, writer: Some(writer), buffer: Vec::new(), closed: None, closes: false, is_old: false }
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn exchange(&mut self, parts: Vec<Part>, head: bool) -> Answer {
        let (progress, seen) = watch::channel(Progress::Nothing);
        let mut writer = self.writer.take().expect("it is there between requests");
        let ends = parts.iter().any(|part| matches!(part, Part::Fin));
        self.is_old = ends || matches!(parts.first(), Some(Part::Send(bytes)) if holds(bytes, b" HTTP/1.0\r\n"));
        let sending = tokio::spawn(async move {
            send(&mut writer, parts, seen).await;
            writer
        });
        let answer = self.answer(head, &progress).await;
        progress.send_replace(Progress::Final);
        // A peer that reads no more must not hold us up.
        self.writer = timeout(LIMIT, sending).await.ok().and_then(Result::ok);
        answer
    }

    /// Sends another request on the same connection.
    pub(crate) async fn follow(&mut self) -> Followed {
        if !self.closes && self.closed.is_none() {
            let Some(writer) = &mut self.writer else { return Followed::Stuck };
            let request = format!("GET {NEXT} HTTP/1.1\r\nhost: a.example\r\n{TO}\r\n");
            let _gone_already = timeout(LIMIT, writer.write_all(request.as_bytes())).await;
            let answer = self.answer(false, &watch::Sender::new(Progress::Nothing)).await;
            return match (answer.status, answer.end, self.closed) {
                (Some(200), End::Whole, _) => Followed::Served,
                (Some(status), _, _) => Followed::Wrong(status),
                (None, _, Some(_)) => Followed::ClosedUnsaid,
                (None, _, None) => Followed::Stuck,
            };
        }
        while self.closed.is_none() {
            if !self.read().await {
                return Followed::Stuck;
            }
        }
        match self.closed {
            Some(Closed::Reset) => Followed::Reset,
            Some(Closed::Fin) | None => Followed::Closed,
        }
    }

    /// Reads one more piece, or the end; false if neither comes.
    async fn read(&mut self) -> bool {
        match timeout(LIMIT, self.reader.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => self.closed = Some(Closed::Fin),
            Ok(Ok(_)) => {}
            Ok(Err(_)) => self.closed = Some(Closed::Reset),
            Err(_) => return false,
        }
        true
    }

    /// How an answer ends of which nothing more comes.
    fn cut(&self) -> End {
        if self.closed.is_some() { End::Cut } else { End::Stuck }
    }

    /// Reads on; how the answer ends if that is in vain.
    async fn more(&mut self) -> Result<(), End> {
        if self.closed.is_none() && self.read().await && self.closed.is_none() { Ok(()) } else { Err(self.cut()) }
    }

    async fn answer(&mut self, head: bool, progress: &watch::Sender<Progress>) -> Answer {
        let mut answer = Answer::default();
        answer.end = match self.read_answer(head, progress, &mut answer).await {
            Ok(()) => End::Whole,
            Err(end) => end,
        };
        answer
    }

    async fn read_answer(
        &mut self,
        head: bool,
        progress: &watch::Sender<Progress>,
        answer: &mut Answer,
    ) -> Result<(), End> {
        loop {
            let (status, framing) = self.read_head(answer).await?;
            if status == 100 {
                progress.send_replace(Progress::Continue);
            }
            if status < 200 && status != 101 {
                continue;
            }
            answer.status = Some(status);
            progress.send_replace(Progress::Final);
            if head || [101, 204, 304].contains(&status) {
                return Ok(());
            }
            return self.read_body(framing, answer).await;
        }
    }

    async fn read_head(&mut self, answer: &mut Answer) -> Result<(u16, Framing), End> {
        loop {
            let mut headers = vec![httparse::EMPTY_HEADER; HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let status = response.code.unwrap_or(0);
                    answer.text.push_str(&format!("status {status}\r\n"));
                    for header in response.headers.iter() {
                        answer.text.push_str(&line(header.name, header.value));
                    }
                    answer.text.push_str("\r\n");
                    let framing = Framing::of(response.headers);
                    self.closes = connection(response.headers, "close")
                        || (self.is_old && !connection(response.headers, "keep-alive"));
                    self.buffer.drain(..length);
                    return Ok((status, framing));
                }
                Ok(httparse::Status::Partial) => self.more().await?,
                Err(_) => return Err(End::Cut),
            }
        }
    }

    async fn read_body(&mut self, framing: Framing, answer: &mut Answer) -> Result<(), End> {
        match framing {
            Framing::Length(length) => self.take(length, &mut answer.text).await,
            Framing::ToEnd => {
                self.closes = true;
                while self.more().await.is_ok() {}
                answer.text.push_str(&String::from_utf8_lossy(&self.buffer));
                if self.closed == Some(Closed::Fin) { Ok(()) } else { Err(self.cut()) }
            }
            Framing::Chunked => loop {
                let size = self.read_line().await?;
                let size = size.trim().split(';').next().unwrap_or_default();
                let size = usize::from_str_radix(size, 16).map_err(|_| End::Cut)?;
                if size == 0 {
                    return self.read_trailers(answer).await;
                }
                self.take(size, &mut answer.text).await?;
                self.read_line().await?;
            },
            Framing::Wrong => Err(End::Cut),
        }
    }

    async fn read_trailers(&mut self, answer: &mut Answer) -> Result<(), End> {
        loop {
            let line = self.read_line().await?;
            if line == "\r\n" {
                return Ok(());
            }
            answer.text.push_str(&format!("\r\n{}", line.trim_end().to_ascii_lowercase()));
        }
    }

    async fn read_line(&mut self) -> Result<String, End> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|end| end == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    /// Takes so many bytes of a body, or what there is of them.
    async fn take(&mut self, length: usize, text: &mut String) -> Result<(), End> {
        while self.buffer.len() < length {
            if let Err(end) = self.more().await {
                text.push_str(&String::from_utf8_lossy(&self.buffer));
                return Err(end);
            }
        }
        let bytes: Vec<u8> = self.buffer.drain(..length).collect();
        text.push_str(&String::from_utf8_lossy(&bytes));
        Ok(())
    }
}

/// Where a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    ToEnd,
    /// There are two ideas of it.
    Wrong,
}

impl Framing {
    fn of(headers: &[httparse::Header<'_>]) -> Self {
        let values = |name: &str| {
            let of_name = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            of_name.map(|header| String::from_utf8_lossy(header.value).to_ascii_lowercase()).collect::<Vec<_>>()
        };
        match (&values("content-length")[..], &values("transfer-encoding")[..]) {
            ([], []) => Self::ToEnd,
            ([length], []) => length.parse().map_or(Self::Wrong, Self::Length),
            ([], [coding]) if coding == "chunked" => Self::Chunked,
            _ => Self::Wrong,
        }
    }
}

/// Whether `connection` says `option`.
fn connection(headers: &[httparse::Header<'_>], option: &str) -> bool {
    let mut connection = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection"));
    connection.any(|header| holds(&header.value.to_ascii_lowercase(), option.as_bytes()))
}

async fn send(writer: &mut OwnedWriteHalf, parts: Vec<Part>, mut progress: watch::Receiver<Progress>) {
    for part in parts {
        match part {
            Part::Send(bytes) => {
                if !matches!(timeout(LIMIT, writer.write_all(&bytes)).await, Ok(Ok(()))) {
                    return;
                }
            }
            Part::AwaitContinue => {
                if until(&mut progress, Progress::Continue).await != Progress::Continue {
                    return;
                }
            }
            Part::AwaitHead => {
                until(&mut progress, Progress::Final).await;
            }
            Part::Fin => {
                let _gone_already = writer.shutdown().await;
            }
            Part::Leave => panic!("the next request goes where the answer comes from"),
        }
    }
}
