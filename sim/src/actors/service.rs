//! The service of an initiator: checks the request body and responds with the body that was asked for.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::world::World;

use super::addresses::{SERVICE, unspecified};
use super::body_pattern::{self, PatternChecker};
use crate::history::{Event, History};
use crate::process_world::{ProcessWorld, sleep};

/// The request's number.
pub const REQUEST: &str = "x-request";
/// Bytes of the request body.
pub const UP: &str = "x-up";
/// Bytes of the response body.
pub const DOWN: &str = "x-down";
/// The service time in milliseconds.
pub const SERVICE_TIME: &str = "x-takes";
/// Which initiator's service answers.
pub const BY: &str = "x-by";

/// Serves until the process ends.
///
/// # Panics
/// If it cannot listen.
pub async fn serve(world: ProcessWorld, history: History, by: usize) {
    let listener = world.listen(unspecified(SERVICE)).await.expect("its port is its own");
    while let Ok((stream, _)) = world.accept(&listener).await {
        let history = history.clone();
        world.spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            // The date would be the real one, and differ between runs.
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
    let mut checker = PatternChecker::new(request);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frame.data_ref().into_iter().for_each(|piece| checker.check(piece)),
            Err(_) => return Ok(incomplete()),
        }
    }
    let exact = checker.is_exactly(size(number(UP)));
    sleep(Duration::from_millis(number(SERVICE_TIME))).await;
    // Hostile responders send requests without a number.
    if request > 0 {
        history.add(Event::RequestServed { request, by, exact });
    }
    let mut answer = Response::new(Full::new(body_pattern::body(request, size(number(DOWN)))));
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
