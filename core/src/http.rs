//! Rules of HTTP that a proxy has to keep, as functions of bytes and as limits.

use core::time::Duration;

/// How long a caller of HTTP/1.1 that has half-closed its connection waits for the next byte of a response: it may be gone, which
/// shows only when something is sent (RFC 9112 §9.6).
pub const HALF_CLOSE_GRACE: Duration = Duration::from_secs(5);

/// How long whoever reads a request takes at most for what was received before its caller closed the connection. If it still waits
/// for more then, the request is not complete, and there will be no response.
pub const HALF_CLOSE_SETTLE: Duration = Duration::from_millis(100);

/// The most interim responses (1xx) that are passed on for one request: some hints and some progress. The rest are dropped.
pub const MAX_INTERIM_RESPONSES: u64 = 32;

/// Whether `bytes` are the value of a `host` field, or an authority without userinfo: a name or an address that is not empty,
/// and perhaps a port (RFC 9110 §7.2, §4.2.1; RFC 9113 §8.3.1).
#[must_use]
pub fn is_host(bytes: &[u8]) -> bool {
    let (host, behind, legal): (_, _, fn(&u8) -> bool) = match bytes {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            (&rest[..end], &rest[end + 1..], is_address_byte)
        }
        _ => {
            let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
            (&bytes[..end], &bytes[end..], is_name_byte)
        }
    };
    let port_is_legal = match behind {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        [_, ..] => false,
    };
    !host.is_empty() && host.iter().all(legal) && port_is_legal
}

/// Of an address within brackets (RFC 3986 §3.2.2), with the zone of RFC 6874.
fn is_address_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b":.%-_~".contains(byte)
}

/// Of a registered name or an IPv4 address (RFC 3986 §3.2.2).
fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(byte)
}

/// Whether a field of this name may stand behind a body: not if it frames or routes the message, authenticates, or has to be
/// known before the body is (RFC 9110 §6.5.1). `name` is in lower case.
#[must_use]
pub fn may_be_trailer(name: &str) -> bool {
    // Those of one connection, of routing and framing, of authentication, of requests' conditions, and of how a body is read.
    !matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "content-encoding"
            | "content-range"
            | "content-type"
            | "host"
            | "authorization"
            | "cookie"
            | "set-cookie"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "www-authenticate"
            | "cache-control"
            | "expect"
            | "max-forwards"
            | "range"
            | "x-node-id"
            | "x-cluster-id"
            | "x-tenant-id"
    )
}

/// A time as in a `date` field (RFC 9110 §5.6.7), from seconds since 1970; years above 9999 are not told apart.
#[must_use]
pub fn date(unix_seconds: u64) -> [u8; 29] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    text[8..11].copy_from_slice(MONTHS[month]);
    let mut digits = |at: usize, number: u64| {
        text[at] = b'0' + (number / 10 % 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    };
    digits(5, day);
    digits(12, year / 100);
    digits(14, year);
    digits(17, second / 3600);
    digits(20, second / 60 % 60);
    digits(23, second % 60);
    text
}

/// Year, month from zero, and day of so many days since 1970, by the calendar of Gregory: in a cycle of 400 years that begins with
/// a March, so that the day which comes every four years is a year's last.
fn civil(days: u64) -> (u64, usize, u64) {
    const FROM_YEAR_ZERO: u64 = 719_468;
    const CYCLE: u64 = 146_097;
    let days = days + FROM_YEAR_ZERO;
    let (cycle, day) = (days / CYCLE, days % CYCLE);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = ((month + 2) % 12) as usize;
    (cycle * 400 + year + u64::from(month < 2), month, day)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for legal in [
            "a",
            "a.example",
            "a.example:80",
            "a.example:",
            "192.0.2.1:8080",
            "[2001:db8::1]",
            "[::1]:80",
            "a_b",
            "%41",
        ] {
            assert!(is_host(legal.as_bytes()), "{legal}");
        }
        let illegal = [
            "", ":80", "me@a", "me:you@a", "a/b", "a b", "a,b", "a:http", "a:80:80", "[::1", "[]", "[::1]a", "a\"",
            "ä", "a#b",
        ];
        for illegal in illegal {
            assert!(!is_host(illegal.as_bytes()), "{illegal}");
        }
    }

    #[test]
    fn what_frames_a_message_is_no_trailer() {
        for forbidden in ["content-length", "transfer-encoding", "host", "authorization", "set-cookie", "x-node-id"] {
            assert!(!may_be_trailer(forbidden), "{forbidden}");
        }
        for legal in ["grpc-status", "x-checksum", "etag", "server-timing"] {
            assert!(may_be_trailer(legal), "{legal}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let text = |seconds| String::from_utf8(date(seconds).to_vec()).unwrap();
        assert_eq!(text(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(text(784_887_151), "Tue, 15 Nov 1994 08:12:31 GMT");
        assert_eq!(text(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(text(951_868_799), "Tue, 29 Feb 2000 23:59:59 GMT");
        assert_eq!(text(951_868_800), "Wed, 01 Mar 2000 00:00:00 GMT");
        assert_eq!(text(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
        assert_eq!(text(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(text(1_798_761_599), "Thu, 31 Dec 2026 23:59:59 GMT");
        assert_eq!(text(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
