//! How fast the full screen is, and what it takes: `just bench`, or `cargo bench --bench client`.
//!
//! **Method.** The client runs as a process of its own on a pseudo-terminal of 80 by 24 cells, signed in at a
//! server on this machine, on a data folder whose only conversation has as many messages as asked for. A
//! terminal emulator reads what it writes.
//!
//! **Start:** from its start until the last message is on the screen. **Key:** from a key press until its
//! letter is there; both have the emulator's own time in them. **Memory:** what is resident then (PSS).
//! **Idle:** the processor time it takes while nothing happens.
//!
//! **Search:** from the last key of the words until what is found is on the screen; **jump:** from Enter until the
//! message is there in its context. The index of words is complete then; *rare* is in one message, *common* in all.
//!
//! **Sealing:** the same lines, piped to one client, until they are read by another, by turns sealed and not: *not* is
//! to somebody who has no device list. They have written to each other before, and the server has no limits. That all
//! or none were sealed is looked at afterwards. The cryptography alone is measured without a client: with each message
//! the session is read from what is stored, and written.
//!
//! Absolute figures speak of one machine on one day.

mod desk;
mod sealing;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};
use rusqlite::Connection;
use tinychat::args;
use tinychat::exit::Exit;

use desk::Desk;

type Error = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Error>;

/// How often the client is started.
const STARTS: usize = 10;

/// How many keys are pressed: as many letters as one row has room for.
const KEYS: usize = 50;

/// How often each words are searched.
const SEARCHES: usize = 10;

/// Measure the client's full screen.
#[derive(ArgsInfo, FromArgs)]
struct Flags {
    /// how many messages there are (default 100000)
    #[argh(option, default = "100_000")]
    messages: u32,

    /// how many messages are searched (default 1000000)
    #[argh(option, default = "1_000_000")]
    searched: u32,

    /// how many lines are sent to measure sealing (default 20000)
    #[argh(option, default = "20_000")]
    lines: u32,

    /// how many seconds to watch the idle client (default 60)
    #[argh(option, default = "60")]
    idle: u64,

    /// given by cargo
    #[argh(switch)]
    #[allow(dead_code, reason = "cargo gives it to every benchmark")]
    bench: bool,
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("client", std::env::args_os().skip(1), Exit::SERVER) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit("client"),
    };
    match measure(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(flags: &Flags) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("server"))?;
    let data = folder.path().join("john");
    let john = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat"));
        command.args(["--user", "john", "--to", "marie", "--tls", "off", "--server"]);
        command.arg(server.address.to_string()).arg("--data").arg(&data);
        command.env("XDG_CONFIG_HOME", folder.path()).env("TERM", "xterm-256color");
        command
    };
    let status = john().stdin(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("the client exits with {status}").into());
    }
    let store = data.join("messages.db");
    let last = fill(&store, &server.address.to_string(), 0, flags.messages)?;
    println!("{} messages", flags.messages);
    let starts = (0..STARTS).map(|_| {
        let desk = Desk::open(john())?;
        let took = desk.sees(&last)?;
        desk.leave()?;
        Ok(took)
    });
    let starts = starts.collect::<Result<Vec<_>>>()?;
    print("start to the last message on the screen", starts);
    let mut desk = Desk::open(john())?;
    desk.sees(&last)?;
    desk.sees("john online")?;
    let keys = (0..KEYS).map(|_| desk.press_and_see()).collect::<Result<Vec<_>>>()?;
    print("key press to its letter on the screen", keys);
    println!("resident (PSS): {:.1} MiB", desk.memory()? as f64 / 1024.0);
    let before = desk.processor_time()?;
    thread::sleep(Duration::from_secs(flags.idle));
    let used = desk.processor_time()? - before;
    println!("processor time of {} s idle: {} ms", flags.idle, used.as_millis());
    desk.leave()?;
    let more = flags.searched.saturating_sub(flags.messages);
    fill(&store, &server.address.to_string(), flags.messages, more)?;
    println!("{} messages", flags.searched.max(flags.messages));
    search(&store, &john)?;
    drop(server);
    sealing::measure(flags.lines)
}

/// Waits for the index, and searches.
fn search(store: &Path, john: &impl Fn() -> Command) -> Result<()> {
    let mut desk = Desk::open(john())?;
    desk.sees("john online")?;
    let began = Instant::now();
    let connection = Connection::open(store)?;
    let missing = "SELECT (SELECT max(id) FROM message) - (SELECT up_to FROM indexed)";
    while connection.query_row(missing, (), |row| row.get::<_, i64>(0))? > 1_000 {
        thread::sleep(Duration::from_millis(100));
    }
    println!("the index is built in {:.1} s", began.elapsed().as_secs_f64());
    for (what, words, found) in [
        ("rare", "77777", "message 77777 of"),
        ("rare, with a common one", "somebody 77777", "message 77777 of"),
        ("common", "somebody", " of somebody"),
        ("a beginning of common ones", "some", " of somebody"),
    ] {
        let (mut searches, mut jumps) = (Vec::new(), Vec::new());
        for _ in 0..SEARCHES {
            searches.push(desk.search(words, found)?);
            jumps.push(desk.jump()?);
        }
        print(&format!("search, {what}"), searches);
        print(&format!("jump, {what}"), jumps);
    }
    desk.leave()
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    println!("{what}: median {:.1} ms, 90 % {:.1} ms, worst {:.1} ms", at(50), at(90), at(100));
}

/// Puts so many more messages into a conversation. Gives the last one.
fn fill(store: &Path, server: &str, before: u32, more: u32) -> Result<String> {
    let messages = before + more;
    let mut connection = Connection::open(store)?;
    let transaction = connection.transaction()?;
    transaction.execute(
        "WITH RECURSIVE each(n) AS
             (SELECT ?3 + 1 WHERE ?3 < ?1 UNION ALL SELECT n + 1 FROM each WHERE n < ?1)
         INSERT INTO message (server, peer, own, installation, n, time, kind, body, state, sent)
         SELECT ?2, 'marie', n % 2, '1', n, 1700000000000 + 60000 * n, 'text',
                CAST('message ' || n || ' of somebody who has a lot to say' AS BLOB),
                CASE n % 2 WHEN 0 THEN 'shown' ELSE 'delivered' END, 1
         FROM each",
        (messages, server, before),
    )?;
    transaction.commit()?;
    Ok(format!("message {messages} of"))
}

/// A server on this machine. Dropping it ends it.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(data: &Path) -> Result<Self> {
        Self::start_with(data, &[])
    }

    fn start_with(data: &Path, flags: &[&str]) -> Result<Self> {
        fs::create_dir_all(data.parent().unwrap_or(data))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat-server"));
        command.env("TINYCHAT_SERVER_CONFIG", "none");
        command.args(["--tls", "off", "--log-level", "off", "--listen", &address.to_string()]);
        command.args(flags).arg("--data").arg(data);
        let process = command.stderr(Stdio::null()).spawn()?;
        Ok(Self { process, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
