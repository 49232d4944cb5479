//! Sends one request and says what came of it.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use revtun::world::{Executor, Timer, World};

use super::EGRESS;
use super::pattern::{self, Reader};
use super::service::{BY, DOWN, REQUEST, TAKES, UP, number};
use crate::history::{Answer, Fact, History, Question};
use crate::host::{Local, pause, within};
use crate::plan::Plan;

/// How long a caller that does not read holds on to what it does not read.
const STALL: Duration = Duration::from_secs(30);

/// Asks `question` at `responder`, and waits for the beginning of an answer, and then for more of it, with this `patience`.
pub async fn ask(world: Local, history: History, question: Question, responder: IpAddr, patience: Duration) {
    let request = question.request;
    history.add(Fact::Asked(question.clone()));
    let answer = attempt(&world, &question, responder, patience).await;
    history.add(Fact::Answered { request, answer: answer.0 });
    if let Some(unread) = answer.1 {
        pause(STALL).await;
        drop(unread);
    }
}

/// Whether a request is sent in HTTP/1.1 rather than in HTTP/2.
#[must_use]
pub const fn speaks_http1(request: u64) -> bool {
    request.is_multiple_of(2)
}

type Sent = Result<Response<Incoming>, hyper::Error>;

async fn attempt(
    world: &Local,
    question: &Question,
    responder: IpAddr,
    patience: Duration,
) -> (Answer, Option<Response<Incoming>>) {
    let sent = within(patience, async {
        let stream = world.connect(SocketAddr::new(responder, EGRESS)).await.map_err(|_| Answer::Unreachable)?;
        let io = TokioIo::new(stream);
        let sent = if speaks_http1(question.request) {
            send_http1(world, io, question).await
        } else {
            send_http2(world, io, question).await
        };
        sent.map_err(|error| Answer::Lost(with_cause(&error)))
    });
    match sent.await.unwrap_or(Err(Answer::Silence)) {
        Err(answer) => (answer, None),
        Ok(answer) if question.stalls => match judge_head(&answer) {
            Some(own) => (own, None),
            None => (Answer::Stalled, Some(answer)),
        },
        Ok(answer) => (read(answer, question, patience).await, None),
    }
}

async fn send_http1(world: &Local, io: TokioIo<<Local as World>::Stream>, question: &Question) -> Sent {
    let (mut sender, connection) = http1::handshake(io).await?;
    world.spawn(async move {
        // What goes wrong with it, the request sees.
        let _ended = connection.await;
    });
    sender.send_request(build(question, "/")).await
}

async fn send_http2(world: &Local, io: TokioIo<<Local as World>::Stream>, question: &Question) -> Sent {
    let mut client = http2::Builder::new(Executor::new(world));
    if question.stalls {
        // The smallest window that there usually is, so that all the rest waits somewhere else.
        client.initial_stream_window_size(65_535);
    }
    let (mut sender, connection) = client.timer(Timer::new(world)).handshake(io).await?;
    world.spawn(async move {
        let _ended = connection.await;
    });
    sender.send_request(build(question, "http://service/")).await
}

fn build(question: &Question, uri: &str) -> Request<Full<Bytes>> {
    let Question { request, node, tenant, up, down, takes, .. } = question;
    let method = if up.is_some() { Method::POST } else { Method::GET };
    let builder = Request::builder().method(method).uri(uri).header("host", "service");
    let builder = match node {
        Some(node) => builder.header("x-node-id", Plan::node(*node)),
        None => builder.header("x-cluster-id", "edge"),
    };
    let builder = builder.header("x-tenant-id", format!("tenant-{tenant}"));
    let builder = builder.header(REQUEST, *request).header(UP, up.unwrap_or(0)).header(DOWN, *down);
    let builder = builder.header(TAKES, u64::try_from(takes.as_millis()).unwrap_or(u64::MAX));
    let body = up.map_or_else(Bytes::new, |up| pattern::body(*request, up));
    builder.body(Full::new(body)).expect("a legal request")
}

/// An answer that is not the service's.
fn judge_head(answer: &Response<Incoming>) -> Option<Answer> {
    if answer.status().is_success() && answer.headers().contains_key(BY) {
        return None;
    }
    let reason = answer.headers().get("x-revtun-reason").and_then(|reason| reason.to_str().ok());
    Some(Answer::Own { status: answer.status().as_u16(), reason: reason.map(ToOwned::to_owned) })
}

async fn read(answer: Response<Incoming>, question: &Question, patience: Duration) -> Answer {
    if let Some(own) = judge_head(&answer) {
        return own;
    }
    let by = usize::try_from(number(answer.headers(), BY)).unwrap_or(usize::MAX);
    let mut reader = Reader::new(question.request);
    let mut body = answer.into_body();
    loop {
        match within(patience, body.frame()).await {
            None => return Answer::Silence,
            Some(None) => break,
            Some(Some(Ok(frame))) => frame.data_ref().into_iter().for_each(|piece| reader.take(piece)),
            Some(Some(Err(_))) => return Answer::Broken,
        }
    }
    Answer::Served { by, exact: reader.is_exactly(question.down) }
}

fn with_cause(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
