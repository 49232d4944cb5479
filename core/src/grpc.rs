//! gRPC, as far as a proxy has to know it: whose requests are gRPC's, what a status of HTTP means there, how long a caller waits.

use alloc::string::String;
use core::fmt::Write;
use core::time::Duration;

/// The status of a call whose deadline has passed.
pub const DEADLINE_EXCEEDED: u8 = 4;

/// Whether a body with this `content-type` is of a gRPC call, with whatever encoding of messages; not gRPC-Web, whose trailers are
/// in the body.
#[must_use]
pub fn is_grpc(content_type: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let Some((kind, rest)) = content_type.split_at_checked(TYPE.len()) else { return false };
    kind.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The status of gRPC that stands for one of HTTP, as the specification of gRPC maps them.
#[must_use]
pub const fn status_of_http(status: u16) -> u8 {
    const UNKNOWN: u8 = 2;
    const PERMISSION_DENIED: u8 = 7;
    const UNIMPLEMENTED: u8 = 12;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;
    match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// A text as `grpc-message` has it: visible ASCII characters and spaces, all else and the percent sign as `%` and two digits.
#[must_use]
pub fn message(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

/// How long the caller waits, by the value of `grpc-timeout`: one to eight digits and a unit.
#[must_use]
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count: u64, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_grpc_are_known() {
        for text in ["application/grpc", "Application/gRPC+proto", "application/grpc; x=y", "application/grpc ;x"] {
            assert!(is_grpc(text.as_bytes()), "{text}");
        }
        for text in ["", "application/grp", "application/grpc-web", "application/grpc-web+proto", "application/json"] {
            assert!(!is_grpc(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn statuses_are_those_of_the_specification() {
        let mapped = [400, 401, 403, 404, 429, 502, 503, 504, 200, 413, 500, 501].map(status_of_http);
        assert_eq!(mapped, [13, 16, 7, 12, 14, 14, 14, 14, 2, 2, 2, 2]);
    }

    #[test]
    fn messages_are_visible_ascii() {
        assert_eq!(message("the service is down\n"), "the service is down%0A");
        assert_eq!(message("100% \u{e4}~\u{7f}"), "100%25 %C3%A4~%7F");
    }

    #[test]
    fn timeouts_have_a_unit() {
        let seconds = |text: &str| timeout(text.as_bytes()).map(|timeout| timeout.as_secs_f64());
        assert_eq!(["1H", "2M", "3S", "4m"].map(seconds), [Some(3600.0), Some(120.0), Some(3.0), Some(0.004)]);
        assert_eq!(timeout(b"5u"), Some(Duration::from_micros(5)));
        assert_eq!(timeout(b"99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(["", "S", "1", "123456789S", "1.5S", "-1S", "1s"].map(seconds), [None; 7]);
    }
}
