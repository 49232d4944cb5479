//! A layer: the headers of a request have limits.

use http::Version;

use super::proxy_request::{ProxyBody, ProxyRequest};
use crate::http::HttpService;
use crate::responder::local_reply::LocalReply;

/// Refuses requests with more or larger headers. The HTTP/1.1 library counts them itself, that of HTTP/2 adds up their sizes.
pub(super) struct HeaderLimit<S> {
    max_bytes: u32,
    max_headers: u32,
    inner: S,
}

impl<S> HeaderLimit<S> {
    /// `max_bytes` are those of names and values, plus 32 for each header.
    pub(super) fn new(max_bytes: u32, max_headers: u32, inner: S) -> Self {
        Self { max_bytes, max_headers, inner }
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
        if request.head.headers.len() > self.max_headers as usize {
            return Err(LocalReply::TooManyHeaders);
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
            let layer = HeaderLimit::new(limit, 1, FromFn(|_: &mut ProxyRequest<_>| ready(Ok(()))));
            assert_eq!(layer.call(&mut request).await, expected);
        }
    }

    #[tokio::test]
    async fn headers_are_counted() {
        let mut request = without_body(Request::get("/").header("a", "1").header("a", "2").header("b", "3"));
        for (limit, expected) in [(3, Ok(())), (2, Err(LocalReply::TooManyHeaders))] {
            let layer = HeaderLimit::new(u32::MAX, limit, FromFn(|_: &mut ProxyRequest<_>| ready(Ok(()))));
            assert_eq!(layer.call(&mut request).await, expected);
        }
    }
}
