//! A service: its endpoints, and which of them a request goes to.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, Request, Response};
use revtun_core::initiator::Config;
use tracing::{info, warn};

use super::body::ServiceBody;
use super::connector::Offer;
use super::endpoint::Endpoint;
use super::error::UpstreamError;
use super::lease::{Lease, SharedBalancer};
use super::service::ServiceConfig;
use super::service_stream::ServiceStream;
use crate::http::RequestBody;
use crate::world::World;

/// A service.
pub(super) struct Upstream<W: World> {
    world: W,
    pub(super) name: String,
    /// The `host` of a request without one, and of those whose route asks for it.
    pub(super) host: HeaderValue,
    pub(super) endpoints: Box<[Endpoint<W>]>,
    balancer: SharedBalancer,
    /// An endpoint has failed since it last responded. Unless one has, a service with one endpoint needs no balancer.
    is_troubled: AtomicBool,
}

impl<W: World> Upstream<W> {
    pub(super) fn new(world: &W, service: &ServiceConfig, config: &Config) -> Result<Self, http::Error> {
        let host = service.endpoints.first().map(|endpoint| endpoint.authority()).unwrap_or_default();
        let endpoints =
            service.endpoints.iter().map(|endpoint| Endpoint::new(world, service, endpoint.clone(), config));
        let endpoints: Box<[_]> = endpoints.collect();
        Ok(Self {
            world: world.clone(),
            name: service.name.clone(),
            host: HeaderValue::try_from(host)?,
            balancer: SharedBalancer::new(endpoints.len()),
            endpoints,
            is_troubled: AtomicBool::new(false),
        })
    }

    /// Sends a request of HTTP/1.1 to an endpoint. If no connection to it can be opened, it goes to another one.
    pub(super) async fn send(&self, request: Request<RequestBody>) -> Result<Response<ServiceBody<W>>, UpstreamError> {
        let (mut request, mut tried, mut failure) = (Some(request), 0, UpstreamError::Down);
        loop {
            let Some(lease) = self.lease(tried) else { return Err(failure) };
            let endpoint = lease.endpoint();
            match self.endpoints[endpoint].send(&mut request, || lease.connected()).await {
                Ok(response) => {
                    self.succeeded(endpoint);
                    // A service with one endpoint has nothing to weigh.
                    return Ok(if self.endpoints.len() > 1 {
                        response.map(|body| body.leased(lease))
                    } else {
                        response
                    });
                }
                Err(error) => {
                    if error.is_of_service() {
                        self.failed(endpoint, &error);
                    }
                    if request.is_none() {
                        return Err(error);
                    }
                    tried |= 1 << endpoint;
                    failure = error;
                }
            }
        }
    }

    /// Opens a connection to an endpoint for one use of HTTP/1.1.
    pub(super) async fn connect(&self) -> Result<ServiceStream<W>, UpstreamError> {
        let (mut tried, mut failure) = (0, UpstreamError::Down);
        loop {
            let Some(lease) = self.lease(tried) else { return Err(failure) };
            let endpoint = lease.endpoint();
            match self.endpoints[endpoint].connector.connect(Offer::Http1).await {
                Ok(stream) => {
                    lease.connected();
                    self.succeeded(endpoint);
                    return Ok(stream);
                }
                Err(error) => {
                    failure = UpstreamError::Connect(error);
                    self.failed(endpoint, &failure);
                    tried |= 1 << endpoint;
                }
            }
        }
    }

    /// What the admin listener shows of it.
    pub(super) fn info(&self) -> ServiceInfo {
        let balancer = self.balancer.lock();
        let endpoint = |(place, endpoint): (usize, &Endpoint<W>)| ServiceEndpointInfo {
            endpoint: endpoint.connector.service().to_string(),
            up: balancer.is_up(place),
        };
        ServiceInfo { name: self.name.clone(), endpoints: self.endpoints.iter().enumerate().map(endpoint).collect() }
    }

    fn lease(&self, tried: u32) -> Option<Lease> {
        if self.endpoints.len() == 1 && tried == 0 && !self.is_troubled.load(Ordering::Relaxed) {
            return Some(Lease::unbalanced());
        }
        let env = self.world.env();
        self.balancer.pick(env.now, env.dice, tried)
    }

    fn succeeded(&self, endpoint: usize) {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return;
        }
        let (is_back, is_troubled) = {
            let mut balancer = self.balancer.lock();
            (balancer.succeeded(endpoint), balancer.is_troubled())
        };
        self.is_troubled.store(is_troubled, Ordering::Relaxed);
        if is_back {
            let endpoint = self.endpoints[endpoint].connector.service();
            info!(service = self.name, %endpoint, "an endpoint of a service is up again");
        }
    }

    fn failed(&self, endpoint: usize, error: &UpstreamError) {
        self.is_troubled.store(true, Ordering::Relaxed);
        let is_down = self.balancer.lock().failed(self.world.now(), endpoint);
        if is_down {
            let endpoint = self.endpoints[endpoint].connector.service();
            warn!(service = self.name, %endpoint, ?error, "an endpoint of a service is down, and gets trials only");
        }
    }
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Its name.
    pub name: String,
    /// Its endpoints.
    pub endpoints: Vec<ServiceEndpointInfo>,
}

impl ServiceInfo {
    /// Whether no endpoint is up.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.endpoints.iter().all(|endpoint| !endpoint.up)
    }
}

/// One endpoint of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceEndpointInfo {
    /// Where it is.
    pub endpoint: String,
    /// Whether it is taken to be up: it has not failed [`FAILURES`](revtun_core::balance::FAILURES) times in a row.
    pub up: bool,
}
