//! How much waits, by receiver and sender, committed or not, and for whom it counts. Pure: no I/O, no clock.
//!
//! Owned by the mailbox, under its lock. Invariant: a receiver's load is what waits in their sessions, except for those
//! that are set aside.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::StoreError;
use super::store::Store;
use crate::mailbox::Usage;
use crate::message::{Name, SessionKey};

/// See the [module](self).
#[derive(Default)]
pub(super) struct Loads {
    receivers: HashMap<Name, Waiting>,
    /// The sum of all.
    all: Usage,
    /// As many as there are blocks.
    aside: HashSet<SessionKey>,
}

/// What waits for one receiver.
#[derive(Default)]
struct Waiting {
    load: Usage,
    by_sender: BTreeMap<Name, Usage>,
}

impl Loads {
    /// Counts what waits in a store.
    pub(super) fn count(store: &Store) -> Result<Self, StoreError> {
        let mut loads = Self::default();
        for session in store.image().sessions() {
            let (key, row) = session?;
            if row.waiting() > 0 {
                loads.add(&key, Usage { messages: row.waiting(), bytes: row.bytes });
            }
        }
        Ok(loads)
    }

    /// For whom something waits.
    pub(super) fn receivers(&self) -> impl Iterator<Item = &Name> {
        self.receivers.keys()
    }

    /// More waits in a session.
    pub(super) fn add(&mut self, key: &SessionKey, usage: Usage) {
        self.all += usage;
        let waiting = self.receivers.entry(key.receiver().clone()).or_default();
        if !self.aside.contains(key) {
            waiting.load += usage;
        }
        match waiting.by_sender.get_mut(key.sender()) {
            Some(sum) => *sum += usage,
            None => drop(waiting.by_sender.insert(key.sender().clone(), usage)),
        }
    }

    /// Less waits in a session.
    pub(super) fn free(&mut self, key: &SessionKey, usage: Usage) {
        let Some(waiting) = self.receivers.get_mut(key.receiver()) else { return };
        if !self.aside.contains(key) {
            waiting.load -= usage;
        }
        if let Some(sum) = waiting.by_sender.get_mut(key.sender()) {
            let before = *sum;
            *sum -= usage;
            self.all -= before;
            self.all += *sum;
            if sum.is_empty() {
                self.all -= *sum;
                waiting.by_sender.remove(key.sender());
            }
        }
        if waiting.by_sender.is_empty() {
            self.receivers.remove(key.receiver());
        }
    }

    /// See [`Mailbox::set_aside`](crate::mailbox::Mailbox::set_aside).
    pub(super) fn set_aside(&mut self, key: &SessionKey, aside: bool) -> Usage {
        let changes = match aside {
            true => self.aside.insert(key.clone()),
            false => self.aside.remove(key),
        };
        let Some(waiting) = self.receivers.get_mut(key.receiver()) else { return Usage::default() };
        let usage = waiting.by_sender.get(key.sender()).copied().unwrap_or_default();
        match (changes, aside) {
            (true, true) => waiting.load -= usage,
            (true, false) => waiting.load += usage,
            (false, _) => {}
        }
        usage
    }

    /// What counts for a receiver.
    pub(super) fn of(&self, receiver: &Name) -> Usage {
        self.receivers.get(receiver).map(|waiting| waiting.load).unwrap_or_default()
    }

    /// What waits for everybody, whether or not it counts.
    pub(super) fn all(&self) -> Usage {
        self.all
    }

    /// Who has messages waiting for a receiver, and how many each.
    pub(super) fn senders(&self, receiver: &Name) -> Vec<(Name, u64)> {
        let by_sender = self.receivers.get(receiver).into_iter().flat_map(|it| &it.by_sender);
        by_sender.map(|(sender, usage)| (sender.clone(), usage.messages)).collect()
    }

    /// Every session in which something waits.
    pub(super) fn keys(&self) -> Vec<SessionKey> {
        let pairs = self.receivers.iter().flat_map(|(receiver, waiting)| {
            waiting.by_sender.keys().map(move |sender| (sender.clone(), receiver.clone()))
        });
        pairs.filter_map(|(sender, receiver)| SessionKey::new(sender, receiver).ok()).collect()
    }
}
