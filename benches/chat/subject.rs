//! What is measured, as a process: starting it, pinning it, asking the kernel about it, killing it.
//! And the plain relay itself, which is this program with `--relay`, on the server's runtime.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::io::{self, BufRead, BufReader};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use async_std::net::{TcpListener, TcpStream};
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tempfile::TempDir;
use tinychat::task;

use super::{Error, Result};

/// How long starting may take.
const START: Duration = Duration::from_secs(10);

/// How much one read of the relay may bring: as much as in the server.
const READ_CHUNK: usize = 64 * 1024;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tinychat,
    Relay,
}

/// Which core the load runs on and which one what is measured, where there are two to choose from.
pub(super) struct Pinning(Option<(usize, usize)>);

impl Pinning {
    /// Pins this process, before it starts any thread: a thread inherits the core of the one that
    /// starts it.
    pub(super) fn of_this_process() -> Result<Self> {
        let allowed = fs::read_to_string("/proc/self/status")?;
        let allowed = field(&allowed, "Cpus_allowed_list:").unwrap_or_default();
        let [load, subject, ..] = cores(allowed)[..] else { return Ok(Self(None)) };
        let pinned = Command::new("taskset")
            .args(["--pid", "--cpu-list", &load.to_string(), &std::process::id().to_string()])
            .output()
            .is_ok_and(|output| output.status.success());
        Ok(Self(pinned.then_some((load, subject))))
    }

    fn command(&self, program: &str) -> Command {
        let Some((_, core)) = self.0 else { return Command::new(program) };
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core.to_string(), program]);
        command
    }
}

impl fmt::Display for Pinning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((load, subject)) => {
                write!(f, "load on core {load}, server or relay on core {subject}")
            }
            None => {
                f.write_str("NOT pinned (one core, or no taskset): load and server share cores")
            }
        }
    }
}

