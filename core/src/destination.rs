//! Which hosts and ports a responder may have an initiator connect to: none, unless somebody lists them.
//!
//! A responder that was broken into must not become a scanner of the site. So a name is looked up only if its answer could
//! matter, and what counts in the end is the address that is dialled: a name that is listed may not lead to the machine itself,
//! to its link or to the metadata service of a cloud, whatever its name server says. Those have to be listed by address.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::network::{Network, NetworkErrorKind};

/// The most entries of a list.
pub const MAX_ENTRIES: usize = 1024;

/// The longest name of a host, in bytes (RFC 1035 §2.3.4).
pub const MAX_HOST_BYTES: usize = 253;

/// A list of destinations. Empty, it allows none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Destinations(Box<[Entry]>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    host: Host,
    /// None is every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    /// Every host.
    Any,
    /// A name, in lower case.
    Name(String),
    /// What ends with this, which begins with a dot, in lower case.
    Suffix(String),
    Network(Network),
}

/// What is to be done about a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is not looked up.
    Refuse,
    /// Look it up, and dial those of its addresses that [`Destinations::allows`].
    Resolve,
}

/// A text that is no list of destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationsError {
    /// There is no port, or none that is legal. The entry.
    Port(String),
    /// The host is neither a name nor an address nor a network. The entry.
    Host(String),
    /// The length of a network's prefix is no number, or too large. The entry.
    Bits(String),
    /// An address has bits behind the prefix of its network. The entry.
    HostBits(String),
    /// There are more than [`MAX_ENTRIES`].
    TooMany,
}

impl Destinations {
    /// Reads entries with commas between them: `host:port`, `*.suffix:port`, `address:port`, `network/bits:port`, `*:port`; an
    /// IPv6 address or network stands in brackets, and the port may be `*`.
    ///
    /// # Errors
    /// If one is no entry.
    pub fn parse(text: &str) -> Result<Self, DestinationsError> {
        let entries = text.split(',').map(str::trim_ascii).filter(|entry| !entry.is_empty());
        let entries = entries.map(Entry::parse).collect::<Result<Vec<_>, _>>()?;
        match entries.len() {
            ..=MAX_ENTRIES => Ok(Self(entries.into_boxed_slice())),
            _ => Err(DestinationsError::TooMany),
        }
    }

    /// Whether none is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `host`, a name or an address without brackets, may be looked up: whether any of its addresses could be allowed.
    #[must_use]
    pub fn verdict(&self, host: &str, port: u16) -> Verdict {
        let could_be = match host.parse::<IpAddr>() {
            Ok(address) => self.allows(host, SocketAddr::new(address, port)),
            Err(_) => is_name(host) && self.0.iter().any(|entry| entry.has_port(port) && entry.host.could_be(host)),
        };
        if could_be { Verdict::Resolve } else { Verdict::Refuse }
    }

    /// Whether a connection may be opened to `address` for somebody who asked for `host`. To be asked for the very address that
    /// is dialled.
    #[must_use]
    pub fn allows(&self, host: &str, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        port != 0 && self.0.iter().any(|entry| entry.has_port(port) && entry.host.allows(host, ip))
    }
}

/// The entries, with commas between them.
impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, entry)| {
            f.write_str(if at == 0 { "" } else { "," })?;
            entry.fmt(f)
        })
    }
}

impl Entry {
    fn parse(entry: &str) -> Result<Self, DestinationsError> {
        let (host, port) = entry.rsplit_once(':').ok_or_else(|| DestinationsError::Port(entry.into()))?;
        let port = match port {
            "*" => None,
            digits => {
                let number = digits.parse().ok().filter(|port| *port != 0 && !digits.starts_with('+'));
                Some(number.ok_or_else(|| DestinationsError::Port(entry.into()))?)
            }
        };
        Ok(Self { host: Host::parse(host, entry)?, port })
    }

    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|listed| listed == port)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            Host::Any => "*".to_string(),
            Host::Name(name) => name.clone(),
            Host::Suffix(suffix) => format!("*{suffix}"),
            Host::Network(network) if network.is_ipv6() => format!("[{network}]"),
            Host::Network(network) => network.to_string(),
        };
        match self.port {
            None => write!(f, "{host}:*"),
            Some(port) => write!(f, "{host}:{port}"),
        }
    }
}

