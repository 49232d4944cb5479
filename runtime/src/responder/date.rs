//! The date of responses.

use http::HeaderValue;
use revtun_core::http::date;

use crate::sync::watch;

/// The value of `date`, made once a second.
#[derive(Debug)]
pub(super) struct DateCache(watch::Sender<(u64, HeaderValue)>);

impl DateCache {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new((0, value(0))))
    }

    /// The date of that second since 1970.
    pub(super) fn at(&self, unix_seconds: u64) -> HeaderValue {
        {
            let last = self.0.borrow();
            if last.0 == unix_seconds {
                return last.1.clone();
            }
        }
        let value = value(unix_seconds);
        self.0.send_replace((unix_seconds, value.clone()));
        value
    }
}

fn value(unix_seconds: u64) -> HeaderValue {
    HeaderValue::from_bytes(&date(unix_seconds)).expect("a date is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_its_second_whatever_was_asked_before() {
        let dates = DateCache::new();
        for second in [0, 784_111_777, 784_111_777, 784_111_778, 784_111_777] {
            assert_eq!(dates.at(second).as_bytes(), date(second), "{second}");
        }
        assert_eq!(dates.at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
