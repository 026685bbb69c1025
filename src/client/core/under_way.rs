//! What is on its way of files: what runs, what rests, and for what a ticket is waited.
//!
//! Owned by the core. Pure, but for the threads whose ends it holds and the clock. Invariant: of one thing no two runs
//! are there at once, and of each kind no more than may be.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_channel::{Sender, WeakSender};
use async_std::task::JoinHandle;

use super::order::{Key, Order};
use crate::client::command::Unwanted;
use crate::client::files::job::Job;
use crate::client::line::backoff::Backoff;
use crate::message::Name;
use crate::trust::Ticket;

/// How many files go at once, and how many come.
const AT_ONCE: usize = 3;

/// How long it is waited for a ticket only to tell that the server need not keep something.
const TICKET_PATIENCE: Duration = Duration::from_secs(10);

/// What is on its way.
pub(super) struct Files {
    pub(super) orders: WeakSender<Order>,
    running: BTreeMap<Key, Run>,
    /// What was told to end and has not: nothing else may write where it does.
    ending: BTreeMap<Key, (u64, JoinHandle<Option<()>>)>,
    last_run: u64,
    /// What failed for now, and when it is tried again.
    resting: BTreeMap<Key, Rest>,
    /// To whom files go, or are to go.
    addressees: BTreeSet<Name>,
    /// There may be more to carry than is on its way.
    look: bool,
    ticket: Option<Ticket>,
    asked_for_ticket: Option<Instant>,
    /// Where a file is to be saved that comes, by its message.
    saves: BTreeMap<i64, Vec<Option<PathBuf>>>,
    /// How far each has come, at most: only what is beyond it is progress.
    furthest: BTreeMap<Key, u64>,
    /// What is wanted of files that may still be told of.
    pub(super) wanted: Vec<Wanted>,
    /// How many files are just being saved.
    saving: u64,
}

/// A thread that carries. It ends when this is dropped.
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) job: Job,
    /// How much of it has been carried, in bytes.
    pub(super) done: u64,
    pub(super) _end: Sender<Infallible>,
    pub(super) ended: JoinHandle<Option<()>>,
}

/// What is wanted of another's file.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(super) peer: Name,
    /// Without a number the last.
    pub(super) number: Option<u64>,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Get,
    Save(Option<PathBuf>),
    /// An own file that waits with the server is called back.
    Gone(Unwanted),
}

#[derive(Default)]
struct Rest {
    backoff: Backoff,
    until: Option<Instant>,
}

impl Files {
    pub(super) fn new(orders: WeakSender<Order>) -> Self {
        Self {
            orders,
            running: BTreeMap::new(),
            ending: BTreeMap::new(),
            last_run: 0,
            resting: BTreeMap::new(),
            addressees: BTreeSet::new(),
            look: true,
            ticket: None,
            asked_for_ticket: None,
            saves: BTreeMap::new(),
            furthest: BTreeMap::new(),
            wanted: Vec::new(),
            saving: 0,
        }
    }

    /// There may be more to carry.
    pub(super) fn look(&mut self) {
        self.look = true;
    }

    /// Whether there may be more to carry than is on its way. Asked again there is not.
    pub(super) fn is_to_look(&mut self, now: Instant) -> bool {
        self.wake_rested(now);
        std::mem::take(&mut self.look)
    }

    /// To whom files are to go.
    pub(super) fn are_to_go_to(&mut self, addressees: BTreeSet<Name>) {
        self.addressees = addressees;
    }

    /// Whether a file is to go to somebody.
    pub(super) fn go_to(&self, peer: &Name) -> bool {
        self.addressees.contains(peer)
    }

    /// What shows the server whose files are carried; `ask` has it asked for, once.
    pub(super) fn ticket(&mut self, ask: impl FnOnce()) -> Option<Ticket> {
        if self.ticket.is_none() && self.asked_for_ticket.is_none() {
            self.asked_for_ticket = Some(Instant::now());
            ask();
        }
        self.ticket
    }

    /// The server gave what it was asked for.
    pub(super) fn take_ticket(&mut self, ticket: Ticket) {
        (self.ticket, self.look) = (Some(ticket), true);
    }

    /// Nothing is carried without a connection, and another one needs another ticket.
    pub(super) fn disconnected(&mut self) {
        (self.ticket, self.asked_for_ticket, self.look) = (None, None, true);
        let keys: Vec<Key> = self.running.keys().copied().collect();
        keys.into_iter().for_each(|key| self.stop(key));
    }

    /// The number of a run that is about to begin.
    pub(super) fn next_run(&mut self) -> u64 {
        self.last_run += 1;
        self.last_run
    }

    /// A thread carries.
    pub(super) fn begin(&mut self, key: Key, run: Run) {
        self.running.insert(key, run);
    }

    pub(super) fn run(&self, key: Key) -> Option<&Run> {
        self.running.get(&key)
    }

