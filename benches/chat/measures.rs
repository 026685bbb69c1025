//! The groups of figures that are measured together, and how.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::load::{
    Backlog, Bystanders, Crowd, Pairs, Receiving, WINDOW, push_to_list, wait_for_stored,
    write_to_nobody,
};
use super::subject::{Clock, Kind, Place, Subject};
use super::{Plan, Result};

/// What a message has on disk, roughly: body, header, key.
const RECORD: usize = 128;

/// How many pairs talk while other things grow.
const PAIRS: usize = 16;

/// The bytes of how many messages are counted: the first ones, so their numbers have up to four digits.
const COUNTED: u64 = 1_000;

/// What was measured: the same names in the same order each time.
pub(super) type Values = Vec<(String, f64)>;

/// Measures one of the kinds once.
pub(super) type Run<'a> = Box<dyn Fn(Kind) -> Result<Values> + 'a>;

/// What is measured together.
pub(super) struct Group<'a> {
    pub(super) title: String,
    pub(super) kinds: Vec<Kind>,
    pub(super) run: Run<'a>,
}

/// All of them.
pub(super) fn groups(plan: &Plan) -> Vec<Group<'_>> {
    use Kind::{File, Nats, Redis, Relay, Tinychat};
    let talking = [Tinychat, Relay, Nats];
    let mut groups = Vec::new();
    for (pairs, window) in [(1, WINDOW), (PAIRS, WINDOW), (128, WINDOW), (128, 1)] {
        let title = format!("throughput, pairs {pairs}, under way {window} each");
        let run = move |kind| throughput(plan, kind, pairs, window, Receiving::FromMemory);
        groups.push(group(title, &talking, run));
    }
    let syncing = |kind| {
        let receiving = Receiving::SyncFirst(tempfile::tempfile()?);
        throughput(plan, kind, PAIRS, WINDOW, receiving)
    };
    let title = format!("throughput, pairs {PAIRS}, under way {WINDOW} each, receivers sync first");
    groups.push(group(title, &[Tinychat, Relay], syncing));
    groups.push(group("round trip on one core", &talking, |kind| round_trip(plan, kind)));
    let title = "bytes on the wire for a message with a body of 64";
    groups.push(group(title, &talking, |kind| bytes(plan, kind)));
    let title = format!("memory, {} idle connections", plan.idle);
    groups.push(group(title, &talking, |kind| memory(plan, kind)));
    groups.extend(under_tls(plan));
    for writers in [1, PAIRS] {
        let title = format!("to absent recipients, senders {writers}, under way {WINDOW} each");
        let run = move |kind| acceptance(plan, kind, writers);
        groups.push(group(title, &[Tinychat, File, Redis], run));
    }
    let title = "a lone sender who waits for each to be stored";
    groups.push(group(title, &[Tinychat, File], |kind| lone_sender(plan, kind)));
    let title = format!("backlog of {} messages", plan.backlog);
    groups.push(group(title, &[Tinychat], |_| backlog(plan)));
    let title = format!("cost against size, pairs {PAIRS}, µs/message");
    groups.push(group(title, &[Tinychat], |_| cost_against_size(plan)));
    groups
}

/// What TLS costs.
fn under_tls(plan: &Plan) -> Vec<Group<'_>> {
    let both = [Kind::Tls, Kind::Tinychat];
    let mut groups = Vec::new();
    for (pairs, window) in [(PAIRS, WINDOW), (128, 1)] {
        let title = format!("TLS, throughput, pairs {pairs}, under way {window} each");
        let run = move |kind| throughput(plan, kind, pairs, window, Receiving::FromMemory);
        groups.push(group(title, &both, run));
    }
    groups.push(group("TLS, round trip on one core", &both, |kind| round_trip(plan, kind)));
    let title = format!("TLS, memory, {} idle connections", plan.idle);
    groups.push(group(title, &both, |kind| memory(plan, kind)));
    groups
}

fn group<'a>(
    title: impl Into<String>,
    kinds: &[Kind],
    run: impl Fn(Kind) -> Result<Values> + 'a,
) -> Group<'a> {
    Group { title: title.into(), kinds: kinds.into(), run: Box::new(run) }
}

