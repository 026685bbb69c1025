//! A mailbox in the server's data folder: an LSM store with a write-ahead journal.
//!
//! Owned by the server. Two threads wait for the disk, so that nobody else has to: one commits,
//! the other reads. Everything that is asked for collects in a [`journal`] in memory; the writer
//! takes all of it, writes it as one commit with one fsync, and takes what came meanwhile. So a
//! lonely message is synced at once, and under load a commit has thousands.
//!
//! Bodies that are [withheld](withholding) go from the disk bit by bit, so that no commit takes long.
//!
//! Invariant: disk and journal together are the mailbox. What is reported as committed is on the
//! synced disk; what was removed before its commit began is never written.
//!
//! When a commit fails (the disk is full, or failing) the engine refuses all others: the writer
//! waits until there is room, opens the store again and commits the same changes again. Meanwhile
//! [`ready`](Mailbox::ready) fails and reading goes on. A commit that failed may have reached the disk
//! nevertheless; the number of the last one in the store tells.

pub mod backup;
mod image;
mod inspection;
mod journal;
mod layout;
mod loads;
mod opening;
mod scan;
mod store;
mod upgrade;
mod watermark;
mod withholding;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use event_listener::{Event as Notice, listener};
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};

pub use image::Image;
pub use inspection::{Inspection, SessionContent};
use journal::Journal;
use loads::Loads;
use opening::Paths;
pub use opening::{OpenError, Salvage};
use store::{Store, StoreError};
use writer::Writer;

use super::{Event, Mailbox, MailboxError, Outline, Room, Run, Shelf, Usage};
use crate::clock::{Clock, SystemTimes, Times};
use crate::message::{Batch, Installation, Message, Name, SessionKey, Uptime};
use crate::task;

/// What may wait to be written before readers of sockets have to wait.
const JOURNAL_LIMIT: Usage = Usage { messages: 131_072, bytes: 32 * 1024 * 1024 };

/// When so much waits to be written it is written at once, also if it is not due.
const JOURNAL_HIGH: Usage = Usage { messages: 98_304, bytes: 24 * 1024 * 1024 };

/// How many questions wait for the reading thread. Behind them the askers wait.
const QUESTIONS: usize = 256;

/// About how many messages of one session expire at once.
const SWEEP: u64 = 10_000;

/// In how many sessions one question looks for what is too old. Others are answered in between.
const SESSIONS: usize = 64;

/// The uptime is stored with each commit, and if there was none for so long when somebody asks for it.
const STORE_UPTIME: Duration = Duration::from_secs(45);

/// A mailbox in a folder on this machine: one thread commits what came meanwhile with one fsync,
/// another reads.
pub struct EmbeddedMailbox {
    shared: Arc<Shared>,
    clock: Arc<Clock>,
    questions: Sender<Question>,
    events: Receiver<Event>,
    /// Closed when the writer thread has ended.
    ended: Receiver<()>,
}

/// Something to do with the store on the reading thread.
type Question = Box<dyn FnOnce(Result<&Store, MailboxError>) + Send>;

struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes those who wait in `ready`.
    room: Notice,
    /// None between closing and opening it again.
    store: RwLock<Option<Store>>,
}

#[derive(Default)]
struct State {
    journal: Journal,
    loads: Loads,
    /// Why nothing can be stored now.
    failing: Option<String>,
    closing: bool,
    /// The uptime of the last commit.
    stored: Uptime,
    counts: Counts,
    writer: Sleep,
}

/// How long the writer sleeps, if nobody wakes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleep {
    #[default]
    Not,
    /// Until then, and whether it knows that something is to be removed.
    Until {
        time: Instant,
        removing: bool,
    },
    Forever,
}

/// What happened since the mailbox was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were taken.
    pub taken: u64,
    /// Those of them that were written to disk: the others were acknowledged before.
    pub written: u64,
    /// Commits, each with one fsync.
    pub commits: u64,
}

