//! What runs on the hosts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::initiator::{self, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::responder::{self, ResponderConfig};
use revtun::upstream::Forward;
use revtun::world::World;
use revtun_core::address::Address;

use super::host_world::HostWorld;
use super::shared_state::{InitiatorView, SharedState};
use crate::actors::{EGRESS, SERVICE, TUNNELS, unspecified};

/// The names of the hosts.
pub const RESPONDER: &str = "responder";
/// See [`RESPONDER`].
pub const INITIATOR: &str = "initiator";
/// See [`RESPONDER`].
pub const CALLER: &str = "caller";

/// How many tunnels the initiator keeps.
pub const COUNT: usize = 3;

/// Status and body of every good response.
pub const RESPONSE: &str = "200 OK: hello";

/// How often a host reads and writes the shared state.
const INTERVAL: Duration = Duration::from_millis(5);
/// How long the caller waits for a response.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);

/// Why a host failed, which fails the simulation.
pub type HostError = Box<dyn std::error::Error>;

/// A responder that reports its tunnels, for ever.
///
/// # Errors
/// If it cannot listen.
pub async fn responder(world: HostWorld, state: SharedState) -> Result<(), HostError> {
    let handle =
        responder::start(world.clone(), ResponderConfig::at(unspecified(TUNNELS), unspecified(EGRESS))).await?;
    loop {
        state.lock().responder_tunnels = handle.counts().tunnels;
        interval(&world).await;
    }
}

/// An initiator for node `edge-1` with its local service, for ever.
///
/// # Errors
/// If the service cannot listen.
pub async fn initiator(world: HostWorld, state: SharedState) -> Result<(), HostError> {
    serve(&world).await?;
    let host_port = |host: &str, port| HostPort { host: host.to_owned(), port };
    let address = Address::parse(&format!("rc://edge-1:edge:acme@cloud:{COUNT}"))?;
    let mut config = InitiatorConfig::new(address, vec![host_port(RESPONDER, TUNNELS)]);
    config.allow_plaintext = true;
    let forward = Forward::new(&world, host_port("127.0.0.1", SERVICE), &config.core)?;
    let handle = initiator::start(&world, config, Run::begin(&world), forward).await?;
    loop {
        let view = view(&handle);
        let before = std::mem::replace(&mut state.lock().initiator, view);
        if view != before {
            world.note(format_args!("{} pending, {} up, {} draining", view.pending, view.up, view.draining));
        }
        interval(&world).await;
    }
}

fn view(handle: &InitiatorHandle<HostWorld>) -> InitiatorView {
    let mut view = InitiatorView::default();
    for tunnel in handle.tunnels() {
        match tunnel.stage {
            "dialing" | "handshaking" => view.pending += 1,
            "draining" => view.draining += 1,
            _ => view.up += 1,
        }
    }
    view
}

/// A service that always gives the same response.
async fn serve(world: &HostWorld) -> Result<(), HostError> {
    let listener = world.listen(unspecified(SERVICE)).await?;
    let here = world.clone();
    world.spawn(async move {
        while let Ok((stream, _)) = here.accept(&listener).await {
            here.spawn(async move {
                let mut server = hyper::server::conn::http1::Builder::new();
                // The date would be the real one, and differ between runs.
                server.auto_date_header(false);
                let hello = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello")))));
                let _hung_up = server.serve_connection(TokioIo::new(stream), hello).await;
            });
        }
    });
    Ok(())
}

/// A caller that sends as many requests as it is told to, for ever.
///
/// # Errors
/// Never: a request that fails has an outcome like any other.
pub async fn caller(world: HostWorld, state: SharedState) -> Result<(), HostError> {
    loop {
        let wanted = std::mem::take(&mut state.lock().requests);
        for _ in 0..wanted {
            let deadline = world.now().after(REQUEST_DEADLINE);
            let response = tokio::select! {
                biased;
                response = get(&world) => response.unwrap_or_else(|error| format!("failed: {error}")),
                () = world.sleep_until(deadline) => "no response in time".to_owned(),
            };
            world.note(&response);
            state.lock().responses.push(response);
        }
        interval(&world).await;
    }
}

async fn get(world: &HostWorld) -> Result<String, HostError> {
    let stream = world.connect(SocketAddr::new(turmoil::lookup(RESPONDER), EGRESS)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    world.spawn(async move {
        // The request sees its errors.
        let _ended = connection.await;
    });
    let request = Request::get("/").header("host", "service").header("x-node-id", "edge-1");
    let response = sender.send_request(request.header("x-tenant-id", "acme").body(Full::<Bytes>::default())?).await?;
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    Ok(format!("{status}: {}", String::from_utf8_lossy(&text)))
}

async fn interval(world: &HostWorld) {
    world.sleep_until(world.now().after(INTERVAL)).await;
}