impl Host {
    fn parse(host: &str, entry: &str) -> Result<Self, DestinationsError> {
        if host == "*" {
            return Ok(Self::Any);
        }
        if let Some(suffix) = host.strip_prefix('*') {
            let name = suffix.strip_prefix('.').filter(|name| is_name(name));
            return match name {
                Some(_) => Ok(Self::Suffix(suffix.to_ascii_lowercase())),
                None => Err(DestinationsError::Host(entry.into())),
            };
        }
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let network = bracketed.unwrap_or(host);
        match (network.split('/').next().unwrap_or(network).parse::<IpAddr>(), bracketed) {
            (Ok(IpAddr::V6(_)), Some(_)) | (Ok(IpAddr::V4(_)), None) => {}
            (Err(_), None) if is_name(host) => return Ok(Self::Name(folded(host))),
            (Ok(_) | Err(_), _) => return Err(DestinationsError::Host(entry.into())),
        }
        Network::parse(network).map(Self::Network).map_err(|error| {
            let kind = if error.kind == NetworkErrorKind::Bits {
                DestinationsError::Bits
            } else {
                DestinationsError::HostBits
            };
            kind(entry.into())
        })
    }

    /// Whether `name` may have an address that is allowed.
    fn could_be(&self, name: &str) -> bool {
        self.has_name(name) || matches!(self, Self::Any | Self::Network(_))
    }

    fn allows(&self, host: &str, ip: IpAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(ip) && names(network, ip),
            Self::Any => special(ip).is_none(),
            // RFC 6761 §6.3: it is the loopback address, whatever a name server says.
            Self::Name(name) if name == "localhost" => self.has_name(host) && ip.is_loopback(),
            Self::Name(_) | Self::Suffix(_) => self.has_name(host) && special(ip).is_none(),
        }
    }

    /// Whether it is listed by name, and `host` is of that name.
    fn has_name(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Suffix(suffix) => {
                let head = host.len().checked_sub(suffix.len()).filter(|head| *head > 0);
                head.and_then(|head| host.get(head..)).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
            }
            Self::Name(name) => name.eq_ignore_ascii_case(host),
            Self::Any | Self::Network(_) => false,
        }
    }
}

/// Whether `network` was written for `ip`: one that is special is named only by a network within that range.
fn names(network: &Network, ip: IpAddr) -> bool {
    special(ip).is_none_or(|range| range.bits <= network.bits)
}

/// Ranges whose addresses have to be listed by address: the machine itself, its link, those of no single machine, and where clouds
/// have services that believe whoever asks from a machine of theirs.
const SPECIAL: [Network; 14] = [
    // Metadata of AWS, Azure, GCP and others, before the range that it is in; of AWS over IPv6, of Alibaba, of Oracle; and the wire
    // server of Azure.
    Network::of(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 32),
    Network::of(IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), 128),
    Network::of(IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), 32),
    Network::of(IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)), 32),
    Network::of(IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)), 32),
    // Unspecified: systems take it for the machine itself.
    Network::of(IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    Network::of(IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0)), 128),
    // Loopback.
    Network::of(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    Network::of(IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 1)), 128),
    // Link-local.
    Network::of(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    Network::of(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    // Multicast, reserved and broadcast.
    Network::of(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    Network::of(IpAddr::V4(Ipv4Addr::new(240, 0, 0, 0)), 4),
    Network::of(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// Prefixes of IPv6 that lead to the IPv4 address in their last bits or behind the first 16: NAT64 (RFC 6052 §2.1), addresses
/// once called compatible (RFC 4291 §2.5.5.1), and 6to4 (RFC 3056 §2).
fn embedded(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = ip else { return None };
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0x64, 0xff9b, 0, 0, 0, 0] | [0, 0, 0, 0, 0, 0] => Some(of(g, h)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// The range of addresses that have to be listed by address to which this one belongs, or where it leads to.
fn special(ip: IpAddr) -> Option<Network> {
    let range = |ip| SPECIAL.into_iter().find(|range| range.contains(ip));
    range(ip).or_else(|| {
        // To list such an address means to list all of it.
        embedded(ip).and_then(range).map(|_| Network::single(ip))
    })
}

/// A DNS name, perhaps with a dot at its end, that is no address in any of the forms that systems take for one.
#[must_use]
pub fn is_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(legal)
    };
    // `127.1` and `0x7f000001` are addresses to many resolvers; no name ends with a number (RFC 3696 §2).
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last.len() > 1 && last.as_bytes()[..2].eq_ignore_ascii_case(b"0x");
    let is_number = hex || last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= MAX_HOST_BYTES && !is_number && name.split('.').all(label)
}

fn folded(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl fmt::Display for DestinationsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(entry) => write!(f, "{entry:?} has no port"),
            Self::Host(entry) => write!(f, "{entry:?} names no host or network"),
            Self::Bits(entry) => write!(f, "{entry:?} has no legal length of a prefix"),
            Self::HostBits(entry) => write!(f, "{entry:?} has bits behind its prefix"),
            Self::TooMany => write!(f, "more than {MAX_ENTRIES} entries"),
        }
    }
}

impl Error for DestinationsError {}

#[cfg(test)]
mod tests;