impl EmbeddedMailbox {
    /// Opens the mailbox in a data folder that nobody else uses, or makes it; by the system's clocks.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        Self::open_by(SystemTimes::new(), data)
    }

    /// The same by other clocks.
    pub fn open_by(times: Arc<dyn Times>, data: &Path) -> Result<Self, OpenError> {
        let paths = Paths::new(data);
        let (store, last) = paths.open()?;
        let unusable = |cause| OpenError::Unusable { path: paths.store.clone(), cause };
        let loads = Loads::count(&store).map_err(|error| paths.explain(error))?;
        let stored = store.uptime().map_err(|error| paths.explain(error))?;
        let clock = Arc::new(Clock::resume(times, stored));
        let shared = Arc::new(Shared {
            state: Mutex::new(State { loads, stored, ..State::default() }),
            work: Condvar::new(),
            room: Notice::new(),
            store: RwLock::new(Some(store)),
        });
        let (events_in, events) = async_channel::unbounded();
        let (alive, ended) = async_channel::bounded(1);
        let (questions, queue) = async_channel::bounded::<Question>(QUESTIONS);
        let mut writer = Writer::new(shared.clone(), paths.clone(), last, clock.clone(), events_in);
        let writing = move || {
            writer.run();
            drop(alive);
        };
        task::spawn_thread("mailbox-writer", writing).map_err(unusable)?;
        let asked = shared.clone();
        let reading = move || {
            while let Ok(question) = queue.recv_blocking() {
                let store = asked.store.read().unwrap_or_else(PoisonError::into_inner);
                // A panic of the engine must not end the thread; who asked learns that nobody answers.
                let answer = AssertUnwindSafe(|| question(store.as_ref().ok_or_else(closed)));
                if catch_unwind(answer).is_err() {
                    log::error!("the mailbox's engine panicked while reading");
                }
            }
        };
        task::spawn_thread("mailbox-reader", reading).map_err(unusable)?;
        Ok(Self { shared, clock, questions, events, ended })
    }

    /// Everything that is committed now, whatever happens later.
    pub async fn image(&self) -> Result<Image, MailboxError> {
        self.ask(|store| Ok(store.image())).await
    }

    /// Whether nothing waits for anybody.
    pub fn is_empty(&self) -> bool {
        self.shared.state().loads.keys().is_empty()
    }

    /// The clock by which things age, as long as this mailbox stores its time.
    pub fn clock(&self) -> Arc<Clock> {
        self.clock.clone()
    }

    /// Has the uptime stored, if it was not for a while. To be called every few seconds.
    pub fn store_uptime(&self) {
        let now = self.clock.uptime();
        self.change(|state| {
            if now.since(state.stored) >= STORE_UPTIME {
                state.journal.press();
            }
        });
    }

    /// What happened since it was opened.
    pub fn counts(&self) -> Counts {
        self.shared.state().counts
    }

    /// Asks the reading thread.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, MailboxError> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |store| {
            // Nobody may wait for the answer any more.
            let _ = reply.send(store.and_then(|store| question(store).map_err(Into::into)));
        });
        self.questions.send(question).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Changes what is not committed yet, and wakes the writer if it would wait for too long.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state();
        change(&mut state);
        let wake = state.wakes_writer();
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
    }
}

impl Drop for EmbeddedMailbox {
    fn drop(&mut self) {
        self.shared.begin_to_close();
    }
}

