//! The device lists of names that somebody writes to, or whose list is being changed.
//!
//! Owned by the [lists](super::lists). Invariant: whoever looks at a version and keeps something in the mailbox's journal
//! while they [hold](Versions::hold) it, does both before the version changes, or both after it.

use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_lock::{Mutex, MutexGuard};
use dashmap::DashMap;
use event_listener::{Event, listener};

use crate::mailbox::{KeptList, ListId, Mailbox};
use crate::message::Name;
use crate::trust::{Fingerprint, PublicKey};

/// The names of which somebody [watches](Watch) the list, or a change of it is not on the disk.
#[derive(Default)]
pub(crate) struct Watched(DashMap<Name, Entry>);

struct Entry {
    watches: usize,
    versions: Arc<Versions>,
}

/// Keeps a name watched.
pub(crate) struct Watch {
    name: Name,
    versions: Arc<Versions>,
    watched: Arc<Watched>,
}

/// What is known of the list of a name.
#[derive(Default)]
pub(crate) struct Versions {
    state: RwLock<State>,
    /// Notified when what is in the journal is on the disk.
    synced: Event,
    /// Held while the list is changed.
    turn: Mutex<()>,
}

#[derive(Default)]
struct State {
    who: Who,
    /// The list in the mailbox's journal, and the one on the disk.
    journal: Option<ListId>,
    disk: Option<ListId>,
    /// What of the one in the journal counts.
    version: u64,
}

/// Whose lists of a name count.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Who {
    /// Who owns the name.
    pub(super) owner: Option<PublicKey>,
    /// The server's key; none without TLS.
    pub(super) server: Option<Fingerprint>,
}

/// The version for which messages are accepted, as long as this is held.
pub(crate) struct Held<'a>(RwLockReadGuard<'a, State>);

impl Watched {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Watches a name, of which its list is looked up if nobody does yet, and whose lists count.
    pub(super) fn watch(
        self: &Arc<Self>,
        name: &Name,
        who: impl FnOnce() -> Who,
        look_up: impl FnOnce() -> Option<ListId>,
    ) -> Watch {
        // Looked up while the entry is locked: a change of owners comes before or after it.
        let fresh = || {
            let list = look_up();
            let state = State { journal: list, disk: list, ..State::default() };
            let versions = Versions { state: RwLock::new(state), ..Versions::default() };
            Entry { watches: 0, versions: versions.into() }
        };
        let mut entry = self.0.entry(name.clone()).or_insert_with(fresh);
        entry.watches += 1;
        let who = who();
        if entry.versions.read().who != who {
            entry.versions.write().set_who(who);
        }
        Watch { name: name.clone(), versions: entry.versions.clone(), watched: self.clone() }
    }

    /// A name has another owner, or none any more. From now on only a list counts that the new one has signed.
    pub(crate) fn set_owner(&self, name: &Name, owner: Option<PublicKey>) {
        if let Some(entry) = self.0.get(name) {
            let mut state = entry.versions.write();
            let who = Who { owner, ..state.who };
            state.set_who(who);
        }
    }

    /// A list is on the disk, or is gone from it.
    pub(super) fn committed(&self, name: &Name, list: Option<ListId>) {
        self.0.remove_if_mut(name, |_, entry| {
            entry.versions.write().disk = list;
            entry.versions.synced.notify(usize::MAX);
            entry.is_idle()
        });
    }
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.watches == 0 && self.versions.is_settled()
    }
}

impl Watch {
    /// What is known of the list.
    pub(crate) fn versions(&self) -> &Arc<Versions> {
        &self.versions
    }

    /// Puts a list into the mailbox's journal, or has it removed. To be called in one's [turn](Versions::turn).
    pub(super) fn keep(&self, mailbox: &dyn Mailbox, list: Option<KeptList>) {
        let mut state = self.versions.write();
        let list = list.map(|list| list.behind(state.journal));
        mailbox.keep_list(&self.name, list.as_ref());
        state.journal = list.map(|list| list.id);
        state.count();
    }
}

impl Deref for Watch {
    type Target = Versions;

    fn deref(&self) -> &Versions {
        &self.versions
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched.0.remove_if_mut(&self.name, |_, entry| {
            entry.watches -= 1;
            entry.is_idle()
        });
    }
}

impl Versions {
    /// The version for which messages are accepted. It stays as long as it is held, which is for a few plain lines.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held(self.read())
    }

    /// The version that others may be told; 0 if there is none.
    pub(crate) fn told(&self) -> u64 {
        let state = self.read();
        state.counted(state.disk)
    }

    /// Waits until the list may be changed.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits until others may be told of the list that counts.
    pub(crate) async fn settled(&self) {
        loop {
            listener!(self.synced => synced);
            if self.is_settled() {
                return;
            }
            synced.await;
        }
    }

    fn is_settled(&self) -> bool {
        let state = self.read();
        state.journal == state.disk
    }

    // Each change is complete before anything can panic.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held<'_> {
    /// 0 if there is none.
    pub(crate) fn version(&self) -> u64 {
        self.0.version
    }
}

impl Who {
    /// Whether a list counts.
    pub(super) fn has_made(&self, list: &ListId) -> bool {
        Some(list.owner) == self.owner && list.server == self.server
    }
}

impl State {
    fn set_who(&mut self, who: Who) {
        self.who = who;
        self.count();
    }

    fn count(&mut self) {
        self.version = self.counted(self.journal);
    }

    /// The version of a list if it counts, else 0.
    fn counted(&self, list: Option<ListId>) -> u64 {
        list.filter(|list| self.who.has_made(list)).map_or(0, |list| list.version)
    }
}
