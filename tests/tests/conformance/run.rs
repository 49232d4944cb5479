//! Asks what a row says, and looks at what comes of it.

use std::time::{Duration, Instant};

use crate::caller::{Answer, End, Followed, http1, http2};
use crate::pair::Pair;
use crate::row::{Ask, Expected, Next, Part, Row, Version};

/// What the service is sent of a request that its caller has an answer to is there by then.
const SETTLED: Duration = Duration::from_millis(20);

/// A row that takes longer is named in the output.
const SLOW: Duration = Duration::from_millis(900);

/// How what happened differs from what the row expects, first of all for others; none if it does not.
pub(crate) async fn run(pair: &mut Pair, row: &Row) -> Option<String> {
    let begun = Instant::now();
    pair.ready().await;
    let honest = pair.begin_honest().await;
    pair.service.play(&row.script);
    let (answer, followed) = ask(pair, row).await;
    let unharmed = pair.end_honest(honest).await;
    tokio::time::sleep(SETTLED).await;
    let seen = pair.service.seen();
    if std::env::var_os("REVTUN_ROWS").is_some() {
        eprintln!("{}: {answer:#?}\n{seen:#?}\n{followed:?}", row.name);
    }
    if begun.elapsed() > SLOW {
        eprintln!("{:?} for {:?} {}, next {followed:?}", begun.elapsed(), row.ask.version, row.name);
    }
    if !unharmed {
        return Some("another request on the tunnel is cut off".to_owned());
    }
    difference(row, &answer, &seen).or_else(|| unfit(row, followed).map(str::to_owned))
}

/// The answer, and what became of the next request. How an Envoy ends connections of its callers is its own matter.
async fn ask(pair: &Pair, row: &Row) -> (Answer, Option<Followed>) {
    let egress = pair.responder.egress();
    let Ask { version, head, parts } = row.ask.clone();
    let follows = |answer: &Answer| !pair.has_foreign_callers || whole(answer, &[200]);
    match version {
        Version::Http1 => {
            let mut caller = http1::Caller::connect(egress).await;
            let answer = caller.exchange(parts, head).await;
            let followed = match answer.end {
                End::Stuck => Some(Followed::Stuck),
                End::Whole | End::Cut if follows(&answer) => Some(caller.follow().await),
                End::Whole | End::Cut => None,
            };
            (answer, followed)
        }
        Version::Http2 => {
            let mut parts = parts.into_iter();
            let Some(Part::Send(first)) = parts.next() else { panic!("{}: it begins with HEADERS", row.name) };
            let mut caller = http2::Caller::connect(egress, first).await;
            let answer = caller.exchange(parts.collect(), head).await;
            let followed = if follows(&answer) { Some(caller.follow().await) } else { None };
            (answer, followed)
        }
    }
}

fn difference(row: &Row, answer: &Answer, seen: &[String]) -> Option<String> {
    let expect = &row.expect;
    let fits = match expect.answer {
        Expected::Status(statuses) => whole(answer, statuses),
        Expected::Refused => refused(answer),
        Expected::Nothing => true,
        Expected::StatusOrRefused(statuses) => whole(answer, statuses) || refused(answer),
        Expected::Broken => answer.end == End::Cut || (answer.status >= Some(500) && answer.end == End::Whole),
    };
    if !fits {
        return Some(describe(answer));
    }
    let answered = answer.status.is_some_and(|status| status < 400) || !may_be_refused(expect.answer);
    if let Some(text) = expect.caller_gets.iter().find(|text| answered && !answer.text.contains(*text)) {
        return Some(format!("the caller does not get `{}`", shown(text)));
    }
    if let Some(text) = expect.caller_misses.iter().find(|text| answer.text.contains(*text)) {
        return Some(format!("the caller gets `{}`", shown(text)));
    }
    if !expect.requests.is_empty() && !expect.requests.contains(&seen.len()) {
        return Some(format!("the service sees {} requests", seen.len()));
    }
    let first = seen.first()?;
    if let Some(text) = expect.service_sees.iter().find(|text| !first.contains(*text)) {
        return Some(format!("the service does not see `{}`", shown(text)));
    }
    let text = expect.service_misses.iter().find(|text| first.contains(*text))?;
    Some(format!("the service sees `{}`", shown(text)))
}

fn may_be_refused(expected: Expected) -> bool {
    matches!(expected, Expected::Refused | Expected::StatusOrRefused(_))
}

fn whole(answer: &Answer, statuses: &[u16]) -> bool {
    answer.end == End::Whole && answer.status.is_some_and(|status| statuses.contains(&status))
}

fn refused(answer: &Answer) -> bool {
    match answer.status {
        Some(status) => status >= 400 && answer.end == End::Whole,
        None => answer.end == End::Cut,
    }
}

fn describe(answer: &Answer) -> String {
    match (answer.status, answer.end) {
        (Some(status), End::Whole) => format!("{status}"),
        (Some(status), End::Cut) => format!("{status}, cut off"),
        (Some(status), End::Stuck) => format!("{status}, never ends"),
        (None, End::Stuck) => "no answer".to_owned(),
        (None, End::Whole | End::Cut) => "no answer, closed or reset".to_owned(),
    }
}

/// What is wrong about what became of the next request.
fn unfit(row: &Row, followed: Option<Followed>) -> Option<&'static str> {
    let followed = followed?;
    Some(match (row.expect.next, followed) {
        // The only way to tell a caller of HTTP/1.0 that its answer is not complete.
        (_, Followed::Reset) if matches!(row.expect.answer, Expected::Broken) => return None,
        (Next::Served | Next::Either, Followed::Served) | (Next::Closed | Next::Either, Followed::Closed) => {
            return None;
        }
        (Next::Closed, Followed::Served) => "the connection lives on",
        (Next::Served, Followed::Closed) => "the connection is closed",
        (_, Followed::ClosedUnsaid) => "the connection is closed and the answer does not say so",
        (_, Followed::Reset) => "the connection is reset",
        (_, Followed::Stuck) => "the next request has no answer",
        (_, Followed::Wrong(_)) => "the next request has the wrong answer",
    })
}

fn shown(text: &str) -> String {
    text.escape_debug().to_string().replace("\\r\\n", "⏎").replace("\\\"", "\"").replace('|', "¦")
}
