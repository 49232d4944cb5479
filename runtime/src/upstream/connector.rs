//! Opens connections to the local service.
//!
//! A name is resolved in the background, and its last addresses stay when the resolver fails: no request waits for a name
//! server. Of several addresses one that swallows packets costs a quarter of a second, once: happy eyeballs, see
//! [`revtun_core::happy_eyeballs`]. TLS, if the service has it, is done within the same time.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use revtun_core::Instant;
use revtun_core::happy_eyeballs::{Next, Race, order};
use revtun_core::hosts::ResolveSchedule;
use revtun_core::initiator::Config;
use revtun_core::outage::{self, Outage};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::service::{ServiceEndpoint, ServiceTls};
use super::service_stream::ServiceStream;
use crate::host_port::HostPort;
use crate::world::World;

/// How long the first request waits for the first answer of the resolver: longer than common resolvers take to pass over a name
/// server that is dead.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one endpoint of a service. Clones share what they know of its addresses.
#[derive(Clone, Debug)]
pub(super) struct Connector<W>(Arc<Inner<W>>);

#[derive(Debug)]
struct Inner<W> {
    world: W,
    service: ServiceEndpoint,
    tls: Option<ServiceTls>,
    timeout: Duration,
    known: watch::Sender<Known>,
}

/// The versions of HTTP to be offered in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    Http2,
    Both,
}

