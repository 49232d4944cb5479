//! A crowd of initiators in one process: dials a number of tunnels, says how long that took, and keeps them alive.
//!
//! ```text
//! crowd HOST:PORT TUNNELS AT_ONCE      prints "SECONDS" once all are up; echoes pings until its input ends
//! ```
//!
//! Every tunnel is of a node of its own. It speaks in the clear, and answers pings like an initiator, so that either
//! maker's responder holds the same tunnels.
//!
//! What is measured is the responder, so dialling has to cost less than being dialled: plain calls of the system, four
//! for each tunnel, with bytes that are there beforehand. On loopback a connect does not wait for anybody. Only tunnels
//! that are up become tasks.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use revtun_core::handshake::{Answer, HeaderNames, Instance, PATH, ParsedResponse, RequestHead, ResponseParser};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::rping::{PING, PingFilter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const USAGE: &str = "usage: crowd HOST:PORT TUNNELS AT_ONCE";

/// A tunnel, and what came behind the answer: the first ping, as a rule.
type Dialled = (TcpStream, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [responder, tunnels, at_once] = &arguments[..] else { return Err(USAGE.into()) };
    let (responder, tunnels, at_once) = (responder.parse()?, tunnels.parse()?, at_once.parse()?);
    let heads: Vec<_> = (0..tunnels).map(|number| request(responder, number)).collect();
    let begun = Instant::now();
    let dialled = dial_all(responder, &heads, at_once)?;
    println!("{}", begun.elapsed().as_secs_f64());
    // One thread, since the responder needs the other processor.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(hold(dialled))
}

/// Dials a tunnel with each of `heads`. `at_once` of them wait for their answer, and answers are taken by the half of that.
fn dial_all(responder: SocketAddr, heads: &[Vec<u8>], at_once: usize) -> io::Result<Vec<Dialled>> {
    let mut up = Vec::with_capacity(heads.len());
    let mut waiting = VecDeque::with_capacity(at_once);
    let mut undialled = heads.iter();
    while up.len() < heads.len() {
        for head in undialled.by_ref().take(at_once - waiting.len()) {
            let mut stream = TcpStream::connect(responder)?;
            stream.write_all(head)?;
            waiting.push_back(stream);
        }
        let turn = waiting.len().min(at_once.div_ceil(2));
        // The last one first: with its answer those of the others are there, and nobody has to wake us for each.
        for stream in waiting.drain(..turn).rev() {
            up.push(answered(stream)?);
        }
    }
    Ok(up)
}

fn answered(mut stream: TcpStream) -> io::Result<Dialled> {
    let mut parser = ResponseParser::new(false, false);
    let mut answer = Vec::new();
    loop {
        let mut space = [0; 512];
        match stream.read(&mut space)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&space[..count]),
        }
        match parser.parse(&answer) {
            ParsedResponse::Complete { answer: Answer::Accepted { .. }, consumed } => {
                return Ok((stream, answer[consumed..].to_vec()));
            }
            ParsedResponse::Complete { answer, .. } => return Err(io::Error::other(format!("{answer:?}"))),
            ParsedResponse::Incomplete => {}
        }
    }
}

/// Keeps the tunnels alive until whoever started us has seen enough and closes our input.
async fn hold(dialled: Vec<Dialled>) -> Result<(), Box<dyn Error>> {
    let mut held = JoinSet::new();
    for (tunnel, rest) in dialled {
        tunnel.set_nonblocking(true)?;
        held.spawn(echo(tokio::net::TcpStream::from_std(tunnel)?, rest));
    }
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    let lost = std::iter::from_fn(|| held.try_join_next()).count();
    if lost > 0 { Err(format!("{lost} tunnels were lost").into()) } else { Ok(()) }
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
async fn echo(mut tunnel: tokio::net::TcpStream, mut bytes: Vec<u8>) -> io::Result<()> {
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