    /// Whether a thread may still write of something.
    pub(super) fn is_carried(&self, key: Key) -> bool {
        self.running.contains_key(&key) || self.ending.contains_key(&key)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.running.values()
    }

    /// Has something end that is on its way.
    pub(super) fn stop(&mut self, key: Key) {
        if let Some(Run { number, ended, .. }) = self.running.remove(&key) {
            self.ending.insert(key, (number, ended));
        }
    }

    /// A thread has ended.
    pub(super) fn has_ended(&mut self, key: Key, number: u64) {
        if self.running.get(&key).is_some_and(|run| run.number == number) {
            self.running.remove(&key);
        }
        if self.ending.get(&key).is_some_and(|(ending, _)| *ending == number) {
            self.ending.remove(&key);
        }
        self.look = true;
    }

    /// So much of something is there. Whether that is more than ever: then it need not rest for long the next time.
    pub(super) fn is_further(&mut self, key: Key, done: u64) -> bool {
        let furthest = self.furthest.entry(key).or_default();
        let is_further = done > *furthest;
        *furthest = done.max(*furthest);
        if is_further {
            self.resting.remove(&key);
        }
        is_further
    }

    /// A run has carried so much.
    pub(super) fn has_done(&mut self, key: Key, done: u64) {
        if let Some(run) = self.running.get_mut(&key) {
            run.done = done;
        }
    }

    /// How far something has come, at most.
    pub(super) fn furthest(&self, key: Key) -> u64 {
        self.furthest.get(&key).copied().unwrap_or(0)
    }

    /// Ends what is on its way. When that is done nothing writes in the data folder any more.
    pub(super) fn end(&mut self) -> impl Future<Output = ()> + use<> {
        let runs = std::mem::take(&mut self.running).into_values().map(|run| run.ended);
        let ending = std::mem::take(&mut self.ending).into_values().map(|(_, ended)| ended);
        let ended: Vec<_> = runs.chain(ending).collect();
        async move {
            for ended in ended {
                ended.await;
            }
        }
    }

    /// A file is to be saved once it is here.
    pub(super) fn want_saved(&mut self, message: i64, to: Option<PathBuf>) {
        self.saves.entry(message).or_default().push(to);
    }

    /// Where a file is to be saved. Asked again, nowhere.
    pub(super) fn take_saves(&mut self, message: i64) -> Vec<Option<PathBuf>> {
        self.saves.remove(&message).unwrap_or_default()
    }

    /// One more is being saved.
    pub(super) fn saves(&mut self) {
        self.saving += 1;
    }

    /// One was saved, or could not be.
    pub(super) fn saved(&mut self) {
        self.saving = self.saving.saturating_sub(1);
    }

    /// Whether something is being saved, or waits for that.
    pub(super) fn is_saving(&self) -> bool {
        self.saving > 0 || !self.saves.is_empty() || !self.wanted.is_empty()
    }

    /// When something is to be tried again.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let asked = self.ticket_late_at().filter(|late| *late > Instant::now());
        self.resting.values().filter_map(|rest| rest.until).chain(asked).min()
    }

    /// When a ticket has been waited for too long that was asked for.
    fn ticket_late_at(&self) -> Option<Instant> {
        self.asked_for_ticket.filter(|_| self.ticket.is_none()).map(|asked| asked + TICKET_PATIENCE)
    }

    /// Whether the server will soon know what it need not keep, unless it fails.
    pub(super) fn is_about_to_drop(&self) -> bool {
        let rests = self.resting.get(&Key::Drop).is_some_and(|rest| rest.until.is_some());
        !rests && self.ticket_late_at().is_none_or(|late| late > Instant::now())
    }

    fn wake_rested(&mut self, now: Instant) {
        for rest in self.resting.values_mut() {
            if rest.until.is_some_and(|until| until <= now) {
                (rest.until, self.look) = (None, true);
            }
        }
    }

    pub(super) fn may_run(&self, key: Key) -> bool {
        let rests = self.resting.get(&key).is_some_and(|rest| rest.until.is_some());
        let alike = |other: &&Key| std::mem::discriminant(*other) == std::mem::discriminant(&key);
        let most = if key == Key::Drop { 1 } else { AT_ONCE };
        !rests
            && !self.running.contains_key(&key)
            && !self.ending.contains_key(&key)
            && self.running.keys().filter(alike).count() < most
    }

    /// It is over with something.
    pub(super) fn forget(&mut self, key: Key) {
        self.furthest.remove(&key);
        self.resting.remove(&key);
    }

    /// Something failed for now, and is tried again after a while.
    pub(super) fn rest(&mut self, key: Key) {
        let rest = self.resting.entry(key).or_default();
        let time = rest.backoff.next(fastrand::f64());
        rest.until = Some(Instant::now() + time);
    }
}
