//! What is measured, as a process: starting it, pinning it, asking the kernel about it, killing it.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::Result;

/// How long starting may take.
const START: Duration = Duration::from_secs(10);

/// What stands in a column of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tinychat,
    /// The same under TLS, as people run it.
    Tls,
    /// What copies bytes and does nothing else.
    Relay,
    /// `nats-server`, publish and subscribe.
    Nats,
    /// `redis-server`, a list that is synced.
    Redis,
    /// A file of this process.
    File,
}

impl Kind {
    /// Those that can be measured on this machine.
    pub(super) fn available() -> Vec<Self> {
        let all = [Self::Tinychat, Self::Tls, Self::Relay, Self::Nats, Self::Redis, Self::File];
        all.into_iter().filter(|kind| kind.program().is_none_or(is_installed)).collect()
    }

    /// How it is called in the tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tinychat => "tinychat",
            Self::Tls => "tinychat, TLS",
            Self::Relay => "plain relay",
            Self::Nats => "nats",
            Self::Redis => "redis list",
            Self::File => "plain file",
        }
    }

    /// Whether it is what this crate has made.
    pub(super) fn is_tinychat(self) -> bool {
        matches!(self, Self::Tinychat | Self::Tls)
    }

    /// The program that somebody else wrote.
    pub(super) fn program(self) -> Option<&'static str> {
        match self {
            Self::Nats => Some("nats-server"),
            Self::Redis => Some("redis-server"),
            _ => None,
        }
    }
}

fn is_installed(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
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

    fn command(&self, program: &str, place: Place) -> Command {
        let Some((load, subject)) = self.0 else { return Command::new(program) };
        let core = if place == Place::BesideLoad { load } else { subject };
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core.to_string(), program]);
        command
    }
}

/// Where a subject runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On a core of its own.
    Apart,
    /// On the load's core.
    BesideLoad,
}

impl fmt::Display for Pinning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((load, subject)) => {
                write!(f, "load on core {load}, what is measured on core {subject}")
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

/// How to start what is measured.
pub(super) struct Launch {
    pub(super) pinning: Pinning,
    /// More flags for the server.
    pub(super) flags: Vec<String>,
    /// Whether the server keeps the limits that it has by itself.
    pub(super) limited: bool,
}

/// What switches them off.
const NO_LIMITS: &[&str] = &[
    "--session-backlog",
    "0",
    "--recipient-backlog",
    "0",
    "--first-contact",
    "0",
    "--strangers",
    "0",
    "--message-rate",
    "0",
    "--byte-rate",
    "0",
];

/// A running process that is measured. Killed when dropped.
pub(super) struct Subject {
    process: Child,
    address: SocketAddr,
    /// Open, for a process that cannot say something may end.
    _stderr: Option<BufReader<ChildStderr>>,
    /// Removed with it, unless it is started again on it.
    data: Option<TempDir>,
}

impl Subject {
    pub(super) fn start(kind: Kind, launch: &Launch, place: Place) -> Result<Self> {
        Self::start_on(tempfile::tempdir()?, kind, launch, place)
    }

    /// Kills the server and starts it again on the same data. How long starting took.
    pub(super) fn restart(mut self, launch: &Launch) -> Result<(Self, Duration)> {
        end(&mut self.process);
        let data = self.data.take().ok_or("no data")?;
        let start = Instant::now();
        let again = Self::start_on(data, Kind::Tinychat, launch, Place::Apart)?;
        Ok((again, start.elapsed()))
    }

    /// Which of the messages that the server took it wrote to disk: how many, and of how many.
    pub(super) fn written(&self) -> Result<(f64, f64)> {
        let data = self.data.as_ref().ok_or("no data")?.path();
        let server = env!("CARGO_BIN_EXE_tinychat-server");
        let mut status = Command::new(server);
        status.env("TINYCHAT_SERVER_CONFIG", "none").args(["status", "--json", "--data"]);
        let output = status.arg(data).output()?;
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let count = |name: &str| status["metrics"][name].as_f64().ok_or("no such count");
        Ok((count("tinychat_messages_written_total")?, count("tinychat_messages_taken_total")?))
    }

    fn start_on(data: TempDir, kind: Kind, launch: &Launch, place: Place) -> Result<Self> {
        let own = std::env::current_exe()?;
        let program = match kind {
            Kind::Tinychat | Kind::Tls => env!("CARGO_BIN_EXE_tinychat-server"),
            Kind::Relay | Kind::File => own.to_str().ok_or("the program's path is not UTF-8")?,
            Kind::Nats => "nats-server",
            Kind::Redis => "redis-server",
        };
        let mut command = launch.pinning.command(program, place);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        match kind {
            Kind::Tinychat | Kind::Tls => {
                let tls = if kind == Kind::Tls { "on" } else { "off" };
                command
                    .env("TINYCHAT_SERVER_CONFIG", "none")
                    .args(["--listen", "127.0.0.1:0", "--tls", tls, "--log-level", "off"])
                    .args(if launch.limited { &[] } else { NO_LIMITS })
                    .arg("--data")
                    .arg(data.path())
                    .args(&launch.flags);
                Self::hear_address(command, data)
            }
            Kind::Relay | Kind::File => {
                command.arg("--relay");
                Self::hear_address(command, data)
            }
            Kind::Nats => Self::give_address(command, data, "--addr", |_| {}),
            Kind::Redis => Self::give_address(command, data, "--bind", |command| {
                command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
            }),
        }
    }

    /// Starts a program that says where it listens.
    fn hear_address(mut command: Command, data: TempDir) -> Result<Self> {
        let mut process = command.stderr(Stdio::piped()).spawn()?;
        let announced = process.stderr.take().ok_or("no stderr")?;
        match read_address(announced) {
            Ok((address, stderr)) => {
                Ok(Self { process, address, _stderr: Some(stderr), data: Some(data) })
            }
            Err(error) => {
                end(&mut process);
                Err(error)
            }
        }
    }

    /// Starts a program that has to be told where to listen, in its folder, and waits until it does.
    fn give_address(
        mut command: Command,
        data: TempDir,
        host: &str,
        more: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = address.port().to_string();
        command.args([host, "127.0.0.1", "--port", &port]).current_dir(data.path());
        more(&mut command);
        let process = command.stderr(Stdio::null()).spawn()?;
        let subject = Self { process, address, _stderr: None, data: Some(data) };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if start.elapsed() > START {
                return Err("it does not listen".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(subject)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it used of a processor until now, in its own name and in the kernel.
    pub(super) fn processor_time(&self, clock: Clock) -> Result<Duration> {
        clock.time_of(&self.id().to_string())
    }

    /// Its proportional set size in bytes: what it has in memory, with its share of what others have
    /// too.
    pub(super) fn memory(&self) -> Result<u64> {
        memory_of(self.id())
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// The proportional set size of any process.
pub(super) fn memory_of(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let kib = field(&text, "Pss:").and_then(|it| it.strip_suffix("kB")).ok_or("no Pss")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
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
