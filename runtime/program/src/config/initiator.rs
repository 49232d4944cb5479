//! The settings of `revtun initiator`: the table `[initiator]`.

mod addresses;
mod forwarding;
pub(super) mod routes;
pub(super) mod services;
pub(super) mod table;
mod tls;

pub use self::forwarding::ForwardPlan;
pub use self::routes::RouteSettings;
pub use self::services::{ServicePlan, ServiceSettings};

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use revtun_core::address::Address;
use revtun_core::destination::Destinations;
use revtun_core::handshake::HeaderNames;
use revtun_core::hosts;
use revtun_core::initiator::Config;
use revtun_core::upgrade::Upgrades;

use super::diagnostic::{ConfigError, Diagnostic, Origin};
use super::endpoint::Target;
use super::files::{errors_of, warnings_of};
use super::listeners::check_admin;
use super::process::{EndSettings, ProcessSettings};
use super::tls::{ClientTlsSettings, ServerTlsSettings, check_inner};
use super::token::unprotected;
use revtun::http::HttpLimits;
use revtun::http::limits::{IDLE_BYTES, STREAMS};
use revtun::initiator::{HostPort, InitiatorConfig};
use revtun::token::TokenFile;

/// What an operator may set of an initiator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiatorSettings {
    /// The process, the admin listener included.
    pub process: ProcessSettings,
    /// Who to be, where to dial and how often: one machine each.
    pub listeners: Vec<Listener>,
    /// The endpoints behind each name that an address dials.
    pub upstreams: BTreeMap<String, Vec<HostPort>>,
    /// The services that routes name.
    pub services: BTreeMap<String, ServiceSettings>,
    /// The path of the handshake request.
    pub request_path: String,
    /// What the headers of the handshake are called that say who we are.
    pub header_names: HeaderNames,
    /// Requests that one tunnel carries at the same time.
    pub max_streams: u32,
    /// Bytes that may come before HTTP begins, see [`InitiatorConfig`].
    pub max_idle_bytes: u32,
    /// What is taken from responders otherwise.
    pub http: HttpLimits,
    /// To which protocols requests may upgrade at the local services.
    pub upgrades: Upgrades,
    /// Where CONNECT may open TCP connections to.
    pub tcp_allow: Destinations,
    /// Whether the handshake asks for an upgrade, and 101 is the answer to hope for.
    pub use_http_upgrade: bool,
    /// TLS towards responders; none is tunnels in the clear.
    pub tls: Option<ClientTlsSettings>,
    /// The second TLS, within tunnels; set if the first one is of the inner extent.
    pub inner_tls: Option<ServerTlsSettings>,
    /// The file with the token that proves who we are.
    pub token_file: Option<PathBuf>,
    /// Whether tunnels in the clear may leave this machine.
    pub allow_plaintext: bool,
    /// Limits and timeouts.
    pub core: Config,
    /// Which addresses of names get tunnels.
    pub hosts: hosts::Config,
}

/// One `rc://` address and the services behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Who to be, where to dial and how often.
    pub address: Address,
    /// The local service that requests are forwarded to which no route matches.
    pub forward: Option<Target>,
    /// Which other requests go where.
    pub routes: Vec<RouteSettings>,
    /// Where the address was written.
    pub origin: Origin,
    /// Where the service was.
    pub forward_origin: Origin,
}

impl Listener {
    /// Its routes, and behind them that of what no other matches.
    #[must_use]
    pub fn all_routes(&self) -> Vec<RouteSettings> {
        let forward = self.forward.clone().map(|to| RouteSettings::default_to(to, self.forward_origin.clone()));
        self.routes.iter().cloned().chain(forward).collect()
    }

    /// Something that is wrong with the address, where it was written.
    fn diagnostic(&self, what: String, remedy: String) -> Diagnostic {
        let is_in_file = matches!(self.origin, Origin::File(_));
        let setting = if is_in_file { "initiator.listener" } else { "" };
        Diagnostic::new(self.origin.clone(), setting, ConfigError::new(what, remedy))
    }
}

