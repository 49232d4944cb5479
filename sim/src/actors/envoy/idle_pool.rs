//! Idle tunnels: pings them and hands them out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revtun::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::protocol::{PING, Stream, jittered};
use super::state::{ConnectionEntry, Stage};
use crate::clock;
use crate::process_world::ProcessWorld;

/// The time from an answered ping to the next.
const INTERVAL: Duration = Duration::from_secs(2);
/// The time for a reply: half of the interval in whole seconds.
const REPLY: Duration = Duration::from_secs(1);
/// A tunnel is closed after this many misses in a row.
const MISSES: u32 = 3;

/// A tenant and a node.
pub(super) type Node = (String, String);

/// An idle tunnel.
type Parked = (Stream, ConnectionEntry);

/// Tells the task of an idle tunnel where to send the tunnel.
type Taker = oneshot::Sender<oneshot::Sender<Parked>>;

/// Idle tunnels by node, first in, first out. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub(super) struct IdlePool(Arc<Mutex<BTreeMap<Node, VecDeque<Taker>>>>);

impl IdlePool {
    /// Keeps a tunnel until it is taken or lost.
    pub(super) fn park(&self, world: &ProcessWorld, node: Node, stream: Stream, entry: ConnectionEntry) {
        entry.set_stage(Stage::Idle);
        let (taker, taken) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(node).or_default().push_back(taker);
        let here = world.clone();
        world.spawn(async move { keep(&here, stream, entry, taken).await });
    }

    /// A tunnel to `node`.
    pub(super) async fn take(&self, node: &Node) -> Option<Parked> {
        loop {
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(node)?.pop_front()?;
            let (hand, parked) = oneshot::channel();
            if next.send(hand).is_ok()
                && let Ok(parked) = parked.await
            {
                return Some(parked);
            }
        }
    }
}

/// The state of the pings of a tunnel.
struct Pings {
    next: Duration,
    /// The deadline of the ping that is not answered.
    open: Option<Duration>,
    misses: u32,
}

async fn keep(
    world: &ProcessWorld,
    mut stream: Stream,
    entry: ConnectionEntry,
    mut taken: oneshot::Receiver<oneshot::Sender<Parked>>,
) {
    let interval = || jittered(INTERVAL, world.random());
    let mut pings = Pings { next: clock::now() + interval(), open: None, misses: 0 };
    let mut space = [0; PING.len()];
    loop {
        tokio::select! {
            biased;
            hand = &mut taken => {
                if let Ok(hand) = hand {
                    // The receiver may be gone.
                    let _unwanted = hand.send((stream, entry));
                }
                return;
            }
            () = clock::sleep_until(pings.open.unwrap_or(pings.next)) => {
                if pings.open.take().is_some() {
                    pings.misses += 1;
                    pings.next = clock::now() + interval();
                } else {
                    pings.open = Some(clock::now() + REPLY);
                    if stream.write_all(&PING).await.is_err() {
                        return;
                    }
                }
            }
            read = stream.read(&mut space) => match read {
                Ok(0) | Err(_) => return,
                // Envoy discards reads of fewer than five bytes.
                Ok(count) if count < PING.len() => {}
                Ok(_) if space == PING => {
                    pings.misses = 0;
                    if pings.open.take().is_some() {
                        pings.next = clock::now() + interval();
                    }
                }
                // The pending reply counts as a further miss later.
                Ok(_) => pings.misses += 1,
            },
        }
        if pings.misses >= MISSES {
            return;
        }
    }
}
