//! Names: the path of the handshake, its headers, what the responder is called, families of addresses, protocols, destinations.

use revtun_core::destination::{Destinations, DestinationsError};
use revtun_core::handshake::HeaderNames;
use revtun_core::hosts::LookupFamily;
use revtun_core::network::Networks;
use revtun_core::upgrade::{Upgrades, UpgradesError};

use super::diagnostic::ConfigError;

pub(super) fn parse_path(text: &str) -> Result<String, ConfigError> {
    if revtun_core::handshake::is_path(text) {
        return Ok(text.to_owned());
    }
    let remedy = "write a path that begins with /, at most 255 visible ASCII characters, no #";
    Err(ConfigError::new(format!("{text:?} is not a valid request path"), remedy))
}

pub(super) fn parse_prefix(text: &str) -> Result<HeaderNames, ConfigError> {
    HeaderNames::with_prefix(text).ok_or_else(|| {
        let remedy = "write 1 to 64 letters, digits, - and _, such as x-envoy";
        ConfigError::new(format!("{text:?} is not a valid header name prefix"), remedy)
    })
}

/// Reads names of hosts between commas.
pub(super) fn parse_hosts(text: &str) -> Result<Vec<String>, ConfigError> {
    let name = |name: &str| {
        let name = name.trim();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let remedy = "write names of hosts without ports, with commas between them";
        let is_name = !name.is_empty() && name.len() <= 253 && name.bytes().all(legal);
        is_name
            .then(|| name.strip_suffix('.').unwrap_or(name).to_owned())
            .ok_or_else(|| ConfigError::new(format!("{name:?} is not the name of a host"), remedy))
    };
    text.split(',').map(name).collect()
}

pub(super) fn parse_networks(text: &str) -> Result<Networks, ConfigError> {
    Networks::parse(text).map_err(|error| {
        ConfigError::new(
            error.to_string(),
            "write addresses and networks such as 10.0.0.0/8,2001:db8::1, with commas between them",
        )
    })
}

pub(super) fn parse_lookup_family(text: &str) -> Result<LookupFamily, ConfigError> {
    LookupFamily::ALL.into_iter().find(|family| family.name() == text).ok_or_else(|| {
        let names = LookupFamily::ALL.map(LookupFamily::name).join(", ");
        ConfigError::new(format!("{text:?} is not a family of addresses"), format!("write one of {names}"))
    })
}

/// Reads names of protocols between commas.
pub(super) fn parse_upgrades(text: &str) -> Result<Upgrades, ConfigError> {
    Upgrades::parse(text).map_err(|error| {
        let remedy = match error {
            UpgradesError::Name => "write names such as websocket, with commas between them",
            UpgradesError::Reserved => "leave out h2c, and connect-udp, which needs no entry",
        };
        ConfigError::new(format!("{text:?}: {error}"), remedy)
    })
}

/// Reads destinations between commas.
pub(super) fn parse_destinations(text: &str) -> Result<Destinations, ConfigError> {
    Destinations::parse(text).map_err(|error| {
        let remedy = match &error {
            DestinationsError::Port(_) => "write a port from 1 to 65535 or * behind a colon, such as db:5432",
            DestinationsError::Host(_) => {
                "write a name, *.suffix, an address or a network; IPv6 stands in brackets, such as [fd00::/8]:22"
            }
            DestinationsError::Bits(_) => "write at most 32 for IPv4 and 128 for IPv6, such as 10.0.0.0/8:5432",
            DestinationsError::HostBits(_) => "write zeros behind the prefix, such as 10.0.0.0/8:5432",
            DestinationsError::TooMany => "write networks or suffixes in place of single hosts",
        };
        ConfigError::new(error.to_string(), remedy)
    })
}

pub(super) fn parse_name(text: &str) -> Result<String, ConfigError> {
    let name = revtun_core::identity::ClusterId::new(text);
    name.map(|name| name.as_str().to_owned()).map_err(|error| {
        ConfigError::new(format!("{text:?} {error}"), "write 1 to 255 bytes without control characters")
    })
}
