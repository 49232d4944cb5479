//! Whom an initiator dials, as whom, and what for: by flags, or by tables whose keys are of the operator's choice.

use std::collections::BTreeMap;

use revtun::initiator::HostPort;
use revtun_core::address::Address;

use super::routes::{self, RouteSettings};
use super::{InitiatorSettings, Listener};
use crate::config::diagnostic::{ConfigError, Origin};
use crate::config::endpoint::{ServiceUrl, Target, parse_endpoint};
use crate::config::section::{Found, Section};
use crate::config::setting::{self, Takes};

type Access = setting::Access<InitiatorSettings>;
type Setting = setting::Setting<InitiatorSettings>;

/// Flags for what stands in tables of the file.
pub(super) const ADDRESSES: &[Setting] = &[
    Setting::flag(
        "address",
        Access::Act { takes: Takes::Several, value_name: "RC_URL", act: set_addresses },
        "The identity, the upstream to dial, and the number of tunnels to each of its hosts: rc://NODE:CLUSTER:TENANT@UPSTREAM:COUNT. May be given several times; replaces those of the file",
    ),
    Setting::flag(
        "upstream",
        Access::Act { takes: Takes::Several, value_name: "NAME=HOST:PORT[,HOST:PORT]...", act: add_upstreams },
        "The endpoints of an upstream, by DNS name or IP address. May be given several times",
    ),
    Setting::flag(
        "forward",
        Access::Act { takes: Takes::One, value_name: "URL", act: forward_all },
        "The local service that requests go to which no route matches, such as http://127.0.0.1:8080; replaces those of the file",
    ),
    Setting::flag(
        "route",
        Access::Act { takes: Takes::Several, value_name: "HOST/PATH=URL", act: route_all },
        "The service of requests for a host, a path, or both: grafana.*=http://127.0.0.1:3000, /api=h2c://127.0.0.1:50051. May be given several times; replaces the routes of the file",
    ),
];

fn set_addresses(
    settings: &mut InitiatorSettings,
    texts: &[&str],
    origin: &Origin,
) -> Result<Vec<String>, ConfigError> {
    let addresses = texts.iter().map(|text| parse_address(text)).collect::<Result<Vec<_>, _>>()?;
    let listener = |address| Listener {
        address,
        forward: None,
        routes: Vec::new(),
        origin: origin.clone(),
        forward_origin: Origin::Absent,
    };
    settings.listeners = addresses.into_iter().map(listener).collect();
    Ok(Vec::new())
}

/// A name that is given several times stands for all that was said of it.
fn add_upstreams(settings: &mut InitiatorSettings, texts: &[&str], _: &Origin) -> Result<Vec<String>, ConfigError> {
    let mut named = BTreeMap::<_, Vec<_>>::new();
    for text in texts {
        let (name, endpoints) = parse_upstream(text)?;
        named.entry(name).or_default().extend(endpoints);
    }
    let keys = named.keys().map(|name| format!("upstreams.{name}")).collect();
    settings.upstreams.extend(named);
    Ok(keys)
}

fn forward_all(settings: &mut InitiatorSettings, texts: &[&str], origin: &Origin) -> Result<Vec<String>, ConfigError> {
    let service = ServiceUrl::parse(texts.last().unwrap_or(&"")).map(Target::Url)?;
    for listener in &mut settings.listeners {
        listener.forward = Some(service.clone());
        listener.forward_origin = origin.clone();
    }
    Ok(Vec::new())
}

fn route_all(settings: &mut InitiatorSettings, texts: &[&str], origin: &Origin) -> Result<Vec<String>, ConfigError> {
    let routes = texts.iter().map(|text| RouteSettings::parse(text, origin)).collect::<Result<Vec<_>, _>>()?;
    for listener in &mut settings.listeners {
        listener.routes.clone_from(&routes);
    }
    Ok(Vec::new())
}

/// Reads `[[initiator.listener]]` with its routes, and `[initiator.upstreams]`.
pub(super) fn read(section: &mut Section<'_>, settings: &mut InitiatorSettings) {
    for table in section.tables("listener") {
        settings.listeners.extend(read_listener(section, table));
    }
    if let Some(mut table) = section.table("upstreams") {
        let lists = table.lists(parse_endpoint);
        settings.upstreams.extend(lists.into_iter().map(|(name, found)| (name, found.value)));
        section.absorb(table);
    }
}

fn read_listener(section: &mut Section<'_>, table: Found<Section<'_>>) -> Option<Listener> {
    let Found { value: mut table, span } = table;
    let given = table.has("address");
    let address = table.text("address", parse_address);
    let forward = table.text("forward", Target::parse);
    let tables = table.tables("route");
    let routes = tables.into_iter().map(|route| routes::read(&mut table, route)).collect();
    if address.is_none() && !given {
        let remedy = "write address = \"rc://NODE:CLUSTER:TENANT@UPSTREAM:COUNT\"";
        table.error("address", span, ConfigError::new("is missing", remedy));
    }
    section.absorb(table);
    let address = address?;
    let (forward, forward_origin) = match forward {
        Some(found) => (Some(found.value), Origin::File(found.span)),
        None => (None, Origin::Absent),
    };
    Some(Listener { address: address.value, forward, routes, origin: Origin::File(address.span), forward_origin })
}

/// Reads an `rc://` address.
///
/// # Errors
/// If it is none (reference §1).
fn parse_address(text: &str) -> Result<Address, ConfigError> {
    Address::parse(text).map_err(|error| {
        ConfigError::new(format!("{text:?}: {error}"), "write rc://NODE:CLUSTER:TENANT@UPSTREAM:COUNT")
    })
}

/// Reads `NAME=HOST:PORT[,HOST:PORT]...`.
///
/// # Errors
/// If it is anything else.
fn parse_upstream(text: &str) -> Result<(String, Vec<HostPort>), ConfigError> {
    let (name, endpoints) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        ConfigError::new(format!("{text:?} does not name an upstream"), "write NAME=HOST:PORT[,HOST:PORT]...")
    })?;
    let endpoints = endpoints.split(',').map(parse_endpoint).collect::<Result<_, _>>()?;
    Ok((name.to_owned(), endpoints))
}