impl Default for InitiatorSettings {
    fn default() -> Self {
        Self {
            process: ProcessSettings::at(15091),
            listeners: Vec::new(),
            upstreams: BTreeMap::new(),
            services: BTreeMap::new(),
            request_path: revtun_core::handshake::PATH.to_owned(),
            header_names: HeaderNames::default(),
            max_streams: STREAMS,
            max_idle_bytes: IDLE_BYTES,
            http: HttpLimits::default(),
            upgrades: Upgrades::default(),
            tcp_allow: Destinations::default(),
            use_http_upgrade: false,
            tls: None,
            inner_tls: None,
            token_file: None,
            allow_plaintext: false,
            core: Config::default(),
            hosts: hosts::Config::default(),
        }
    }
}

impl EndSettings for InitiatorSettings {
    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn process_mut(&mut self) -> &mut ProcessSettings {
        &mut self.process
    }
}

impl InitiatorSettings {
    /// What is missing, once the file and the flags are both known; nothing may start before it is mended.
    #[must_use]
    pub fn missing(&self) -> Vec<Diagnostic> {
        if self.listeners.is_empty() {
            let remedy = "give --address RC_URL, or write [[initiator.listener]] with an address into the file";
            return vec![Diagnostic::new(
                Origin::Absent,
                "",
                ConfigError::new("an initiator needs an address", remedy),
            )];
        }
        let errors = [
            ("initiator.tls", self.tls.as_ref().and_then(|tls| tls.files().err())),
            ("initiator.inner_tls", self.inner_tls.as_ref().and_then(|inner| inner.inner().err())),
            (
                "initiator.tls.extent",
                check_inner(self.tls.as_ref().map(|tls| tls.extent), self.inner_tls.is_some()).err(),
            ),
            (
                "initiator.token_file",
                (self.token_file.is_some() && self.tls.is_none() && !self.allow_plaintext).then(unprotected),
            ),
        ];
        let tls =
            errors.into_iter().filter_map(|(setting, error)| Some(Diagnostic::new(Origin::Absent, setting, error?)));
        let twice = self.listeners.iter().enumerate().filter_map(|(index, listener)| self.repeated(index, listener));
        tls.chain(self.listeners.iter().flat_map(|listener| self.missing_of(listener)))
            .chain(twice)
            .chain(self.services.iter().filter_map(|(name, service)| forwarding::error_of_service(name, service)))
            .chain(
                self.listeners.iter().flat_map(|listener| forwarding::errors(&self.services, &listener.all_routes())),
            )
            .chain(self.plaintext_beyond_loopback())
            .chain(check_admin(
                "initiator.admin_listen",
                self.process.admin_listen,
                self.process.allow_unauthenticated_admin,
            ))
            .collect()
    }

    /// Endpoints that would not be dialled because tunnels to them would not be encrypted. Names are judged when they are
    /// resolved.
    fn plaintext_beyond_loopback(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        let is_plaintext = self.tls.is_none() && !self.allow_plaintext;
        let endpoints = self.upstreams.values().flatten().filter(move |_| is_plaintext);
        endpoints.filter_map(|endpoint| {
            let ip = endpoint.host.parse::<IpAddr>().ok().filter(|ip| !ip.to_canonical().is_loopback())?;
            let what =
                format!("will not dial {endpoint}: {ip} is another machine, and tunnels to it would not be encrypted");
            let remedy = "give --tls, or --allow-plaintext if something else encrypts the connection";
            Some(Diagnostic::new(Origin::Absent, "initiator.upstreams", ConfigError::new(what, remedy)))
        })
    }

