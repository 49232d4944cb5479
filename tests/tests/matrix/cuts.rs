//! The same bytes in several reads: where both makes can be cut, and where one of them breaks.
//!
//! `core/tests/cuts.rs` tries every way with up to three cuts against our parsers. Here real ends are asked, in fewer
//! ways: `tests/cuts.md` says which, and what came of them.

use std::fmt::Write as _;
use std::time::Duration;

use http::{Request, Version};
use revtun_tests::body;
use revtun_tests::client::{Caller, whole};
use revtun_tests::ends::{self, Dialling, Initiator, Make};
use revtun_tests::fake::{ACCEPTED, Handshake, Responder};
use revtun_tests::patience::{LATER, SOON};
use revtun_tests::raw::{HTTP2_HELLO, PING, Raw, count};
use revtun_tests::revtun;
use revtun_tests::service::Service;
use tokio::time::timeout;

const TABLE: &str = include_str!("../../cuts.md");

/// From when a part was read to when the next is sent, in which it is worked on. An end reads until there is nothing
/// more; only a part that comes during those microseconds would be read with the one before.
const APART: Duration = Duration::from_millis(100);
/// How long an end may leave something unread. Then it is not going to.
const UNREAD: Duration = Duration::from_secs(2);
/// How long an end may take over an answer. Both makes need milliseconds, and this machine may be busy.
const WATCHED: Duration = Duration::from_secs(6);
/// Pings that have to be answered in parts before a responder is believed to take that.
const PINGS: usize = 4;

/// `GET /` of stream 1, behind the preface.
const GET: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";

/// One way to cut one stream.
#[derive(Clone, Debug)]
struct Way {
    /// The row of the table.
    row: usize,
    parts: Vec<Vec<u8>>,
}

