//! How fast the server is and what it takes, beside what people would use instead, measured in the
//! same run: `just bench`, or `cargo bench --bench chat`.
//!
//! **Method.** What is measured runs as a process of its own, as people run it, over loopback TCP, with
//! its data under `$TMPDIR`. The load ([`load`]) is this process: one thread, no runtime. Beside the
//! server stand a *plain relay* ([`relay`]), which copies bytes and does nothing else, and, where they are
//! on the `PATH`, `nats-server` and `redis-server`. All are measured in turns with the same code, each
//! time in a fresh process; every figure is a median over the rounds, and every ratio the median of the
//! rounds' own ratios (tinychat divided by the other), with the lowest and the highest. Absolute figures
//! speak of one machine on one day; compare ratios.
//!
//! **Limits.** The server's backlog limits are switched off (`--first-contact 0 --session-backlog 0 --recipient-backlog
//! 0`). All else is as people get it: each message is numbered, kept until it is acknowledged, synced to
//! disk before it is told stored, and delivered once.
//!
//! **Throughput:** each pair has a sender that keeps so many messages under way, and a receiver that
//! acknowledges once for each read. Over the server and the relay a message is under way until its
//! sender has the receipt; over the relay the ends speak the server's own frames, so that the load does
//! the same work. Core NATS has no receipts: there it is under way until it has come. *Syncs first*: what
//! came to all receivers in one turn of the load is appended to a file and synced before it is
//! acknowledged. *Load busy* says how much of its core the load used: near 100 %, messages/s speaks of
//! the load. *All others* are the rest of the machine. The processor time of a message depends much
//! less on either.
//!
//! **Round trip:** one pair, one message under way; the answer is a message too. Load and subject share
//! one core.
//!
//! **Bytes on the wire:** one pair, one message under way, the first 1,000 messages: what each end writes to its socket
//! and reads from it, divided by the messages. *Up* is to the server, *down* from it. Each way of each connection has
//! frames of one kind alone, for people called `from0` and `to0`; of receipts there may be one or two. Nothing of TLS
//! and TCP is counted.
//!
//! **Memory:** what idle connections add to the process (PSS, divided). Over tinychat they are signed
//! in, each with a name of its own that the server remembers, and have no conversation open.
//!
//! **Absent recipient:** how fast messages to somebody absent are accepted, each only after its fsync,
//! beside a plain file to which as many bytes are appended and synced by the window, and a redis list with
//! `appendfsync always`; how long one waits for *stored* who writes alone, beside one write and sync of a
//! plain file; how fast a backlog is fetched; how long the server takes to start on it after `kill -9`.
//!
//! **Cost against size:** the processor time of a message while other sessions exist, each with a
//! message that waits, and while many messages wait in one.
//!
//! **TLS:** the server under TLS, divided by itself without it. Elsewhere it runs without, as its peers do.
//!
//! **Not measured:** other body sizes, a real network, the kernel's memory for sockets,
//! and more than one core for the server where cores are pinned.
//!
//! The load checks what it measures: every message comes once, in order, unchanged and from whom it
//! should, and nobody is signed out. Otherwise, or when nothing comes for half a minute, it says so and
//! exits with 1.

mod load;
mod measures;
mod poll;
mod relay;
mod report;
mod subject;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use tinychat::args;
use tinychat::exit::Exit;

use measures::{Group, groups};
use report::{Figure, Report};
use subject::{Clock, Kind, Launch, Pinning};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Files of the load that are not the connections which it holds.
const OTHER_FILES: u64 = 64;

/// Measure the server beside a plain relay and other servers.
#[derive(ArgsInfo, FromArgs)]
struct Flags {
    /// shorter runs, for a first look
    #[argh(switch)]
    quick: bool,

    /// write the figures here too
    #[argh(option, arg_name = "file")]
    json: Option<PathBuf>,

    /// more flags for the server, like "--threads 2"
    #[argh(option, arg_name = "flags", default = "String::new()")]
    server: String,

    /// only the groups with this in their title
    #[argh(positional)]
    filter: Option<String>,

