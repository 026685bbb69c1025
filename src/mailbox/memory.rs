//! A mailbox in memory alone: the simplest that can be right. Tests compare the embedded one with it.
//!
//! Owned by a test. Invariant: every change is complete, and counts as committed, when its call
//! returns.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_channel::{Receiver, Sender};
use futures::future::{BoxFuture, FutureExt, ready};

use super::usage::Room;
use super::{
    Accounts, Commit, Event, Fate, KeptList, ListId, Mailbox, MailboxError, Outline, Run, Shelf,
    Standing, Usage,
};
use crate::message::{Batch, Installation, Message, Name, SessionKey, Uptime};

/// See the [module](self).
pub struct MemoryMailbox {
    state: Mutex<State>,
    lists: Mutex<HashMap<Name, KeptList>>,
    standings: Mutex<HashMap<SessionKey, Standing>>,
    events: (Sender<Event>, Receiver<Event>),
    /// Held while the disk is busy, and what becomes of what is asked of it.
    disk: Arc<async_lock::Mutex<Result<(), MailboxError>>>,
}

/// What waits for each receiver, by sender.
type State = HashMap<Name, BTreeMap<Name, Entries>>;

#[derive(Default)]
struct Entries {
    accounts: Accounts,
    last_position: u64,
    waiting: VecDeque<Message>,
    since: VecDeque<Uptime>,
    aside: bool,
}

impl Default for MemoryMailbox {
    fn default() -> Self {
        let events = async_channel::unbounded();
        let (state, lists, standings) = Default::default();
        let disk = Arc::new(async_lock::Mutex::new(Ok(())));
        Self { state, lists, standings, events, disk }
    }
}

impl MemoryMailbox {
    /// Nothing is [synced](Mailbox::synced) until that is dropped.
    pub fn hold_up(&self) -> impl Sized + use<> {
        self.disk.try_lock_arc().expect("nobody else holds it up")
    }

    /// Whether [syncing](Mailbox::synced) fails from now on.
    pub fn fails(&self, fails: bool) {
        let failure = Err(MailboxError("the disk is full".into()));
        *self.disk.try_lock().expect("nobody holds it up") = if fails { failure } else { Ok(()) };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> MutexGuard<'_, HashMap<Name, KeptList>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_standings(&self) -> MutexGuard<'_, HashMap<SessionKey, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, key: &SessionKey, change: impl FnOnce(&mut Entries)) {
        let mut state = self.state();
        let by_sender = state.entry(key.receiver().clone()).or_default();
        change(by_sender.entry(key.sender().clone()).or_default());
    }

    fn tell(&self, key: &SessionKey, up_to: u64, ended_up_to: u64) {
        let commit = Commit { key: key.clone(), up_to, ended_up_to };
        // The receiving end lives as long as this mailbox, so the channel is never closed.
        let _ = self.events.0.try_send(Event::Committed(vec![commit]));
    }
}

