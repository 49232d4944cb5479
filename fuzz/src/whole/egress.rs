//! A caller's bytes through the responder, a tunnel and the initiator to a service, and the service's bytes back: all
//! of it as it ships, HTTP library and all, over pipes.

use std::net::SocketAddr;
use std::time::Duration;

use revtun::initiator::{self, HostPort, InitiatorConfig, Run};
use revtun::responder::{self, ResponderConfig};
use revtun::upstream::Forward;
use revtun::world::World;
use revtun_core::address::Address;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::memory::Memory;

/// A caller that hears nothing for so long leaves.
const PATIENCE: Duration = Duration::from_secs(20);
/// After so long nothing of an exchange is left.
const QUIET: Duration = Duration::from_secs(60);
/// An answer is not read further than so.
const ANSWER: u64 = 256 * 1024;

/// The first byte cuts both streams, the next two say how much of the rest is the caller's; what is left is what the
/// service says.
pub fn run(data: &[u8]) {
    let Some(([seed, low, high], rest)) = data.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (asked, answered) = rest.split_at(length);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(exchange(usize::from(*seed), asked.to_vec(), answered.to_vec()));
}

async fn exchange(seed: usize, asked: Vec<u8>, answered: Vec<u8>) {
    let world = Memory::begin();
    let [tunnels, egress, service] = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let responder = responder::start(world.clone(), ResponderConfig::at(tunnels, egress)).await.expect("it listens");
    serve(&world, service, seed, answered).await;
    let endpoint = |at: SocketAddr| HostPort { host: at.ip().to_string(), port: at.port() };
    let config = InitiatorConfig::new(Address::parse("rc://n:c:t@up:1").expect("legal"), vec![endpoint(tunnels)]);
    let forward = Forward::new(&world, endpoint(service), &config.core).expect("an address");
    let initiator = initiator::start(&world, config, Run::begin(&world), forward).await.expect("it resolves");
    while !initiator.ready() {
        sleep(Duration::from_millis(100)).await;
    }

    let mut caller = world.connect(egress).await.expect("it listens");
    let said = timeout(PATIENCE, async {
        write_in_pieces(&mut caller, &asked, seed).await;
        let mut said = Vec::new();
        let _until_it_ends = (&mut caller).take(ANSWER).read_to_end(&mut said).await;
        said
    });
    if let Ok(said) = said.await {
        is_http(&said);
    }
    drop(caller);
    sleep(QUIET).await;
    let counts = responder.counts();
    assert_eq!((counts.streams, counts.waiting), (0, 0), "the caller is gone and its requests are not");
    assert_eq!(counts.tunnels, 1, "what a caller and a service say costs no tunnel");
    initiator.drain(Duration::ZERO);
    initiator.wait().await;
    responder.drain(Duration::ZERO).await;
    drop((initiator, responder));
    sleep(QUIET).await;
    assert_eq!(world.panics(), 0, "a task panicked");
    // The service's own.
    assert!(world.tasks() <= 1, "{} tasks live on", world.tasks());
}

/// Says `answer` to whatever sounds like a request, whatever it asks.
async fn serve(world: &Memory, at: SocketAddr, seed: usize, answer: Vec<u8>) {
    let listener = world.listen(at).await.expect("it is free");
    let serving = world.clone();
    world.spawn(async move {
        while let Ok((mut stream, _)) = serving.accept(&listener).await {
            let answer = answer.clone();
            serving.spawn(async move {
                let mut heard = Vec::new();
                while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
                    if !matches!(stream.read_buf(&mut heard).await, Ok(1..)) {
                        return;
                    }
                }
                let mut headers = [httparse::EMPTY_HEADER; 256];
                let head = httparse::Request::new(&mut headers).parse(&heard);
                assert!(head.is_ok_and(|status| status.is_complete()), "the service is asked in HTTP");
                write_in_pieces(&mut stream, &answer, seed).await;
                let _gone = stream.shutdown().await;
                let _until_it_ends = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
}

async fn write_in_pieces(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8], seed: usize) {
    let size = if seed == 0 { usize::MAX } else { seed };
    for piece in bytes.chunks(size) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// HTTP/1.1, or HTTP/2 frames: those begin with SETTINGS.
fn is_http(said: &[u8]) {
    let settings = said.len() < 9 || said[3] == 4;
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.") || settings, "{}", said.escape_ascii());
}
