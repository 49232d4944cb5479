//! The simulated network's sockets and the real kernel's on loopback are asked the same, and what they do differently is known.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use revtun::journal::Journal;
use revtun::world::{Tokio, World};
use revtun_sim::clock;
use revtun_sim::dice::dice;
use revtun_sim::net::HostId;
use revtun_sim::net::link_conditions::LinkConditions;
use revtun_sim::net::network::Network;
use revtun_sim::net::process::Process;
use revtun_sim::process_world::{Dns, ProcessWorld, sleep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use turmoil_net::{KernelConfig, Net};

/// What each of the two ends saw, in the order of the cases.
type Seen = Vec<(&'static str, [String; 2])>;

/// Where the simulated network is known to differ from Linux: the case, and what each end sees of it in the simulation.
const DIFFERENT: [(&str, [&str; 2]); 1] = [
    // What comes for a connection that is closed is not answered by a reset.
    ("written to after the other end closed", ["done", "nothing, for ever"]),
];

/// What happens to a connection. The end that was dialled and the one that dialled each do their part.
const CASES: [&str; 7] = [
    "bytes in pieces",
    "half closed",
    "closed by both",
    "closed with bytes unread",
    "written to after the other end closed",
    "more than there is room for",
    "written to before it was accepted",
];

/// Bytes that no two buffers of a connection hold.
const MUCH: usize = 32 << 20;

/// The part of the end that was dialled.
async fn dialled<W: World>(case: &str, mut stream: W::Stream, turn: oneshot::Sender<()>) -> io::Result<String> {
    let mut read = Vec::new();
    match case {
        "bytes in pieces" | "written to before it was accepted" => {
            stream.read_to_end(&mut read).await?;
            return Ok(format!("{:?}", String::from_utf8_lossy(&read)));
        }
        "half closed" => {
            stream.read_to_end(&mut read).await?;
            stream.write_all(b"answer").await?;
        }
        "closed by both" => {
            stream.shutdown().await?;
            stream.read_to_end(&mut read).await?;
        }
        "closed with bytes unread" => {
            stream.read_exact(&mut [0; 1]).await?;
            drop(stream);
            _ = turn.send(());
        }
        "written to after the other end closed" => {
            drop(stream);
            _ = turn.send(());
        }
        "more than there is room for" => {
            let mut count = 0;
            let mut space = vec![0; 1 << 16];
            loop {
                match stream.read(&mut space).await? {
                    0 => return Ok(format!("{count} bytes")),
                    more => count += more,
                }
            }
        }
        _ => unreachable!("it is one of the cases"),
    }
    Ok("done".to_owned())
}

/// The part of the end that dialled. It waits for its `turn` where the order matters.
async fn dialling<W: World>(
    world: &W,
    case: &str,
    mut stream: W::Stream,
    turn: oneshot::Receiver<()>,
) -> io::Result<String> {
    let mut read = Vec::new();
    match case {
        "bytes in pieces" | "written to before it was accepted" => {
            for piece in [&b"one "[..], b"two ", b"three"] {
                stream.write_all(piece).await?;
            }
        }
        "half closed" => {
            stream.shutdown().await?;
            stream.read_to_end(&mut read).await?;
            return Ok(format!("{:?}", String::from_utf8_lossy(&read)));
        }
        "closed by both" => {
            stream.shutdown().await?;
            stream.read_to_end(&mut read).await?;
        }
        "closed with bytes unread" => {
            stream.write_all(&[7; 1000]).await?;
            _ = turn.await;
            stream.read_to_end(&mut read).await?;
            return Ok("end of stream".to_owned());
        }
        "written to after the other end closed" => {
            _ = turn.await;
            stream.read_to_end(&mut read).await?;
            // The first may go out; the answer to it is a reset.
            while stream.write_all(b"more").await.is_ok() {
                nap(world).await;
            }
            return Ok("an error".to_owned());
        }
        "more than there is room for" => {
            stream.write_all(&vec![7; MUCH]).await?;
            stream.shutdown().await?;
        }
        _ => unreachable!("it is one of the cases"),
    }
    Ok("done".to_owned())
}

/// Long enough for whatever is under way, on loopback as in the simulation.
async fn nap<W: World>(world: &W) {
    world.sleep_until(world.now().after(Duration::from_millis(20))).await;
}

/// What came of it, in the same words everywhere.
fn told(outcome: io::Result<String>) -> String {
    outcome.unwrap_or_else(|error| format!("{:?}", error.kind()))
}

/// Takes one connection and does the part of `case`.
async fn take<W: World>(world: W, listener: Arc<W::Listener>, case: &'static str, turn: oneshot::Sender<()>) -> String {
    if case == "written to before it was accepted" {
        nap(&world).await;
        nap(&world).await;
    }
    match world.accept(&listener).await {
        Ok((stream, _)) => told(dialled::<W>(case, stream, turn).await),
        Err(error) => told(Err(error)),
    }
}

/// Dials and does the part of `case`.
async fn dial<W: World>(world: W, to: SocketAddr, case: &'static str, turn: oneshot::Receiver<()>) -> String {
    match world.connect(to).await {
        Ok(stream) => told(dialling(&world, case, stream, turn).await),
        Err(error) => told(Err(error)),
    }
}

/// What the kernel of this machine does, on loopback.
fn real() -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let world = Tokio::begin();
        let listener = world.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let to = world.local_addr(&listener).expect("its address");
        let listener = Arc::new(listener);
        let mut seen = Seen::new();
        for case in CASES {
            let (turn, turned) = oneshot::channel();
            let (taken, dialled) = tokio::join!(
                take(world.clone(), Arc::clone(&listener), case, turn),
                dial(world.clone(), to, case, turned)
            );
            seen.push((case, [taken, dialled]));
        }
        drop(listener);
        seen.push(("nobody listens", [String::new(), told(world.connect(to).await.map(|_| "connected".to_owned()))]));
        seen
    })
}