fn throughput(
    plan: &Plan,
    kind: Kind,
    pairs: usize,
    window: u64,
    receiving: Receiving,
) -> Result<Values> {
    let subject = Subject::start(kind, &plan.launch, Place::Apart)?;
    let mut pairs = Pairs::open(kind, subject.address(), pairs, window, receiving)?;
    let talk = talk(plan, &subject, &mut pairs)?;
    pairs.finish()?;
    let never_written = match kind {
        _ if kind.is_tinychat() => {
            subject.written().map(|(written, taken)| 100.0 * (1.0 - written / taken))?
        }
        _ => f64::NAN,
    };
    let percent = |spent: Duration| spent.as_secs_f64() * 100.0 / talk.time.as_secs_f64();
    Ok(vec![
        ("messages/s".into(), talk.messages / talk.time.as_secs_f64()),
        ("processor time, µs/message".into(), talk.cost()),
        ("busy, % of a core".into(), percent(talk.spent.subject)),
        ("load busy, % of a core".into(), percent(talk.spent.load)),
        ("all others busy, % of a core".into(), percent(talk.spent.others)),
        ("never on disk, % of messages".into(), never_written),
    ])
}

/// What talking took.
struct Talk {
    messages: f64,
    time: Duration,
    spent: Spent,
}

impl Talk {
    /// The subject's processor time for a message, in µs.
    fn cost(&self) -> f64 {
        self.spent.subject.as_secs_f64() * 1e6 / self.messages
    }
}

fn talk(plan: &Plan, subject: &Subject, pairs: &mut Pairs) -> Result<Talk> {
    pairs.talk(plan.warm_up)?;
    let (start, before) = (Instant::now(), Spent::until_now(plan.clock, subject)?);
    let messages = pairs.talk(plan.time)? as f64;
    let (time, after) = (start.elapsed(), Spent::until_now(plan.clock, subject)?);
    Ok(Talk { messages, time, spent: after.since(&before) })
}

/// Processor time.
struct Spent {
    subject: Duration,
    load: Duration,
    others: Duration,
}

impl Spent {
    fn until_now(clock: Clock, subject: &Subject) -> Result<Self> {
        let (load, all) = (clock.own_time()?, clock.time_of_all()?);
        let subject = subject.processor_time(clock)?;
        Ok(Self { subject, load, others: all.saturating_sub(load + subject) })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            subject: self.subject.saturating_sub(before.subject),
            load: self.load.saturating_sub(before.load),
            others: self.others.saturating_sub(before.others),
        }
    }
}

fn round_trip(plan: &Plan, kind: Kind) -> Result<Values> {
    let subject = Subject::start(kind, &plan.launch, Place::BesideLoad)?;
    let mut pair = Pairs::open(kind, subject.address(), 1, 1, Receiving::FromMemory)?;
    pair.exchange(plan.trips / 10)?;
    let times = pair.exchange(plan.trips)?;
    pair.finish()?;
    Ok(percentiles(times))
}

fn percentiles(mut times: Vec<Duration>) -> Values {
    times.sort_unstable();
    let at = |permille: usize| times[times.len() * permille / 1000].as_secs_f64() * 1e6;
    vec![("p50, µs".into(), at(500)), ("p99, µs".into(), at(990)), ("p99.9, µs".into(), at(999))]
}

/// What goes over the connections of one pair, counted at both ends.
fn bytes(plan: &Plan, kind: Kind) -> Result<Values> {
    let subject = Subject::start(kind, &plan.launch, Place::Apart)?;
    let mut pair = Pairs::open(kind, subject.address(), 1, 1, Receiving::FromMemory)?;
    let [sender, receiver] = pair.deliver(COUNTED)?;
    pair.finish()?;
    let each = |bytes: u64| bytes as f64 / COUNTED as f64;
    Ok(vec![
        ("message, up".into(), each(sender.written)),
        ("message, down".into(), each(receiver.read)),
        ("acknowledgement, up".into(), each(receiver.written)),
        ("receipts, down".into(), each(sender.read)),
    ])
}

fn memory(plan: &Plan, kind: Kind) -> Result<Values> {
    /// Long enough for tasks to come to rest, short enough that nobody is idle for too long.
    const REST: Duration = Duration::from_millis(500);
    let subject = Subject::start(kind, &plan.launch, Place::Apart)?;
    // The first ones pay for what is there once.
    let first = Pairs::open(kind, subject.address(), 1, 1, Receiving::FromMemory)?;
    first.finish()?;
    thread::sleep(REST);
    let (before, earlier) = (subject.memory()?, subject.processor_time(plan.clock)?);
    let crowd = Crowd::gather(kind, subject.address(), plan.idle)?;
    let spent = subject.processor_time(plan.clock)?.saturating_sub(earlier);
    thread::sleep(REST);
    let added = subject.memory()?.saturating_sub(before) as f64;
    crowd.check()?;
    let count = crowd.len() as f64;
    Ok(vec![
        ("bytes a connection".into(), added / count),
        ("processor time to connect and sign in, µs".into(), spent.as_secs_f64() * 1e6 / count),
    ])
}