/// A row of the table: what is cut, how often, and what has to come of it.
struct Row {
    name: &'static str,
    bytes: Vec<u8>,
    cuts: usize,
    good: Good,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Good {
    /// An initiator accepts, echoes a ping and serves.
    Serves,
    /// So many pings are echoed, and it serves.
    Echoes(usize),
    /// One ping is echoed and the request behind it is answered.
    Answers,
    /// A responder accepts and pings.
    Accepts,
    /// A responder takes it for the echo that it is.
    Keeps,
}

fn rows() -> Vec<Row> {
    let row = |name, bytes: &[u8], cuts, good| Row { name, bytes: bytes.to_vec(), cuts, good };
    let (two, used) = ([PING, PING].concat(), [PING, HTTP2_HELLO, GET].concat());
    let request = Handshake { node: "n", cluster: "c", tenant: "t" }.request();
    let mut rows = vec![row("the answer to a handshake", ACCEPTED, 1, Good::Serves)];
    for cuts in 1..=3 {
        rows.push(row("a ping", PING, cuts, Good::Echoes(1)));
        rows.push(row("two pings", &two, cuts, Good::Echoes(2)));
    }
    rows.push(row("a ping, the preface and a request", &used, 1, Good::Answers));
    rows.push(row("a handshake", request.as_bytes(), 1, Good::Accepts));
    rows.extend((1..=3).map(|cuts| row("an echo", PING, cuts, Good::Keeps)));
    rows
}

fn ways(of: impl Fn(Good) -> bool) -> Vec<Way> {
    let mut ways = Vec::new();
    for (row, Row { bytes, cuts, .. }) in rows().iter().enumerate().filter(|(_, row)| of(row.good)) {
        cut(row, bytes, *cuts, &[], &mut ways);
    }
    ways
}

/// Every way to cut `bytes` `left` times.
fn cut(row: usize, bytes: &[u8], left: usize, before: &[Vec<u8>], ways: &mut Vec<Way>) {
    let with = |part: &[u8]| [before, &[part.to_vec()]].concat();
    if left == 0 {
        ways.push(Way { row, parts: with(bytes) });
        return;
    }
    for at in 1..bytes.len() {
        cut(row, &bytes[at..], left - 1, &with(&bytes[..at]), ways);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cut_is_taken_by_ours_and_the_table_says_which_by_envoy() {
    let rows = rows();
    let mut table = String::new();
    // Built before anybody waits for anything.
    let _program = revtun::binary();
    let (theirs, ours) = tokio::join!(all(Make::Envoy), all(Make::Revtun));
    let Some(theirs) = theirs else { return };
    let ours = ours.expect("revtun can always be had");
    for (index, Row { name, bytes, cuts, .. }) in rows.iter().enumerate() {
        let taken = |of: &[(usize, bool)]| of.iter().filter(|(row, good)| *row == index && *good).count();
        let ways = ours.iter().filter(|(row, _)| *row == index).count();
        let (length, theirs, ours) = (bytes.len(), taken(&theirs), taken(&ours));
        assert_eq!(ours, ways, "{name}, {cuts} cuts: ours has to take every way");
        writeln!(table, "| {name} | {length} | {cuts} | {ways} | {theirs} | {ours} |").expect("a string takes all");
    }
    assert!(TABLE.contains(&table), "tests/cuts.md does not say so:\n{table}");
}

/// Which ways an end of one make takes, by row.
async fn all(make: Make) -> Option<Vec<(usize, bool)>> {
    let of_responder = |good| matches!(good, Good::Accepts | Good::Keeps);
    let (mut taken, others) =
        tokio::join!(initiator(make, ways(|good| !of_responder(good))), responder(make, ways(of_responder)));
    taken.as_mut()?.extend(others?);
    taken
}

async fn initiator(make: Make, ways: Vec<Way>) -> Option<Vec<(usize, bool)>> {
    let service = Service::start("backend").await;
    let mut responders = Vec::new();
    for way in ways {
        responders.push((way, Responder::start().await));
    }
    let hosts: Vec<_> = responders.iter().map(|(_, responder)| responder.addr()).collect();
    let dialling = Dialling { make, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::start(dialling).await?;
    Some(together(responders.into_iter().map(|(way, responder)| (way.row, play(way, responder)))).await)
}

async fn responder(make: Make, ways: Vec<Way>) -> Option<Vec<(usize, bool)>> {
    let responder = match make {
        Make::Envoy => ends::Responder::start(make).await?,
        // All of them are one node.
        Make::Revtun => ends::Responder::configured("[responder]\nmax_tunnels_per_node = 1000\n").await,
    };
    let at = responder.tunnel();
    let asked = ways.into_iter().map(|way| {
        let keeps = rows()[way.row].good == Good::Keeps;
        (way.row, async move {
            if keeps {
                echo(way, Handshake { node: "e", cluster: "c", tenant: "t" }.dial(at).await).await
            } else {
                greet(way, Raw::connect(at).await).await
            }
        })
    });
    Some(together(asked).await)
}

async fn together<T: Future<Output = bool> + Send + 'static>(
    all: impl Iterator<Item = (usize, T)>,
) -> Vec<(usize, bool)> {
    let all: Vec<_> = all.map(|(row, one)| (row, tokio::spawn(one))).collect();
    let mut outcomes = Vec::new();
    for (row, one) in all {
        outcomes.push((row, one.await.expect("no panic")));
    }
    outcomes
}

async fn send(raw: &mut Raw, parts: &[Vec<u8>]) {
    raw.send_apart(parts, APART, UNREAD).await;
}

/// Reads until there is enough, the end, or no sign of either.
async fn watch(raw: &mut Raw, enough: impl Fn(&[u8]) -> bool) {
    let _an_answer_or_not = timeout(WATCHED, raw.read_until(LATER, "an answer", enough)).await;
}

/// Whether an initiator takes it.
async fn play(way: Way, responder: Responder) -> bool {
    let good = rows()[way.row].good;
    let mut raw = responder.dialled(SOON).await.raw;
    let pings = match good {
        Good::Serves => {
            send(&mut raw, &way.parts).await;
            raw.send(PING).await;
            1
        }
        Good::Echoes(pings) => {
            send(&mut raw, &[vec![ACCEPTED.to_vec()], way.parts].concat()).await;
            pings
        }
        Good::Answers | Good::Accepts | Good::Keeps => {
            send(&mut raw, &[vec![ACCEPTED.to_vec()], way.parts].concat()).await;
            let answered = |bytes: &[u8]| bytes.strip_prefix(PING).is_some_and(has_headers);
            watch(&mut raw, answered).await;
            return answered(raw.received());
        }
    };
    watch(&mut raw, |bytes| bytes.len() >= pings * PING.len()).await;
    count(raw.received(), PING) == pings && raw.received().len() == pings * PING.len() && serves(raw).await
}

/// Whether HEADERS of stream 1 are among these frames.
fn has_headers(mut frames: &[u8]) -> bool {
    while let Some((head, rest)) = frames.split_first_chunk::<9>() {
        if head[3] == 1 && head[5..] == [0, 0, 0, 1] {
            return true;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        frames = rest.get(length..).unwrap_or_default();
    }
    false
}

async fn serves(raw: Raw) -> bool {
    if raw.ended().is_some() {
        return false;
    }
    let Ok(mut caller) = Caller::over(raw.into_stream(), Version::HTTP_2).await else { return false };
    let request = Request::builder().uri("http://service.example/").body(body::empty()).expect("a legal request");
    let answered = timeout(WATCHED, async { whole(caller.send(request).await?).await });
    matches!(answered.await, Ok(Ok(answer)) if answer.status == 200)
}

/// Whether a responder accepts and pings.
async fn greet(way: Way, mut raw: Raw) -> bool {
    send(&mut raw, &way.parts).await;
    raw.read_until(SOON, "a ping, or the end", |bytes| bytes.ends_with(PING)).await;
    raw.received().starts_with(ACCEPTED) && raw.ended().is_none()
}

/// Whether a responder goes on to ping whoever echoes like that.
async fn echo(way: Way, mut raw: Raw) -> bool {
    for _ in 0..PINGS {
        raw.read_until(SOON, "a ping, or the end", |bytes| bytes.ends_with(PING)).await;
        raw.take();
        send(&mut raw, &way.parts).await;
    }
    raw.read_until(SOON, "a ping, or the end", |bytes| bytes.ends_with(PING)).await;
    raw.ended().is_none()
}
