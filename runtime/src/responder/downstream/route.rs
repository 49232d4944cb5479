//! A layer: finds out where a request is to go, and makes its head that of a request on a tunnel.

use http::{HeaderMap, Response};
use revtun_core::responder::Target;
use revtun_core::upgrade::Upgrades;

use super::origin::Origin;
use super::proxy_request::{ProxyBody, ProxyRequest};
use super::request::{self, TargetHeaders};
use super::stream_request::StreamRequest;
use crate::http::{HttpService, REASON, strip_hop_by_hop};
use crate::responder::local_reply::LocalReply;

/// A request whose target is known.
pub(super) struct Routed<'r, B: ProxyBody> {
    pub(super) target: Target<'r>,
    pub(super) request: &'r mut ProxyRequest<B>,
}

/// Reads the target from a request's headers.
pub(super) struct Route<'a, S> {
    pub(super) tenant_isolation: bool,
    /// The origin of a request from a connection.
    pub(super) origin: Option<&'a Origin>,
    /// Whether the caller's connection is inside TLS.
    pub(super) tls: bool,
    /// To what callers may upgrade.
    pub(super) upgrades: &'a Upgrades,
    pub(super) inner: S,
}

impl<'r, B, S, D> HttpService<&'r mut ProxyRequest<B>> for Route<'_, S>
where
    B: ProxyBody,
    S: for<'t> HttpService<Routed<'t, B>, Response = Response<D>, Error = LocalReply>,
{
    type Response = Response<D>;
    type Error = LocalReply;

    async fn call(&self, request: &'r mut ProxyRequest<B>) -> Result<Response<D>, LocalReply> {
        let headers = TargetHeaders::read(&request.head.headers, self.tenant_isolation)?;
        let target = headers.target()?;
        request.stream = StreamRequest::of(&request.head, request.summary, self.upgrades)?;
        request::prepare(&mut request.head, request.summary, request.stream.as_ref(), self.origin, self.tls)?;
        let mut response = self.inner.call(Routed { target, request }).await?;
        strip_hop_by_hop(response.headers_mut());
        remove_forged_reason(response.headers_mut());
        Ok(response)
    }
}

/// Removes a reason that only a responder gives. Those of the initiator stay.
fn remove_forged_reason(headers: &mut HeaderMap) {
    if headers.get(REASON).is_some_and(|reason| LocalReply::ALL.iter().any(|reply| reason == reply.reason())) {
        headers.remove(REASON);
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use http::Request;

    use super::super::proxy_request::without_body;
    use super::*;
    use crate::http::testing::FromFn;

    #[tokio::test]
    async fn the_target_is_read_before_the_head_changes() {
        let mut request = without_body(Request::get("/").header("x-node-id", "n").header("host", "h"));
        let inner = FromFn(|routed: Routed<'_, _>| {
            assert_eq!(routed.request.head.uri, "http://h/");
            ready(Ok(Response::builder()
                .header("keep-alive", "1")
                .header("x", format!("{:?}", routed.target))
                .body(())
                .unwrap()))
        });
        let layer = Route { tenant_isolation: false, origin: None, tls: false, upgrades: &Upgrades::default(), inner };
        let response = layer.call(&mut request).await.unwrap();
        assert!(response.headers()["x"].to_str().unwrap().contains("\"n\""));
        assert_eq!(response.headers().len(), 1, "no hop-by-hop headers");
    }

    #[tokio::test]
    async fn no_site_gives_a_reason_of_the_responder() {
        for (reason, kept) in [("no-tunnel", false), ("tunnel-lost", false), ("service-lost", true)] {
            let inner =
                FromFn(|_: Routed<'_, _>| ready(Ok(Response::builder().header(REASON, reason).body(()).unwrap())));
            let layer =
                Route { tenant_isolation: false, origin: None, tls: false, upgrades: &Upgrades::default(), inner };
            let mut request = without_body(Request::get("/").header("x-node-id", "n").header("host", "h"));
            assert_eq!(layer.call(&mut request).await.unwrap().headers().contains_key(REASON), kept, "{reason}");
        }
    }

    #[tokio::test]
    async fn a_request_without_a_target_goes_nowhere() {
        let inner =
            FromFn(|_: Routed<'_, _>| -> std::future::Ready<Result<Response<()>, LocalReply>> { unreachable!() });
        let layer = Route { tenant_isolation: false, origin: None, tls: false, upgrades: &Upgrades::default(), inner };
        assert_eq!(layer.call(&mut without_body(Request::get("/"))).await.unwrap_err(), LocalReply::NoTarget);
    }
}
