//! The responder's side against hand-written initiators and callers, on loopback.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "tests live in the real world")]

mod caller;
mod drain;
mod first_bytes;
mod flow_control;
mod handshake;
mod idle;
mod initiator;
mod peer_streams;
mod proxy;
mod retry;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use revtun::responder::{ResponderConfig, ResponderHandle, start};
use revtun::world::Tokio;

type Responder = ResponderHandle<Tokio>;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Longer than any test takes, and short enough to see that one hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// A responder on ports of the system's choice, with what `set` changes.
async fn responder(set: impl FnOnce(&mut ResponderConfig)) -> Responder {
    let mut config = ResponderConfig::at(LOOPBACK, LOOPBACK);
    set(&mut config);
    start(Tokio::begin(), config).await.unwrap()
}

/// What `future` yields, in good time.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("took too long: {what}"),
    }
}

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// How often something named `name` was counted.
fn count(of: &[(&'static str, u64)], name: &str) -> u64 {
    of.iter().find(|(named, _)| *named == name).unwrap().1
}
