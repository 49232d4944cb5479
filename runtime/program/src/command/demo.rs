//! `revtun demo`: both ends, a service and a breakable network in one process.

mod caller;
mod network;
mod service;
mod stage;

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use revtun::initiator::{self, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::responder::{self, ResponderConfig, ResponderHandle};
use revtun::upstream::Forward;
use revtun::world::{Tokio, World};
use revtun_core::address::Address;
use revtun_program::config::{Settings, override_by};

use self::network::Network;
use self::stage::{Completed, Stage};
use super::process;
use crate::cli::{self, Given};
use crate::error::CliError;
use crate::log;

const PICTURE: &str = "
  revtun, all in one process and on loopback:

    caller ──▶ responder ◀══ 3 tunnels ══ initiator ──▶ service
               the cloud                  a private network
";
const ADDRESS: &str = "rc://edge-1:edge:acme@cloud:3";
const TUNNELS: usize = 3;
const BULK_BYTES: usize = 8 << 20;
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Shows it.
pub(super) fn run(given: &Given) -> Result<(), CliError> {
    let mut settings = Settings::default();
    settings.log.level = Some(cli::DEMO_LEVEL.to_owned());
    let overridden = given.with_sources(|sources| override_by(&mut settings, sources, None));
    overridden.map_err(|diagnostics| CliError::diagnostics(&diagnostics, None))?;
    log::start(&settings.log).map_err(CliError::own)?;
    process::on_threads(None, async { show(Stage::open(Tokio::begin(), PICTURE)).await })
}

async fn show(mut stage: Stage) -> Result<(), CliError> {
    let ends = set_up(&mut stage).await?;
    ask(&mut stage, &ends).await?;
    cut_one(&mut stage, &ends).await?;
    cut_all(&mut stage, &ends).await?;
    wind_up(&mut stage, &ends).await?;
    stage.close();
    Ok(())
}

/// Both ends and the network between them.
struct Ends {
    responder: ResponderHandle<Tokio>,
    initiator: InitiatorHandle<Tokio>,
    network: Network,
}

impl Ends {
    /// Whether both ends agree that every tunnel is up, none more.
    fn are_whole(&self) -> bool {
        let is_up = |stage: &str| matches!(stage, "idle" | "in-use");
        let seen_by_initiator: Vec<_> = self.initiator.tunnels().iter().map(|tunnel| is_up(tunnel.stage)).collect();
        let seen_by_responder: Vec<_> = self.responder.tunnels().iter().map(|tunnel| is_up(tunnel.stage)).collect();
        seen_by_initiator == [true; TUNNELS] && seen_by_responder == [true; TUNNELS]
    }
}

async fn set_up(stage: &mut Stage) -> Result<Ends, CliError> {
    let world = stage.world();
    let service = stage
        .step("a service starts in the private network", async {
            let addr = service::start(&world, ANYWHERE).await?;
            Ok(Completed::of(addr).with_text(format!("at {addr}")))
        })
        .await?;
    let responder = stage
        .step("a responder starts in the cloud", async {
            let handle = responder::start(world.clone(), ResponderConfig::at(ANYWHERE, ANYWHERE)).await?;
            let text = format!("tunnels at {}, callers at {}", handle.tunnel_addr(), handle.egress_addr());
            Ok(Completed::of(handle).with_text(text))
        })
        .await?;
    let (initiator, network) = stage
        .step("an initiator dials out and says who it is", async {
            let network = Network::start(&world, ANYWHERE, responder.tunnel_addr()).await?;
            let initiator = start_initiator(&world, network.addr(), service).await?;
            Ok(Completed::of((initiator, network)).with_text(ADDRESS))
        })
        .await?;
    let ends = Ends { responder, initiator, network };
    stage.until("3 tunnels come up", None, || ends.are_whole()).await?;
    Ok(ends)
}

async fn start_initiator(
    world: &Tokio,
    responder: SocketAddr,
    service: SocketAddr,
) -> Result<InitiatorHandle<Tokio>, stage::StepError> {
    let place = |addr: SocketAddr| HostPort { host: addr.ip().to_string(), port: addr.port() };
    let config = InitiatorConfig::new(Address::parse(ADDRESS)?, vec![place(responder)]);
    let forward = Forward::new(world, place(service), &config.core)?;
    Ok(initiator::start(world, config, Run::begin(world), forward).await?)
}

async fn ask(stage: &mut Stage, ends: &Ends) -> Result<(), CliError> {
    let (world, egress) = (stage.world(), ends.responder.egress_addr());
    stage
        .step("a request for node edge-1 goes through", async {
            let answer = caller::get(&world, egress, ("x-node-id", "edge-1")).await?;
            Ok(Completed::of(()).with_text(answer))
        })
        .await?;
    stage
        .step("a request for cluster edge goes through", async {
            let answer = caller::get(&world, egress, ("x-cluster-id", "edge")).await?;
            Ok(Completed::of(()).with_text(answer))
        })
        .await?;
    stage
        .step("8 MiB go there and back", async {
            let sent = Bytes::from_iter((0..BULK_BYTES).map(|at| (at % 251) as u8));
            let came = caller::echo(&world, egress, ("x-node-id", "edge-1"), sent.clone()).await?;
            if came != sent {
                return Err("other bytes came back".into());
            }
            Ok(Completed::of(()).with_text("every byte the same"))
        })
        .await
}

async fn cut_one(stage: &mut Stage, ends: &Ends) -> Result<(), CliError> {
    let (world, egress) = (stage.world(), ends.responder.egress_addr());
    let (before, cut) = (ends.network.carried(), world.now());
    stage
        .step("one tunnel is cut", async {
            let count = ends.network.cut(1);
            Ok(Completed::of(()).with_text(format!("{count} TCP connection reset in the middle")))
        })
        .await?;
    stage
        .step("a request meanwhile does not notice", async {
            let answer = caller::get(&world, egress, ("x-node-id", "edge-1")).await?;
            Ok(Completed::of(()).with_text(answer))
        })
        .await?;
    stage
        .until("it heals: 3 tunnels again", Some(cut), || ends.network.carried() == before + 1 && ends.are_whole())
        .await
}

async fn cut_all(stage: &mut Stage, ends: &Ends) -> Result<(), CliError> {
    let (world, egress) = (stage.world(), ends.responder.egress_addr());
    let (before, cut) = (ends.network.carried(), world.now());
    stage
        .step("every tunnel is cut at once", async {
            let count = ends.network.cut(TUNNELS);
            Ok(Completed::of(()).with_text(format!("{count} TCP connections reset")))
        })
        .await?;
    stage
        .step("a request waits for a new tunnel, and goes through", async {
            let answer = caller::get(&world, egress, ("x-node-id", "edge-1")).await?;
            Ok(Completed::of(()).with_text(answer))
        })
        .await?;
    stage
        .until("it heals: 3 tunnels again", Some(cut), || {
            ends.network.carried() == before + TUNNELS && ends.are_whole()
        })
        .await
}

async fn wind_up(stage: &mut Stage, ends: &Ends) -> Result<(), CliError> {
    stage
        .step("the initiator drains", async {
            ends.initiator.drain(stage::DEADLINE);
            ends.initiator.wait().await;
            Ok(Completed::of(()).with_text("no tunnel left"))
        })
        .await?;
    stage
        .step("the responder drains", async {
            ends.responder.drain(stage::DEADLINE).await;
            Ok(Completed::of(()).with_text("no caller left"))
        })
        .await
}
