//! Bodies: generated without memory, checked without memory, fed by hand.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use tokio::sync::mpsc;

/// The body of every request and answer that the tests send.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// One mebibyte.
pub const MIB: u64 = 1 << 20;

/// A prime, so that blocks of any usual size never line up with the pattern.
const PERIOD: usize = 65_521;

/// No body.
#[must_use]
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// `bytes`, with a content-length.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// `length` bytes of the pattern, with a content-length.
#[must_use]
pub fn generated(length: u64) -> Body {
    Generated { at: 0, length }.boxed_unsync()
}

/// A body whose frames are sent by hand; it ends when the sender is dropped.
#[must_use]
pub fn piped() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (feed, frames) = mpsc::channel(1);
    (feed, Piped(frames).boxed_unsync())
}

/// Reads `body` to its end and checks it against the pattern.
///
/// # Errors
/// What the transport says, or where the bytes differ from the pattern.
pub async fn checked<B>(mut body: B) -> io::Result<Received>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut received = Received::default();
    while let Some(frame) = body.frame().await {
        match frame.map_err(io::Error::other)?.into_data() {
            Ok(data) => received.check(data)?,
            Err(frame) => received.trailers = frame.into_trailers().ok(),
        }
    }
    Ok(received)
}

/// What came of a generated body.
#[derive(Debug, Default)]
pub struct Received {
    /// How many bytes, each as it should be.
    pub bytes: u64,
    /// What followed them.
    pub trailers: Option<HeaderMap>,
}

impl Received {
    fn check(&mut self, mut data: Bytes) -> io::Result<()> {
        while data.has_remaining() {
            let expected = pattern(self.bytes, data.len());
            if data[..expected.len()] != expected[..] {
                return Err(io::Error::other(format!("corrupt within {} bytes of {}", expected.len(), self.bytes)));
            }
            self.bytes += expected.len() as u64;
            data.advance(expected.len());
        }
        Ok(())
    }
}

/// The pattern's bytes from `at` on: at least one and at most `length`.
fn pattern(at: u64, length: usize) -> Bytes {
    static TWO_PERIODS: OnceLock<Bytes> = OnceLock::new();
    let start = usize::try_from(at % PERIOD as u64).expect("less than a period");
    TWO_PERIODS
        .get_or_init(|| {
            let mut random = fastrand::Rng::with_seed(1);
            let period: Vec<u8> = (0..PERIOD).map(|_| random.u8(..)).collect();
            period.repeat(2).into()
        })
        .slice(start..start + length.min(PERIOD))
}

struct Generated {
    at: u64,
    length: u64,
}

impl http_body::Body for Generated {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let left = self.length - self.at;
        if left == 0 {
            return Poll::Ready(None);
        }
        let chunk = pattern(self.at, usize::try_from(left).unwrap_or(usize::MAX));
        self.at += chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.at)
    }
}

struct Piped(mpsc::Receiver<Frame<Bytes>>);

impl http_body::Body for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(ready!(self.0.poll_recv(cx)).map(Ok))
    }
}

/// `body` as it came, to be sent on.
#[must_use]
pub fn relayed(body: hyper::body::Incoming) -> Body {
    body.map_err(io::Error::other).boxed_unsync()
}
