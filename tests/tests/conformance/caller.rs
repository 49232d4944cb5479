//! Callers: what they are sent, whatever that is.

pub(crate) mod http1;
pub(crate) mod http2;

use std::time::Duration;

use tokio::sync::watch;

/// What takes milliseconds, on a machine that is busy with other rows.
pub(crate) const LIMIT: Duration = Duration::from_secs(4);

/// The answer to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The final status, if there was one.
    pub(crate) status: Option<u16>,
    /// All of it as text: interim answers, status, headers with names in lower case, body, trailers.
    pub(crate) text: String,
    /// How it ended.
    pub(crate) end: End,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// It is whole.
    Whole,
    /// The stream or the connection ended before it was whole.
    Cut,
    /// Nothing more came.
    #[default]
    Stuck,
}

/// What became of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    Served,
    /// The connection was closed in order.
    Closed,
    /// The connection was closed behind an answer that did not say so.
    ClosedUnsaid,
    /// The connection was reset.
    Reset,
    /// Neither an answer nor an end.
    Stuck,
    /// Another answer than the service's.
    Wrong(u16),
}

/// How far the answer has come, for who sends the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    #[default]
    Nothing,
    Continue,
    Final,
}

/// Waits for that progress, and says which it is.
pub(crate) async fn until(progress: &mut watch::Receiver<Progress>, least: Progress) -> Progress {
    let reached = tokio::time::timeout(LIMIT, progress.wait_for(|progress| *progress >= least)).await;
    reached.ok().and_then(Result::ok).map_or(Progress::Nothing, |progress| *progress)
}

/// A header as a line of an answer's text.
fn line(name: &str, value: &[u8]) -> String {
    format!("{}: {}\r\n", name.to_ascii_lowercase(), String::from_utf8_lossy(value))
}
