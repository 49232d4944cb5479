//! Places on the network: where to dial, where to listen, where to forward to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::ConfigError;
use revtun::initiator::HostPort;

/// Reads `HOST:PORT`; an IPv6 address stands in brackets.
///
/// # Errors
/// If the text is anything else, or the port is zero.
pub(super) fn parse_endpoint(text: &str) -> Result<HostPort, ConfigError> {
    let error = |what: &str| {
        ConfigError::new(
            format!("{text:?} {what}"),
            "write HOST:PORT, such as tunnels.example.com:15443 or [::1]:15443",
        )
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| error("has no port"))?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| error("has no port from 1 to 65535"))?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
        Some(_) => return Err(error("has no IPv6 address in its brackets")),
        None if is_name(host) || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()) => host,
        None => return Err(error("has no valid host")),
    };
    Ok(HostPort { host: host.to_owned(), port })
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

/// A DNS name (RFC 1123 §2.1), with the underscore that many networks use beside it.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    // A name of digits and dots alone is a mistyped IPv4 address.
    host.len() <= 253 && host.split('.').all(label) && !host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
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
