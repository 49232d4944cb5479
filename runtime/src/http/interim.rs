//! Interim responses (1xx) on their way to a caller, from whoever receives them to whoever has the caller's connection.

use http::{HeaderMap, Response, StatusCode};
use revtun_core::http::MAX_INTERIM_RESPONSES;

use super::hop_by_hop::strip_hop_by_hop;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

/// The interim responses of one request, or of one HTTP/1.1 connection. As long as there are none, it costs an atomic load.
#[derive(Debug, Default)]
pub(crate) struct InterimResponses {
    /// How many more the caller takes.
    wanted: AtomicU64,
    has_some: AtomicBool,
    waiting: Mutex<Vec<Response<()>>>,
}

impl InterimResponses {
    /// A request begins. `wanted`: its caller takes interim responses, which those of HTTP/1.0 do not (RFC 9110 §15.2).
    pub(crate) fn begin(&self, wanted: bool) {
        self.wanted.store(if wanted { MAX_INTERIM_RESPONSES } else { 0 }, Ordering::Relaxed);
    }

    /// Whether another one would be passed on.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Passes one on. 100 is no news for a caller who did not ask, and 101 not one of these.
    pub(crate) fn push(&self, status: StatusCode, headers: &HeaderMap) {
        let is_ours =
            status.is_informational() && ![StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS].contains(&status);
        if !is_ours || !self.is_wanted() {
            return;
        }
        // One task receives them.
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        let mut response = Response::new(());
        *response.status_mut() = status;
        response.headers_mut().clone_from(headers);
        strip_hop_by_hop(response.headers_mut());
        self.waiting().push(response);
        self.has_some.store(true, Ordering::Release);
    }

    /// Takes those that came, in their order.
    pub(crate) fn take(&self) -> Vec<Response<()>> {
        if self.has_some.load(Ordering::Acquire) {
            self.has_some.store(false, Ordering::Relaxed);
            std::mem::take(&mut *self.waiting())
        } else {
            Vec::new()
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Response<()>>> {
        // Nothing that is done under the lock can panic halfway.
        self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONNECTION, LINK};

    use super::*;

    fn early_hints() -> HeaderMap {
        HeaderMap::from_iter([(LINK, "</a.css>".parse().unwrap()), (CONNECTION, "close".parse().unwrap())])
    }

    #[test]
    fn a_caller_gets_what_it_takes_in_order_and_without_hop_by_hop_headers() {
        let interim = InterimResponses::default();
        interim.push(StatusCode::EARLY_HINTS, &early_hints());
        assert!(interim.take().is_empty());
        interim.begin(true);
        for status in [StatusCode::CONTINUE, StatusCode::PROCESSING, StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
            interim.push(status, &HeaderMap::new());
        }
        interim.push(StatusCode::EARLY_HINTS, &early_hints());
        let taken = interim.take();
        assert_eq!(taken.iter().map(Response::status).collect::<Vec<_>>(), [102, 103]);
        assert_eq!(taken[1].headers().keys().collect::<Vec<_>>(), [LINK]);
        assert!(interim.take().is_empty());
    }

    #[test]
    fn there_is_a_limit_for_each_request() {
        let interim = InterimResponses::default();
        for _ in 0..2 {
            interim.begin(true);
            for _ in 0..=MAX_INTERIM_RESPONSES {
                interim.push(StatusCode::PROCESSING, &HeaderMap::new());
            }
            assert!(!interim.is_wanted());
            assert_eq!(interim.take().len() as u64, MAX_INTERIM_RESPONSES);
        }
    }
}
