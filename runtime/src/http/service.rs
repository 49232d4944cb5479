//! Services and layers: a layer does one thing about a request, and calls the service that it wraps.
//!
//! This is `tower::Service` without what nothing here needs: readiness, and futures that have a name or a box.

use std::future::Future;

/// Responds to requests of type `R`.
pub(crate) trait HttpService<R>: Sync {
    /// What it responds with.
    type Response;
    /// Why it does not respond.
    type Error;

    /// Responds to one request. Dropping the future cancels the request.
    fn call(&self, request: R) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;
}

/// Services of tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Responds by a function.
    pub(crate) struct FromFn<F>(pub(crate) F);

    impl<R, F, Fut, T, E> HttpService<R> for FromFn<F>
    where
        F: Fn(R) -> Fut + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        type Response = T;
        type Error = E;

        fn call(&self, request: R) -> impl Future<Output = Result<T, E>> + Send {
            (self.0)(request)
        }
    }
}
