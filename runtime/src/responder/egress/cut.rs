//! Why a caller's connection ended before its time.

use std::error::Error;
use std::iter;

/// Whose fault it was, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::responder) enum CutOff {
    /// Far more resets, pieces of headers or the like than anybody needs.
    Flood,
    /// What came was no HTTP, or broke its rules.
    Malformed,
    /// It did not send a request, or prove that it lives, in time.
    Slow,
    /// The connection is gone.
    Lost,
}

impl CutOff {
    /// Every one, in the order above.
    pub(in crate::responder) const ALL: [Self; 4] = [Self::Flood, Self::Malformed, Self::Slow, Self::Lost];

    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut causes = iter::successors(Some(error), |&error| error.source());
        causes.find_map(Self::of_one).unwrap_or(Self::Lost)
    }

    /// The word in logs and metrics.
    pub(in crate::responder) const fn reason(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Malformed => "malformed",
            Self::Slow => "slow",
            Self::Lost => "lost",
        }
    }

    fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return match error.reason() {
                Some(h2::Reason::ENHANCE_YOUR_CALM) => Some(Self::Flood),
                Some(_) if error.is_library() => Some(Self::Malformed),
                Some(_) | None => None,
            };
        }
        let error = error.downcast_ref::<hyper::Error>()?;
        match error {
            error if error.is_timeout() => Some(Self::Slow),
            error if error.is_parse() => Some(Self::Malformed),
            _ => None,
        }
    }
}
