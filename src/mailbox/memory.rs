//! A mailbox that forgets everything with its process: for servers that need no more, and for tests.
//!
//! Invariant: the positions of a session's entries are consecutive and end at `last_position`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use futures::future::{BoxFuture, FutureExt, ready};

use super::{Commit, Mailbox, MailboxError, Shelf, Usage};
use crate::message::{Batch, Installation, Message, Name, SessionKey};

/// A mailbox that forgets everything with its process.
pub struct MemoryMailbox {
    state: Mutex<State>,
    commits: (Sender<Commit>, Receiver<Commit>),
}

/// What waits for each receiver.
type State = HashMap<Name, Shelves>;

#[derive(Default)]
struct Shelves {
    usage: Usage,
    by_sender: BTreeMap<Name, Entries>,
}

#[derive(Default)]
struct Entries {
    have: BTreeMap<Installation, u64>,
    last_position: u64,
    waiting: VecDeque<Message>,
}

impl Default for MemoryMailbox {
    fn default() -> Self {
        // Unbounded, because one commit stands for one append and those are bounded by the backlog.
        Self { state: Mutex::default(), commits: async_channel::unbounded() }
    }
}

impl MemoryMailbox {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox for MemoryMailbox {
    fn ready(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    fn load(&self, key: &SessionKey) -> BoxFuture<'_, Result<Shelf, MailboxError>> {
        let shelf = entries(&self.state(), key).map(Entries::shelf).unwrap_or_default();
        ready(Ok(shelf)).boxed()
    }

    fn append(&self, key: &SessionKey, batch: &Batch) {
        let mut state = self.state();
        let Shelves { usage, by_sender } = state.entry(key.receiver().clone()).or_default();
        let entries = by_sender.entry(key.sender().clone()).or_default();
        for message in batch.messages() {
            entries.have.insert(message.id.installation, message.id.n);
            usage.messages += 1;
            usage.bytes += message.body.len() as u64;
        }
        entries.last_position = batch.last();
        entries.waiting.extend(batch.messages().iter().cloned());
        // The receiving end lives as long as this mailbox, so the channel is never closed.
        let _ = self.commits.0.try_send(Commit { key: key.clone(), up_to: batch.last() });
    }

    fn pending(
        &self,
        key: &SessionKey,
        after: u64,
        limit: Usage,
    ) -> BoxFuture<'_, Result<Batch, MailboxError>> {
        let batch = match entries(&self.state(), key) {
            Some(entries) => entries.after(after, limit),
            None => Batch::new(after + 1, Vec::new()),
        };
        ready(Ok(batch)).boxed()
    }

    fn remove(&self, key: &SessionKey, up_to: u64) {
        let mut state = self.state();
        let Some(Shelves { usage, by_sender }) = state.get_mut(key.receiver()) else { return };
        let Some(entries) = by_sender.get_mut(key.sender()) else { return };
        while entries.first_position() <= up_to {
            let Some(message) = entries.waiting.pop_front() else { break };
            usage.messages -= 1;
            usage.bytes -= message.body.len() as u64;
        }
        if entries.waiting.is_empty() {
            entries.waiting.shrink_to_fit();
        }
    }

    fn waiting(&self, receiver: &Name) -> BoxFuture<'_, Result<Vec<(Name, u64)>, MailboxError>> {
        let state = self.state();
        let waiting = state
            .get(receiver)
            .into_iter()
            .flat_map(|shelves| &shelves.by_sender)
            .filter(|(_, entries)| !entries.waiting.is_empty())
            .map(|(sender, entries)| (sender.clone(), entries.waiting.len() as u64))
            .collect();
        ready(Ok(waiting)).boxed()
    }

    fn usage(&self, receiver: &Name) -> Usage {
        self.state().get(receiver).map(|shelves| shelves.usage).unwrap_or_default()
    }

    fn watch(&self) -> Receiver<Commit> {
        self.commits.1.clone()
    }
}

fn entries<'a>(state: &'a State, key: &SessionKey) -> Option<&'a Entries> {
    state.get(key.receiver())?.by_sender.get(key.sender())
}

impl Entries {
    fn first_position(&self) -> u64 {
        self.last_position + 1 - self.waiting.len() as u64
    }

    fn after(&self, position: u64, limit: Usage) -> Batch {
        let first = self.first_position().max(position + 1);
        let skip = usize::try_from(first - self.first_position()).unwrap_or(usize::MAX);
        let mut taken = Usage::default();
        let fits = |message: &&Message| {
            let one = taken.messages == 0;
            taken.messages += 1;
            taken.bytes += message.body.len() as u64;
            one || (taken.messages <= limit.messages && taken.bytes <= limit.bytes)
        };
        let messages = self.waiting.iter().skip(skip).take_while(fits).cloned();
        Batch::new(first, messages.collect::<Vec<_>>())
    }

    fn shelf(&self) -> Shelf {
        Shelf {
            have: self.have.iter().map(|(installation, n)| (*installation, *n)).collect(),
            last_position: self.last_position,
            waiting: self.waiting.iter().map(|it| (it.id, it.body.len())).collect(),
        }
    }
}
