//! A crowd of initiators in one process: dials a number of tunnels, says how long that took, and keeps them alive.
//!
//! ```text
//! crowd HOST:PORT TUNNELS AT_ONCE      prints "SECONDS" once all are up; echoes pings until its input ends
//! ```
//!
//! Every tunnel is of a node of its own. It speaks in the clear, and answers pings like an initiator, so that either
//! maker's responder holds the same tunnels.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use revtun_core::handshake::{Answer, HeaderNames, Instance, PATH, ParsedResponse, RequestHead, ResponseParser};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::rping::{PING, PingFilter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const USAGE: &str = "usage: crowd HOST:PORT TUNNELS AT_ONCE";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [responder, tunnels, at_once] = &arguments[..] else { return Err(USAGE.into()) };
    let (responder, tunnels, at_once) = (responder.parse()?, tunnels.parse()?, at_once.parse()?);
    // One thread: what is measured is the responder, which needs the other processor.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(crowd(responder, tunnels, at_once))
}

async fn crowd(responder: SocketAddr, tunnels: u64, at_once: usize) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let turns = Arc::new(Semaphore::new(at_once));
    let mut dials = JoinSet::new();
    for number in 0..tunnels {
        let turn = Arc::clone(&turns).acquire_owned().await?;
        dials.spawn(async move {
            let tunnel = dial(responder, number).await;
            drop(turn);
            tunnel
        });
    }
    let mut held = JoinSet::new();
    while let Some(tunnel) = dials.join_next().await {
        let (tunnel, rest) = tunnel??;
        held.spawn(echo(tunnel, rest));
    }
    println!("{}", begun.elapsed().as_secs_f64());
    // Whoever started us closes our input when it has seen enough.
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    let lost = std::iter::from_fn(|| held.try_join_next()).count();
    if lost > 0 { Err(format!("{lost} tunnels were lost").into()) } else { Ok(()) }
}

/// A tunnel, and what came behind the answer: the first ping, as a rule.
async fn dial(responder: SocketAddr, number: u64) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect(responder).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&request(responder, number)).await?;
    let mut parser = ResponseParser::new(false, false);
    let mut answer = Vec::with_capacity(256);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parser.parse(&answer) {
            ParsedResponse::Complete { answer: Answer::Accepted { .. }, consumed } => {
                return Ok((stream, answer.split_off(consumed)));
            }
            ParsedResponse::Complete { answer, .. } => return Err(io::Error::other(format!("{answer:?}"))),
            ParsedResponse::Incomplete => {}
        }
    }
}

fn request(responder: SocketAddr, number: u64) -> Vec<u8> {
    let node = format!("node-{number}");
    let identity = Identity {
        node: NodeId::new(&node).expect("a name"),
        cluster: ClusterId::new("crowd").expect("a name"),
        tenant: TenantId::new("acme").expect("a name"),
    };
    let mut head = Vec::with_capacity(512);
    RequestHead {
        names: &HeaderNames::default(),
        host: &responder.to_string(),
        identity,
        upstream: "cloud",
        initiation_time_ms: 1_700_000_000_000,
        worker: 0,
        connection: number,
        instance: Instance(1),
        path: PATH,
        upgrade: false,
        whole_tls: false,
        token: None,
    }
    .encode(&mut head);
    head
}

/// Answers pings until the tunnel ends; `bytes` were read already.
async fn echo(mut tunnel: TcpStream, mut bytes: Vec<u8>) -> io::Result<()> {
    let mut pings = PingFilter::new();
    loop {
        for _ in 0..pings.feed(&bytes).pings {
            tunnel.write_all(&PING).await?;
        }
        bytes.clear();
        bytes.shrink_to(64);
        if tunnel.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}