    /// given by `cargo bench`
    #[argh(switch, hidden_help)]
    bench: bool,

    /// given by some runners of tests
    #[argh(switch, hidden_help)]
    test: bool,

    /// be the plain relay
    #[argh(switch, hidden_help)]
    relay: bool,
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("chat", std::env::args_os().skip(1), Exit::SERVER) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit("chat"),
    };
    let result = if flags.relay {
        relay::serve()
    } else if flags.bench && !flags.test {
        measure(&flags)
    } else {
        // `cargo test --benches` gives no flag at all.
        println!("chat: measures only under `cargo bench --bench chat`");
        Ok(())
    };
    result.map_or_else(complain, |()| ExitCode::SUCCESS)
}

fn complain(error: Error) -> ExitCode {
    eprintln!("chat: {error}");
    ExitCode::FAILURE
}

/// How much of everything.
struct Plan {
    rounds: usize,
    warm_up: Duration,
    time: Duration,
    trips: u64,
    idle: usize,
    backlog: u64,
    /// How many sessions there are beside, and how many messages wait in one, from few to many.
    sessions: Vec<usize>,
    waiting: Vec<u64>,
    launch: Launch,
    clock: Clock,
}

impl Plan {
    fn new(flags: &Flags) -> Result<Self> {
        let flags_of_server = flags.server.split_whitespace().map(Into::into).collect();
        let launch =
            Launch { pinning: Pinning::of_this_process()?, flags: flags_of_server, limited: false };
        let (clock, time) = (Clock::of_this_system()?, Duration::from_millis);
        let full = Self {
            rounds: 3,
            warm_up: time(500),
            time: time(1_500),
            trips: 20_000,
            idle: 10_000,
            backlog: 1_000_000,
            sessions: vec![10, 100, 1_000, 10_000, 50_000],
            waiting: vec![0, 100_000, 1_000_000],
            launch,
            clock,
        };
        if !flags.quick {
            return Ok(full);
        }
        Ok(Self {
            warm_up: time(200),
            time: time(400),
            trips: 3_000,
            idle: 1_000,
            backlog: 20_000,
            sessions: vec![10, 1_000],
            waiting: vec![0, 20_000],
            ..full
        })
    }
}

fn measure(flags: &Flags) -> Result<()> {
    let mut plan = Plan::new(flags)?;
    fit_into_file_limit(&mut plan)?;
    let available = Kind::available();
    let mut report = Report::new(&plan, &available);
    println!("{}", report.heading());
    for Group { title, kinds, run } in groups(&plan) {
        if flags.filter.as_ref().is_none_or(|filter| title.contains(filter.as_str())) {
            let kinds: Vec<_> = kinds.into_iter().filter(|it| available.contains(it)).collect();
            let figures = compare(&title, plan.rounds, &kinds, &run)?;
            println!("{}", report.add(&title, &kinds, &figures));
        }
    }
    if let Some(path) = &flags.json {
        fs::write(path, report.json())?;
    }
    Ok(())
}

/// Measures all in turns, so that whatever else happens on the machine happens to each.
fn compare(
    title: &str,
    rounds: usize,
    kinds: &[Kind],
    run: &measures::Run<'_>,
) -> Result<Vec<Figure>> {
    let mut figures: Vec<Figure> = Vec::new();
    for round in 1..=rounds {
        eprintln!("chat: {title}: round {round} of {rounds}");
        for (column, kind) in kinds.iter().enumerate() {
            let failed = |error| format!("{title}, {}: {error}", kind.name());
            for (index, (name, value)) in run(*kind).map_err(failed)?.into_iter().enumerate() {
                if index == figures.len() {
                    figures.push(Figure::new(name, kinds.len()));
                }
                figures[index].add(column, value);
            }
        }
    }
    Ok(figures)
}

/// Raises the limit of open files, and holds fewer connections where it stays too low.
fn fit_into_file_limit(plan: &mut Plan) -> Result<()> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let allowed = usize::try_from(limit.saturating_sub(OTHER_FILES))?;
    // They come in pairs.
    plan.idle = plan.idle.min(allowed / 2 * 2);
    Ok(())
}
