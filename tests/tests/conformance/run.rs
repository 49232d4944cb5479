//! Asks what a row says, and looks at what comes of it.

use std::time::Duration;

use crate::caller::{Answer, End, Followed, http1, http2};
use crate::pair::Pair;
use crate::row::{Ask, Expected, Next, Part, Row, Version};

/// What the service is sent of a request that its caller has an answer to is there by then.
const SETTLED: Duration = Duration::from_millis(20);

/// How what happened differs from what the row expects; nothing if it does not.
pub(crate) async fn run(pair: &mut Pair, row: &Row) -> Vec<String> {
    pair.ready().await;
    let honest = pair.begin_honest().await;
    pair.service.play(&row.script);
    let (answer, followed) = ask(pair, row).await;
    let unharmed = pair.end_honest(honest).await;
    tokio::time::sleep(SETTLED).await;
    let seen = pair.service.seen();
    if std::env::var_os("REVTUN_SHOW").is_some_and(|name| row.name.contains(&*name.to_string_lossy())) {
        eprintln!("{}: {answer:#?}\n{seen:#?}\n{followed:?}", row.name);
    }
    let mut differences = compare(row, &answer, &seen);
    differences.extend(unfit(pair, row.expect.next, followed).map(str::to_owned));
    if !unharmed {
        differences.push("another request on the tunnel is cut off".to_owned());
    }
    differences
}

async fn ask(pair: &Pair, row: &Row) -> (Answer, Followed) {
    let egress = pair.responder.egress();
    let Ask { version, head, parts } = row.ask.clone();
    match version {
        Version::Http1 => {
            let mut caller = http1::Caller::connect(egress).await;
            let answer = caller.exchange(parts, head).await;
            let followed = if answer.end == End::Stuck { Followed::Stuck } else { caller.follow().await };
            (answer, followed)
        }
        Version::Http2 => {
            let mut parts = parts.into_iter();
            let Some(Part::Send(first)) = parts.next() else { panic!("{}: it begins with HEADERS", row.name) };
            let mut caller = http2::Caller::connect(egress, first).await;
            let answer = caller.exchange(parts.collect(), head).await;
            (answer, caller.follow().await)
        }
    }
}

fn compare(row: &Row, answer: &Answer, seen: &[String]) -> Vec<String> {
    let expect = &row.expect;
    let mut differences = Vec::new();
    let fits = match expect.answer {
        Expected::Status(statuses) => whole(answer, statuses),
        Expected::Refused => refused(answer),
        Expected::Nothing => true,
        Expected::StatusOrRefused(statuses) => whole(answer, statuses) || refused(answer),
        Expected::Broken => answer.end == End::Cut || (answer.status >= Some(500) && answer.end == End::Whole),
    };
    if !fits {
        differences.push(describe(answer));
    }
    if !expect.requests.is_empty() && !expect.requests.contains(&seen.len()) {
        differences.push(format!("the service sees {} requests", seen.len()));
    }
    let served = !seen.is_empty();
    let first = seen.first().map_or("", String::as_str);
    for text in expect.service_sees.iter().filter(|text| served && !first.contains(*text)) {
        differences.push(format!("the service does not see `{}`", shown(text)));
    }
    for text in expect.service_misses.iter().filter(|text| first.contains(*text)) {
        differences.push(format!("the service sees `{}`", shown(text)));
    }
    if fits {
        let answered = answer.status.is_some_and(|status| status < 400) || !may_be_refused(expect.answer);
        for text in expect.caller_gets.iter().filter(|text| answered && !answer.text.contains(*text)) {
            differences.push(format!("the caller does not get `{}`", shown(text)));
        }
        for text in expect.caller_misses.iter().filter(|text| answer.text.contains(*text)) {
            differences.push(format!("the caller gets `{}`", shown(text)));
        }
    }
    differences
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
fn unfit(pair: &Pair, expected: Next, followed: Followed) -> Option<&'static str> {
    let ended = [Followed::Closed, Followed::ClosedUnsaid, Followed::Reset].contains(&followed);
    if ended && pair.has_foreign_callers {
        return None;
    }
    Some(match (expected, followed) {
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
