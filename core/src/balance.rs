//! Which of the endpoints of a service a request goes to: of two random ones that with fewer requests, and none that is down.
//!
//! An endpoint is down after [`FAILURES`] failures in a row: connections that could not be opened, or ended before a response.
//! A response is a success, whatever its status. An endpoint that is down gets requests as trials: when its pause is over, or when
//! no other endpoint is up, and one at a time until its connection is open. One success, and it is up again.

use alloc::boxed::Box;
use core::time::Duration;

use crate::Instant;

/// The failures in a row behind which an endpoint is down.
pub const FAILURES: u32 = 5;

/// The most endpoints of a service.
pub const MAX_ENDPOINTS: usize = 32;

/// The pause before the first trial of an endpoint that is down, while others are up. It doubles with every trial that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The endpoints of one service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Balancer {
    endpoints: Box<[Endpoint]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Endpoint {
    /// Requests in flight.
    active: u32,
    /// Failures in a row.
    failures: u32,
    /// Present while it is down.
    down: Option<Down>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Down {
    /// When it gets a trial although others are up.
    until: Instant,
    pause: Duration,
    /// A trial is in flight.
    on_trial: bool,
}

/// The endpoint of a request; it returns by [`Balancer::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pick {
    /// The endpoint, by its place.
    pub endpoint: usize,
    /// It is down, and this request finds out whether it still is.
    pub is_trial: bool,
}

impl Balancer {
    /// All of `endpoints` are up. Those beyond [`MAX_ENDPOINTS`] are not used.
    #[must_use]
    pub fn new(endpoints: usize) -> Self {
        Self { endpoints: (0..endpoints.min(MAX_ENDPOINTS)).map(|_| Endpoint::default()).collect() }
    }

    /// The endpoint of the next request; none if all are down, or `tried`, a bit for each that the request has failed at.
    pub fn pick(&mut self, now: Instant, dice: u64, tried: u32) -> Option<Pick> {
        let is_untried = |place: usize| tried & (1 << place) == 0;
        let up = |this: &Self| {
            let places = this.endpoints.iter().enumerate();
            places.filter(|(place, endpoint)| is_untried(*place) && endpoint.down.is_none()).count()
        };
        let count = up(self);
        let waits_for_trial =
            |endpoint: &Endpoint| endpoint.down.is_some_and(|down| !down.on_trial && (down.until <= now || count == 0));
        let mut all = self.endpoints.iter().enumerate();
        let trial = all.find(|(place, endpoint)| is_untried(*place) && waits_for_trial(endpoint));
        if let Some((endpoint, _)) = trial {
            if let Some(down) = &mut self.endpoints[endpoint].down {
                down.on_trial = true;
            }
            return Some(self.taken(endpoint, true));
        }
        if count == 0 {
            return None;
        }
        let nth = |nth: usize| {
            let places = self.endpoints.iter().enumerate();
            let mut places = places.filter(|(place, endpoint)| is_untried(*place) && endpoint.down.is_none());
            places.nth(nth).map(|(place, endpoint)| (endpoint.active, place))
        };
        let first = below(dice as u32, count);
        // Another one, unless there is only one.
        let second = (first + 1 + below((dice >> 32) as u32, (count - 1).max(1))) % count;
        let (first, second) = (nth(first), nth(second));
        let fewest = if second.map(|(active, _)| active) < first.map(|(active, _)| active) { second } else { first };
        fewest.map(|(_, endpoint)| self.taken(endpoint, false))
    }

    /// A request has ended, however it did.
    pub fn release(&mut self, pick: Pick) {
        self.connected(pick);
        let endpoint = &mut self.endpoints[pick.endpoint];
        endpoint.active = endpoint.active.saturating_sub(1);
    }

    /// The connection for a request is open: a trial keeps no others waiting any more.
    pub fn connected(&mut self, pick: Pick) {
        if let Some(down) = self.endpoints[pick.endpoint].down.as_mut().filter(|_| pick.is_trial) {
            down.on_trial = false;
        }
    }

    /// An endpoint responded. Returns whether it was down.
    pub fn succeeded(&mut self, endpoint: usize) -> bool {
        let endpoint = &mut self.endpoints[endpoint];
        endpoint.failures = 0;
        endpoint.down.take().is_some()
    }

    /// An endpoint failed. Returns whether it is down with that, and was not before.
    pub fn failed(&mut self, now: Instant, endpoint: usize) -> bool {
        let endpoint = &mut self.endpoints[endpoint];
        endpoint.failures = endpoint.failures.saturating_add(1);
        match &mut endpoint.down {
            // Requests that were sent before it was down say nothing new.
            Some(down) if !down.on_trial => false,
            Some(down) => {
                down.pause = (down.pause * 2).min(LONGEST_PAUSE);
                down.until = now.after(down.pause);
                false
            }
            None if endpoint.failures < FAILURES => false,
            none @ None => {
                *none = Some(Down { until: now.after(FIRST_PAUSE), pause: FIRST_PAUSE, on_trial: false });
                true
            }
        }
    }

