//! A host and a port, and the addresses that they resolve to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

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
        if !allow_remote
            && let Some(remote) = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback())
        {
            let text = format!("{} is another machine, and tunnels to it would not be encrypted", remote.ip());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(addresses)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_displayed_as_they_are_configured() {
        let print = |host: &str| HostPort { host: host.to_owned(), port: 80 }.to_string();
        assert_eq!([print("a.example"), print("::1"), print("10.0.0.1")], ["a.example:80", "[::1]:80", "10.0.0.1:80"]);
    }
}
