//! Tunnels without HTTP: pings, and who may have one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revtun::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::state::{Entry, Stage};
use super::{PING, Stream, jittered};
use crate::clock;
use crate::host::Local;

/// From an answered ping to the next.
const INTERVAL: Duration = Duration::from_secs(2);
/// Half of that, in whole seconds.
const REPLY: Duration = Duration::from_secs(1);
/// So many misses in a row are the end.
const MISSES: u32 = 3;

/// A tenant and a node.
pub(super) type Node = (String, String);

/// A parked tunnel.
type Parked = (Stream, Entry);

/// Says to whom a parked tunnel is to be handed.
type Taker = oneshot::Sender<oneshot::Sender<Parked>>;

/// Parked tunnels by node, the first to come is the first to go. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<BTreeMap<Node, VecDeque<Taker>>>>);

impl Pool {
    /// Keeps a tunnel until somebody takes it or it is lost.
    pub(super) fn park(&self, world: &Local, node: Node, stream: Stream, entry: Entry) {
        entry.stage(Stage::Parked);
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

/// When which ping is due.
struct Pings {
    next: Duration,
    /// The last one is not answered, and will have been missed then.
    open: Option<Duration>,
    misses: u32,
}

async fn keep(world: &Local, mut stream: Stream, entry: Entry, mut taken: oneshot::Receiver<oneshot::Sender<Parked>>) {
    let pause = || jittered(INTERVAL, world.random());
    let mut pings = Pings { next: clock::now() + pause(), open: None, misses: 0 };
    let mut space = [0; PING.len()];
    loop {
        tokio::select! {
            biased;
            hand = &mut taken => {
                if let Ok(hand) = hand {
                    // Whoever wanted it may have gone.
                    let _unwanted = hand.send((stream, entry));
                }
                return;
            }
            () = clock::sleep_until(pings.open.unwrap_or(pings.next)) => {
                if pings.open.take().is_some() {
                    pings.misses += 1;
                    pings.next = clock::now() + pause();
                } else {
                    pings.open = Some(clock::now() + REPLY);
                    if stream.write_all(&PING).await.is_err() {
                        return;
                    }
                }
            }
            read = stream.read(&mut space) => match read {
                Ok(0) | Err(_) => return,
                // Fewer than five bytes are forgotten, wherever they belong.
                Ok(count) if count < PING.len() => {}
                Ok(_) if space == PING => {
                    pings.misses = 0;
                    if pings.open.take().is_some() {
                        pings.next = clock::now() + pause();
                    }
                }
                // That the reply is still awaited counts as another one.
                Ok(_) => pings.misses += 1,
            },
        }
        if pings.misses >= MISSES {
            return;
        }
    }
}
