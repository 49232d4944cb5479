//! TLS: without it nothing is dialled on another machine, unless `allow_plaintext` says so.
//!
//! Files are read by a [`CertificateStore`](crate::tls::CertificateStore), again when they change and when it is told to; tunnels
//! that are up stay up.
//!
//! # A responder that knows its initiators
//!
//! What an initiator claims to be has to stand in its certificate, where the templates of a binding say:
//!
//! ```no_run
//! use revtun::{responder::ResponderConfig, tls::{CertificateStore, Server, ServerFiles, TunnelServer}, world::Tokio};
//! use revtun_core::binding::{Binding, Placeholder, Template};
//!
//! # fn secure(config: &mut ResponderConfig, world: &Tokio) -> Result<(), Box<dyn std::error::Error>> {
//! let mut files = ServerFiles::new("responder.pem".into(), "responder.key".into());
//! files.client_ca = Some("sites.pem".into());
//! let (_reload, reloads) = tokio::sync::watch::channel(0);
//! let current = CertificateStore::default().watch(world, "tunnels", files, reloads)?;
//! let template = |proves| Template::parse("spiffe://{tenant}/{cluster}/{node}", proves);
//! let mut tls = TunnelServer::new(Server::new(current));
//! let [node, cluster, tenant] = [Placeholder::Node, Placeholder::Cluster, Placeholder::Tenant].map(template);
//! tls.binding = Some(std::sync::Arc::new(Binding::new(node?, cluster?, tenant?)?));
//! config.tls = Some(tls);
//! # Ok(())
//! # }
//! ```
//!
//! # An initiator that proves who it is
//!
//! ```no_run
//! use revtun::{ReverseListener, initiator::InitiatorConfig, tls::{CertificateStore, Client, ClientFiles}, world::Tokio};
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let mut files = ClientFiles::default();
//! files.own = Some(("edge-1.pem".into(), "edge-1.key".into()));
//! let (_reload, reloads) = tokio::sync::watch::channel(0);
//! let current = CertificateStore::default().watch(&Tokio::begin(), "tunnels", files, reloads)?;
//! let endpoints = vec!["responder.example.com:15443".parse()?];
//! let mut config = InitiatorConfig::new("rc://edge-1:edge:acme@cloud:3".try_into()?, endpoints);
//! config.tls = Some(Client::new(current));
//! let listener = ReverseListener::with_config(config).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Tokens are another proof, or one more: the field `token` of either configuration, and the feature `jwt` at the responder.
