//! Places on the network: where to dial, where to listen, where to forward to.

use std::fmt;
use std::net::SocketAddr;

use super::diagnostic::ConfigError;
use revtun::initiator::{HostPort, HostPortError};
use revtun::upstream::{ServiceEndpoint, ServiceProtocol};

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

/// The URL of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    scheme: Scheme,
    /// Where it leads to.
    pub endpoint: ServiceEndpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    H2c,
    Unix,
    UnixH2c,
}

impl Scheme {
    /// Each with what URLs of it begin with, and the port of one without; the longer before those that end the same.
    const ALL: [(Self, &'static str, u16); 5] = [
        (Self::Https, "https://", 443),
        (Self::Http, "http://", 80),
        (Self::H2c, "h2c://", 80),
        (Self::UnixH2c, "h2c+unix:", 0),
        (Self::Unix, "unix:", 0),
    ];
}

impl ServiceUrl {
    /// What is spoken there.
    #[must_use]
    pub const fn protocol(&self) -> ServiceProtocol {
        match self.scheme {
            Scheme::Http | Scheme::Unix => ServiceProtocol::Http1,
            Scheme::H2c | Scheme::UnixH2c => ServiceProtocol::Http2,
            Scheme::Https => ServiceProtocol::Negotiated,
        }
    }

    /// Whether that is inside TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self.scheme, Scheme::Https)
    }

    /// Reads `http://HOST:PORT`, `https://HOST:PORT`, `h2c://HOST:PORT`, `unix:/PATH` or `h2c+unix:/PATH`; without a port, that of the
    /// scheme.
    ///
    /// # Errors
    /// If the text is anything else, or has a path behind its port.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let error = |what: &str| {
            let remedy =
                "write http://HOST:PORT, https://, h2c://, unix:/PATH or h2c+unix:/PATH, such as http://127.0.0.1:8080";
            ConfigError::new(format!("{text:?} {what}"), remedy)
        };
        let found =
            Scheme::ALL.into_iter().find_map(|(scheme, begin, port)| Some((scheme, port, text.strip_prefix(begin)?)));
        let (scheme, port, place) = found.ok_or_else(|| error("begins with no scheme of services"))?;
        if matches!(scheme, Scheme::Unix | Scheme::UnixH2c) {
            return match place.starts_with('/') {
                true => Ok(Self { scheme, endpoint: ServiceEndpoint::Unix(place.into()) }),
                false => Err(error("has no absolute path")),
            };
        }
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(error("has a path; to put one before those of requests, set add_prefix of a route"));
        }
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let place = if has_port { place.to_owned() } else { format!("{place}:{port}") };
        let endpoint = parse_endpoint(&place).map_err(|_| error("has no valid host and port"))?;
        Ok(Self { scheme, endpoint: ServiceEndpoint::Tcp(endpoint) })
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin =
            Scheme::ALL.into_iter().find(|(scheme, ..)| *scheme == self.scheme).map_or("", |(_, begin, _)| begin);
        match &self.endpoint {
            ServiceEndpoint::Tcp(endpoint) => write!(f, "{begin}{endpoint}"),
            ServiceEndpoint::Unix(path) => write!(f, "{begin}{}", path.display()),
        }
    }
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the service with this name.
    Service(String),
    /// To a service that has nothing but a URL.
    Url(ServiceUrl),
}

impl Target {
    /// Reads the name of a service, or a URL.
    ///
    /// # Errors
    /// If it is neither.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.contains([':', '/']) {
            ServiceUrl::parse(text).map(Self::Url)
        } else {
            parse_service_name(text).map(Self::Service)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => f.write_str(name),
            Self::Url(url) => url.fmt(f),
        }
    }
}

/// Reads the name of a service.
///
/// # Errors
/// If it is empty, longer than 64 bytes, or has anything but letters, digits, `-` and `_`.
pub(super) fn parse_service_name(text: &str) -> Result<String, ConfigError> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_legal) {
        let remedy = "write up to 64 letters, digits, - and _; or a URL such as http://127.0.0.1:8080";
        return Err(ConfigError::new(format!("{text:?} is no name of a service"), remedy));
    }
    Ok(text.to_owned())
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
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://service/", "http://service:80"),
            ("http://[::1]", "http://[::1]:80"),
            ("https://[::1]:81", "https://[::1]:81"),
            ("https://service", "https://service:443"),
            ("h2c://service:50051", "h2c://service:50051"),
            ("unix:/run/a", "unix:/run/a"),
            ("h2c+unix:/run/a", "h2c+unix:/run/a"),
        ] {
            assert_eq!(ServiceUrl::parse(text).unwrap().to_string(), place);
        }
        for text in ["127.0.0.1:8080", "ftp://a:1", "http://", "http://a:1/x", "http://a:1?x", "http://a:x", "unix:a"] {
            assert!(ServiceUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_is_a_name_or_a_url() {
        assert_eq!(Target::parse("web-1").unwrap(), Target::Service("web-1".to_owned()));
        assert_eq!(Target::parse("http://a").unwrap().to_string(), "http://a:80");
        for text in ["", "a b", "a/b", "a:1", &"a".repeat(65)] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