impl Mailbox for EmbeddedMailbox {
    fn ready(&self, sender: &Name) -> BoxFuture<'_, Result<(), MailboxError>> {
        if let Some(ready) = self.shared.is_ready(sender) {
            return futures::future::ready(ready).boxed();
        }
        let sender = sender.clone();
        let wait = async move {
            loop {
                listener!(self.shared.room => room);
                if let Some(ready) = self.shared.is_ready(&sender) {
                    return ready;
                }
                room.await;
            }
        };
        wait.boxed()
    }

    fn load(&self, key: &SessionKey) -> BoxFuture<'_, Result<Shelf, MailboxError>> {
        let (shared, key) = (self.shared.clone(), key.clone());
        self.ask(move |store| shelf(&shared, store, &key)).boxed()
    }

    fn append(&self, key: &SessionKey, batch: &Batch, due: Instant) {
        self.change(|state| {
            state.loads.add(key, Usage::of(batch));
            state.counts.taken += batch.messages().len() as u64;
            state.journal.append(key, batch, due);
        });
    }

    fn pending(
        &self,
        key: &SessionKey,
        after: u64,
        limit: Usage,
    ) -> BoxFuture<'_, Result<Batch, MailboxError>> {
        let (shared, key) = (self.shared.clone(), key.clone());
        self.ask(move |store| pending(&shared, store, &key, after, limit)).boxed()
    }

    fn remove(&self, key: &SessionKey, up_to: u64, freed: Usage) {
        self.change(|state| {
            state.loads.free(key, freed);
            state.journal.remove(key, up_to, freed);
        });
    }

    fn expire(&self, key: &SessionKey, expired: &[Run], freed: Usage) {
        self.change(|state| {
            state.loads.free(key, freed);
            state.journal.expire(key, expired, freed);
        });
    }

    fn withhold(&self, key: &SessionKey, up_to: u64, freed: Usage) {
        self.change(|state| {
            state.loads.free(key, Usage { messages: 0, ..freed });
            state.journal.withhold(key, up_to);
        });
    }

    fn set_aside(&self, key: &SessionKey, aside: bool) -> Usage {
        self.shared.state().loads.set_aside(key, aside)
    }

    fn settle(&self, key: &SessionKey, installation: Installation, n: u64) {
        self.change(|state| state.journal.settle(key, installation, n));
    }

    fn hear(&self, key: &SessionKey, installation: Installation, position: u64) {
        self.change(|state| state.journal.hear(key, installation, position));
    }

    fn forget(&self, key: &SessionKey, installation: Installation) {
        self.change(|state| state.journal.forget(key, installation));
    }

    fn overdue(
        &self,
        before: Uptime,
    ) -> BoxFuture<'_, Result<Vec<(SessionKey, u64)>, MailboxError>> {
        let keys = self.shared.state().loads.keys();
        let sweep = async move {
            let mut all = Vec::new();
            for keys in keys.chunks(SESSIONS) {
                let (shared, keys) = (self.shared.clone(), keys.to_vec());
                let last = move |store: &Store, key: SessionKey| {
                    let last = overdue(&shared, store, &key, before).transpose()?;
                    Some(last.map(|last| (key, last)))
                };
                let found = move |store: &Store| {
                    keys.into_iter().filter_map(|key| last(store, key)).collect()
                };
                let found: Vec<_> = self.ask(found).await?;
                all.extend(found);
            }
            Ok(all)
        };
        sweep.boxed()
    }

    fn sessions_of(&self, sender: &Name) -> BoxFuture<'_, Result<Vec<SessionKey>, MailboxError>> {
        let (shared, sender) = (self.shared.clone(), sender.clone());
        let theirs = move |store: &Store| {
            let mut keys = shared.state().journal.keys();
            for session in store.image().sessions() {
                keys.insert(session?.0);
            }
            keys.retain(|key| *key.sender() == sender);
            Ok(keys.into_iter().collect())
        };
        self.ask(theirs).boxed()
    }

    fn receivers(&self) -> Vec<Name> {
        self.shared.state().loads.receivers().cloned().collect()
    }

    fn waiting(&self, receiver: &Name) -> Vec<(Name, u64)> {
        self.shared.state().loads.senders(receiver)
    }

    fn usage(&self, receiver: &Name) -> Usage {
        self.shared.state().loads.of(receiver)
    }

    fn watch(&self) -> Receiver<Event> {
        self.events.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shared.begin_to_close();
        let ended = async {
            // Nothing is ever sent: this waits until the other end is dropped.
            let _ = self.ended.recv().await;
        };
        ended.boxed()
    }
}