impl Mailbox for MemoryMailbox {
    fn ready(&self, _: &Name) -> BoxFuture<'_, Result<(), MailboxError>> {
        ready(Ok(())).boxed()
    }

    fn load(&self, key: &SessionKey) -> BoxFuture<'_, Result<Shelf, MailboxError>> {
        let shelf = entries(&self.state(), key).map(Entries::shelf).unwrap_or_default();
        ready(Ok(shelf)).boxed()
    }

    fn append(&self, key: &SessionKey, batch: &Batch, _due: Instant) {
        self.change(key, |entries| {
            let messages = (batch.first()..).zip(batch.messages());
            messages.for_each(|(position, message)| entries.accounts.take(message.id, position));
            entries.last_position = batch.last();
            entries.waiting.extend(batch.messages().iter().cloned());
            entries.since.extend(batch.messages().iter().map(|_| batch.since()));
        });
        self.tell(key, batch.last(), 0);
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

    fn remove(&self, key: &SessionKey, up_to: u64, _: Usage) {
        self.change(key, |entries| entries.remove(up_to));
    }

    fn end(&self, key: &SessionKey, fate: Fate, ended: &[Run], _: Usage) {
        let Some(last) = ended.last().map(Run::last_position) else { return };
        self.change(key, |entries| {
            entries.remove(last);
            for run in ended {
                entries.accounts.end(run.installation, fate, run.first_n, run.last_n());
            }
        });
        self.tell(key, 0, last);
    }

    fn withhold(&self, key: &SessionKey, up_to: u64, _: Usage) {
        self.change(key, |entries| {
            let first = entries.first_position();
            let known = (first..).zip(&mut entries.waiting).take_while(|(it, _)| *it <= up_to);
            known.for_each(|(_, message)| message.withhold());
        });
    }

    fn set_aside(&self, key: &SessionKey, aside: bool) -> Usage {
        let mut usage = Usage::default();
        self.change(key, |entries| {
            entries.aside = aside;
            usage = entries.usage();
        });
        usage
    }

    fn settle(&self, key: &SessionKey, installation: Installation, n: u64) {
        self.change(key, |entries| {
            entries.accounts.settle(installation, n);
        });
    }

    fn hear(&self, key: &SessionKey, installation: Installation, position: u64) {
        self.change(key, |entries| {
            entries.accounts.hear(installation, position);
        });
    }

    fn forget(&self, key: &SessionKey, installation: Installation) {
        self.change(key, |entries| entries.accounts.forget(installation));
    }

    fn overdue(
        &self,
        before: Uptime,
    ) -> BoxFuture<'_, Result<Vec<(SessionKey, u64)>, MailboxError>> {
        let state = self.state();
        let all = state.iter().flat_map(|(receiver, by_sender)| {
            by_sender.iter().filter_map(|(sender, entries)| {
                let key = SessionKey::new(sender.clone(), receiver.clone()).ok()?;
                Some((key, entries.overdue(before)?))
            })
        });
        ready(Ok(all.collect())).boxed()
    }

    fn sessions_of(&self, sender: &Name) -> BoxFuture<'_, Result<Vec<SessionKey>, MailboxError>> {
        let state = self.state();
        let theirs = state.iter().filter(|(_, by_sender)| by_sender.contains_key(sender));
        let keys = theirs
            .filter_map(|(receiver, _)| SessionKey::new(sender.clone(), receiver.clone()).ok());
        ready(Ok(keys.collect())).boxed()
    }

    fn keep_list(&self, name: &Name, list: Option<&KeptList>) {
        match list {
            Some(list) => self.lists().insert(name.clone(), list.clone()),
            None => self.lists().remove(name),
        };
        let listed = vec![(name.clone(), list.map(|it| it.id))];
        // As in `tell`.
        let _ = self.events.0.try_send(Event::Listed(listed));
    }

    fn list_of(&self, name: &Name) -> Option<ListId> {
        self.lists().get(name).map(|list| list.id)
    }

    fn committed_list(&self, name: &Name) -> BoxFuture<'_, Result<Option<KeptList>, MailboxError>> {
        ready(Ok(self.lists().get(name).cloned())).boxed()
    }

    fn keep_standing(&self, key: &SessionKey, standing: Option<Standing>) {
        match standing {
            Some(standing) => self.kept_standings().insert(key.clone(), standing),
            None => self.kept_standings().remove(key),
        };
    }

    fn standings(&self) -> BoxFuture<'_, Result<Vec<(SessionKey, Standing)>, MailboxError>> {
        let all = self.kept_standings();
        ready(Ok(all.iter().map(|(key, standing)| (key.clone(), *standing)).collect())).boxed()
    }

    fn synced(&self) -> BoxFuture<'_, Result<(), MailboxError>> {
        async { self.disk.lock().await.clone() }.boxed()
    }

    fn receivers(&self) -> Vec<Name> {
        self.state().keys().cloned().collect()
    }

    fn waiting(&self, receiver: &Name) -> Vec<(Name, u64)> {
        let state = self.state();
        let by_sender = state.get(receiver).into_iter().flatten();
        by_sender
            .filter(|(_, entries)| !entries.waiting.is_empty())
            .map(|(sender, entries)| (sender.clone(), entries.waiting.len() as u64))
            .collect()
    }

    fn usage(&self, receiver: &Name) -> Usage {
        let state = self.state();
        let all = state.get(receiver).into_iter().flat_map(|by_sender| by_sender.values());
        all.filter(|it| !it.aside).map(Entries::usage).sum()
    }

    fn watch(&self) -> Receiver<Event> {
        self.events.1.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

fn entries<'a>(state: &'a State, key: &SessionKey) -> Option<&'a Entries> {
    state.get(key.receiver())?.get(key.sender())
}

impl Entries {
    fn first_position(&self) -> u64 {
        self.last_position + 1 - self.waiting.len() as u64
    }

    fn usage(&self) -> Usage {
        self.waiting.iter().map(|message| Usage::one(message.weight())).sum()
    }

    fn remove(&mut self, up_to: u64) {
        while self.first_position() <= up_to && self.waiting.pop_front().is_some() {
            self.since.pop_front();
        }
    }

    fn overdue(&self, before: Uptime) -> Option<u64> {
        let overdue = self.since.iter().take_while(|since| **since < before).count();
        (overdue > 0).then(|| self.first_position() + overdue as u64 - 1)
    }

    fn after(&self, position: u64, limit: Usage) -> Batch {
        let first = self.first_position().max(position + 1);
        let skip = usize::try_from(first - self.first_position()).unwrap_or(usize::MAX);
        let mut room = Room::new(limit);
        let fits = |message: &&Message| room.takes(message.weight());
        let messages = self.waiting.iter().skip(skip).take_while(fits).cloned();
        Batch::new(first, messages.collect::<Vec<_>>())
    }

    fn shelf(&self) -> Shelf {
        Shelf {
            accounts: self.accounts.clone(),
            last_position: self.last_position,
            waiting: self.waiting.iter().map(Outline::of).collect(),
        }
    }
}
