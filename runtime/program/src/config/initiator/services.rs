//! `[initiator.services.NAME]`: what requests are forwarded to.

use std::path::{Path, PathBuf};

use revtun::tls::ClientFiles;
use revtun::upstream::{ServiceConfig, ServiceProtocol};
use revtun_core::balance::MAX_ENDPOINTS;
use rustls::pki_types::ServerName;

use crate::config::diagnostic::{ConfigError, Origin};
use crate::config::endpoint::{ServiceUrl, parse_service_name};
use crate::config::section::{Found, Section};
use crate::config::setting::{self, Declaration, Group};
use crate::config::tls::{ClientTlsSettings, parse_server_name};

type S = ServiceSettings;
type Access = setting::Access<ServiceSettings>;
type Setting = setting::Setting<ServiceSettings>;

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Where it is reached; all of the same scheme.
    pub urls: Vec<ServiceUrl>,
    /// The files of TLS, and the name in the certificate.
    pub tls: ClientTlsSettings,
    /// Whether any certificate is believed.
    pub danger_accept_any_certificate: bool,
    /// Where it was written.
    pub origin: Origin,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            tls: ClientTlsSettings::default(),
            danger_accept_any_certificate: false,
            origin: Origin::Absent,
        }
    }
}

/// A service as it is started, but for TLS, which takes files.
#[derive(Clone, Debug)]
pub struct ServicePlan {
    /// The service, without TLS.
    pub config: ServiceConfig,
    /// The files of its TLS, if it has that, and the name in its certificate.
    pub tls: Option<(ClientFiles, Option<ServerName<'static>>)>,
}

impl ServiceSettings {
    /// A service that has nothing but a URL.
    pub(super) fn of(url: ServiceUrl, origin: Origin) -> Self {
        Self { urls: vec![url], origin, ..Self::default() }
    }

    /// What is wrong with it.
    pub(super) fn error(&self) -> Option<ConfigError> {
        let first = self.urls.first()?;
        if self.urls.iter().any(|url| (url.protocol(), url.is_tls()) != (first.protocol(), first.is_tls())) {
            return Some(ConfigError::new("has urls of several schemes", "write one service for each of them"));
        }
        let is_default = self.tls == ClientTlsSettings::default() && !self.danger_accept_any_certificate;
        if !first.is_tls() && !is_default {
            return Some(ConfigError::new(
                "has settings of TLS, but its url is not https",
                "write url = \"https://…\"",
            ));
        }
        if self.danger_accept_any_certificate && self.tls.ca.is_some() {
            let what = "has a ca, and accepts any certificate";
            return Some(ConfigError::new(what, "leave out danger_accept_any_certificate"));
        }
        self.files().err()
    }

    /// The files of its TLS, if it has that.
    pub(super) fn files(&self) -> Result<Option<ClientFiles>, ConfigError> {
        if !self.urls.first().is_some_and(ServiceUrl::is_tls) {
            return Ok(None);
        }
        let mut files = self.tls.files()?;
        files.accept_any_server = self.danger_accept_any_certificate;
        Ok(Some(files))
    }

    /// All that it sets, as keys and values of TOML.
    pub(in crate::config) fn written(&self) -> Vec<(&'static str, String)> {
        DECLARATION.written(self)
    }

    /// As it is started under `name`.
    pub(super) fn plan(&self, name: String) -> Option<ServicePlan> {
        let mut config = ServiceConfig::new(name, self.urls.iter().map(|url| url.endpoint.clone()).collect());
        config.protocol = self.urls.first().map_or(ServiceProtocol::Http1, ServiceUrl::protocol);
        let tls = self.files().ok()?.map(|files| (files, self.tls.server_name.clone()));
        Some(ServicePlan { config, tls })
    }
}

/// Reads `[initiator.services]`; the files that it names lie in `folder`.
pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Vec<(String, ServiceSettings)> {
    let Some(mut services) = section.table("services") else { return Vec::new() };
    let mut all = Vec::new();
    for (name, Found { value: mut table, span }) in services.named_tables() {
        let mut service = ServiceSettings { origin: Origin::File(span.clone()), ..ServiceSettings::default() };
        let has_url = table.has("url") || table.has("urls");
        table.either("urls", "url");
        DECLARATION.read(&mut table, &mut service, folder);
        if !has_url {
            table.error("url", span.clone(), ConfigError::new("is missing", "write url = \"http://HOST:PORT\""));
        }
        if let Err(error) = parse_service_name(&name) {
            services.error(&name, span, error);
        }
        services.absorb(table);
        all.push((name, service));
    }
    section.absorb(services);
    all
}

/// Every setting of a service.
pub(in crate::config) static DECLARATION: Declaration<S> = Declaration {
    name: "initiator.services.NAME",
    flag_prefix: "",
    groups: &[
        Group {
            heading: "Services",
            table: "",
            note: "A URL is http://HOST:PORT, https://HOST:PORT with HTTP/2 if the service has it, h2c://HOST:PORT for HTTP/2 in the clear as gRPC services speak it, unix:/PATH, or h2c+unix:/PATH.",
            presence: None,
            settings: PLACE,
        },
        Group { heading: "TLS of an https service", table: "", note: "", presence: None, settings: TLS },
    ],
};

const PLACE: &[Setting] = &[
    Setting::new(
        "url",
        Access::Text {
            value_name: "URL",
            example: "http://127.0.0.1:3000",
            read: |s, text| ServiceUrl::parse(text).map(|url| s.urls = vec![url]),
            show: |s| Some(s.urls.first()?.to_string()).filter(|_| s.urls.len() == 1),
        },
        "Where the service is reached",
    ),
    Setting::new(
        "urls",
        Access::List {
            value_name: "URL",
            example: &["http://10.0.0.1:3000", "http://10.0.0.2:3000"],
            max: MAX_ENDPOINTS,
            add: |s, text| ServiceUrl::parse(text).map(|url| s.urls.push(url)),
            show: |s| if s.urls.len() > 1 { s.urls.iter().map(ServiceUrl::to_string).collect() } else { Vec::new() },
        },
        "In its place, if there are several: each request goes to that of two random ones which has fewer. One that fails five times in a row is down until it responds to a trial",
    ),
];

const TLS: &[Setting] = &[
    Setting::new("ca", pem("ca.pem", |s| &mut s.tls.ca), "The CA of its certificate, in PEM")
        .or("the root certificates of this system")
        .read_again(),
    Setting::new("cert", pem("client.pem", |s| &mut s.tls.cert), "The certificate that it is shown, in PEM")
        .read_again(),
    Setting::new("key", pem("client.key", |s| &mut s.tls.key), "The private key of that certificate, in PEM")
        .read_again(),
    Setting::new(
        "server_name",
        Access::Text {
            value_name: "NAME",
            example: "service.example.com",
            read: |s, text| parse_server_name(text).map(|name| s.tls.server_name = Some(name)),
            show: |s| Some(s.tls.server_name.as_ref()?.to_str().into_owned()),
        },
        "The name that it is asked for (SNI), and that its certificate must contain",
    )
    .or("the host of the URL"),
    Setting::new(
        "danger_accept_any_certificate",
        Access::Switch(|s| &mut s.danger_accept_any_certificate),
        "Believe any certificate, also one of somebody else who reads and changes everything",
    ),
];

const fn pem(example: &'static str, slot: fn(&mut S) -> &mut Option<PathBuf>) -> Access {
    Access::File { what: "PEM file", example, slot }
}
