//! A layer: the head of a response has to come in time.

use std::time::Duration;

use super::service::HttpService;
use crate::world::World;

/// No head of a response came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadlineExceeded;

/// Cancels a request whose response takes longer than a timeout.
pub(crate) struct Deadline<'a, W, S> {
    world: &'a W,
    timeout: Duration,
    inner: S,
}

impl<'a, W, S> Deadline<'a, W, S> {
    /// A `timeout` of zero is none.
    pub(crate) fn new(world: &'a W, timeout: Duration, inner: S) -> Self {
        Self { world, timeout, inner }
    }
}

impl<W, S, R> HttpService<R> for Deadline<'_, W, S>
where
    W: World,
    S: HttpService<R, Error: From<DeadlineExceeded>>,
    R: Send,
{
    type Response = S::Response;
    type Error = S::Error;

    async fn call(&self, request: R) -> Result<S::Response, S::Error> {
        if self.timeout.is_zero() {
            return self.inner.call(request).await;
        }
        let late = self.world.sleep_until(self.world.now().after(self.timeout));
        tokio::select! {
            biased;
            response = self.inner.call(request) => response,
            () = late => Err(DeadlineExceeded.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::super::service::testing::FromFn;
    use super::*;
    use crate::world::Tokio;

    #[tokio::test]
    async fn a_response_in_time_is_passed_on() {
        let world = Tokio::begin();
        for timeout in [Duration::ZERO, Duration::from_secs(60)] {
            let layer =
                Deadline::new(&world, timeout, FromFn(|number: u32| ready(Ok::<_, DeadlineExceeded>(number + 1))));
            assert_eq!(layer.call(1).await, Ok(2));
        }
    }

    #[tokio::test]
    async fn a_request_without_a_response_is_cancelled() {
        let world = Tokio::begin();
        let never = FromFn(|()| pending::<Result<(), DeadlineExceeded>>());
        let layer = Deadline::new(&world, Duration::from_millis(1), never);
        assert_eq!(layer.call(()).await, Err(DeadlineExceeded));
    }
}
