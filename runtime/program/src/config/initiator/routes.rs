//! `[[initiator.listener.route]]`: which requests go to which service.

use std::path::Path;

use http::{HeaderName, HeaderValue};
use revtun::upstream::{HostRewrite, Rewrite, RouteConfig, RouteTimeouts};
use revtun_core::route::Rule;

use crate::config::diagnostic::{ConfigError, Origin};
use crate::config::endpoint::{ServiceUrl, Target};
use crate::config::section::{Found, Section, Zero::IsOff};
use crate::config::setting::{self, Declaration, Group};

type S = RouteSettings;
type Access = setting::Access<RouteSettings>;
type Setting = setting::Setting<RouteSettings>;

/// The most headers that a route sets, and the most that it removes.
const MAX_HEADERS: usize = 32;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// The requests that it is for.
    pub rule: Rule,
    /// Where they go.
    pub to: Option<Target>,
    /// What is changed of them.
    pub rewrite: Rewrite,
    /// How long they may take.
    pub timeouts: RouteTimeouts,
    /// Where it was written.
    pub origin: Origin,
    host: Option<String>,
    path: Option<String>,
    methods: Vec<String>,
    headers: Vec<String>,
}

impl Default for RouteSettings {
    fn default() -> Self {
        Self {
            rule: Rule::any(),
            to: None,
            rewrite: Rewrite::default(),
            timeouts: RouteTimeouts::default(),
            origin: Origin::Absent,
            host: None,
            path: None,
            methods: Vec::new(),
            headers: Vec::new(),
        }
    }
}

impl RouteSettings {
    /// Sends everything to `to`.
    pub(super) fn default_to(to: Target, origin: Origin) -> Self {
        Self { to: Some(to), origin, ..Self::default() }
    }

    /// Reads `MATCH=URL`, where `MATCH` is a host, a path, or both.
    ///
    /// # Errors
    /// If it is anything else.
    pub(super) fn parse(text: &str, origin: &Origin) -> Result<Self, ConfigError> {
        let remedy = "write HOST/PATH=URL, such as grafana.*=http://127.0.0.1:3000 or /api=http://127.0.0.1:8080";
        let (rule, to) = text
            .split_once('=')
            .filter(|(rule, _)| !rule.is_empty())
            .ok_or_else(|| ConfigError::new(format!("{text:?} is no route"), remedy))?;
        let (host, path) = rule.split_at(rule.find('/').unwrap_or(rule.len()));
        let mut route =
            Self { to: Some(Target::Url(ServiceUrl::parse(to)?)), origin: origin.clone(), ..Self::default() };
        if !host.is_empty() {
            set_host(&mut route, host)?;
        }
        if !path.is_empty() {
            set_path(&mut route, path)?;
        }
        Ok(route)
    }

    /// What the library takes, for a service of that name.
    pub(super) fn config(&self, service: String) -> RouteConfig {
        let mut config = RouteConfig::new(self.rule.clone(), service);
        config.rewrite.clone_from(&self.rewrite);
        config.timeouts = self.timeouts;
        config
    }

    /// All that it sets, as a table of TOML on one line.
    pub(in crate::config) fn inline(&self) -> String {
        let keys: Vec<_> =
            DECLARATION.written(self).into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{{ {} }}", keys.join(", "))
    }
}

/// Reads one table.
pub(super) fn read(section: &mut Section<'_>, table: Found<Section<'_>>) -> RouteSettings {
    let Found { value: mut table, span } = table;
    let mut route = RouteSettings { origin: Origin::File(span.clone()), ..RouteSettings::default() };
    let has_target = table.has("to");
    DECLARATION.read(&mut table, &mut route, Path::new(""));
    if !has_target {
        table.error("to", span, ConfigError::new("is missing", "write to = \"SERVICE\" or to = \"http://HOST:PORT\""));
    }
    section.absorb(table);
    route
}

