//! A year of a small server in a few minutes: `just soak`, or `cargo bench --bench year`. What grows without a bound in
//! the traffic of 40 people is found by it.
//!
//! **Method.** The server is a process of its own ([`server`]), with TLS and without rate limits; its clocks are the
//! system's, and run ahead of them as they are told to. Messages and files are kept for 30 hours. Here are the people
//! ([`day`]): each day most of them sign in, say their device lists, write to six others, send files and fetch them, block
//! each other, and leave. A fifth of them is away each day, for whom things wait until the next; four come every tenth
//! day, and what waits for them expires. Each day a guest claims a name and writes, and the operator removes that name;
//! each month the operator makes a backup.
//!
//! The first day is the day on which they move in: they write some 100 MiB that has to be stored before it is fetched.
//! So the parts of the mailbox's engine that have a fixed size (memtables, cache, journals) are as large after this day
//! as they ever are.
//!
//! **Figures**, on the evening of a day, with everybody signed in who came: what the disk says of the data folder, the
//! entries that the mailbox has, files that wait, the memory and the open files of the server; after the first day and
//! the last one also how long a start takes, the best of three. Between these two days the server is not restarted.
//!
//! It ends with an error if any of these is more than twice as large after the last day as after the first, if a message
//! is lost, if anything still waits two days after the last one or the mailbox is not sound, or after [`LIMIT`].

mod day;
mod measures;
mod person;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};
use async_std::task::block_on;
use tinychat::args;
use tinychat::exit::Exit;
use tinychat::server::control;

use day::Village;
use measures::Measures;
use server::Server;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// How often the server is started to find how long that takes.
const STARTS: usize = 3;

/// How often figures are printed, in days, beside the first one and the last.
const PRINTED: u32 = 91;

/// How often the operator makes a backup, in days.
const BACKUP: u32 = 30;

/// How much larger a figure may be after the last day.
const GROWTH: f64 = 2.0;

/// Soak the server in a year's traffic.
#[derive(ArgsInfo, FromArgs)]
struct Flags {
    /// how many days (default 365)
    #[argh(option, default = "365")]
    days: u32,

    /// how many people, at least 10 (default 40)
    #[argh(option, default = "40")]
    people: usize,

    /// how many messages each writes to each of six others a day (default 10)
    #[argh(option, default = "10")]
    messages: u64,

    /// be the server, on this data folder
    #[argh(option, hidden_help)]
    serve: Option<PathBuf>,

    /// given by cargo
    #[argh(switch, hidden_help)]
    bench: bool,
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("year", std::env::args_os().skip(1), Exit::SERVER) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit("year"),
    };
    let result = match &flags.serve {
        Some(data) => server::serve(data),
        None if flags.bench => block_on(soak(&flags)),
        None => {
            println!("year: soaks only under `cargo bench --bench year`");
            Ok(())
        }
    };
    if let Err(error) = result {
        eprintln!("year: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn soak(flags: &Flags) -> Result<()> {
    if flags.people < 10 || flags.days < 2 {
        return Err("10 people and 2 days are the least".into());
    }
    let (place, begun) = (tempfile::tempdir()?, Instant::now());
    let data = place.path().join("data");
    let mut village = Village::found(flags.people, flags.messages, place.path())?;
    println!("{} people, {} days", flags.people, flags.days);
    println!("{}", Measures::HEAD);

    let mut server = Server::start(&data)?;
    village.moves_in(&server).await?;
    let mut first = evening(&mut village, &mut server, 1).await?;
    server.stop()?;
    first.start = Some(start_time(&data)?);
    println!("{}", first.row(1));

    let mut server = Server::start(&data)?;
    for day in 2..flags.days {
        village.lives(day, &mut server).await?;
        if day.is_multiple_of(PRINTED) {
            println!("{}", Measures::of(&server)?.row(day));
        }
        if day.is_multiple_of(BACKUP) {
            operate(&data, &["backup"])?;
        }
        village.sleeps(&mut server).await?;
        if begun.elapsed() > LIMIT {
            return Err(format!("day {day} ended after {:.0?}", begun.elapsed()).into());
        }
    }
    let mut last = evening(&mut village, &mut server, flags.days).await?;
    nothing_is_left(&mut server)?;
    server.stop()?;
    last.start = Some(start_time(&data)?);
    println!("{}", last.row(flags.days));
    println!("{}", last.ratios(&first));
    println!("all of it took {:.0?}", begun.elapsed());
    match last.grown(&first, GROWTH) {
        None => Ok(()),
        Some(what) => Err(format!("{what} has more than doubled").into()),
    }
}

/// A day, and what the server has in its evening.
async fn evening(village: &mut Village, server: &mut Server, day: u32) -> Result<Measures> {
    village.lives(day, server).await?;
    let measures = Measures::of(server)?;
    village.sleeps(server).await?;
    Ok(measures)
}

/// Two days later all has expired that nobody fetched, and the mailbox is sound.
fn nothing_is_left(server: &mut Server) -> Result<()> {
    server.passes(2 * day::DAY)?;
    let begun = Instant::now();
    loop {
        let left = Measures::waiting(server)?;
        if left == 0 {
            break;
        }
        if begun.elapsed() > person::PATIENCE {
            return Err(format!("{left} messages and files still wait after two days").into());
        }
        std::thread::sleep(server::OFTEN);
    }
    operate(&server.data, &["check"])
}

/// How long the best of some starts took.
fn start_time(data: &Path) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let server = Server::start(data)?;
        times.push(server.started_in);
        server.stop()?;
    }
    times.into_iter().min().ok_or_else(|| "no start".into())
}

/// What an operator does beside the server.
fn operate(data: &Path, words: &[&str]) -> Result<()> {
    let mut answer = Vec::new();
    let done = control::operate(data, words, &mut answer);
    let answer = || String::from_utf8_lossy(&answer[..answer.len().min(2_000)]).into_owned();
    done.map_err(|error| format!("{}: {error}\n{}", words.join(" "), answer()).into())
}
