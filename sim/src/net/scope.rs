//! Which task runs on which host. A socket belongs to the host that is current when it is made, polled or dropped, so
//! every task carries its host with it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;
use turmoil_net::HostId;

use super::account::{Account, unaccounted};

thread_local! {
    static CURRENT: Cell<Option<HostId>> = const { Cell::new(None) };
    /// What the last panic of a task on this thread said, and where.
    static LAST_WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From here on a panic of a simulated task is told by its simulation alone. Once for each process.
pub fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match CURRENT.get() {
            Some(_) => LAST_WORDS.set(Some(panic.to_string().replace('\n', " "))),
            None => usual(panic),
        }));
    });
}

/// A process: tasks that share a kernel, stand still together and die together.
pub struct Process {
    kernel: HostId,
    address: IpAddr,
    /// Tasks that were begun and are not over.
    tasks: AtomicUsize,
    account: Account,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handles: Vec<AbortHandle>,
    frozen: bool,
    /// Who wanted to run meanwhile.
    asleep: Vec<Waker>,
    dead: bool,
    panic: Option<String>,
}

impl Process {
    /// A process on `kernel`, which has this address.
    #[must_use]
    pub fn new(kernel: HostId, address: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            kernel,
            address,
            tasks: AtomicUsize::new(0),
            account: Account::default(),
            state: Mutex::default(),
        })
    }

    /// Where it runs.
    #[must_use]
    pub fn kernel(&self) -> HostId {
        self.kernel
    }

    /// Its kernel's own address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Runs `task` here until it ends or the process is killed.
    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + 'static) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        let scoped = Scoped { process: Arc::clone(self), task: Some(Box::pin(task)) };
        if self.state().dead {
            return;
        }
        // Not `tokio::spawn`: a runtime that ends drops its tasks in an order that depends on their numbers, which all
        // runtimes of the process share.
        let handle = unaccounted(|| tokio::task::spawn_local(scoped)).abort_handle();
        let mut state = self.state();
        if state.handles.len() == state.handles.capacity() {
            state.handles.retain(|handle| !handle.is_finished());
        }
        state.handles.push(handle);
    }

    /// Ends every task, as a kernel ends a process that was killed.
    pub fn kill(&self) {
        let handles = {
            let mut state = self.state();
            state.dead = true;
            state.frozen = false;
            std::mem::take(&mut state.handles)
        };
        handles.iter().for_each(AbortHandle::abort);
    }

    /// Nothing runs until [`Self::thaw`]; the kernel goes on.
    pub fn freeze(&self) {
        self.state().frozen = true;
    }

    /// Everything that wanted to run meanwhile does so now.
    pub fn thaw(&self) {
        let asleep = {
            let mut state = self.state();
            state.frozen = false;
            std::mem::take(&mut state.asleep)
        };
        asleep.into_iter().for_each(Waker::wake);
    }

    /// Tasks that are not over.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.load(Ordering::Relaxed)
    }

    /// Bytes that its tasks hold.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.account.bytes()
    }

    /// What the first task that panicked said.
    #[must_use]
    pub fn panic(&self) -> Option<String> {
        self.state().panic.clone()
    }

    /// Does `work` as this process.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        on(self.kernel, work)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("address", &self.address).field("tasks", &self.tasks()).finish_non_exhaustive()
    }
}

/// Does `work` with `kernel` as the current one.
fn on<R>(kernel: HostId, work: impl FnOnce() -> R) -> R {
    struct Back(Option<HostId>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0);
            if let Some(before) = self.0 {
                turmoil_net::set_current(before);
            }
        }
    }
    turmoil_net::set_current(kernel);
    let _back = Back(CURRENT.replace(Some(kernel)));
    work()
}

/// A task of a process: polled and dropped as that process.
struct Scoped<F> {
    process: Arc<Process>,
    task: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Future for Scoped<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let process = Arc::clone(&self.process);
        {
            let mut state = process.state();
            if state.frozen {
                state.asleep.push(cx.waker().clone());
                return Poll::Pending;
            }
        }
        let Some(task) = &mut self.task else { return Poll::Ready(()) };
        let poll = || catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx)));
        let polled = process.account.charge(|| process.enter(poll));
        polled.unwrap_or_else(|_| {
            process.state().panic.get_or_insert(LAST_WORDS.take().unwrap_or_default());
            Poll::Ready(())
        })
    }
}

impl<F> Drop for Scoped<F> {
    fn drop(&mut self) {
        let task = self.task.take();
        self.process.account.charge(|| self.process.enter(|| drop(task)));
        self.process.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}