impl Offer {
    /// The names of the protocols (RFC 7301, RFC 9113 §3.2).
    fn alpn(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
            Self::Both => &[b"h2", b"http/1.1"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// What is known of the addresses of the service.
#[derive(Debug, Default)]
struct Known {
    /// The last ones.
    addresses: Vec<SocketAddr>,
    /// That to which the last connection was opened.
    last: Option<SocketAddr>,
    /// Why the name cannot be resolved.
    outage: Option<Outage>,
}

impl<W: World> Connector<W> {
    /// Begins to resolve `service`, if it is a name, in a task of `world`.
    pub(super) fn new(world: &W, service: ServiceEndpoint, tls: Option<ServiceTls>, config: &Config) -> Self {
        let literal = service.host_port().and_then(HostPort::literal);
        let is_name = literal.is_none() && service.host_port().is_some();
        let known = Known { addresses: literal.into_iter().collect(), ..Known::default() };
        let inner = Arc::new(Inner {
            world: world.clone(),
            service,
            tls,
            timeout: config.service_connect_timeout,
            known: watch::Sender::new(known),
        });
        if is_name {
            world.spawn(keep_resolving(world.clone(), Arc::downgrade(&inner), ResolveSchedule::new(config)));
        }
        Self(inner)
    }

    /// The endpoint.
    pub(super) fn service(&self) -> &ServiceEndpoint {
        &self.0.service
    }

    /// A new connection; an error if there is none within the timeout.
    pub(super) async fn connect(&self, offer: Offer) -> io::Result<ServiceStream<W>> {
        let addresses = match &self.0.service {
            ServiceEndpoint::Tcp(_) => self.addresses().await?,
            ServiceEndpoint::Unix(_) => Vec::new(),
        };
        let deadline = self.0.world.now().after(self.0.timeout);
        tokio::select! {
            biased;
            connected = self.open(addresses, offer) => connected,
            () = self.0.world.sleep_until(deadline) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn open(&self, addresses: Vec<SocketAddr>, offer: Offer) -> io::Result<ServiceStream<W>> {
        let endpoint = match &self.0.service {
            ServiceEndpoint::Unix(path) => {
                return self.0.world.connect_local(path).await.map(ServiceStream::Local);
            }
            ServiceEndpoint::Tcp(endpoint) => endpoint,
        };
        let (stream, address) = connect_to_any(&self.0.world, addresses).await?;
        // Nobody waits for this.
        self.0.known.send_if_modified(|known| {
            known.last = Some(address);
            false
        });
        match &self.0.tls {
            None => Ok(ServiceStream::Tcp(stream)),
            Some(tls) => {
                let stream = tls.connect(stream, &endpoint.host, offer.alpn()).await?;
                Ok(ServiceStream::Tls(Box::new(stream)))
            }
        }
    }

    /// The last addresses, in the order in which to try them. Waits only for the first answer of the resolver.
    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let deadline = self.0.world.now().after(FIRST_ANSWER_TIMEOUT);
        let mut known = self.0.known.subscribe();
        tokio::select! {
            biased;
            known = known.wait_for(|known| !known.addresses.is_empty() || known.outage.is_some()) => {
                let known = known.map_err(io::Error::other)?;
                match &known.outage {
                    Some(outage) if known.addresses.is_empty() => Err(io::Error::other(outage.reason().to_owned())),
                    Some(_) | None => Ok(order(&known.addresses, known.last)),
                }
            }
            () = self.0.world.sleep_until(deadline) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the resolver has not answered yet"))
            }
        }
    }
}

/// Resolves the name of the service, for as long as somebody connects to it.
async fn keep_resolving<W: World>(world: W, service: Weak<Inner<W>>, mut schedule: ResolveSchedule) {
    while let Some(inner) = service.upgrade() {
        let Some(name) = inner.service.host_port() else { return };
        let answer = name.resolve(&world, true).await;
        let next = match &answer {
            Ok(_) => schedule.resolved(world.now()),
            Err(_) => schedule.failed(world.env()),
        };
        inner.take(answer);
        drop(inner);
        world.sleep_until(next).await;
    }
}

impl<W: World> Inner<W> {
    /// Takes an answer of the resolver, and logs what has changed.
    fn take(&self, answer: io::Result<Vec<SocketAddr>>) {
        let (service, now) = (&self.service, self.world.now());
        self.known.send_modify(|known| match answer {
            Ok(addresses) => {
                if let Some(outage) = known.outage.take() {
                    info!(%service, failures = outage.failures(), "the local service is resolved again");
                }
                known.addresses = addresses;
            }
            Err(error) if outage::failed(&mut known.outage, now, &error.to_string()) => {
                warn!(%service, %error, "cannot resolve the local service, and will try again; its last addresses stay");
            }
            Err(error) => debug!(%service, %error, "cannot resolve the local service"),
        });
    }
}

/// One attempt to connect.
type Attempt<'a, S> = Pin<Box<dyn Future<Output = (SocketAddr, io::Result<S>)> + Send + 'a>>;

/// Tries `addresses` as a [`Race`] says. Returns the first connection, and to where, or the last error.
pub(super) async fn connect_to_any<W: World>(
    world: &W,
    addresses: Vec<SocketAddr>,
) -> io::Result<(W::Stream, SocketAddr)> {
    let mut race = Race::new(addresses, world.now());
    let mut attempts: Vec<Attempt<'_, W::Stream>> = Vec::new();
    let mut failure = io::ErrorKind::NotFound.into();
    loop {
        let until: Option<Instant> = match race.next(world.now()) {
            Next::Attempt(address) => {
                attempts.push(Box::pin(async move { (address, world.connect(address).await) }));
                continue;
            }
            Next::Wait(until) => until,
            Next::Lost => return Err(failure),
        };
        let ended = poll_fn(|task| poll_any(&mut attempts, task));
        let ended = match until {
            None => ended.await,
            Some(until) => tokio::select! {
                biased;
                ended = ended => ended,
                () = world.sleep_until(until) => continue,
            },
        };
        match ended {
            (address, Ok(stream)) => return Ok((stream, address)),
            (_, Err(error)) => {
                failure = error;
                race.failed(world.now());
            }
        }
    }
}

/// The first attempt that has ended, which is removed.
fn poll_any<S>(attempts: &mut Vec<Attempt<'_, S>>, task: &mut Context<'_>) -> Poll<(SocketAddr, io::Result<S>)> {
    for index in 0..attempts.len() {
        if let Poll::Ready(ended) = attempts[index].as_mut().poll(task) {
            drop(attempts.swap_remove(index));
            return Poll::Ready(ended);
        }
    }
    Poll::Pending
}
