//! A layer: a request that is not proxied gets a local reply.

use std::convert::Infallible;

use http::Response;
use http_body_util::Either;

use crate::http::HttpService;
use crate::responder::counters::Counters;
use crate::responder::local_reply::{LocalReply, LocalReplyBody};

/// Makes a response of each local reply, and counts it.
pub(super) struct LocalReplies<'a, S> {
    counters: &'a Counters,
    is_grpc: bool,
    inner: S,
}

impl<'a, S> LocalReplies<'a, S> {
    /// `is_grpc`: the request is a call of gRPC, and is replied to as such.
    pub(super) fn new(counters: &'a Counters, is_grpc: bool, inner: S) -> Self {
        Self { counters, is_grpc, inner }
    }
}

impl<S, R, B> HttpService<R> for LocalReplies<'_, S>
where
    S: HttpService<R, Response = Response<B>, Error = LocalReply>,
    R: Send,
{
    type Response = Response<Either<LocalReplyBody, B>>;
    type Error = Infallible;

    async fn call(&self, request: R) -> Result<Self::Response, Infallible> {
        Ok(match self.inner.call(request).await {
            Ok(response) => response.map(Either::Right),
            Err(reply) => {
                self.counters.local_reply(reply);
                reply.response(self.is_grpc).map(Either::Left)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use http_body_util::BodyExt;

    use super::*;
    use crate::http::REASON;
    use crate::http::testing::FromFn;

    #[tokio::test]
    async fn a_local_reply_is_a_response_and_counted() {
        let counters = Counters::default();
        let refuse = FromFn(|()| ready(Err::<Response<LocalReplyBody>, _>(LocalReply::NoTunnel)));
        let Ok(response) = LocalReplies::new(&counters, false, refuse).call(()).await;
        assert_eq!((response.status().as_u16(), response.headers()[REASON].to_str().unwrap()), (503, "no-tunnel"));
        assert_eq!(counters.totals().local_replies.iter().map(|&(_, count)| count).sum::<u64>(), 1);
        assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }

    #[tokio::test]
    async fn a_call_of_grpc_gets_the_status_that_stands_for_the_reply() {
        let counters = Counters::default();
        let refuse = FromFn(|()| ready(Err::<Response<LocalReplyBody>, _>(LocalReply::NoTunnel)));
        let Ok(response) = LocalReplies::new(&counters, true, refuse).call(()).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        let told = ["content-type", "grpc-status", "grpc-message", REASON.as_str(), "retry-after"].map(header);
        assert_eq!(response.status(), 200);
        assert_eq!(told, ["application/grpc", "14", "No tunnel to this node or cluster.", "no-tunnel", "1"]);
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