/// The numbers in a list like `0-3,8`.
fn cores(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// A running server or relay. Killed when dropped.
pub(super) struct Subject {
    process: Child,
    address: SocketAddr,
    /// Open, for a process that cannot say something may end.
    _stderr: BufReader<ChildStderr>,
    /// Removed with it, unless it is started again on it.
    data: Option<TempDir>,
}

impl Subject {
    pub(super) fn start(kind: Kind, pinning: &Pinning) -> Result<Self> {
        Self::start_on(tempfile::tempdir()?, kind, pinning)
    }

    /// Kills it and starts it again on the same data. How long starting took.
    pub(super) fn restart(mut self, pinning: &Pinning) -> Result<(Self, Duration)> {
        end(&mut self.process);
        let data = self.data.take().ok_or("no data")?;
        let start = Instant::now();
        let again = Self::start_on(data, Kind::Tinychat, pinning)?;
        Ok((again, start.elapsed()))
    }

    /// Which of the messages that the server took it wrote to disk: how many, and of how many.
    pub(super) fn written(&self) -> Result<(f64, f64)> {
        let data = self.data.as_ref().ok_or("no data")?.path();
        let server = env!("CARGO_BIN_EXE_tinychat-server");
        let output = Command::new(server).args(["status", "--data"]).arg(data).output()?;
        let text = String::from_utf8(output.stdout)?;
        let count = |name| Ok::<f64, Error>(field(&text, name).ok_or("no such count")?.parse()?);
        Ok((count("written")?, count("taken")?))
    }

    fn start_on(data: TempDir, kind: Kind, pinning: &Pinning) -> Result<Self> {
        let mut command = match kind {
            Kind::Tinychat => pinning.command(env!("CARGO_BIN_EXE_tinychat-server")),
            Kind::Relay => pinning.command(&std::env::current_exe()?.to_string_lossy()),
        };
        match kind {
            Kind::Tinychat => command
                .args(["--listen", "127.0.0.1:0", "--log-level", "off"])
                .args(["--session-backlog", "0", "--recipient-backlog", "0", "--data"])
                .arg(data.path()),
            Kind::Relay => command.arg("--relay"),
        };
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let announced = process.stderr.take().ok_or("no stderr")?;
        match read_address(announced) {
            Ok((address, stderr)) => {
                Ok(Self { process, address, _stderr: stderr, data: Some(data) })
            }
            Err(error) => {
                end(&mut process);
                Err(error)
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it used of a processor until now, in its own name and in the kernel.
    pub(super) fn processor_time(&self, clock: Clock) -> Result<Duration> {
        clock.time_of(&self.process.id().to_string())
    }

    /// Its proportional set size in bytes: what it has in memory, with its share of what others have
    /// too.
    pub(super) fn memory(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id()))?;
        let kib = field(&text, "Pss:").and_then(|it| it.strip_suffix("kB")).ok_or("no Pss")?;
        Ok(kib.trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn end(process: &mut Child) {
    // It may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
}

/// The address at the end of the first line that a subject says. One that says nothing is not waited
/// for; its thread ends with it.
fn read_address(stderr: ChildStderr) -> Result<(SocketAddr, BufReader<ChildStderr>)> {
    let (sender, said) = mpsc::channel();
    thread::spawn(move || {
        let (mut stderr, mut line) = (BufReader::new(stderr), String::new());
        let read = stderr.read_line(&mut line);
        let _ = sender.send((read, line, stderr));
    });
    let (read, line, stderr) = said.recv_timeout(START)?;
    read?;
    let address = line.trim_end().rsplit(' ').next().unwrap_or_default();
    let address = address.parse().map_err(|_| format!("it does not listen but says {line:?}"))?;
    Ok((address, stderr))
}

/// The value of a line in one of `/proc`'s lists.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// How long the kernel's clock tick is, in which it counts the time of processes.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    ticks_a_second: f64,
}

impl Clock {
    pub(super) fn of_this_system() -> Result<Self> {
        let output = Command::new("getconf").arg("CLK_TCK").output()?;
        Ok(Self { ticks_a_second: String::from_utf8(output.stdout)?.trim().parse()? })
    }

    /// What this process, the load, used until now.
    pub(super) fn own_time(self) -> Result<Duration> {
        self.time_of("self")
    }

    /// What everybody on all cores used until now, and what the machine's host took from them.
    pub(super) fn time_of_all(self) -> Result<Duration> {
        let text = fs::read_to_string("/proc/stat")?;
        let words: Vec<f64> = field(&text, "cpu ")
            .ok_or("no cpu in /proc/stat")?
            .split_whitespace()
            .flat_map(str::parse)
            .collect();
        // Without those of guests, which are in the first two already, and without idling.
        let busy = words.iter().take(8).sum::<f64>() - words.iter().skip(3).take(2).sum::<f64>();
        Ok(Duration::from_secs_f64(busy / self.ticks_a_second))
    }

    fn time_of(self, process: &str) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The second word is a name in parentheses that may hold anything.
        let (_, words) = text.rsplit_once(')').ok_or("no stat")?;
        let ticks: Vec<f64> =
            words.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
        Ok(Duration::from_secs_f64(ticks.iter().sum::<f64>() / self.ticks_a_second))
    }
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_CHUNK].into());
}

/// The plain relay: joins every two connections and copies bytes between them, and nothing else, until
/// its process is killed. Made to be hard to beat: a direction that waits holds no buffer, and what
/// was read is written at once from where it lies.
pub(super) fn relay() -> Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    async_std::task::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("relay: listening on {}", listener.local_addr()?);
        loop {
            let (first, second) = (accept(&listener).await?, accept(&listener).await?);
            task::spawn("copy", copy(first.clone(), second.clone()));
            task::spawn("copy", copy(second, first));
        }
    })
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn copy(mut from: TcpStream, mut to: TcpStream) {
    while let Ok(Some(rest)) = poll_fn(|context| pass_on(context, &mut from, &mut to)).await {
        if to.write_all(&rest).await.is_err() {
            break;
        }
    }
    // The other one may be gone already.
    let _ = to.shutdown(Shutdown::Both);
}

/// Reads once and writes what it can. What is left to write; `None` at the end.
fn pass_on(
    context: &mut Context<'_>,
    from: &mut TcpStream,
    to: &mut TcpStream,
) -> Poll<io::Result<Option<Vec<u8>>>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let read = ready!(Pin::new(from).poll_read(context, scratch))?;
        if read == 0 {
            return Poll::Ready(Ok(None));
        }
        let written = match Pin::new(to).poll_write(context, &scratch[..read])? {
            Poll::Ready(written) => written,
            Poll::Pending => 0,
        };
        Poll::Ready(Ok(Some(scratch[written..read].to_vec())))
    })
}