/// What a task of another process came to, once it has.
fn later(process: &Arc<Process>, task: impl Future<Output = String> + 'static) -> Arc<Mutex<Option<String>>> {
    let result = Arc::<Mutex<Option<String>>>::default();
    let slot = Arc::clone(&result);
    process.spawn(async move {
        let said = task.await;
        *slot.lock().expect("nobody panics here") = Some(said);
    });
    result
}

/// What the simulated kernels do, 5 ms apart.
fn simulated() -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let tasks = LocalSet::new();
    runtime.expect("a runtime").block_on(tasks.run_until(async {
        clock::begin();
        let mut net = Net::with_config(KernelConfig::default().retx_threshold(40).retx_max(10_000));
        let address = |host| IpAddr::V4(Ipv4Addr::new(10, 0, host, 1));
        let processes = [1, 2].map(|host| Process::new(net.add_host(address(host)), address(host)));
        let hosts = BTreeMap::from([(address(1), HostId::Responder(0)), (address(2), HostId::Initiator(0))]);
        let mut network = Network::new(net.enter(), hosts, LinkConditions::GOOD, dice(1, "wire"));
        let [there, here] = processes.each_ref().map(|process| {
            ProcessWorld::new(
                Arc::clone(process),
                Dns::default(),
                dice(1, "process"),
                Arc::new(AtomicI64::new(0)),
                Journal::OFF,
            )
        });
        let mut seen = Seen::new();
        for (port, case) in (9000..).zip(CASES) {
            // A port that somebody listened at is taken for a while.
            let to = SocketAddr::new(address(1), port);
            let (turn, turned) = oneshot::channel();
            let world = there.clone();
            let taken = later(&processes[0], async move {
                let listener = world.listen(to).await.expect("a port of its own");
                take(world.clone(), Arc::new(listener), case, turn).await
            });
            sleep(Duration::from_millis(1)).await;
            let dialled = later(&processes[1], dial(here.clone(), to, case, turned));
            let both = [taken, dialled];
            let said = |result: &Arc<Mutex<Option<String>>>| result.lock().expect("nobody panics here").clone();
            for _ in 0..20_000 {
                if both.iter().all(|result| said(result).is_some()) {
                    break;
                }
                sleep(Duration::from_millis(5)).await;
                network.step(clock::now());
            }
            seen.push((case, both.map(|result| said(&result).unwrap_or_else(|| "nothing, for ever".to_owned()))));
        }
        let world = here.clone();
        let nobody = SocketAddr::new(address(1), 8999);
        let refused =
            later(&processes[1], async move { told(world.connect(nobody).await.map(|_| "connected".to_owned())) });
        for _ in 0..1_000 {
            sleep(Duration::from_millis(5)).await;
            network.step(clock::now());
        }
        let refused = refused.lock().expect("nobody panics here").clone().unwrap_or_default();
        seen.push(("nobody listens", [String::new(), refused]));
        // Their sockets are closed by their own kernels, before those are gone.
        processes.iter().for_each(|process| process.kill());
        sleep(Duration::from_millis(1)).await;
        seen
    }))
}

#[test]
fn simulated_sockets_are_like_real_ones() {
    let (real, simulated) = (real(), simulated());
    for (one, other) in real.iter().zip(&simulated) {
        let known = DIFFERENT.iter().find(|(case, _)| *case == one.0);
        let expected = known.map_or_else(|| one.1.clone(), |(_, seen)| seen.map(str::to_owned));
        assert_eq!(other.1, expected, "{}; on this machine's kernel: {:?}", one.0, one.1);
    }
}
