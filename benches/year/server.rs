//! The server: a process of its own, so that its memory and its open files are its own. Its clocks run ahead of the
//! system's by what is said on its standard input, and it stops when that ends.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use async_channel::Sender;
use async_std::task::block_on;
use futures::future::BoxFuture;
use tinychat::clock::Times;
use tinychat::message::Timestamp;
use tinychat::server::{Config, Rates, Timing};
use tinychat::task;

use super::Result;

/// How long things are kept: whoever comes each other day gets them, and what is left expires before the next evening.
const KEEP: Duration = Duration::from_secs(30 * 60 * 60);

/// How often the server looks for what is too old. It does not wait by the clock that is told to run ahead.
pub(super) const OFTEN: Duration = Duration::from_millis(50);

/// How much of what waits it holds in memory: so little that it matters on the first day already.
const MEMORY: u64 = 8 * 1024 * 1024;

/// See the [module](self).
pub(super) fn serve(data: &Path) -> Result<()> {
    task::set_threads(NonZeroUsize::MIN);
    rlimit::increase_nofile_limit(u64::MAX)?;
    let clock = Arc::new(Ahead::default());
    let config = Config {
        rates: Rates::UNLIMITED,
        memory: MEMORY,
        keep: Some(KEEP),
        times: clock.clone(),
        timing: Timing { sweep: OFTEN, look: OFTEN, ..Timing::default() },
        ..Config::new(vec!["127.0.0.1:0".into()], data.into())
    };
    block_on(run(config, clock))
}

async fn run(config: Config, clock: Arc<Ahead>) -> Result<()> {
    let server = tinychat::server::Server::bind(config).await;
    let server = server.map_err(|error| error.to_string())?;
    let address = server.addresses().first().copied().ok_or("it listens nowhere")?;
    println!("{address}");
    let (stop, stopped) = async_channel::bounded(1);
    thread::spawn(move || obey(&clock, stop));
    let end = async {
        // Nothing but its end is received there.
        let _ = stopped.recv().await;
    };
    server.run(end).await;
    Ok(())
}

/// Runs ahead by the seconds on each line, and says so.
fn obey(clock: &Ahead, stop: Sender<Infallible>) {
    for line in io::stdin().lines().map_while(io::Result::ok) {
        if let Ok(seconds) = line.parse() {
            *clock.by() += Duration::from_secs(seconds);
            println!("{line}");
        }
    }
    drop(stop);
}

/// The system's clocks, and how far ahead of them these are.
#[derive(Debug, Default)]
struct Ahead(Mutex<Duration>);

impl Ahead {
    fn by(&self) -> MutexGuard<'_, Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times for Ahead {
    fn wall(&self) -> Timestamp {
        Timestamp::now().after(*self.by())
    }

    fn now(&self) -> Instant {
        Instant::now() + *self.by()
    }

    /// Who waits is not woken when the clock runs ahead: limits of signing in are as long as ever.
    fn until(&self, when: Instant) -> BoxFuture<'static, ()> {
        Box::pin(task::sleep(when.saturating_duration_since(self.now())))
    }
}

/// The process, from outside. It ends when this is dropped.
pub(super) struct Server {
    process: Child,
    says: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    pub(super) address: SocketAddr,
    pub(super) data: PathBuf,
    pub(super) started_in: Duration,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(super) fn start(data: &Path) -> Result<Self> {
        let begun = Instant::now();
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let says = process.stdin.take().ok_or("no stdin")?;
        let mut said = BufReader::new(process.stdout.take().ok_or("no stdout")?).lines();
        let address = said.next().ok_or("the server did not start")??.parse()?;
        let started_in = begun.elapsed();
        Ok(Self { process, says, said, address, data: data.into(), started_in })
    }

    /// So much time passes for it.
    pub(super) fn passes(&mut self, time: Duration) -> Result<()> {
        writeln!(self.says, "{}", time.as_secs())?;
        self.said.next().ok_or("the server ended")??;
        Ok(())
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops it as an operator would.
    pub(super) fn stop(self) -> Result<()> {
        let Self { mut process, says, .. } = self;
        drop(says);
        let status = process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server: {status}").into()) }
    }
}
