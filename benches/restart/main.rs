//! What a restart costs when everybody comes back at once under TLS, and what two who were back before feel of it:
//! `cargo bench --bench restart`.
//!
//! **Method.** The server is a process of its own with its usual limits, and so are all the people ([`crowd`]), who
//! come from 64 addresses of this machine; here are alice and bob, who answer each other, one message at a time. All sign
//! in, the server is stopped as an operator stops it, and started again on its data. Alice and bob come first and chat
//! for a while alone. Then all others connect in the same moment, each again and again with the waits of a client,
//! until all are signed in.
//!
//! **Figures.** How long until half of them, and all, were back; how many connections were closed unread; what the
//! server used of a processor from that moment on; round trips of alice and bob alone, and meanwhile. The people cost about as much as the server:
//! where both have to share cores with others, look at processor time rather than at the clock.
//!
//! It ends with an error if not all are back within [`LIMIT`].

mod crowd;
mod person;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};
use async_std::task::block_on;
use tinychat::args;
use tinychat::exit::Exit;
use tinychat::trust::Identity;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// How long alice and bob chat alone.
const ALONE: Duration = Duration::from_secs(3);

/// How long they rest between two messages.
const REST: Duration = Duration::from_millis(2);

/// How long it may take until all are back.
const LIMIT: Duration = Duration::from_secs(120);

/// Measure a restart.
#[derive(ArgsInfo, FromArgs)]
struct Flags {
    /// how many people come back (default 10000)
    #[argh(option, default = "10_000")]
    people: usize,

    /// the server's program (default: this crate's)
    #[argh(option, default = "env!(\"CARGO_BIN_EXE_tinychat-server\").into()")]
    server: String,

    /// be the people, at this server
    #[argh(option, hidden_help)]
    crowd: Option<SocketAddr>,

    /// given by cargo
    #[argh(switch, hidden_help)]
    bench: bool,
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("restart", std::env::args_os().skip(1), Exit::SERVER) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit("restart"),
    };
    let result = match flags.crowd {
        Some(server) => crowd::run(server, flags.people),
        None if flags.bench => measure(&flags),
        None => {
            println!("restart: measures only under `cargo bench --bench restart`");
            Ok(())
        }
    };
    if let Err(error) = result {
        eprintln!("restart: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn measure(flags: &Flags) -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(&flags.server, data.path(), "127.0.0.1:0")?;
    let mut crowd = Crowd::gather(server.address, flags.people)?;
    let address = server.address;
    server.stop()?;
    let server = Server::start(&flags.server, data.path(), &address.to_string())?;
    let identity = Identity::generate()?;
    let mut pair = block_on(person::Pair::open(address, &identity))?;
    let mut alone = Vec::new();
    let until = Instant::now() + ALONE;
    while Instant::now() < until {
        alone.push(block_on(pair.exchange())?);
        thread::sleep(REST);
    }
    let (before, start) = (server.processor_time()?, Instant::now());
    crowd.comes_back()?;
    let mut meanwhile = Vec::new();
    let back = loop {
        meanwhile.push(block_on(pair.exchange())?);
        if let Ok(back) = crowd.heard.try_recv() {
            break back;
        }
        if start.elapsed() > LIMIT {
            return Err(format!("not all are back after {LIMIT:?}").into());
        }
        thread::sleep(REST);
    };
    let used = server.processor_time()? - before;
    println!("{} people under TLS come back at once after a restart", flags.people);
    println!("{back}");
    let each = used / u32::try_from(flags.people)?;
    println!("server: {used:.2?} of a processor, {each:.0?} each; {} MiB", server.memory()? / 1024);
    println!("round trips alone:     {}", quantiles(alone));
    println!("round trips meanwhile: {}", quantiles(meanwhile));
    server.stop()
}

/// Of how long things took.
fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!(
        "median {:.1?}, p99 {:.1?}, worst {:.1?} of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    )
}

/// The server, as a process. Killed when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(program: &str, data: &Path, listen: &str) -> Result<Self> {
        let mut process = Command::new(program)
            .env("TINYCHAT_SERVER_CONFIG", "none")
            // More are new on one day than an address may have.
            .args(["--listen", listen, "--address-names", "0", "--log-level", "off", "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(process.stderr.take().ok_or("no stderr")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let address = line.trim_end().rsplit(' ').next().unwrap_or_default();
        let address = address.parse().map_err(|_| format!("it does not listen: {line}"))?;
        // It goes on saying things, and must not fail at that.
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        Ok(Self { process, address })
    }

    fn stop(mut self) -> Result<()> {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        self.process.wait()?;
        Ok(())
    }

    /// What it used until now, in its own name and in the kernel.
    fn processor_time(&self) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, words) = text.rsplit_once(')').ok_or("no stat")?;
        let ticks: Vec<f64> =
            words.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
        // Linux has told everybody of 100 ticks a second for decades.
        Ok(Duration::from_secs_f64(ticks.iter().sum::<f64>() / 100.0))
    }

    /// The most that it had in memory, in KiB.
    fn memory(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let most = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(most.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The people, as a process. It ends with its input.
struct Crowd {
    process: Child,
    /// The lines that it says.
    heard: Receiver<String>,
}

impl Crowd {
    /// Has so many sign in.
    fn gather(server: SocketAddr, people: usize) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--crowd", &server.to_string(), "--people", &people.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(process.stdout.take().ok_or("no stdout")?);
        let (says, heard) = channel();
        thread::spawn(move || {
            said.lines().map_while(io::Result::ok).try_for_each(|line| says.send(line))
        });
        let crowd = Self { process, heard };
        eprintln!("first time: {}", crowd.heard.recv()?);
        Ok(crowd)
    }

    fn comes_back(&mut self) -> Result<()> {
        let stdin = self.process.stdin.as_mut().ok_or("no stdin")?;
        Ok(writeln!(stdin, "go")?)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
