//! How fast the server is and how much memory it takes, beside a plain byte relay measured in the
//! same run: `cargo bench --bench chat`.
//!
//! **Method.** The server runs as a process of its own, as people run it, over loopback TCP. The
//! *plain relay* ([`subject::relay`]) does what nobody can do without: it accepts the same
//! connections on the same runtime and copies bytes. The *load* ([`load`]) is this process: blocking
//! sockets, a thread for each end, so that it has no runtime of its own to measure. Both are measured
//! in turns with the same code, each time in a fresh process; every figure is a median over the
//! rounds, and every ratio the median of the rounds' own ratios (tinychat divided by relay), with the
//! lowest and the highest. Absolute figures speak of one machine on one day; compare ratios.
//!
//! **Throughput:** each pair has a sender that keeps at most [`WINDOW`](load::WINDOW) messages not
//! yet delivered, and a receiver that acknowledges from memory, once for each read. Over the relay
//! the ends speak the server's own frames, so that the load does the same work. *Load busy* says how
//! much of its core the load used: near 100 %, messages/s speaks of the load. *All others* are the
//! rest of the machine: where they are busy, messages/s speaks of them too, and so do the round
//! trips. The processor time of a message depends much less on either.
//!
//! **Round trip:** one pair, one message under way; the answer is a message too.
//!
//! **Memory:** what idle connections add to the process (PSS, divided). Over tinychat they are signed
//! in, each with a name of its own that the server remembers, and have no conversation open.
//!
//! **Durability** ([`durability`]): how fast messages to somebody absent are accepted, each only
//! after its fsync, beside a plain file to which as many bytes are appended and synced by the window;
//! how fast a backlog is fetched; how long the server takes to start on it after `kill -9`; and of the
//! throughput, how many messages never touched the disk. All of it on the disk under `$TMPDIR`.
//!
//! **Not measured:** other body sizes, TLS, a real network, many conversations on one connection, signing in, the kernel's memory for
//! sockets, and more than one core for the server where cores are pinned.
//!
//! The load checks what it measures: every message comes once, in order, unchanged and from whom it
//! should, and nobody is signed out. Otherwise, or when nothing comes for
//! [`PATIENCE`](load::PATIENCE), it says so and exits with 1.

mod durability;
mod load;
mod report;
mod subject;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use argh::FromArgs;
use tinychat::args;

use load::Pair;
use report::{Figure, Report};
use subject::{Clock, Kind, Pinning, Subject};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// How many pairs talk at once in the groups of the throughput.
const PAIRS: [usize; 3] = [1, 16, 128];

/// Files of the load that are not the connections which it holds.
const OTHER_FILES: u64 = 64;

/// Measure the server beside a plain relay.
#[derive(FromArgs)]
struct Flags {
    /// shorter runs, for a first look
    #[argh(switch)]
    quick: bool,

    /// write the figures here too
    #[argh(option, arg_name = "file")]
    json: Option<PathBuf>,

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
    let flags: Flags = match args::parse("chat", std::env::args_os().skip(1)) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit(),
    };
    let result = if flags.relay {
        subject::relay()
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
    pinning: Pinning,
    clock: Clock,
}

impl Plan {
    fn new(quick: bool) -> Result<Self> {
        let (pinning, clock) = (Pinning::of_this_process()?, Clock::of_this_system()?);
        let time = Duration::from_millis;
        Ok(if quick {
            let (warm_up, time) = (time(100), time(400));
            let (trips, idle, backlog) = (3_000, 1_000, 20_000);
            Self { rounds: 3, warm_up, time, trips, idle, backlog, pinning, clock }
        } else {
            let (warm_up, time) = (time(500), time(2_000));
            let (trips, idle, backlog) = (20_000, 10_000, 100_000);
            Self { rounds: 5, warm_up, time, trips, idle, backlog, pinning, clock }
        })
    }
}

fn measure(flags: &Flags) -> Result<()> {
    let mut plan = Plan::new(flags.quick)?;
    let mut report = Report::new(&plan.pinning);
    println!("{}", report.heading());
    fit_into_file_limit(&mut plan)?;
    for Group { title, beside, run } in groups(&plan) {
        if flags.filter.as_ref().is_none_or(|filter| title.contains(filter.as_str())) {
            let figures = compare(&title, plan.rounds, &run)?;
            println!("{}", report.add(title, beside, figures));
        }
    }
    if let Some(path) = &flags.json {
        fs::write(path, report.json())?;
    }
    Ok(())
}

/// One of the two, measured once: the same names in the same order each time.
type Run<'a> = Box<dyn Fn(Kind) -> Result<Vec<(String, f64)>> + 'a>;

/// What is measured together.
struct Group<'a> {
    title: String,
    /// What stands in the place of the server in every second run.
    beside: &'static str,
    run: Run<'a>,
}

fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut add = |title: String, beside, run| groups.push(Group { title, beside, run });
    for pairs in PAIRS {
        let title = format!("throughput, {pairs} {}", if pairs == 1 { "pair" } else { "pairs" });
        add(title, "plain relay", Box::new(move |kind| throughput(plan, kind, pairs)));
    }
    add("round trip".into(), "plain relay", Box::new(|kind| round_trip(plan, kind)));
    let title = format!("memory, {} idle connections", plan.idle);
    add(title, "plain relay", Box::new(|kind| memory(plan, kind)));
    for writers in [1, 16] {
        let title = format!("durable acceptance, {writers} writing to the absent");
        let run = Box::new(move |kind| durability::acceptance(plan, kind, writers));
        add(title, "plain file", run);
    }
    let title = format!("backlog of {}", plan.backlog);
    add(title, "nothing", Box::new(|kind| durability::backlog(plan, kind)));
    groups
}

/// Measures both in turns, so that whatever else happens on the machine happens to both.
fn compare(title: &str, rounds: usize, run: &Run<'_>) -> Result<Vec<Figure>> {
    let mut figures: Vec<Figure> = Vec::new();
    for round in 1..=rounds {
        eprintln!("chat: {title}: round {round} of {rounds}");
        let tinychat = run(Kind::Tinychat).map_err(|error| format!("{title}: {error}"))?;
        let relay = run(Kind::Relay).map_err(|error| format!("{title}, plain relay: {error}"))?;
        for (index, ((name, tinychat), (_, relay))) in tinychat.into_iter().zip(relay).enumerate() {
            if index == figures.len() {
                figures.push(Figure::new(name));
            }
            figures[index].add(tinychat, relay);
        }
    }
    Ok(figures)
}

fn throughput(plan: &Plan, kind: Kind, pairs: usize) -> Result<Vec<(String, f64)>> {
    let subject = Subject::start(kind, &plan.pinning)?;
    let mut pairs = load::open_pairs(kind, subject.address(), pairs)?;
    load::talk(&mut pairs, plan.warm_up)?;
    let (start, before) = (Instant::now(), Spent::until_now(plan.clock, &subject)?);
    let messages = load::talk(&mut pairs, plan.time)? as f64;
    let (elapsed, after) = (start.elapsed(), Spent::until_now(plan.clock, &subject)?);
    pairs.into_iter().try_for_each(Pair::finish)?;
    let never_written = match kind {
        Kind::Tinychat => {
            subject.written().map(|(written, taken)| 100.0 * (1.0 - written / taken))?
        }
        Kind::Relay => f64::NAN,
    };
    let subjects = after.subject.saturating_sub(before.subject);
    let loads = after.load.saturating_sub(before.load);
    let others = after.all.saturating_sub(before.all).saturating_sub(subjects + loads);
    let percent = |spent: Duration| spent.as_secs_f64() * 100.0 / elapsed.as_secs_f64();
    Ok(vec![
        ("messages/s".into(), messages / elapsed.as_secs_f64()),
        ("processor time, µs/message".into(), subjects.as_secs_f64() * 1e6 / messages),
        ("busy, % of a core".into(), percent(subjects)),
        ("load busy, % of a core".into(), percent(loads)),
        ("all others busy, % of a core".into(), percent(others)),
        ("never on disk, % of messages".into(), never_written),
    ])
}

/// Processor time.
struct Spent {
    subject: Duration,
    load: Duration,
    all: Duration,
}

impl Spent {
    fn until_now(clock: Clock, subject: &Subject) -> Result<Self> {
        let (load, all) = (clock.own_time()?, clock.time_of_all()?);
        Ok(Self { subject: subject.processor_time(clock)?, load, all })
    }
}

fn round_trip(plan: &Plan, kind: Kind) -> Result<Vec<(String, f64)>> {
    let subject = Subject::start(kind, &plan.pinning)?;
    let mut pair = Pair::open(kind, subject.address(), 0)?;
    load::answer(&mut pair, plan.trips / 10)?;
    let mut times = load::answer(&mut pair, plan.trips)?;
    pair.finish()?;
    times.sort_unstable();
    let at = |permille: usize| times[times.len() * permille / 1000].as_secs_f64() * 1e6;
    Ok(vec![
        ("p50, µs".into(), at(500)),
        ("p99, µs".into(), at(990)),
        ("p99.9, µs".into(), at(999)),
    ])
}

fn memory(plan: &Plan, kind: Kind) -> Result<Vec<(String, f64)>> {
    /// Long enough for tasks to come to rest, short enough that nobody is idle for too long.
    const REST: Duration = Duration::from_millis(500);
    let subject = Subject::start(kind, &plan.pinning)?;
    // The first ones pay for what is there once.
    let mut first = Pair::open(kind, subject.address(), 0)?;
    std::thread::sleep(REST);
    let before = subject.memory()?;
    let held = load::hold(kind, subject.address(), plan.idle)?;
    std::thread::sleep(REST);
    let added = subject.memory()?.saturating_sub(before) as f64;
    first.count_others(held.len())?;
    Ok(vec![("bytes a connection".into(), added / held.len() as f64)])
}

/// Raises the limit of open files, and holds fewer connections where it stays too low.
fn fit_into_file_limit(plan: &mut Plan) -> Result<()> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let allowed = usize::try_from(limit.saturating_sub(OTHER_FILES))?;
    if allowed < plan.idle {
        println!(
            "**Fewer idle connections** than {}: the limit of open files is {limit}.\n",
            plan.idle
        );
        // They come in pairs.
        plan.idle = allowed / 2 * 2;
    }
    Ok(())
}
