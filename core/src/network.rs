//! Networks: addresses that begin with the same bits.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::mem;
use core::net::IpAddr;

/// The most networks of a list.
pub const MAX_NETWORKS: usize = 1024;

/// The addresses whose first bits are those of one address (RFC 4632, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// With zeros behind the prefix. No IPv6 address that stands for one of IPv4.
    pub(crate) address: IpAddr,
    pub(crate) bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkErrorKind {
    /// It is no address.
    Address,
    /// The length of the prefix is no number, or larger than the address has bits.
    Bits,
    /// The address has bits behind the prefix: another network is meant, or one address.
    HostBits,
    /// The list has more than [`MAX_NETWORKS`].
    TooMany,
}

/// A text that is no network, or no list of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError {
    /// Why.
    pub kind: NetworkErrorKind,
    /// The text.
    pub text: String,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address.
    ///
    /// # Errors
    /// If the text is none of these.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let wrong = |kind| NetworkError { kind, text: text.into() };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong(NetworkErrorKind::Address))?;
        let bits = match bits {
            None => width(address),
            Some(bits) => {
                let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
                let bits = bits.parse().ok().filter(|bits| is_number && *bits <= width(address));
                bits.ok_or_else(|| wrong(NetworkErrorKind::Bits))?
            }
        };
        if prefix(address, bits) != address {
            return Err(wrong(NetworkErrorKind::HostBits));
        }
        match address {
            // An IPv4 address within one of IPv6 is that address.
            IpAddr::V6(outer) if bits >= 96 && outer.to_ipv4_mapped().is_some() => {
                Ok(Self { address: address.to_canonical(), bits: bits - 96 })
            }
            IpAddr::V4(_) | IpAddr::V6(_) => Ok(Self { address, bits }),
        }
    }

    /// The addresses with the first `bits` of `address`, which has zeros behind them.
    pub(crate) const fn of(address: IpAddr, bits: u8) -> Self {
        Self { address, bits }
    }

    /// One address.
    pub(crate) fn single(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self::of(address, width(address))
    }

    /// Whether its addresses are of IPv6.
    pub(crate) const fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether `address` is one of them. An IPv6 address that stands for one of IPv4 is that one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address) && prefix(address, self.bits) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, bits } = self;
        if *bits == width(*address) { write!(f, "{address}") } else { write!(f, "{address}/{bits}") }
    }
}

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Networks(Box<[Network]>);

impl Networks {
    /// Reads networks with commas between them. An empty text is no network.
    ///
    /// # Errors
    /// If one is none, or there are too many.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let entries = text.split(',').map(str::trim_ascii).filter(|_| !text.trim_ascii().is_empty());
        let networks = entries.map(Network::parse).collect::<Result<Vec<_>, _>>()?;
        if networks.len() > MAX_NETWORKS {
            return Err(NetworkError { kind: NetworkErrorKind::TooMany, text: text.into() });
        }
        Ok(Self(networks.into()))
    }

    /// Whether `address` is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        self.0.iter().try_for_each(|network| write!(f, "{}{network}", mem::replace(&mut comma, ",")))
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.kind {
            NetworkErrorKind::Address => write!(f, "{text:?} is neither an address nor a network"),
            NetworkErrorKind::Bits => write!(f, "{text:?} has a prefix of no legal length"),
            NetworkErrorKind::HostBits => write!(f, "{text:?} has bits behind its prefix"),
            NetworkErrorKind::TooMany => write!(f, "there are more than {MAX_NETWORKS} networks"),
        }
    }
}

impl Error for NetworkError {}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// `address` with zeros behind its first `bits`.
fn prefix(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_the_addresses_with_its_prefix() {
        let rows = [
            ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"], ["192.0.3.0", "192.0.1.255", "::1"]),
            ("192.0.2.7", ["192.0.2.7"; 3], ["192.0.2.6", "192.0.2.8", "::192.0.2.7"]),
            ("0.0.0.0/0", ["0.0.0.0", "10.1.2.3", "255.255.255.255"], ["::"; 3]),
            (
                "2001:db8::/33",
                ["2001:db8::", "2001:db8:7fff::1", "2001:db8::1"],
                ["2001:db8:8000::", "2001:db9::", "1.2.3.4"],
            ),
            ("::/0", ["::", "::1", "2001:db8::1"], ["0.0.0.0"; 3]),
            ("::ffff:10.0.0.0/104", ["10.0.0.1", "::ffff:10.9.9.9", "10.255.0.0"], ["11.0.0.0", "::10.0.0.1", "::"]),
            ("::ffff:0.0.0.0/96", ["10.0.0.1"; 3], ["::"; 3]),
        ];
        for (network, inside, outside) in rows {
            let network = Network::parse(network).unwrap();
            assert!(inside.iter().all(|address| network.contains(ip(address))), "{network}");
            assert!(!outside.iter().any(|address| network.contains(ip(address))), "{network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_by_kind() {
        use NetworkErrorKind::{Address, Bits, HostBits, TooMany};
        let rows = [
            ("", Address),
            ("a.example", Address),
            ("192.0.2", Address),
            ("[::1]", Address),
            ("192.0.2.0/", Bits),
            ("192.0.2.0/33", Bits),
            ("192.0.2.0/+8", Bits),
            ("::/129", Bits),
            ("192.0.2.1/24", HostBits),
            ("2001:db8::1/64", HostBits),
        ];
        for (text, kind) in rows {
            let error = Network::parse(text).unwrap_err();
            assert_eq!(error.kind, kind, "{text}");
            assert!(error.to_string().contains(text));
        }
        let many = alloc::vec!["10.0.0.1"; MAX_NETWORKS + 1].join(",");
        let error = Networks::parse(&many).unwrap_err();
        assert_eq!(error.kind, TooMany);
        assert!(error.to_string().contains("1024"));
        assert_eq!(Networks::parse("10.0.0.1,").unwrap_err().kind, Address);
    }

    #[test]
    fn a_list_is_shown_as_it_is_read() {
        for text in ["", "10.0.0.0/8,2001:db8::/32,192.0.2.7"] {
            let networks = Networks::parse(text).unwrap();
            assert_eq!((networks.to_string().as_str(), networks.is_empty()), (text, text.is_empty()));
        }
        let networks = Networks::parse(" 10.0.0.0/8, ::1 ").unwrap();
        assert!(networks.contains(ip("10.1.1.1")) && networks.contains(ip("::1")) && !networks.contains(ip("::2")));
    }
}
