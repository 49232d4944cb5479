//! Processes: groups of tasks. A socket belongs to the kernel that is current when it is made, polled or dropped, so
//! every task carries its process with it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;
use turmoil_net::HostId as KernelId;

use super::memory_account::{MemoryAccount, unaccounted};

thread_local! {
    static CURRENT: Cell<Option<KernelId>> = const { Cell::new(None) };
    /// Message and place of the last panic of a task on this thread.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a panic of a simulated task is recorded by its simulation and not printed.
pub fn capture_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match CURRENT.get() {
            Some(_) => LAST_PANIC.set(Some(panic.to_string().replace('\n', " "))),
            None => usual(panic),
        }));
    });
}

/// A process: tasks that share a kernel, are frozen together and killed together.
pub struct Process {
    kernel: KernelId,
    address: IpAddr,
    /// Tasks that have not ended.
    tasks: AtomicUsize,
    turns: AtomicU64,
    account: MemoryAccount,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handles: Vec<AbortHandle>,
    frozen: bool,
    /// Tasks that were woken while frozen.
    woken: Vec<Waker>,
    dead: bool,
    panic: Option<String>,
}

impl Process {
    /// A process on `kernel`, which has this address.
    #[must_use]
    pub fn new(kernel: KernelId, address: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            kernel,
            address,
            tasks: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
            account: MemoryAccount::default(),
            state: Mutex::default(),
        })
    }

    /// Where it runs.
    #[must_use]
    pub fn kernel(&self) -> KernelId {
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
        let scoped = ProcessTask { process: Arc::clone(self), task: Some(Box::pin(task)) };
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

    /// Everything that was woken meanwhile runs now.
    pub fn thaw(&self) {
        let woken = {
            let mut state = self.state();
            state.frozen = false;
            std::mem::take(&mut state.woken)
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.load(Ordering::Relaxed)
    }

    /// How often anything was done as this process. While this stands still, nothing in it changes.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Bytes that its tasks hold.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.account.bytes()
    }

    /// The message of the first panic of a task.
    #[must_use]
    pub fn panic(&self) -> Option<String> {
        self.state().panic.clone()
    }

    /// Does `work` as this process.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        self.turns.fetch_add(1, Ordering::Relaxed);
        with_kernel(self.kernel, work)
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
fn with_kernel<R>(kernel: KernelId, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<KernelId>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
            if let Some(before) = self.0 {
                turmoil_net::set_current(before);
            }
        }
    }
    turmoil_net::set_current(kernel);
    let _restore = Restore(CURRENT.replace(Some(kernel)));
    work()
}

/// A task of a process: polled and dropped as that process.
struct ProcessTask<F> {
    process: Arc<Process>,
    task: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Future for ProcessTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let process = Arc::clone(&self.process);
        {
            let mut state = process.state();
            if state.frozen {
                state.woken.push(cx.waker().clone());
                return Poll::Pending;
            }
        }
        let Some(task) = &mut self.task else { return Poll::Ready(()) };
        let poll = || catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx)));
        let polled = process.account.charge(|| process.enter(poll));
        polled.unwrap_or_else(|_| {
            process.state().panic.get_or_insert(LAST_PANIC.take().unwrap_or_default());
            Poll::Ready(())
        })
    }
}

impl<F> Drop for ProcessTask<F> {
    fn drop(&mut self) {
        let task = self.task.take();
        self.process.account.charge(|| self.process.enter(|| drop(task)));
        self.process.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}
