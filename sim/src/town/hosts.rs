//! What runs on the hosts of a town.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::initiator::{self, Forward, HostPort, InitiatorConfig, InitiatorHandle, Run};
use revtun::responder::{self, ResponderConfig, ResponderHandle};
use revtun::world::World;
use revtun_core::address::Address;

use crate::town::board::{Board, InitiatorView, ResponderView};
use crate::town::simulated::Simulated;

/// The names of the hosts.
pub const RESPONDER: &str = "responder";
/// See [`RESPONDER`].
pub const INITIATOR: &str = "initiator";
/// See [`RESPONDER`].
pub const CALLER: &str = "caller";

/// How many tunnels the initiator keeps.
pub const COUNT: usize = 3;

/// What a good request is answered with.
pub const GREETING: &str = "200 OK: hello";

const TUNNELS: u16 = 9000;
const EGRESS: u16 = 9001;
const SERVICE: u16 = 8080;

/// How often a host looks at the board.
const GLANCE: Duration = Duration::from_millis(5);
/// How long the caller waits for an answer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);

/// Why a host gave up, which fails the simulation.
pub type Trouble = Box<dyn std::error::Error>;

/// A responder, until it is drained.
///
/// # Errors
/// If it cannot listen.
pub async fn responder(world: Simulated, board: Board) -> Result<(), Trouble> {
    let handle = responder::start(world.clone(), ResponderConfig::at(anywhere(TUNNELS), anywhere(EGRESS))).await?;
    loop {
        show_responder(&board, &handle, false);
        let order = board.notices().drain.take();
        if let Some(grace) = order {
            world.note(format_args!("drains for {grace:?}"));
            handle.drain(grace).await;
            world.note("drained");
            show_responder(&board, &handle, true);
            return Ok(());
        }
        glance(&world).await;
    }
}

fn show_responder(board: &Board, handle: &ResponderHandle<Simulated>, drained: bool) {
    board.notices().responder = ResponderView { tunnels: handle.counts().tunnels, drained };
}

/// An initiator for node `edge-1` with its local service, for ever.
///
/// # Errors
/// If the service cannot listen.
pub async fn initiator(world: Simulated, board: Board) -> Result<(), Trouble> {
    serve(&world).await?;
    let place = |host: &str, port| HostPort { host: host.to_owned(), port };
    let address = Address::parse(&format!("rc://edge-1:edge:acme@cloud:{COUNT}"))?;
    let mut config = InitiatorConfig::new(address, vec![place(RESPONDER, TUNNELS)]);
    config.allow_plaintext = true;
    let forward = Forward::new(&world, place("127.0.0.1", SERVICE), &config.core)?;
    let handle = initiator::start(&world, config, Run::begin(&world), forward).await?;
    loop {
        let view = view(&handle);
        let before = std::mem::replace(&mut board.notices().initiator, view);
        if view != before {
            world.note(format_args!("{} pending, {} up, {} draining", view.pending, view.up, view.draining));
        }
        glance(&world).await;
    }
}

fn view(handle: &InitiatorHandle<Simulated>) -> InitiatorView {
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

/// A service that greets.
async fn serve(world: &Simulated) -> Result<(), Trouble> {
    let listener = world.listen(anywhere(SERVICE)).await?;
    let here = world.clone();
    world.spawn(async move {
        while let Ok((stream, _)) = here.accept(&listener).await {
            here.spawn(async move {
                let mut server = hyper::server::conn::http1::Builder::new();
                // The date would be the real one, and no two runs the same.
                server.auto_date_header(false);
                let greet = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello")))));
                let _hung_up = server.serve_connection(TokioIo::new(stream), greet).await;
            });
        }
    });
    Ok(())
}

/// A caller that sends what the board asks for, for ever.
///
/// # Errors
/// Never; what goes wrong with a request is an answer like any other.
pub async fn caller(world: Simulated, board: Board) -> Result<(), Trouble> {
    loop {
        let wanted = std::mem::take(&mut board.notices().requests);
        for _ in 0..wanted {
            let deadline = world.now().after(REQUEST_DEADLINE);
            let answer = tokio::select! {
                biased;
                answer = get(&world) => answer.unwrap_or_else(|error| format!("failed: {error}")),
                () = world.sleep_until(deadline) => "no answer in time".to_owned(),
            };
            world.note(&answer);
            board.notices().answers.push(answer);
        }
        glance(&world).await;
    }
}

async fn get(world: &Simulated) -> Result<String, Trouble> {
    let stream = world.connect(SocketAddr::new(turmoil::lookup(RESPONDER), EGRESS)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    world.spawn(async move {
        // What goes wrong with it, the request sees.
        let _ended = connection.await;
    });
    let request = Request::get("/").header("host", "service").header("x-node-id", "edge-1");
    let answer = sender.send_request(request.header("x-tenant-id", "acme").body(Full::<Bytes>::default())?).await?;
    let status = answer.status();
    let text = answer.into_body().collect().await?.to_bytes();
    Ok(format!("{status}: {}", String::from_utf8_lossy(&text)))
}

async fn glance(world: &Simulated) {
    world.sleep_until(world.now().after(GLANCE)).await;
}

fn anywhere(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}
