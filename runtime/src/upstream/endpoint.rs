//! One endpoint of a service: its connections, in the version of HTTP that it speaks.

use std::sync::atomic::{AtomicBool, Ordering};

use http::uri::Scheme;
use http::{Request, Response};
use revtun_core::initiator::Config;

use super::body::ServiceBody;
use super::connector::{Connector, Offer};
use super::error::UpstreamError;
use super::http2::Http2;
use super::pool::Pool;
use super::service::{ServiceConfig, ServiceEndpoint, ServiceProtocol};
use crate::http::RequestBody;
use crate::world::World;

/// One endpoint.
pub(super) struct Endpoint<W: World> {
    pub(super) connector: Connector<W>,
    protocol: ServiceProtocol,
    /// It was asked, and chose HTTP/1.1.
    chose_http1: AtomicBool,
    pub(super) http1: Pool<W>,
    http2: Http2<W>,
}

impl<W: World> Endpoint<W> {
    pub(super) fn new(world: &W, service: &ServiceConfig, endpoint: ServiceEndpoint, config: &Config) -> Self {
        let connector = Connector::new(world, endpoint, service.tls.clone(), config);
        let scheme = if service.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        Self {
            http1: Pool::new(world, connector.clone(), config.service_idle),
            http2: Http2::new(world, scheme, config.probe_interval),
            chose_http1: AtomicBool::new(false),
            protocol: service.protocol,
            connector,
        }
    }

    /// Sends a request of HTTP/1.1, in the version that the endpoint speaks. If no connection could be opened, it stays in its
    /// place; `connected` is told when there is one.
    pub(super) async fn send(
        &self,
        request: &mut Option<Request<RequestBody>>,
        connected: impl Fn(),
    ) -> Result<Response<ServiceBody<W>>, UpstreamError> {
        let is_http1 = match self.protocol {
            ServiceProtocol::Http1 => true,
            ServiceProtocol::Http2 => false,
            ServiceProtocol::Negotiated => self.chose_http1.load(Ordering::Relaxed),
        };
        if is_http1 {
            return self.send_http1(request, connected).await;
        }
        let mut retried = false;
        loop {
            // In a box: it is rare, and would make the future of every request a large one.
            if !self.http2.is_connected() && !Box::pin(self.connect_http2()).await? {
                return self.send_http1(request, connected).await;
            }
            connected();
            match self.http2.send(request).await {
                // It was closed while it was idle, or closes with requests in flight.
                Err(UpstreamError::Closing) if !retried && request.is_some() => retried = true,
                response => return response.map(|response| response.map(ServiceBody::http2)),
            }
        }
    }

    async fn send_http1(
        &self,
        request: &mut Option<Request<RequestBody>>,
        connected: impl Fn(),
    ) -> Result<Response<ServiceBody<W>>, UpstreamError> {
        self.http1.send(request, connected).await.map(|response| response.map(ServiceBody::http1))
    }

    /// Whether it speaks HTTP/2 on a new connection; if not, that one goes into the pool.
    async fn connect_http2(&self) -> Result<bool, UpstreamError> {
        let is_asked = self.protocol == ServiceProtocol::Negotiated;
        let offer = if is_asked { Offer::Both } else { Offer::Http2 };
        let open = self.connector.connect(offer);
        match self.http2.connect(open, |stream| !is_asked || stream.is_http2()).await? {
            None => Ok(true),
            Some(stream) => {
                self.chose_http1.store(true, Ordering::Relaxed);
                self.http1.add(stream).await?;
                Ok(false)
            }
        }
    }
}
