//! How the tests start an initiator.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use revtun::initiator::{HostPort, InitiatorConfig, InitiatorHandle, RequestBody, Run, TunnelService, start};
use revtun::world::{Tokio, World};
use revtun_core::address::Address;
use revtun_core::initiator::Config;

/// Pauses short enough to wait for, and limits long enough for a busy machine.
pub(crate) fn quick() -> Config {
    Config {
        silence: Duration::from_secs(4),
        refused_cap: Duration::from_millis(50),
        backoff_base: Duration::from_millis(20),
        backoff_cap: Duration::from_millis(50),
        resolve_interval: Duration::from_millis(20),
        ..Config::default()
    }
}

pub(crate) fn config(count: u16, hosts: &[SocketAddr]) -> InitiatorConfig {
    let address = Address::parse(&format!("rc://node-a:cluster-a:tenant-a@upstream-a:{count}")).unwrap();
    let endpoint = |host: &SocketAddr| HostPort { host: host.ip().to_string(), port: host.port() };
    let mut config = InitiatorConfig::new(address, hosts.iter().map(endpoint).collect());
    config.core = quick();
    config
}

/// An initiator whose service answers `pong`.
pub(crate) async fn pong(config: InitiatorConfig) -> InitiatorHandle<Tokio> {
    let answer = async |_: Request<RequestBody>| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("pong"))));
    serving(config, service_fn(move |request| Box::pin(answer(request)))).await
}

pub(crate) async fn serving(config: InitiatorConfig, service: impl TunnelService) -> InitiatorHandle<Tokio> {
    let world = Tokio::begin();
    start(&world, config, Run::begin(&world), service).await.unwrap()
}

/// How often `name` was counted in a list of [`revtun::initiator::Totals`].
pub(crate) fn count(list: &[(&'static str, u64)], name: &str) -> u64 {
    list.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no counter {name}")).1
}

/// An initiator in a world of the test's own.
pub(crate) async fn pong_in<W: World>(world: &W, config: InitiatorConfig) -> InitiatorHandle<W> {
    let answer = |_: Request<RequestBody>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("pong")))) };
    start(world, config, Run::begin(world), service_fn(answer)).await.unwrap()
}
