//! Places on the network: where to dial, where to listen, where to forward to.

use std::net::SocketAddr;

use super::diagnostic::ConfigError;
use revtun::initiator::{HostPort, HostPortError};

/// Reads `HOST:PORT`; an IPv6 address stands in brackets.
///
/// # Errors
/// If the text is anything else, or the port is zero.
pub(super) fn parse_endpoint(text: &str) -> Result<HostPort, ConfigError> {
    text.parse().map_err(|error: HostPortError| {
        ConfigError::new(
            format!("{text:?} {error}"),
            "write HOST:PORT, such as tunnels.example.com:15443 or [::1]:15443",
        )
    })
}

/// Reads the URL of a local service: `http://HOST:PORT`; without a port, 80.
///
/// # Errors
/// If the text is anything else, or has a path.
pub(super) fn parse_service(text: &str) -> Result<HostPort, ConfigError> {
    let error = |what: &str| {
        ConfigError::new(format!("{text:?} {what}"), "write http://HOST:PORT, such as http://127.0.0.1:8080")
    };
    let place = text.strip_prefix("http://").ok_or_else(|| error("does not begin with http://"))?;
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains(['/', '?', '#']) {
        return Err(error("has a path, but requests keep the path that the caller wrote"));
    }
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let place = if has_port { place.to_owned() } else { format!("{place}:80") };
    parse_endpoint(&place).map_err(|_| error("has no valid host and port"))
}

/// Reads the address of a listener: an IP address and a port; port 0 lets the system choose one.
///
/// # Errors
/// If the text is anything else.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        ConfigError::new(
            format!("{text:?} is not an address to listen on"),
            "write IP:PORT, such as 127.0.0.1:15443; port 0 lets the system choose",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_and_print_the_same() {
        for text in ["127.0.0.1:1", "localhost:15443", "a-b.example.com:65535", "[::1]:80", "my_host.:7"] {
            assert_eq!(parse_endpoint(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_named() {
        for (text, what) in [
            ("localhost", "has no port"),
            ("localhost:0", "has no port from 1"),
            ("localhost:65536", "has no port from 1"),
            ("localhost:http", "has no port from 1"),
            (":80", "has no valid host"),
            ("::1:80", "has no valid host"),
            ("[::1:80", "has no valid host"),
            ("[localhost]:80", "has no IPv6 address"),
            ("256.1.1.1:80", "has no valid host"),
            ("a..b:80", "has no valid host"),
            ("-a:80", "has no valid host"),
            ("a b:80", "has no valid host"),
            ("http://a:80", "has no valid host"),
        ] {
            let error = parse_endpoint(text).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn services_are_urls_without_a_path() {
        for (text, place) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://service/", "service:80"),
            ("http://[::1]", "[::1]:80"),
            ("http://[::1]:81", "[::1]:81"),
        ] {
            assert_eq!(parse_service(text).unwrap().to_string(), place);
        }
        for text in ["127.0.0.1:8080", "https://a:1", "http://", "http://a:1/x", "http://a:1?x", "http://a:x"] {
            assert!(parse_service(text).is_err(), "{text}");
        }
    }
}
