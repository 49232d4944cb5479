//! Why a caller's connection failed.

use std::error::Error;
use std::{fmt, iter};

use crate::http::Http2Error;

/// What ended a downstream connection before it was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DownstreamError {
    /// A flood of HTTP/2 resets, CONTINUATION frames or the like (h2 says ENHANCE_YOUR_CALM).
    Flood,
    /// A violation of HTTP/1.1 or HTTP/2.
    Protocol,
    /// The first byte, the head of a request, or the answer to a keep-alive PING, did not come in time.
    Timeout,
    /// The connection was closed or reset.
    ConnectionLost,
}

impl DownstreamError {
    /// Every error, in the order above.
    pub(super) const ALL: [Self; 4] = [Self::Flood, Self::Protocol, Self::Timeout, Self::ConnectionLost];

    pub(super) fn classify(error: &(dyn Error + 'static)) -> Self {
        let mut sources = iter::successors(Some(error), |&error| error.source());
        sources.find_map(Self::classify_one).unwrap_or(Self::ConnectionLost)
    }

    /// The word in logs and metrics.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Protocol => "protocol-error",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection-lost",
        }
    }

    fn classify_one(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(class) = error.downcast_ref::<Self>() {
            return Some(*class);
        }
        if let Some(Http2Error::PingTimeout) = error.downcast_ref() {
            return Some(Self::Timeout);
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return match error.reason() {
                Some(h2::Reason::ENHANCE_YOUR_CALM) => Some(Self::Flood),
                Some(_) if error.is_library() => Some(Self::Protocol),
                Some(_) | None => None,
            };
        }
        let error = error.downcast_ref::<hyper::Error>()?;
        match error {
            error if error.is_timeout() => Some(Self::Timeout),
            error if error.is_parse() => Some(Self::Protocol),
            _ => None,
        }
    }
}

impl fmt::Display for DownstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for DownstreamError {}