    /// What is wrong with the files that the settings name.
    #[must_use]
    pub fn unusable(&self) -> Vec<Diagnostic> {
        let of = |setting: &'static str, errors: Vec<ConfigError>| {
            errors.into_iter().map(move |error| Diagnostic::new(Origin::Absent, setting, error))
        };
        let tls = self.tls.as_ref().and_then(|tls| tls.files().ok());
        let inner = self.inner_tls.as_ref().and_then(|inner| inner.inner().ok());
        let token = self.token().and_then(|token| token.read().err());
        of("initiator.tls", errors_of(tls))
            .chain(of("initiator.inner_tls", errors_of(inner)))
            .chain(of("initiator.token_file", token.into_iter().map(ConfigError::from).collect()))
            .chain(self.services.iter().flat_map(|(name, service)| forwarding::unusable_files(name, service)))
            .collect()
    }

    /// What should be mended about those files, although they can be used.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let tls = self.tls.as_ref().and_then(|tls| tls.files().ok());
        let inner = self.inner_tls.as_ref().and_then(|inner| inner.inner().ok());
        let of = |setting: &'static str, warnings: Vec<ConfigError>| {
            warnings.into_iter().map(move |warning| Diagnostic::new(Origin::Absent, setting, warning))
        };
        let routes: Vec<_> = self.listeners.iter().flat_map(Listener::all_routes).collect();
        of("initiator.tls", warnings_of(tls))
            .chain(of("initiator.inner_tls", warnings_of(inner)))
            .chain(forwarding::warnings(&self.services, &routes))
            .collect()
    }

    /// The token that proves who we are.
    #[must_use]
    pub fn token(&self) -> Option<TokenFile> {
        self.token_file.clone().map(TokenFile::new)
    }

    /// What each listener is to do, but for TLS, which takes files; and where it forwards requests to.
    ///
    /// # Errors
    /// Everything that is [`Self::missing`].
    pub fn plan(&self) -> Result<Vec<(InitiatorConfig, ForwardPlan)>, Vec<Diagnostic>> {
        let plans = self.listeners.iter().map(|listener| self.plan_of(listener)).collect::<Option<Vec<_>>>();
        let missing = self.missing();
        plans.filter(|_| missing.is_empty()).ok_or(missing)
    }

    fn plan_of(&self, listener: &Listener) -> Option<(InitiatorConfig, ForwardPlan)> {
        let endpoints = self.upstreams.get(listener.address.upstream())?;
        let mut config = InitiatorConfig::new(listener.address.clone(), endpoints.clone());
        config.core = self.core;
        config.hosts = self.hosts;
        config.request_path.clone_from(&self.request_path);
        config.header_names.clone_from(&self.header_names);
        config.max_streams = self.max_streams;
        config.max_idle_bytes = self.max_idle_bytes;
        config.http = self.http;
        config.upgrade = self.use_http_upgrade;
        config.token = self.token();
        config.allow_plaintext = self.allow_plaintext;
        Some((config, ForwardPlan::of(&self.services, &listener.all_routes())?))
    }

    /// What is wrong with a listener if an earlier one is the same node and dials the same upstream: each would keep its count,
    /// and the responder could not tell their tunnels apart.
    fn repeated(&self, index: usize, listener: &Listener) -> Option<Diagnostic> {
        let key = |listener: &Listener| {
            let identity = listener.address.identity();
            let names = [identity.node.as_str(), identity.cluster.as_str(), identity.tenant.as_str()];
            [names[0], names[1], names[2], listener.address.upstream()].map(str::to_owned)
        };
        let earlier = self.listeners.iter().take(index).find(|earlier| key(earlier) == key(listener))?;
        let what = match earlier.address == listener.address {
            true => format!("{} is given twice", listener.address),
            false => format!("{} is {} with another count", listener.address, earlier.address),
        };
        let remedy = "write each node and upstream once, with the number of tunnels that it shall have in all";
        Some(listener.diagnostic(what, remedy.to_owned()))
    }

    fn missing_of(&self, listener: &Listener) -> Vec<Diagnostic> {
        let diagnostic = |what, remedy| listener.diagnostic(what, remedy);
        let upstream = listener.address.upstream();
        let mut diagnostics = Vec::new();
        if listener.address.count() == 0 {
            let what = format!("{} asks for no tunnels", listener.address);
            diagnostics.push(diagnostic(what, "write a COUNT of 1 or more behind the last colon".to_owned()));
        }
        if !self.upstreams.contains_key(upstream) {
            let what = format!("unknown upstream {upstream:?} in {}", listener.address);
            let remedy = format!(
                "give --upstream {upstream}=HOST:PORT, or write {upstream} = [\"HOST:PORT\"] into [initiator.upstreams]"
            );
            diagnostics.push(diagnostic(what, remedy));
        }
        if listener.forward.is_none() && listener.routes.is_empty() {
            let what = format!("no service is configured for requests to {}", listener.address);
            let remedy = "give --forward http://HOST:PORT, or write forward = \"http://HOST:PORT\" beside the address";
            diagnostics.push(diagnostic(what, remedy.to_owned()));
        }
        diagnostics
    }
}
