//! The thread that commits: takes whatever the journal has, writes it as one commit with one fsync,
//! and takes what came meanwhile.
//!
//! Owned by the mailbox; ends when that is closed. Invariant: commits follow each other in the order in which they were
//! sealed; one that failed is retried before any other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::Sender;

use super::journal::{Changes, Delta};
use super::opening::Paths;
use super::shared::{Shared, Sleep, State, closed};
use super::store::Store;
use super::watermark::Watermark;
use super::withholding::{Left, SHARE};
use crate::clock::Clock;
use crate::log_output::{self, Events};
use crate::mailbox::{Commit, Event, MailboxError};
use crate::message::{SessionKey, Uptime};

/// How often the watermark is renewed, and how long what is to be changed on disk soon stays as it is: messages that
/// nobody needs any more, and what people think of each other.
const TICK: Duration = Duration::from_secs(1);

/// How long changes wait that nobody waits for and that free nothing: which numbers were taken of
/// messages that never needed the disk. Whatever is in flight then is written with them.
const LAZY: Duration = Duration::from_secs(10);

/// After a commit failed: how long until the first and between later attempts.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// See the [module](self).
pub(super) struct Writer {
    shared: Arc<Shared>,
    paths: Paths,
    /// The last commit that is known to be synced.
    last: u64,
    /// What the watermark says.
    marked: u64,
    /// When something to commit was first seen since the last commit.
    seen: Option<Instant>,
    clock: Arc<Clock>,
    events: Sender<Event>,
}

/// What the writer does next.
enum Work {
    Commit(Arc<Changes>),
    RenewWatermark,
    Close,
}

impl Writer {
    /// A writer for a store whose last commit is known, which tells of its commits.
    pub(super) fn new(
        shared: Arc<Shared>,
        paths: Paths,
        last: u64,
        clock: Arc<Clock>,
        events: Sender<Event>,
    ) -> Self {
        Self { shared, paths, last, marked: last, seen: None, clock, events }
    }

    /// Commits until the mailbox is closed and all that can be committed is.
    pub(super) fn run(&mut self) {
        let mut renewed = Instant::now();
        loop {
            match self.next(renewed) {
                Work::Commit(changes) if !self.commit(&changes) => break,
                Work::Commit(_) | Work::RenewWatermark => {}
                Work::Close => break,
            }
            if renewed.elapsed() >= TICK {
                self.renew_watermark(false);
                renewed = Instant::now();
            }
        }
        self.close();
    }

    /// Waits for work: messages until they are due, other changes for a while.
    fn next(&mut self, renewed: Instant) -> Work {
        let tick = renewed + TICK;
        let shared = self.shared.clone();
        let mut state = shared.state();
        loop {
            let now = Instant::now();
            if state.journal.due().is_some_and(|due| due <= now) {
                state.journal.review();
            }
            let others = (!state.journal.is_empty()).then(|| {
                let seen = *self.seen.get_or_insert(now);
                seen + if state.journal.has_something_soon() { TICK } else { LAZY }
            });
            let due = state.journal.due().into_iter().chain(others).min();
            let is_due = due.is_some_and(|due| due <= now || state.closing);
            if state.is_pressing() || is_due {
                return Work::Commit(state.journal.seal());
            }
            if state.closing {
                let since_stored = self.clock.uptime().since(state.stored);
                let is_stored = since_stored < TICK || state.failing.is_some();
                return if is_stored { Work::Close } else { Work::Commit(state.journal.seal()) };
            }
            let renewal = (self.marked != self.last).then_some(tick);
            if renewal.is_some_and(|tick| tick <= now) {
                return Work::RenewWatermark;
            }
            state = self.sleep(state, due.into_iter().chain(renewal).min());
        }
    }