/// Every setting of a route.
pub(in crate::config) static DECLARATION: Declaration<S> = Declaration {
    name: "initiator.listener.route",
    flag_prefix: "",
    groups: &[
        Group {
            heading: "Routes",
            table: "",
            note: "Of all routes that match a request, that with the most specific host is taken: a name, then the longest *.suffix, then the longest prefix.*, then any; among those that with the longest path, then that with the most further conditions, then the first. forward of the listener is the route of what no other matches; without it that gets 404 with the reason no-route.",
            presence: None,
            settings: MATCH,
        },
        Group { heading: "What is changed of a request", table: "", note: "", presence: None, settings: REWRITE },
        Group {
            heading: "How long a request may take",
            table: "",
            note: "The deadline of a call of gRPC (grpc-timeout) holds too.",
            presence: None,
            settings: TIMEOUTS,
        },
    ],
};

const MATCH: &[Setting] = &[
    Setting::new(
        "to",
        Access::Text {
            value_name: "SERVICE or URL",
            example: "grafana",
            read: |s, text| Target::parse(text).map(|to| s.to = Some(to)),
            show: |s| s.to.as_ref().map(Target::to_string),
        },
        "Where the requests go: a service of [initiator.services], or a URL",
    ),
    Setting::new(
        "host",
        Access::Text {
            value_name: "HOST",
            example: "grafana.*",
            read: set_host,
            show: |s| s.host.clone(),
        },
        "The host of the requests: a name, *.suffix or prefix.* with one or more labels in place of the *; case and port do not count",
    )
    .or("any"),
    Setting::new(
        "path",
        Access::Text { value_name: "PATH", example: "/api", read: set_path, show: |s| s.path.clone() },
        "The first segments of their path: /api is for /api and /api/v1, not for /apis; compared as it is written",
    )
    .or("any"),
    Setting::new(
        "methods",
        Access::List { value_name: "METHOD", example: &["GET", "HEAD"], max: 16, add: add_method, show: |s| s.methods.clone() },
        "Their methods",
    )
    .or("any"),
    Setting::new(
        "headers",
        Access::List {
            value_name: "NAME, NAME: VALUE or NAME: BEGIN*",
            example: &["x-env: dev", "x-debug"],
            max: 16,
            add: add_header,
            show: |s| s.headers.clone(),
        },
        "Headers that they have, all of them",
    )
    .or("any"),
];

