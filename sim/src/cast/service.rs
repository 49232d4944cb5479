//! The service beside an initiator: answers with the body that was asked for, and looks at the one that came.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::world::World;

use super::pattern::{self, Reader};
use super::{SERVICE, anywhere};
use crate::history::{Fact, History};
use crate::host::{Local, pause};

/// The request's number.
pub const REQUEST: &str = "x-request";
/// Bytes of the request's body.
pub const UP: &str = "x-up";
/// Bytes of the answer's body.
pub const DOWN: &str = "x-down";
/// How many milliseconds the service takes.
pub const TAKES: &str = "x-takes";
/// Which initiator's service answers.
pub const BY: &str = "x-by";

/// Serves until the process ends.
///
/// # Panics
/// If it cannot listen.
pub async fn serve(world: Local, history: History, by: usize) {
    let listener = world.listen(anywhere(SERVICE)).await.expect("its port is its own");
    while let Ok((stream, _)) = world.accept(&listener).await {
        let history = history.clone();
        world.spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            // The date would be the real one, and no two runs the same.
            server.auto_date_header(false);
            let answer = service_fn(move |request| answer(request, history.clone(), by));
            let _hung_up = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// Answers one request of the initiator `by`.
pub(super) async fn answer(
    request: Request<Incoming>,
    history: History,
    by: usize,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    let number = |name| number(&head.headers, name);
    let request = number(REQUEST);
    let mut reader = Reader::new(request);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frame.data_ref().into_iter().for_each(|piece| reader.take(piece)),
            Err(_) => return Ok(incomplete()),
        }
    }
    let exact = reader.is_exactly(size(number(UP)));
    pause(Duration::from_millis(number(TAKES))).await;
    // Others may ask as well, and nobody waits for what they get.
    if request > 0 {
        history.add(Fact::Served { request, by, exact });
    }
    let mut answer = Response::new(Full::new(pattern::body(request, size(number(DOWN)))));
    answer.headers_mut().insert(BY, by.into());
    Ok(answer)
}

fn incomplete() -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
}

/// The number in a header; zero if there is none.
#[must_use]
pub fn number(headers: &HeaderMap, name: &str) -> u64 {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
