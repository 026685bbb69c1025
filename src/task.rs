//! The one way to start a detached task, and the clock that tasks wait on.
//!
//! Every task has a name, and its panic is logged and ends that task alone. `async_std` is named
//! here so that the rest of the crate need not know the runtime.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixDatagram;
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use async_channel::Sender;
use async_global_executor::GlobalExecutorConfig;
use async_io::Async;
use async_std::task::{self, JoinHandle};
use futures::FutureExt;
use futures::channel::oneshot;

/// Has tasks run on so many threads, instead of one for each processor. To be called before anything
/// else of this module; later it changes nothing.
pub fn set_threads(count: NonZeroUsize) {
    let config = GlobalExecutorConfig::default()
        .with_min_threads(count.get())
        .with_max_threads(count.get())
        .with_thread_name_fn(Box::new(|| "tasks".into()));
    async_global_executor::init_with_config(config);
}

/// Starts a task. Joining it gives `None` if it panicked.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let counted = Counted::one_more();
    // Not an async block: that would hold the future twice, once as it was given and once as it runs.
    task::spawn(AssertUnwindSafe(future).catch_unwind().map(move |result| {
        drop(counted);
        if result.is_err() {
            log::error!("the {name} task panicked; what it served is closed");
        }
        result.ok()
    }))
}

/// How many tasks this process has: they run on the same threads, whosever they are.
static TASKS: AtomicU64 = AtomicU64::new(0);

/// How many tasks there are that were [spawned](spawn) and have not ended.
pub(crate) fn count() -> u64 {
    TASKS.load(Ordering::Relaxed)
}

/// A task that counts as long as this lives, also if it is cancelled. Of no size: there is one in each.
struct Counted(());

impl Counted {
    fn one_more() -> Self {
        TASKS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        TASKS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a thread for a store that blocks. It ends when what it serves is dropped.
pub fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(body).map(drop)
}

/// Runs a future on a thread of its own, where it may block and compute as long as it likes, and waits for its
/// end. Whatever else there is to do goes first, where the system can tell threads apart. None if there is no thread
/// to be had, or if it panicked.
pub async fn in_background<F>(name: &str, future: F) -> Option<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (reply, done) = oneshot::channel();
    // Whoever asked may be gone; it is done all the same.
    let body = move || {
        yield_to_others();
        // It leaves the sockets to threads of usual priority: who looks at them keeps others from doing so.
        drop(reply.send(futures::executor::block_on(future)));
    };
    if let Err(error) = spawn_thread(name, body) {
        log::error!("starting a thread for {name}: {error}");
    }
    done.await.ok()
}

/// How much this thread's priority is lowered: enough that others hardly wait for it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Elsewhere than on Linux it would concern the whole process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        log::debug!("lowering a thread's priority: {error}");
    }
}

/// A thread that owns something which blocks, and does what it is asked to, one after another. It ends
/// when this is dropped.
pub struct Worker<T> {
    orders: Sender<Order<T>>,
}

type Order<T> = Box<dyn FnOnce(&mut T) + Send>;

impl<T: Send + 'static> Worker<T> {
    /// Starts the thread. Behind `queue` orders those who ask wait.
    pub fn start(name: &str, queue: usize, mut owned: T) -> io::Result<Self> {
        let (orders, queue) = async_channel::bounded::<Order<T>>(queue);
        spawn_thread(name, move || {
            while let Ok(order) = queue.recv_blocking() {
                order(&mut owned);
            }
        })?;
        Ok(Self { orders })
    }

    /// Has something done, and waits for it. None if the thread panicked.
    pub async fn ask<A: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T) -> A + Send + 'static,
    ) -> Option<A> {
        let (reply, done) = oneshot::channel();
        let order: Order<T> = Box::new(move |owned| {
            // Whoever asked may be gone; it is done all the same.
            let _ = reply.send(work(owned));
        });
        self.orders.send(order).await.ok()?;
        done.await.ok()
    }

    /// Has something done some time, unless there is too much to do.
    pub fn suggest(&self, work: impl FnOnce(&mut T) + Send + 'static) {
        // It is no more than a suggestion.
        let _ = self.orders.try_send(Box::new(work));
    }
}

/// Runs work that blocks for a moment, on a thread for such work. What blocks for long or again and
/// again has a [thread](spawn_thread) of its own.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    task::spawn_blocking(work).await
}

/// A socket that can always be written to. Whoever waits for that waits until all sockets were looked at.
static LOOKED_AT: LazyLock<io::Result<Async<UnixDatagram>>> =
    LazyLock::new(|| Async::new(UnixDatagram::unbound()?));

/// Lets all tasks run that are ready, and those whose sockets are. A thread with tasks that are ready looks at its
/// sockets only now and then: behind 200 turns, each of which may be long.
pub async fn let_others_run() {
    let looked_at = match &*LOOKED_AT {
        Ok(socket) => socket.writable().await.is_ok(),
        // The system has no more sockets.
        Err(_) => false,
    };
    if !looked_at {
        task::yield_now().await;
    }
}

/// Lets whatever else is done in the same task go on first.
pub async fn give_way() {
    task::yield_now().await;
}

/// Waits.
pub async fn sleep(time: Duration) {
    task::sleep(time).await;
}

/// The future's output, or `None` if it takes longer than `limit`.
pub async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    async_std::future::timeout(limit, future).await.ok()
}