/// What is kept of a session. What is not on disk yet is looked at first: if it is committed
/// meanwhile it is only seen twice.
fn shelf(shared: &Shared, store: &Store, key: &SessionKey) -> Result<Shelf, StoreError> {
    let everything = Usage { messages: u64::MAX, bytes: u64::MAX };
    let tail = shared.state().journal.tail(key, 0, everything);
    let image = store.image();
    let (row, accounts) = tail.overlay(image.row(key)?, image.accounts(key)?);
    let before = tail.messages.first().map_or(row.last + 1, |(position, _)| *position);
    let mut waiting = image.outlines(key, row.removed, before)?;
    let known = (row.removed + 1..).zip(&mut waiting).take_while(|(it, _)| *it <= tail.withheld());
    known.for_each(|(_, outline)| outline.is_withheld = true);
    waiting.extend(tail.messages.iter().map(|(_, message)| Outline::of(message)));
    Ok(Shelf { accounts, last_position: row.last, waiting })
}

fn pending(
    shared: &Shared,
    store: &Store,
    key: &SessionKey,
    after: u64,
    limit: Usage,
) -> Result<Batch, StoreError> {
    let tail = shared.state().journal.tail(key, after, limit);
    let image = store.image();
    // A segment stays until its last message is removed.
    let after = after.max(tail.removed()).max(image.row(key)?.removed);
    let before = tail.messages.first().map_or(u64::MAX, |(position, _)| *position);
    let (mut room, mut messages) = (Room::new(limit), Vec::new());
    for message in image.walk(key, after, before) {
        let (position, message) = message?;
        let message = tail.seen(position, message);
        if !room.takes(message.weight()) {
            break;
        }
        messages.push((position, message));
    }
    messages.extend(tail.messages.into_iter().take_while(|(_, it)| room.takes(it.weight())));
    let first = messages.first().map_or(after + 1, |(position, _)| *position);
    // What is removed meanwhile is missing at the beginning only.
    let consecutive = (first..).zip(messages).take_while(|(position, it)| *position == it.0);
    Ok(Batch::new(first, consecutive.map(|(_, (_, message))| message).collect::<Vec<Message>>()))
}

/// The position of the last message of a session that is on disk and waits since before a time.
fn overdue(
    shared: &Shared,
    store: &Store,
    key: &SessionKey,
    before: Uptime,
) -> Result<Option<u64>, StoreError> {
    let removed = shared.state().journal.tail(key, 0, Usage::default()).removed();
    let image = store.image();
    let after = image.row(key)?.removed.max(removed);
    let mut last = None;
    for segment in image.since(key, after) {
        match segment? {
            (position, since) if since < before => last = Some(position),
            _ => break,
        }
        if last.is_some_and(|last| last - after >= SWEEP) {
            break;
        }
    }
    Ok(last)
}

fn closed() -> MailboxError {
    MailboxError("its store is closed".into())
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None while a sender has to wait, or all have.
    fn is_ready(&self, sender: &Name) -> Option<Result<(), MailboxError>> {
        let state = self.state();
        if let Some(reason) = &state.failing {
            return Some(Err(MailboxError(reason.clone())));
        }
        let waits = state.journal.usage().reaches(JOURNAL_LIMIT) || state.journal.holds_up(sender);
        (!waits).then_some(Ok(()))
    }

    fn begin_to_close(&self) {
        self.state().closing = true;
        self.work.notify_one();
    }
}

impl State {
    /// Whether something is to be committed without delay.
    fn is_pressing(&self) -> bool {
        self.journal.is_pressing() || self.journal.usage().reaches(JOURNAL_HIGH)
    }

    /// Whether the writer has something to do that it would sleep through. True once: it is awake
    /// then.
    fn wakes_writer(&mut self) -> bool {
        let wakes = match self.writer {
            Sleep::Not => false,
            Sleep::Forever => !self.journal.is_empty() || self.is_pressing(),
            Sleep::Until { time, removing } => {
                let earlier = self.journal.due().is_some_and(|due| due < time);
                earlier || self.is_pressing() || (!removing && self.journal.is_removing())
            }
        };
        if wakes {
            self.writer = Sleep::Not;
        }
        wakes
    }
}

#[cfg(test)]
mod tests;
