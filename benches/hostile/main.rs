//! What one person who means harm costs the others: `just bench hostile`, or `cargo bench --bench hostile`.
//!
//! **Method.** The server is a process of its own with the limits that it has by itself, over loopback TCP, its data
//! under `$TMPDIR`. One *attack* after the other ([`ATTACKS`](attacks::ATTACKS) is the table), each on a fresh server by
//! a process of its own, which attacks with the lowest priority: what is measured is what the server does, not what the
//! attacker takes of the machine. First the attacker signs in and whoever else is to be there; then a *pair* of friends chats for some
//! seconds while nothing else happens (*quiet*), then for as long while the attack goes on, then it is ended.
//!
//! **Round trip:** a message and its answer, one each 10 ms; what was due during a longer one counts, too, as long as it
//! would have waited. **Memory:** how much the server's PSS grew at most, looked at ten times a second. **Disk:** what the
//! server had written (`/proc/PID/io`); the pair does about the same work both times.
//!
//! **Aims:** under any one attack the pair's p99 stays below 10 times the quiet one and below 50 ms, memory below
//! 64 MiB more, disk writes below 10 times the quiet ones, where less than 1 MiB counts as 1 MiB. What misses one is
//! marked with `!`; the exit code is 0 all the same, for a busy machine misses some.
//!
//! The last one is the other way round: a client is there, and the server means harm.
//!
//! Absolute figures speak of one machine on one day.

mod attacks;
mod bounces;
mod client;
mod deaf;
mod friends;
mod lists;
mod means;
mod report;

#[allow(dead_code, unused_imports, reason = "the chat bench uses the rest")]
#[path = "../chat/load/mod.rs"]
mod load;
#[allow(dead_code, reason = "the chat bench uses the rest")]
#[path = "../chat/poll.rs"]
mod poll;
#[allow(dead_code, reason = "the chat bench uses the rest")]
#[path = "../chat/subject.rs"]
mod subject;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use tinychat::args;
use tinychat::exit::Exit;

use attacks::{ATTACKS, Attack};
use friends::Friends;
use report::Phase;
use subject::{Kind, Launch, Pinning, Place, Subject};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Measure what one who means harm costs the others.
#[derive(ArgsInfo, FromArgs)]
struct Flags {
    /// how long the friends chat each time, in seconds (default 5)
    #[argh(option, default = "5")]
    seconds: u64,

    /// more flags for the server, like "--threads 2"
    #[argh(option, arg_name = "flags", default = "String::new()")]
    server: String,

    /// only the attacks with this in their name
    #[argh(positional)]
    filter: Option<String>,

    /// be the attacker with this name
    #[argh(option, hidden_help)]
    attack: Option<String>,

    /// where the server is that is attacked
    #[argh(option, hidden_help)]
    address: Option<SocketAddr>,

    /// given by `cargo bench`
    #[argh(switch, hidden_help)]
    bench: bool,

    /// given by some runners of tests
    #[argh(switch, hidden_help)]
    test: bool,
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("hostile", std::env::args_os().skip(1), Exit::SERVER) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit("hostile"),
    };
    let result = match (&flags.attack, flags.address) {
        (Some(name), Some(address)) => attacks::commit(name, address),
        _ if flags.bench && !flags.test => measure(&flags),
        // `cargo test --benches` gives no flag at all.
        _ => {
            println!("hostile: measures only under `cargo bench --bench hostile`");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(flags: &Flags) -> Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let pinning = Pinning::of_this_process()?;
    println!("{pinning}; {} s each", flags.seconds);
    let more = flags.server.split_whitespace().map(Into::into).collect();
    let launch = Launch { pinning, flags: more, limited: true };
    let time = Duration::from_secs(flags.seconds);
    let wanted =
        |name: &str| flags.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    for attack in ATTACKS.iter().filter(|attack| wanted(attack.name)) {
        let figures = suffer(attack, &launch, time);
        report::show(attack.name, attack.what, figures);
    }
    if wanted(client::NAME) {
        client::measure(time)?;
    }
    Ok(())
}

/// Before and under one attack.
fn suffer(attack: &Attack, launch: &Launch, time: Duration) -> Result<[Phase; 2]> {
    let kind = if attack.tls { Kind::Tls } else { Kind::Tinychat };
    let server = Subject::start(kind, launch, Place::Apart)?;
    let mut friends = Friends::meet(kind, server.address())?;
    let mut attacker = Attacker::prepare(attack, server.address())?;
    // What was new to the server is not new any more.
    friends.chat(time / 5);
    let quiet = watch(&server, &mut friends, time)?;
    attacker.begin();
    let attacked = watch(&server, &mut friends, time)?;
    Ok([quiet, attacked])
}

/// Has the friends chat, and looks at the server meanwhile.
fn watch(server: &Subject, friends: &mut Friends, time: Duration) -> Result<Phase> {
    let (memory, written) = (server.memory()?, disk_writes(server.id())?);
    let over = AtomicBool::new(false);
    let (trips, most) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = memory;
            while !over.load(Ordering::Relaxed) {
                most = server.memory().map_or(most, |now| most.max(now));
                thread::sleep(LOOK);
            }
            most
        });
        let trips = friends.chat(time);
        over.store(true, Ordering::Relaxed);
        (trips, watcher.join())
    });
    let most = most.map_err(|_| "who watched panicked")?;
    Ok(Phase { trips, memory: most - memory, written: disk_writes(server.id())? - written })
}

/// How many bytes a process had written to the disk until now.
fn disk_writes(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/io"))?;
    let written = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(written.ok_or("no write_bytes")?.parse()?)
}

/// The process that attacks. It ends with this.
struct Attacker {
    process: Child,
    /// It attacks once this is closed.
    begin: Option<ChildStdin>,
}

impl Attacker {
    /// Waits until it is ready.
    fn prepare(attack: &Attack, server: SocketAddr) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--attack", attack.name, "--address", &server.to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (begin, said) = (process.stdin.take(), process.stdout.take());
        let attacker = Self { process, begin };
        let mut line = String::new();
        BufReader::new(said.ok_or("no stdout")?).take(16).read_line(&mut line)?;
        if line == attacks::READY { Ok(attacker) } else { Err("the attacker failed".into()) }
    }

    fn begin(&mut self) {
        self.begin = None;
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
