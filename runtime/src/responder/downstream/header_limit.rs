//! A layer: the headers of a request have a limit.

use http::Version;

use super::proxy_request::{ProxyBody, ProxyRequest};
use crate::http::HttpService;
use crate::responder::local_reply::LocalReply;

/// Refuses requests with larger headers. In HTTP/2 the h2 library does so.
pub(super) struct HeaderLimit<S> {
    max_bytes: u32,
    inner: S,
}

impl<S> HeaderLimit<S> {
    /// `max_bytes` are those of names and values, plus 32 for each header.
    pub(super) fn new(max_bytes: u32, inner: S) -> Self {
        Self { max_bytes, inner }
    }
}

impl<'r, B, S> HttpService<&'r mut ProxyRequest<B>> for HeaderLimit<S>
where
    B: ProxyBody,
    S: HttpService<&'r mut ProxyRequest<B>, Error = LocalReply>,
{
    type Response = S::Response;
    type Error = LocalReply;

    async fn call(&self, request: &'r mut ProxyRequest<B>) -> Result<S::Response, LocalReply> {
        let http1 = request.head.version < Version::HTTP_2;
        if http1 && request.summary.list_bytes > self.max_bytes as usize {
            return Err(LocalReply::HeadersTooLarge);
        }
        self.inner.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use http::Request;

    use super::super::proxy_request::without_body;
    use super::*;
    use crate::http::header_list_bytes;
    use crate::http::testing::FromFn;

    #[tokio::test]
    async fn headers_up_to_the_limit_are_passed_on() {
        let mut request = without_body(Request::get("/").header("a", "12345"));
        let exact = header_list_bytes(&request.head.headers) as u32;
        for (limit, expected) in [(exact, Ok(())), (exact - 1, Err(LocalReply::HeadersTooLarge))] {
            let layer = HeaderLimit::new(limit, FromFn(|_: &mut ProxyRequest<_>| ready(Ok(()))));
            assert_eq!(layer.call(&mut request).await, expected);
        }
    }
}
