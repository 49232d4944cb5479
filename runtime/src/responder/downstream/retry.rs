//! A layer: a request that lost its tunnel is sent again on another one, if the core says so.

use http::Response;
use revtun_core::TunnelId;
use revtun_core::responder::retry::{Decision, Loss, Retries};

use super::proxy_request::ProxyBody;
use super::route::Routed;
use crate::counter::Counter;
use crate::http::HttpService;
use crate::responder::local_reply::LocalReply;

/// Why one try has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TryError {
    /// It was not sent: there is no tunnel for it, or none that takes it.
    Failed(LocalReply),
    /// The tunnel was lost, or the stream on it failed; what to answer if there is no other try.
    Lost(TunnelId, Loss, LocalReply),
}

/// Tries again.
pub(super) struct Retry<'a, S> {
    retried: &'a Counter,
    inner: S,
}

impl<'a, S> Retry<'a, S> {
    /// Counts in `retried` how often a request is sent again.
    pub(super) fn new(retried: &'a Counter, inner: S) -> Self {
        Self { retried, inner }
    }
}

impl<'r, B, S, D> HttpService<Routed<'r, B>> for Retry<'_, S>
where
    B: ProxyBody,
    S: for<'t> HttpService<Routed<'t, B>, Response = Response<D>, Error = TryError>,
{
    type Response = Response<D>;
    type Error = LocalReply;

    async fn call(&self, Routed { target, request }: Routed<'r, B>) -> Result<Response<D>, LocalReply> {
        let mut retries = Retries::new(request.head.method.is_idempotent());
        loop {
            let (tunnel, loss, reply) = match self.inner.call(Routed { target, request: &mut *request }).await {
                Ok(response) => return Ok(response),
                Err(TryError::Failed(reply)) => return Err(reply),
                Err(TryError::Lost(tunnel, loss, reply)) => (tunnel, loss, reply),
            };
            match retries.after_loss(loss) {
                Decision::Retry => request.restore_head(),
                Decision::GiveUp => return Err(reply),
            }
            self.retried.add(1);
            tracing::debug!(%tunnel, ?loss, "request retried");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::ready;
    use std::sync::Mutex;

    use http::{Request, Version};
    use revtun_core::identity::NodeId;
    use revtun_core::responder::retry::Progress;
    use revtun_core::responder::{Target, TargetName};

    use super::super::proxy_request::without_body;
    use super::*;
    use crate::http::SavedHead;
    use crate::http::testing::FromFn;

    /// The outcome of a request by `method` whose tries end like this, and how many were retries.
    async fn outcome(method: &str, tries: &[Result<(), TryError>]) -> (Result<(), LocalReply>, u64) {
        let mut request = without_body(Request::builder().method(method).uri("/"));
        let target = Target { tenant: None, name: TargetName::Node(NodeId::new("n").unwrap()) };
        let left = Mutex::new(RefCell::new(tries.iter().copied()));
        let inner = FromFn(|_: Routed<'_, _>| {
            let next = left.lock().unwrap().get_mut().next().expect("no more tries than there are");
            ready(next.map(Response::new))
        });
        let retried = Counter::default();
        let response = Retry::new(&retried, inner).call(Routed { target, request: &mut request }).await;
        assert_eq!(left.lock().unwrap().get_mut().next(), None, "every try is made");
        (response.map(|_| ()), retried.read())
    }

    fn lost(progress: Progress) -> Result<(), TryError> {
        Err(TryError::Lost(TunnelId::new(0, 0), Loss { progress, replayable: true }, LocalReply::TunnelLost))
    }

    #[tokio::test]
    async fn a_lost_request_is_sent_again_if_that_does_no_harm() {
        assert_eq!(outcome("GET", &[lost(Progress::Sent), Ok(())]).await, (Ok(()), 1));
        assert_eq!(outcome("POST", &[lost(Progress::Unsent), lost(Progress::Refused), Ok(())]).await, (Ok(()), 2));
        assert_eq!(outcome("POST", &[lost(Progress::Sent)]).await, (Err(LocalReply::TunnelLost), 0));
    }

    #[tokio::test]
    async fn each_try_has_the_same_head() {
        let mut request = without_body(Request::get("http://h/a").version(Version::HTTP_2).header("x", "y"));
        let (target, retried) =
            (Target { tenant: None, name: TargetName::Node(NodeId::new("n").unwrap()) }, Counter::default());
        let sent = Mutex::new(Vec::new());
        let inner = FromFn(|Routed { request, .. }: Routed<'_, _>| {
            let saved = SavedHead::of(&request.head);
            let head = request.take_head(saved);
            let mut sent = sent.lock().unwrap();
            sent.push((head.uri().clone(), head.headers().clone()));
            ready(if sent.len() < 3 { lost(Progress::Sent) } else { Ok(()) }.map(Response::new))
        });
        let response = Retry::new(&retried, inner).call(Routed { target, request: &mut request }).await;
        assert_eq!(response.map(|_| retried.read()), Ok(2));
        let sent = sent.into_inner().unwrap();
        assert_eq!((sent[0].0.to_string().as_str(), &sent[0].1["x"]), ("http://h/a", &"y".parse().unwrap()));
        assert!(sent.iter().all(|head| *head == sent[0]), "{sent:?}");
    }

    #[tokio::test]
    async fn what_failed_while_the_tunnel_lives_is_answered() {
        let loss = Loss { progress: Progress::Failed, replayable: true };
        let failed = Err(TryError::Lost(TunnelId::new(0, 0), loss, LocalReply::StreamReset));
        assert_eq!(outcome("GET", &[failed]).await, (Err(LocalReply::StreamReset), 0));
    }

    #[tokio::test]
    async fn without_a_tunnel_there_is_no_other_try() {
        let none = Err(TryError::Failed(LocalReply::Saturated));
        assert_eq!(outcome("GET", &[lost(Progress::Sent), none]).await, (Err(LocalReply::Saturated), 1));
    }
}