    /// Whether an endpoint is up.
    #[must_use]
    pub fn is_up(&self, endpoint: usize) -> bool {
        self.endpoints[endpoint].down.is_none()
    }

    /// Whether any endpoint has failed since it last responded.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.failures > 0)
    }

    fn taken(&mut self, endpoint: usize, is_trial: bool) -> Pick {
        self.endpoints[endpoint].active += 1;
        Pick { endpoint, is_trial }
    }
}

/// A number below `end`, each as likely as the others.
const fn below(dice: u32, end: usize) -> usize {
    ((dice as u64 * end as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::EPOCH.after(Duration::from_millis(millis))
    }

    fn dice(throw: u64) -> u64 {
        (throw + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Puts an endpoint down.
    fn put_down(balancer: &mut Balancer, now: Instant, endpoint: usize) {
        let told: Vec<_> = (0..FAILURES).map(|_| balancer.failed(now, endpoint)).collect();
        assert_eq!(told.iter().filter(|down| **down).count(), 1);
        assert!(told[FAILURES as usize - 1] && !balancer.is_up(endpoint));
    }

    #[test]
    fn of_two_endpoints_the_one_with_fewer_requests_is_taken() {
        let mut balancer = Balancer::new(2);
        for throw in 0..1000 {
            balancer.pick(at(0), dice(throw), 0).unwrap();
        }
        assert_eq!(balancer.endpoints.iter().map(|endpoint| endpoint.active).collect::<Vec<_>>(), [500, 500]);
        let pick = balancer.pick(at(0), 0, 0b10).unwrap();
        assert_eq!(pick, Pick { endpoint: 0, is_trial: false });
        balancer.release(pick);
        assert_eq!(balancer.endpoints[0].active, 500);
        assert_eq!(balancer.pick(at(0), 0, 0b11), None);
    }

    #[test]
    fn many_endpoints_share_the_requests() {
        let mut balancer = Balancer::new(MAX_ENDPOINTS + 1);
        assert_eq!(balancer.endpoints.len(), MAX_ENDPOINTS);
        for throw in 0..3200 {
            balancer.pick(at(0), dice(throw), 0).unwrap();
        }
        assert!(balancer.endpoints.iter().all(|endpoint| (95..=105).contains(&endpoint.active)), "{balancer:?}");
    }

    #[test]
    fn an_endpoint_that_is_down_gets_a_trial_after_its_pause() {
        let mut balancer = Balancer::new(2);
        put_down(&mut balancer, at(0), 0);
        assert!(balancer.is_troubled());
        for throw in 0..100 {
            assert_eq!(balancer.pick(at(999), dice(throw), 0).unwrap().endpoint, 1);
        }
        let trial = balancer.pick(at(1000), 0, 0).unwrap();
        assert_eq!(trial, Pick { endpoint: 0, is_trial: true });
        assert_eq!(balancer.pick(at(1000), 0, 0).unwrap().endpoint, 1, "one trial at a time");
        // It fails, and the pause is twice as long.
        assert!(!balancer.failed(at(1000), 0));
        balancer.release(trial);
        assert_eq!(balancer.pick(at(2999), 0, 0).unwrap().endpoint, 1);
        let trial = balancer.pick(at(3000), 0, 0).unwrap();
        assert!(trial.is_trial);
        // A trial that was cancelled says nothing.
        balancer.release(trial);
        let trial = balancer.pick(at(3000), 0, 0).unwrap();
        assert!(trial.is_trial && balancer.succeeded(0) && balancer.is_up(0) && !balancer.is_troubled());
        balancer.release(trial);
        assert!(!balancer.succeeded(0));
    }

    #[test]
    fn without_another_endpoint_a_trial_does_not_wait() {
        let mut balancer = Balancer::new(1);
        put_down(&mut balancer, at(0), 0);
        assert!(!balancer.failed(at(0), 0), "a late failure changes nothing");
        let trial = balancer.pick(at(0), 0, 0).unwrap();
        assert!(trial.is_trial);
        assert_eq!(balancer.pick(at(60_000), 0, 0), None);
        balancer.release(trial);
        assert_eq!(balancer.pick(at(0), 0, 0), Some(trial));
        balancer.connected(trial);
        assert_eq!(balancer.pick(at(0), 0, 0), Some(trial), "a response may take its time");
    }

    #[test]
    fn a_pause_has_an_end() {
        let mut balancer = Balancer::new(2);
        put_down(&mut balancer, at(0), 0);
        let mut now = at(0);
        for _ in 0..10 {
            now = now.after(LONGEST_PAUSE);
            let trial = balancer.pick(now, 0, 0).unwrap();
            assert!(trial.is_trial);
            balancer.failed(now, 0);
            balancer.release(trial);
        }
    }
}
