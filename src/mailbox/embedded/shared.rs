//! What the mailbox and its two threads have in common.
//!
//! Owned by all three. Invariant: every change under the lock is complete before anything can panic, and nobody holds
//! it while the disk works.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use event_listener::Event as Notice;

use super::journal::Journal;
use super::loads::Loads;
use super::store::Store;
use crate::counting::Histogram;
use crate::mailbox::{ListId, MailboxError, Usage};
use crate::message::{Name, Uptime};

/// Backpressure: how much may wait to be written before read tasks have to wait.
pub(super) const JOURNAL_LIMIT: Usage = Usage { messages: 131_072, bytes: 32 * 1024 * 1024 };

/// When this much waits to be written it is written at once, even if it is not due.
pub(super) const JOURNAL_HIGH: Usage = Usage { messages: 98_304, bytes: 24 * 1024 * 1024 };

/// See the [module](self).
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// Wakes the writer.
    pub(super) work: Condvar,
    /// Wakes callers that wait in `ready` and `synced`.
    pub(super) room: Notice,
    /// None between closing and opening it again.
    pub(super) store: RwLock<Option<Store>>,
    /// How long commits took that did not fail.
    pub(super) commit_times: Histogram,
}

/// What is under the lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) journal: Journal,
    pub(super) loads: Loads,
    /// Which device list each name has, committed or not.
    pub(super) lists: HashMap<Name, ListId>,
    /// Why nothing can be stored now.
    pub(super) failing: Option<String>,
    pub(super) closing: bool,
    /// The uptime of the last commit.
    pub(super) stored: Uptime,
    pub(super) counts: Counts,
    pub(super) writer: Sleep,
}

/// How long the writer sleeps, if nobody wakes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sleep {
    #[default]
    Not,
    /// Until then, and whether it knows that something is to be changed soon.
    Until {
        time: Instant,
        soon: bool,
    },
    Forever,
}

/// What happened since the mailbox was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were accepted.
    pub taken: u64,
    /// Those of them that were written to disk: the others were acknowledged before.
    pub written: u64,
    /// Commits, each with one fsync.
    pub commits: u64,
    /// Messages that their receiver's client has on its disk.
    pub delivered: u64,
    /// Messages that waited for too long, or for nobody any more.
    pub expired: u64,
    /// Messages that their receiver's client did not take.
    pub bounced: u64,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None while so many commits are not on the disk yet.
    pub(super) fn has_committed(&self, commits: u64) -> Option<Result<(), MailboxError>> {
        let state = self.state();
        match &state.failing {
            _ if state.journal.has_committed(commits) => Some(Ok(())),
            Some(reason) => Some(Err(MailboxError(reason.clone()))),
            None => None,
        }
    }

    /// None while this sender, or all, have to wait.
    pub(super) fn is_ready(&self, sender: &Name) -> Option<Result<(), MailboxError>> {
        let state = self.state();
        if let Some(reason) = &state.failing {
            return Some(Err(MailboxError(reason.clone())));
        }
        let waits = state.journal.usage().reaches(JOURNAL_LIMIT) || state.journal.holds_up(sender);
        (!waits).then_some(Ok(()))
    }

    pub(super) fn begin_to_close(&self) {
        self.state().closing = true;
        self.work.notify_one();
    }
}

impl State {
    /// Whether something is to be committed without delay.
    pub(super) fn is_pressing(&self) -> bool {
        self.journal.is_pressing() || self.journal.usage().reaches(JOURNAL_HIGH)
    }

    /// Whether the writer has something to do that it would sleep through. True once: then it is awake.
    pub(super) fn wakes_writer(&mut self) -> bool {
        let wakes = match self.writer {
            Sleep::Not => false,
            Sleep::Forever => !self.journal.is_empty() || self.is_pressing(),
            Sleep::Until { time, soon } => {
                let earlier = self.journal.due().is_some_and(|due| due < time);
                earlier || self.is_pressing() || (!soon && self.journal.has_something_soon())
            }
        };
        if wakes {
            self.writer = Sleep::Not;
        }
        wakes
    }
}

/// What is answered when there is no store.
pub(super) fn closed() -> MailboxError {
    MailboxError("its store is closed".into())
}
