//! A host and a port, and the addresses that they resolve to.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::world::World;

/// A name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// A DNS name, or an IP address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl HostPort {
    /// The address, if the host is one.
    pub(crate) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, self.port))
    }

    /// Resolves it to at least one address. Addresses of other machines are an error unless `allow_remote`.
    pub(crate) async fn resolve<W: World>(&self, world: &W, allow_remote: bool) -> io::Result<Vec<SocketAddr>> {
        let addresses = match self.literal() {
            Some(address) => vec![address],
            None => world.resolve(&self.host, self.port).await?,
        };
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        check_reach(&addresses, allow_remote)?;
        Ok(addresses)
    }
}

/// Fails with [`io::ErrorKind::PermissionDenied`] if one of `addresses` is on another machine, unless `allow_remote`.
pub(crate) fn check_reach(addresses: &[SocketAddr], allow_remote: bool) -> io::Result<()> {
    match addresses.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
        Some(remote) if !allow_remote => {
            let text = format!("{} is another machine, and tunnels to it would not be encrypted", remote.ip());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
        }
        Some(_) | None => Ok(()),
    }
}

/// `host:port`, with brackets around an IPv6 address.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.literal() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Reads `host:port`; an IPv6 address stands in brackets. The port is not zero.
impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let (host, port) = text.rsplit_once(':').ok_or(HostPortError::NoPort)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(HostPortError::Port)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
            Some(_) => return Err(HostPortError::Ipv6),
            None if is_name(host) || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()) => host,
            None => return Err(HostPortError::Host),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl TryFrom<&str> for HostPort {
    type Error = HostPortError;

    fn try_from(text: &str) -> Result<Self, HostPortError> {
        text.parse()
    }
}

impl TryFrom<String> for HostPort {
    type Error = HostPortError;

    fn try_from(text: String) -> Result<Self, HostPortError> {
        text.parse()
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
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

/// Why a text is no `host:port`. Each message is a predicate, to be put behind the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostPortError {
    /// There is no colon.
    NoPort,
    /// What stands behind the last colon is no port, or zero.
    Port,
    /// What stands in brackets is no IPv6 address.
    Ipv6,
    /// The host is neither a DNS name nor an IPv4 address.
    Host,
}

impl fmt::Display for HostPortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPort => "has no port",
            Self::Port => "has no port from 1 to 65535",
            Self::Ipv6 => "has no IPv6 address in its brackets",
            Self::Host => "has no valid host",
        })
    }
}

impl Error for HostPortError {}

/// What takes a host and port or its text has this error for both.
impl From<Infallible> for HostPortError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_addresses_taken() {
        for text in ["a.example:80", "[::1]:80", "10.0.0.1:80"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
        assert_eq!(HostPort::from(address), "[::1]:80".parse().unwrap());
        let error = |text: &str| text.parse::<HostPort>().unwrap_err();
        assert_eq!(
            [error("a"), error("a:0"), error("[a]:1"), error("1.2.3:1")],
            [HostPortError::NoPort, HostPortError::Port, HostPortError::Ipv6, HostPortError::Host]
        );
    }

    #[test]
    fn hosts_are_displayed_as_they_are_configured() {
        let print = |host: &str| HostPort { host: host.to_owned(), port: 80 }.to_string();
        assert_eq!([print("a.example"), print("::1"), print("10.0.0.1")], ["a.example:80", "[::1]:80", "10.0.0.1:80"]);
    }
}
