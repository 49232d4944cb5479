//! Where a listener forwards requests to: its routes, and the services that they lead to.

use std::collections::BTreeMap;

use revtun::upstream::RouteConfig;
use revtun_core::route::{Rule, Table, TableError};

use super::routes::RouteSettings;
use super::services::{ServicePlan, ServiceSettings};
use crate::config::diagnostic::{ConfigError, Diagnostic, Origin};
use crate::config::endpoint::Target;
use crate::config::files::{errors_of, warnings_of};

/// Services by their names.
type Services = BTreeMap<String, ServiceSettings>;

/// Where the requests of a listener go.
#[derive(Clone, Debug)]
pub struct ForwardPlan {
    /// The services that routes lead to, each once.
    pub services: Vec<ServicePlan>,
    /// The routes.
    pub routes: Vec<RouteConfig>,
}

impl ForwardPlan {
    /// That of one listener with `routes`, of all services that are `known`; none if a service is unknown, or one of them is wrong.
    pub(super) fn of(known: &Services, routes: &[RouteSettings]) -> Option<Self> {
        let mut services = BTreeMap::new();
        for route in routes {
            let target = route.to.as_ref()?;
            let name = target.to_string();
            let service = match target {
                Target::Service(name) => known.get(name)?.clone(),
                Target::Url(url) => ServiceSettings::of(url.clone(), Origin::Absent),
            };
            services.insert(name.clone(), service.plan(name)?);
        }
        let config = |route: &RouteSettings| Some(route.config(route.to.as_ref()?.to_string()));
        let configs = routes.iter().map(config).collect::<Option<_>>()?;
        Some(Self { services: services.into_values().collect(), routes: configs })
    }
}

/// What is wrong with a service.
pub(super) fn error_of_service(name: &str, service: &ServiceSettings) -> Option<Diagnostic> {
    let error = service.error()?;
    Some(Diagnostic::new(service.origin.clone(), format!("initiator.services.{name}"), error))
}

/// What is wrong with the files of a service.
pub(super) fn unusable_files(name: &str, service: &ServiceSettings) -> Vec<Diagnostic> {
    let diagnostic = |error| Diagnostic::new(service.origin.clone(), format!("initiator.services.{name}"), error);
    errors_of(service.files().ok().flatten()).into_iter().map(diagnostic).collect()
}

/// Services that lead nowhere, believe anybody, or have files that others can read.
pub(super) fn warnings(services: &Services, routes: &[RouteSettings]) -> Vec<Diagnostic> {
    let is_used = |name: &str| routes.iter().any(|route| matches!(&route.to, Some(Target::Service(to)) if to == name));
    let of = |(name, service): (&String, &ServiceSettings)| {
        let mut errors = warnings_of(service.files().ok().flatten());
        if !is_used(name) {
            errors.push(ConfigError::new("no route leads to it", "remove it, or write a route to it"));
        }
        if service.danger_accept_any_certificate {
            let what = "accepts any certificate: whoever is between can read and change everything";
            errors.push(ConfigError::new(what, "give the ca of its certificate"));
        }
        let setting = format!("initiator.services.{name}");
        errors.into_iter().map(|error| Diagnostic::new(service.origin.clone(), &*setting, error)).collect::<Vec<_>>()
    };
    services.iter().flat_map(of).collect()
}

/// What is wrong with the routes of a listener: services that are not there, routes that are never taken, and too many of them.
pub(super) fn errors(services: &Services, routes: &[RouteSettings]) -> Vec<Diagnostic> {
    let rules: Vec<Rule> = routes.iter().map(|route| route.rule.clone()).collect();
    let diagnostic = |route: &RouteSettings, what: String, remedy: &str| {
        let is_in_file = matches!(route.origin, Origin::File(_));
        let setting = if is_in_file { "initiator.listener.route" } else { "" };
        Diagnostic::new(route.origin.clone(), setting, ConfigError::new(what, remedy))
    };
    let mut diagnostics = Vec::new();
    for route in routes {
        if let Some(Target::Service(name)) = &route.to
            && !services.contains_key(name)
        {
            let what = format!("leads to the unknown service {name:?}");
            diagnostics.push(diagnostic(route, what, &format!("write [initiator.services.{name}] with its url")));
        }
    }
    let table = match Table::new(rules) {
        Ok(table) => table,
        Err(error) => {
            let last = match error {
                TableError::TooManyAlike { rule } => routes.get(rule),
                TableError::TooMany => routes.last(),
            };
            let remedy = "write fewer routes, or tell them apart by their hosts and paths";
            diagnostics.extend(last.map(|route| diagnostic(route, error.to_string(), remedy)));
            return diagnostics;
        }
    };
    for (place, route) in routes.iter().enumerate() {
        let Some(other) = table.shadowed_by(place) else { continue };
        let what = match route.rule == routes[other].rule {
            true => format!("is never taken: the same requests ({}) have a route already", route.rule),
            false => {
                format!("is never taken: {} matches all that {} does, and comes first", routes[other].rule, route.rule)
            }
        };
        diagnostics.push(diagnostic(route, what, "remove it, or put it before the other one"));
    }
    diagnostics
}