/// How many messages a second are accepted for people who are not there, each told stored after its
/// fsync.
fn acceptance(plan: &Plan, kind: Kind, writers: usize) -> Result<Values> {
    let (rate, cost) = match kind {
        Kind::File => (append(plan.time)?, f64::NAN),
        _ => {
            let subject = Subject::start(kind, &plan.launch, Place::Apart)?;
            let (start, before) = (Instant::now(), subject.processor_time(plan.clock)?);
            let stored = match kind {
                Kind::Redis => push_to_list(subject.address(), writers, plan.time)?,
                _ => write_to_nobody(subject.address(), writers, plan.time)?,
            } as f64;
            let time = start.elapsed();
            let spent = subject.processor_time(plan.clock)?.saturating_sub(before);
            (stored / time.as_secs_f64(), spent.as_secs_f64() * 1e6 / stored)
        }
    };
    Ok(vec![("messages/s".into(), rate), ("processor time, µs/message".into(), cost)])
}

/// Appends a window of records and syncs it, again and again. Records a second.
fn append(time: Duration) -> Result<f64> {
    let mut file = tempfile::tempfile()?;
    let window = vec![b'.'; RECORD * usize::try_from(WINDOW)?];
    let (start, mut windows) = (Instant::now(), 0u64);
    while start.elapsed() < time {
        sync(&mut file, &window)?;
        windows += 1;
    }
    Ok((windows * WINDOW) as f64 / start.elapsed().as_secs_f64())
}

fn sync(file: &mut File, bytes: &[u8]) -> Result<()> {
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}

/// How long one waits who writes a message when the one before is stored.
fn lone_sender(plan: &Plan, kind: Kind) -> Result<Values> {
    let times = usize::try_from(plan.trips / 10)?;
    if kind == Kind::Tinychat {
        let subject = Subject::start(kind, &plan.launch, Place::Apart)?;
        return Ok(percentiles(wait_for_stored(subject.address(), times)?));
    }
    let mut file = tempfile::tempfile()?;
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        sync(&mut file, &[b'.'; RECORD])?;
        took.push(start.elapsed());
    }
    Ok(percentiles(took))
}

/// Starting on a backlog after `kill -9`, and fetching it.
fn backlog(plan: &Plan) -> Result<Values> {
    let subject = Subject::start(Kind::Tinychat, &plan.launch, Place::Apart)?;
    let mut backlog = Backlog::begin(subject.address())?;
    backlog.grow(plan.backlog)?;
    let (subject, took) = subject.restart(&plan.launch)?;
    let rate = backlog.count() as f64 / backlog.drain(subject.address())?.as_secs_f64();
    Ok(vec![
        ("start after kill -9, ms".into(), took.as_secs_f64() * 1e3),
        ("fetched, messages/s".into(), rate),
    ])
}

/// What a message costs while more and more is there that does not concern it.
fn cost_against_size(plan: &Plan) -> Result<Values> {
    let mut values = Vec::new();
    let subject = Subject::start(Kind::Tinychat, &plan.launch, Place::Apart)?;
    let mut pairs = open_some(&subject)?;
    let mut bystanders = Bystanders::new(subject.address())?;
    for sessions in &plan.sessions {
        bystanders.grow(*sessions)?;
        let cost = talk(plan, &subject, &mut pairs)?.cost();
        values.push((format!("{sessions} other sessions"), cost));
    }
    let subject = Subject::start(Kind::Tinychat, &plan.launch, Place::Apart)?;
    let mut pairs = open_some(&subject)?;
    let mut backlog = Backlog::begin(subject.address())?;
    for waiting in &plan.waiting {
        backlog.grow(*waiting)?;
        let cost = talk(plan, &subject, &mut pairs)?.cost();
        values.push((format!("{waiting} messages wait in one session"), cost));
    }
    Ok(values)
}

fn open_some(subject: &Subject) -> Result<Pairs> {
    Pairs::open(Kind::Tinychat, subject.address(), PAIRS, WINDOW, Receiving::FromMemory)
}
