//! In place of `runtime/src/sync.rs`: the same names over the locks and atomics of the tool that tries the orders.
//!
//! The channels promise what tokio's do and no more. They are made of one lock each, so every send, poll and drop is a
//! point at which another thread may go first.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

#[allow(unused_imports, reason = "each tool needs some of them")]
pub(crate) use crate::tool::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

const SOUND: &str = "nobody panics while it holds this lock";

/// Tells one task that waits, or the next one that will.
#[derive(Debug)]
pub(crate) struct Notify(Mutex<(bool, Vec<Waker>)>);

impl Notify {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((false, Vec::new())))
    }

    pub(crate) fn notify_one(&self) {
        let waiting = {
            let mut state = self.0.lock().expect(SOUND);
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn notified(&self) {
        poll_fn(|task| {
            let mut state = self.0.lock().expect(SOUND);
            if std::mem::take(&mut state.0) {
                return Poll::Ready(());
            }
            state.1.push(task.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A value that is set once and waited for.
#[derive(Debug)]
pub(crate) struct SetOnce<T> {
    value: std::sync::OnceLock<T>,
    state: Mutex<(bool, Vec<Waker>)>,
}

impl<T> SetOnce<T> {
    pub(crate) fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), state: Mutex::new((false, Vec::new())) }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let waiting = {
            let mut state = self.state.lock().expect(SOUND);
            self.value.set(value)?;
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        waiting.into_iter().for_each(Waker::wake);
        Ok(())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        let set = self.state.lock().expect(SOUND).0;
        if set { self.value.get() } else { None }
    }

    pub(crate) async fn wait(&self) -> &T {
        poll_fn(|task| {
            let mut state = self.state.lock().expect(SOUND);
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(task.waker().clone());
            Poll::Pending
        })
        .await;
        self.value.get().expect("it is set")
    }
}

pub(crate) mod oneshot {
    use std::pin::Pin;
    use std::task::Context;

    use super::{Arc, Mutex, Poll, SOUND, Waker};

    #[derive(Debug)]
    struct State<T> {
        value: Option<T>,
        waker: Option<Waker>,
        sender_gone: bool,
        receiver_gone: bool,
    }

    #[derive(Debug)]
    pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

    #[derive(Debug)]
    pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let state = State { value: None, waker: None, sender_gone: false, receiver_gone: false };
        let state = Arc::new(Mutex::new(state));
        (Sender(Arc::clone(&state)), Receiver(state))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(self, value: T) -> Result<(), T> {
            let mut state = self.0.lock().expect(SOUND);
            if state.receiver_gone {
                return Err(value);
            }
            state.value = Some(value);
            // Dropping the sender wakes the receiver.
            Ok(())
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let waker = {
                let mut state = self.0.lock().expect(SOUND);
                state.sender_gone = true;
                state.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, &'static str>;

        fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
            let mut state = self.0.lock().expect(SOUND);
            match state.value.take() {
                Some(value) => Poll::Ready(Ok(value)),
                None if state.sender_gone => Poll::Ready(Err("the sender is gone")),
                None => {
                    state.waker = Some(task.waker().clone());
                    Poll::Pending
                }
            }
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            let unread = {
                let mut state = self.0.lock().expect(SOUND);
                state.receiver_gone = true;
                state.value.take()
            };
            // Outside the lock: what nobody reads may have a lot to do when it goes.
            drop(unread);
        }
    }
}

pub(crate) mod watch {
    use super::{Arc, Mutex, Poll, SOUND, Waker, poll_fn};

    #[derive(Debug)]
    struct State<T> {
        value: T,
        version: u64,
        receivers: usize,
        sender_gone: bool,
        wakers: Vec<Waker>,
    }

    impl<T> State<T> {
        fn wake(state: &Mutex<Self>, change: impl FnOnce(&mut Self)) {
            let wakers = {
                let mut state = state.lock().expect(SOUND);
                change(&mut state);
                std::mem::take(&mut state.wakers)
            };
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    #[derive(Debug)]
    pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

    #[derive(Debug)]
    pub(crate) struct Receiver<T> {
        state: Arc<Mutex<State<T>>>,
        seen: u64,
    }

    pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
        let state = State { value, version: 0, receivers: 1, sender_gone: false, wakers: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        (Sender(Arc::clone(&state)), Receiver { state, seen: 0 })
    }

    impl<T> Sender<T> {
        pub(crate) fn send_replace(&self, value: T) {
            State::wake(&self.0, |state| {
                state.value = value;
                state.version += 1;
            });
        }

        pub(crate) async fn closed(&self) {
            poll_fn(|task| {
                let mut state = self.0.lock().expect(SOUND);
                if state.receivers == 0 {
                    return Poll::Ready(());
                }
                state.wakers.push(task.waker().clone());
                Poll::Pending
            })
            .await;
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            State::wake(&self.0, |state| state.sender_gone = true);
        }
    }

    impl<T: Clone> Receiver<T> {
        pub(crate) fn borrow(&self) -> T {
            self.state.lock().expect(SOUND).value.clone()
        }

        pub(crate) async fn changed(&mut self) -> Result<(), &'static str> {
            let Self { state, seen } = self;
            poll_fn(|task| {
                let mut state = state.lock().expect(SOUND);
                if state.version > *seen {
                    *seen = state.version;
                    return Poll::Ready(Ok(()));
                }
                if state.sender_gone {
                    return Poll::Ready(Err("the sender is gone"));
                }
                state.wakers.push(task.waker().clone());
                Poll::Pending
            })
            .await
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            State::wake(&self.state, |state| state.receivers -= 1);
        }
    }
}