const REWRITE: &[Setting] = &[
    Setting::new(
        "rewrite_host",
        Access::Text {
            value_name: "keep, service or HOST",
            example: "keep",
            read: set_rewrite_host,
            show: |s| {
                Some(match &s.rewrite.host {
                    HostRewrite::Keep => "keep".to_owned(),
                    HostRewrite::Service => "service".to_owned(),
                    HostRewrite::Fixed(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
                })
            },
        },
        "The host that the service gets: the caller's, its own, or this one",
    ),
    Setting::new(
        "strip_prefix",
        Access::Text {
            value_name: "PATH",
            example: "/api",
            read: |s, text| parse_prefix(text).map(|prefix| s.rewrite.strip_prefix = prefix),
            show: |s| Some(s.rewrite.strip_prefix.clone()).filter(|prefix| !prefix.is_empty()),
        },
        "The first segments of the path that the service does not get",
    ),
    Setting::new(
        "add_prefix",
        Access::Text {
            value_name: "PATH",
            example: "/v1",
            read: |s, text| parse_prefix(text).map(|prefix| s.rewrite.add_prefix = prefix),
            show: |s| Some(s.rewrite.add_prefix.clone()).filter(|prefix| !prefix.is_empty()),
        },
        "Segments that the service gets before the path",
    ),
    Setting::new(
        "set_headers",
        Access::List {
            value_name: "NAME: VALUE",
            example: &["x-site: oslo"],
            max: MAX_HEADERS,
            add: set_header,
            show: |s| {
                let headers = s.rewrite.set_headers.iter();
                headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect()
            },
        },
        "Headers that the service gets in place of those of the caller with the same name",
    ),
    Setting::new(
        "remove_headers",
        Access::List {
            value_name: "NAME",
            example: &["cookie"],
            max: MAX_HEADERS,
            add: |s, text| parse_header_name(text).map(|name| s.rewrite.remove_headers.push(name)),
            show: |s| s.rewrite.remove_headers.iter().map(HeaderName::to_string).collect(),
        },
        "Headers of the caller that the service does not get",
    ),
];

const TIMEOUTS: &[Setting] = &[
    Setting::new(
        "first_byte_timeout",
        Access::Duration(IsOff, |s| &mut s.timeouts.first_byte),
        "How long the service may take to begin its response; 0s is without limit",
    ),
    Setting::new(
        "idle_timeout",
        Access::Text {
            value_name: "DURATION",
            example: "0s",
            read: |s, text| crate::config::duration::parse(text).map(|timeout| s.timeouts.idle = Some(timeout)),
            show: |s| s.timeouts.idle.map(crate::config::duration::format),
        },
        "How long the bodies may make no progress, in place of body_timeout; 0s is without limit, for streams of events",
    )
    .or("body_timeout"),
    Setting::new(
        "timeout",
        Access::Duration(IsOff, |s| &mut s.timeouts.whole),
        "How long the whole response may take; 0s is without limit",
    ),
];

fn set_host(settings: &mut S, text: &str) -> Result<(), ConfigError> {
    let remedy = "write a name such as grafana.example.com, *.example.com, or grafana.*";
    let rule = settings.rule.clone().with_host(text);
    settings.rule = rule.map_err(|error| ConfigError::new(format!("{text:?} {error}"), remedy))?;
    settings.host = Some(text.to_owned());
    Ok(())
}

fn set_path(settings: &mut S, text: &str) -> Result<(), ConfigError> {
    settings.rule = settings.rule.clone().with_path(text).map_err(|error| path_error(text, &error.to_string()))?;
    settings.path = Some(text.to_owned());
    Ok(())
}

fn path_error(text: &str, what: &str) -> ConfigError {
    ConfigError::new(format!("{text:?} {what}"), "write the first segments of a path, such as /api")
}

fn parse_prefix(text: &str) -> Result<String, ConfigError> {
    Rule::any().with_path(text).map_err(|error| path_error(text, &error.to_string()))?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn add_method(settings: &mut S, text: &str) -> Result<(), ConfigError> {
    let rule = settings.rule.clone().with_method(text);
    let remedy = "write methods in capitals, such as [\"GET\", \"HEAD\"]";
    settings.rule = rule.map_err(|error| ConfigError::new(format!("{text:?} {error}"), remedy))?;
    settings.methods.push(text.to_owned());
    Ok(())
}

fn add_header(settings: &mut S, text: &str) -> Result<(), ConfigError> {
    let rule = settings.rule.clone().with_header(text);
    let remedy = "write \"NAME\", \"NAME: VALUE\" or \"NAME: BEGIN*\"";
    settings.rule = rule.map_err(|error| ConfigError::new(format!("{text:?} {error}"), remedy))?;
    settings.headers.push(text.to_owned());
    Ok(())
}

fn set_rewrite_host(settings: &mut S, text: &str) -> Result<(), ConfigError> {
    settings.rewrite.host = match text {
        "keep" => HostRewrite::Keep,
        "service" => HostRewrite::Service,
        host if revtun_core::http::is_host(host.as_bytes()) => HostRewrite::Fixed(
            HeaderValue::try_from(host)
                .map_err(|_| ConfigError::new(format!("{text:?} is no host"), "write a host"))?,
        ),
        _ => {
            let remedy = "write keep, service, or a host such as internal.example.com";
            return Err(ConfigError::new(format!("{text:?} is no host"), remedy));
        }
    };
    Ok(())
}

fn parse_header_name(text: &str) -> Result<HeaderName, ConfigError> {
    let error = |what: &str, remedy: &str| ConfigError::new(format!("{text:?} {what}"), remedy);
    let name = HeaderName::try_from(text).map_err(|_| error("is no name of a header", "write one such as x-site"))?;
    match Rewrite::may_change(&name) {
        true => Ok(name),
        false => Err(error(
            "is not left to routes: it frames the message or concerns one connection",
            "for host there is rewrite_host",
        )),
    }
}

fn set_header(settings: &mut S, text: &str) -> Result<(), ConfigError> {
    let error = || ConfigError::new(format!("{text:?} is no header"), "write \"NAME: VALUE\"");
    let (name, value) = text.split_once(':').ok_or_else(error)?;
    let value = HeaderValue::try_from(value.trim_ascii()).map_err(|_| error())?;
    settings.rewrite.set_headers.push((parse_header_name(name)?, value));
    Ok(())
}
