//! The mailbox as the server holds it: takes changes without waiting for the disk, and passes on questions.
//!
//! Owned by the server. Invariant: no call waits for the disk, except those that return a future.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use event_listener::{Event as Notice, listener};
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};

use super::error::StoreError;
use super::image::Image;
use super::loads::Loads;
use super::opening::{OpenError, Paths};
use super::reader::{self, Question, overdue, pending, shelf};
use super::shared::{Counts, Shared, State, closed};
use super::store::Store;
use super::writer::Writer;
use crate::clock::{Clock, SystemTimes, Times};
use crate::counting::Histogram;
use crate::mailbox::{
    Event, Fate, KeptList, ListId, Mailbox, MailboxError, Run, Shelf, Standing, Usage,
};
use crate::message::{Batch, Installation, Name, SessionKey, Uptime};
use crate::task;

/// How many questions wait for the reading thread. Beyond them the callers wait.
const QUESTIONS: usize = 256;

/// How many sessions one question searches for what is too old. Others are answered in between.
const SESSIONS: usize = 64;

/// The uptime is stored with each commit, and on request if there was no commit for this long.
const STORE_UPTIME: Duration = Duration::from_secs(45);

/// A mailbox in a folder on this machine: one thread commits what has collected, with one fsync, another reads.
pub struct EmbeddedMailbox {
    shared: Arc<Shared>,
    clock: Arc<Clock>,
    questions: Sender<Question>,
    events: Receiver<Event>,
    /// Closed when the writer thread has ended.
    ended: Receiver<()>,
}

impl EmbeddedMailbox {
    /// Opens the mailbox in a data folder that nobody else uses, or makes it; by the system's clocks.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        Self::open_by(Arc::new(SystemTimes), data)
    }

    /// The same by other clocks.
    pub fn open_by(times: Arc<dyn Times>, data: &Path) -> Result<Self, OpenError> {
        let paths = Paths::new(data);
        let (store, last) = paths.open()?;
        let unusable = |cause| OpenError::Unusable { path: paths.store.clone(), cause };
        let loads = Loads::count(&store).map_err(|error| paths.explain(error))?;
        let lists = store.image().lists().map(|list| list.map(|(name, list)| (name, list.id)));
        let lists = lists.collect::<Result<_, _>>().map_err(|error| paths.explain(error))?;
        let stored = store.uptime().map_err(|error| paths.explain(error))?;
        let clock = Arc::new(Clock::resume(times, stored));
        let shared = Arc::new(Shared {
            state: Mutex::new(State { loads, lists, stored, ..State::default() }),
            work: Condvar::new(),
            room: Notice::new(),
            store: RwLock::new(Some(store)),
            commit_times: Histogram::default(),
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
        let reading = move || reader::answer(&asked, &queue);
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

    /// How much waits, for everybody together.
    pub fn total(&self) -> Usage {
        self.shared.state().loads.all()
    }

    /// The clock by which things age, as long as this mailbox stores its time.
    pub fn clock(&self) -> Arc<Clock> {
        self.clock.clone()
    }

    /// Stores the uptime, if it was not stored for a while. To be called every few seconds.
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

    /// How long commits took that did not fail.
    pub(crate) fn commit_times(&self) -> &Histogram {
        &self.shared.commit_times
    }

    /// Why nothing can be stored now, if that is so.
    pub fn failing(&self) -> Option<String> {
        self.shared.state().failing.clone()
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
            state.counts.delivered += freed.messages;
            state.journal.remove(key, up_to, freed);
        });
    }

    fn end(&self, key: &SessionKey, fate: Fate, ended: &[Run], freed: Usage) {
        self.change(|state| {
            state.loads.free(key, freed);
            match fate {
                Fate::Expired => state.counts.expired += freed.messages,
                Fate::Bounced => state.counts.bounced += freed.messages,
            }
            state.journal.end(key, fate, ended, freed);
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

    fn keep_list(&self, name: &Name, list: Option<&KeptList>) {
        self.change(|state| {
            match list {
                Some(list) => state.lists.insert(name.clone(), list.id),
                None => state.lists.remove(name),
            };
            state.journal.keep_list(name, list);
        });
    }

    fn list_of(&self, name: &Name) -> Option<ListId> {
        self.shared.state().lists.get(name).copied()
    }

    fn committed_list(&self, name: &Name) -> BoxFuture<'_, Result<Option<KeptList>, MailboxError>> {
        let name = name.clone();
        self.ask(move |store| store.image().list(&name)).boxed()
    }

    fn keep_standing(&self, key: &SessionKey, standing: Option<Standing>) {
        self.change(|state| state.journal.keep_standing(key, standing));
    }

    fn standings(&self) -> BoxFuture<'_, Result<Vec<(SessionKey, Standing)>, MailboxError>> {
        self.ask(|store| store.image().standings().collect()).boxed()
    }

    fn synced(&self) -> BoxFuture<'_, Result<(), MailboxError>> {
        let mut commits = 0;
        self.change(|state| commits = state.journal.hasten());
        let wait = async move {
            loop {
                listener!(self.shared.room => room);
                if let Some(committed) = self.shared.has_committed(commits) {
                    return committed;
                }
                room.await;
            }
        };
        wait.boxed()
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
