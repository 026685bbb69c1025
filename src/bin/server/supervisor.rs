//! The service manager that has started the server, if one has: the sockets that it passes, and what it wants to know. What
//! systemd calls socket activation (`LISTEN_FDS`) and `sd_notify` (`NOTIFY_SOCKET`, `WATCHDOG_USEC`); others speak it too.
//!
//! Owned by the program. Invariant: without a service manager, or with a deaf one, everything else is the same.

use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tinychat::server::Inherited;
use tinychat::task::{self, Worker};

/// How long the service manager may take to hear something. Longer is given up.
const HEARING: Duration = Duration::from_secs(1);

/// How many things wait to be told to it. One more waits as long to wait there.
const QUEUE: usize = 4;

/// The least time between two signs of life.
const LEAST_BETWEEN: Duration = Duration::from_millis(10);

/// What the service manager is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// The server listens.
    Ready,
    /// It reads again what can be read again.
    Reloading,
    /// It was asked to end.
    Stopping,
    /// It does things in time.
    Alive,
}

/// Takes the sockets that were passed. To be called before there are threads.
pub(crate) fn take_sockets() -> Result<Vec<Inherited>, String> {
    let mut passed = ListenFd::from_env();
    (0..passed.len()).map(|index| take_socket(&mut passed, index)).collect()
}

fn take_socket(passed: &mut ListenFd, index: usize) -> Result<Inherited, String> {
    if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
        return Ok(Inherited::Tcp(listener));
    }
    match passed.take_unix_listener(index) {
        Ok(Some(listener)) => Ok(Inherited::Unix(listener)),
        _ => {
            let number = index + 1;
            Err(format!(
                "socket {number} of those passed to the server (LISTEN_FDS) is none for TCP, nor a Unix stream socket"
            ))
        }
    }
}

/// The service manager, which may be none.
pub(crate) struct Supervisor {
    /// Where telling it may block.
    teller: Option<Worker<()>>,
}

impl Supervisor {
    /// Finds out whether there is one that wants to know something.
    pub(crate) fn meet() -> io::Result<Arc<Self>> {
        let listens = env::var_os("NOTIFY_SOCKET").is_some();
        let teller = listens.then(|| Worker::start("service-manager", QUEUE, ())).transpose()?;
        Ok(Arc::new(Self { teller }))
    }

    /// Tells it something.
    pub(crate) async fn tell(&self, news: News) {
        let Some(teller) = &self.teller else { return };
        let telling = teller.ask(move |()| sd_notify::notify(&states(news)));
        match task::within(HEARING, telling).await.flatten() {
            Some(Ok(())) => {}
            Some(Err(error)) => log::warn!("telling the service manager: {error}"),
            None => log::warn!("the service manager does not listen"),
        }
    }

    /// Shows it twice in each of its intervals that tasks have their turn here, if it wants to know. Whoever serves
    /// connections has no turn then either where this has none.
    pub(crate) async fn show_life(self: Arc<Self>) {
        let Some(interval) = sd_notify::watchdog_enabled() else { return };
        loop {
            self.tell(News::Alive).await;
            task::sleep((interval / 2).max(LEAST_BETWEEN)).await;
        }
    }
}

fn states(news: News) -> Vec<NotifyState<'static>> {
    match news {
        News::Ready => vec![NotifyState::Ready],
        // It wants to know, too, since when.
        News::Reloading => {
            [NotifyState::Reloading].into_iter().chain(NotifyState::monotonic_usec_now()).collect()
        }
        News::Stopping => vec![NotifyState::Stopping],
        News::Alive => vec![NotifyState::Watchdog],
    }
}