    /// Sleeps until somebody has work that cannot wait, and no longer than until a time.
    fn sleep<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        let soon = state.journal.has_something_soon();
        state.writer = until.map_or(Sleep::Forever, |time| Sleep::Until { time, soon });
        let work = &self.shared.work;
        let mut state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => work.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(time) => work.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
        };
        state.writer = Sleep::Not;
        state
    }

    /// False if the mailbox is closed before it succeeds.
    fn commit(&mut self, changes: &Changes) -> bool {
        let number = self.last + 1;
        let (uptime, begun) = (self.clock.uptime(), Instant::now());
        let tried = self.try_commit(number, changes);
        if tried.is_ok() {
            self.shared.commit_times.observe(begun.elapsed());
        }
        let left = tried.map_or_else(|error| self.recover(number, changes, &error), Some);
        let Some(left) = left else { return false };
        self.last = number;
        self.seen = None;
        let mut state = self.shared.state();
        state.journal.committed(left);
        state.stored = uptime;
        state.counts.commits += 1;
        state.counts.written += changes.appended().messages;
        drop(state);
        self.shared.room.notify(usize::MAX);
        if changes.lists().next().is_some() {
            self.tell(Event::Listed(changes.listed()));
        }
        self.tell(Event::Committed(commits(changes)));
        true
    }

    fn try_commit(&self, number: u64, changes: &Changes) -> Result<Left, MailboxError> {
        let store = self.shared.store.read().unwrap_or_else(PoisonError::into_inner);
        commit(store.as_ref().ok_or_else(closed)?, number, self.clock.uptime(), changes)
    }

    /// Commits the same again and again until it succeeds. None if the mailbox is closed meanwhile.
    fn recover(&mut self, number: u64, changes: &Changes, error: &MailboxError) -> Option<Left> {
        log::error!(
            logger: Events,
            event = log_output::Event::NothingStored;
            "nothing can be stored now: {error}"
        );
        self.shared.state().failing = Some(error.to_string());
        self.shared.room.notify(usize::MAX);
        let mut pause = RETRY.0;
        let left = loop {
            if !self.pause(pause) {
                log::error!("the mailbox is closed while nothing can be stored");
                return None;
            }
            pause = (pause * 2).min(RETRY.1);
            match self.retry(number, changes) {
                Ok(Some(left)) => break left,
                Ok(None) => {}
                Err(error) => log::warn!("still nothing can be stored: {error}"),
            }
        };
        log::info!(
            logger: Events,
            event = log_output::Event::StoredAgain;
            "messages are stored again"
        );
        self.shared.state().failing = None;
        self.tell(Event::Recovered);
        Some(left)
    }

    /// Waits so long. False if the mailbox is to be closed.
    fn pause(&self, time: Duration) -> bool {
        let state = self.shared.state();
        let waited = self.shared.work.wait_timeout_while(state, time, |state| !state.closing);
        !waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// Opens the store again and commits, if there is room.
    fn retry(&self, number: u64, changes: &Changes) -> Result<Option<Left>, MailboxError> {
        if !self.paths.has_room() {
            return Ok(None);
        }
        let mut slot = self.shared.store.write().unwrap_or_else(PoisonError::into_inner);
        // The engine's lock goes with the old handle.
        *slot = None;
        let (store, last) = self.paths.open().map_err(|error| MailboxError(error.to_string()))?;
        let store = slot.insert(store);
        if last < self.last {
            return Err(MailboxError(format!("commit {} was synced and is gone", self.last)));
        }
        // A commit that failed may have reached the disk nevertheless; opening has synced it then.
        if last < number {
            return commit(store, number, self.clock.uptime(), changes).map(Some);
        }
        Ok(Some(changes.withheld()))
    }

    fn renew_watermark(&mut self, clean: bool) {
        if self.marked == self.last && !clean {
            return;
        }
        match (Watermark { commit: self.last, clean }).write(&self.paths.watermark) {
            Ok(()) => self.marked = self.last,
            Err(error) => log::warn!("the mailbox's watermark stays as it is: {error}"),
        }
    }

    /// Lets the store go. Only one that has everything is clean.
    fn close(&mut self) {
        let clean = self.shared.state().journal.is_empty();
        *self.shared.store.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.renew_watermark(clean);
    }

    fn tell(&self, event: Event) {
        // Nobody may watch: the mailbox is being closed.
        let _ = self.events.try_send(event);
    }
}

/// A panic of the engine counts as a failure: the thread that commits must go on.
fn commit(
    store: &Store,
    number: u64,
    uptime: Uptime,
    changes: &Changes,
) -> Result<Left, MailboxError> {
    let committed = catch_unwind(AssertUnwindSafe(|| store.commit(number, uptime, changes, SHARE)));
    let panicked = || MailboxError("the engine panicked".into());
    Ok(committed.map_err(|_| panicked())??)
}

/// What a commit has of each session.
fn commits(changes: &Changes) -> Vec<Commit> {
    let of_session = |(key, delta): (&SessionKey, &Delta)| Commit {
        key: key.clone(),
        up_to: delta.appended_up_to(),
        ended_up_to: delta.ended_up_to(),
    };
    let relevant = |commit: &Commit| commit.up_to > 0 || commit.ended_up_to > 0;
    changes.sessions().map(of_session).filter(relevant).collect()
}
