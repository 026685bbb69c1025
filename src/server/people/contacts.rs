//! Whom people accept, and whom they block: the [circle](Circle), and the same in the mailbox's journal.
//!
//! Owned by the server. Invariants: a block is on the synced disk before it is reported to be set or ended; an acceptance
//! takes effect at once, and is on the disk soon after; once nothing [is being changed](Held), the journal has what the
//! circle has.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use thiserror::Error;

use super::former_contacts::{self, UnknownContacts};
use crate::mailbox::{Mailbox, MailboxError, Standing};
use crate::message::{Name, SessionKey};
use crate::task;

/// How long a person waits until what they asked for is on the disk. It may be there later nevertheless.
pub(crate) const WRITING: Duration = Duration::from_secs(5);

/// The most people whom one may block.
const MAX_BLOCKED: usize = 1_000;

/// The most people whom one may have accepted. For one more another is forgotten, and is accepted again when it
/// matters.
const MAX_ACCEPTED: usize = 10_000;

/// Why somebody is not blocked. Made to be read by the person who asked for it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum ContactsError {
    #[error("you block {MAX_BLOCKED} people already; let somebody go first")]
    Full,
    #[error("you change whom you block too often; try again in {} s", .0.as_secs() + 1)]
    TooOften(Duration),
    #[error("the server cannot write that down now; try again later")]
    NotWritten,
}

/// Who accepts and who blocks whom, for all to look up.
#[derive(Debug, Default)]
pub(crate) struct Circle {
    standings: DashMap<Name, HashMap<Name, Standing>>,
    /// Who blocks somebody: the reverse index.
    blockers: DashMap<Name, BTreeSet<Name>>,
}

impl Circle {
    /// What the receiver of a session thinks of its sender.
    pub(crate) fn standing(&self, key: &SessionKey) -> Option<Standing> {
        self.standings.get(key.receiver())?.get(key.sender()).copied()
    }

    /// Whether the receiver of a session blocks its sender.
    pub(crate) fn is_blocked(&self, key: &SessionKey) -> bool {
        self.standing(key).is_some_and(Standing::is_blocked)
    }

    /// Whether the receiver of a session accepts its sender, or did until they blocked them.
    pub(crate) fn has_accepted(&self, key: &SessionKey) -> bool {
        self.standing(key).is_some_and(Standing::is_accepted)
    }

    /// Whether somebody blocks somebody else.
    pub(crate) fn blocks(&self, name: &Name, other: &Name) -> bool {
        let others = self.standings.get(name);
        others.is_some_and(|others| others.get(other).is_some_and(|it| it.is_blocked()))
    }

    /// Who blocks somebody, in order.
    pub(crate) fn blockers_of(&self, name: &Name) -> Vec<Name> {
        self.blockers.get(name).map_or_else(Vec::new, |it| it.iter().cloned().collect())
    }

    /// Whom somebody blocks, in order.
    pub(crate) fn blocked_by(&self, name: &Name) -> Vec<Name> {
        let Some(others) = self.standings.get(name) else { return Vec::new() };
        let blocked = others.iter().filter(|(_, standing)| standing.is_blocked());
        let mut blocked: Vec<Name> = blocked.map(|(other, _)| other.clone()).collect();
        blocked.sort_unstable();
        blocked
    }

    /// Makes the receiver of a session accept its sender, unless they have accepted or blocked them already. Returns whose
    /// standing is another one.
    fn accept(&self, key: &SessionKey, limit: usize) -> Vec<SessionKey> {
        let (name, other) = (key.receiver(), key.sender());
        let mut others = self.standings.entry(name.clone()).or_default();
        if others.contains_key(other) {
            return Vec::new();
        }
        let accepted = others.iter().filter(|(_, it)| **it == Standing::Accepted);
        let too_many: Vec<Name> = accepted.skip(limit - 1).map(|it| it.0.clone()).collect();
        too_many.iter().for_each(|other| _ = others.remove(other));
        others.insert(other.clone(), Standing::Accepted);
        let of = |other: Name| SessionKey::new(other, name.clone()).ok();
        too_many.into_iter().filter_map(of).chain([key.clone()]).collect()
    }

    fn set(&self, key: &SessionKey, standing: Option<Standing>) {
        let (name, other) = (key.receiver(), key.sender());
        if standing.is_some_and(Standing::is_blocked) {
            self.blockers.entry(other.clone()).or_default().insert(name.clone());
        } else {
            self.unset_blocker(name, other);
        }
        match standing {
            Some(standing) => {
                self.standings.entry(name.clone()).or_default().insert(other.clone(), standing);
            }
            None => {
                if let Some(mut others) = self.standings.get_mut(name) {
                    others.remove(other);
                }
                self.standings.remove_if(name, |_, others| others.is_empty());
            }
        }
    }

    fn unset_blocker(&self, name: &Name, other: &Name) {
        if let Some(mut blockers) = self.blockers.get_mut(other) {
            blockers.remove(name);
        }
        self.blockers.remove_if(other, |_, blockers| blockers.is_empty());
    }

    /// The sessions whose receiver blocks their sender.
    pub(crate) fn all_blocks(&self) -> Vec<SessionKey> {
        self.all(|_, standing| standing.is_blocked())
    }

    /// Those of them that involve this name.
    pub(crate) fn blocks_with(&self, name: &Name) -> Vec<SessionKey> {
        self.all(|key, standing| standing.is_blocked() && involves(key, name))
    }

    /// The sessions whose receiver has an opinion of their sender that is meant.
    fn all(&self, is_meant: impl Fn(&SessionKey, Standing) -> bool) -> Vec<SessionKey> {
        let mut all = Vec::new();
        for entry in &self.standings {
            let of = |(other, standing): (&Name, &Standing)| {
                let key = SessionKey::new(other.clone(), entry.key().clone()).ok()?;
                is_meant(&key, *standing).then_some(key)
            };
            all.extend(entry.value().iter().filter_map(of));
        }
        all
    }

    /// How many bytes the names have of those whom somebody blocks, one a line.
    pub(crate) fn length_of_blocked(&self, name: &Name) -> usize {
        let Some(others) = self.standings.get(name) else { return 0 };
        let blocked = others.iter().filter(|(_, standing)| standing.is_blocked());
        blocked.map(|(other, _)| other.as_str().len() + 1).sum()
    }

    /// How many people somebody blocks.
    fn count_blocked(&self, name: &Name) -> usize {
        let others = self.standings.get(name);
        others.map_or(0, |others| others.values().filter(|it| it.is_blocked()).count())
    }
}

/// See the [module](self).
pub(crate) struct Contacts {
    circle: Arc<Circle>,
    mailbox: Arc<dyn Mailbox>,
    /// Held while blocks are set and ended.
    turn: async_lock::Mutex<()>,
    late: Mutex<Late>,
}

/// Standings that the journal gets when something else has been changed.
#[derive(Default)]
struct Late {
    /// Something is being changed.
    is_held: bool,
    keys: HashSet<SessionKey>,
}

/// What is in the journal, and not in the circle until it is on the disk. At the end the journal gets what the circle has
/// then: the same if that succeeded, else what was there before.
struct Held<'a> {
    contacts: &'a Contacts,
    changed: Vec<SessionKey>,
}

impl Contacts {
    /// Reads what a mailbox has, and takes over what is in the data folder from before it had that.
    pub(crate) async fn open(
        mailbox: Arc<dyn Mailbox>,
        data: &Path,
    ) -> Result<Self, UnknownContacts> {
        former_contacts::take_over(&*mailbox, data).await?;
        let circle = Circle::default();
        for (key, standing) in mailbox.standings().await? {
            circle.set(&key, Some(standing));
        }
        let (circle, turn, late) = (circle.into(), async_lock::Mutex::default(), Mutex::default());
        Ok(Self { circle, mailbox, turn, late })
    }

    /// What can be looked up without waiting.
    pub(crate) fn circle(&self) -> &Arc<Circle> {
        &self.circle
    }

    /// Makes the receiver of a session block its sender, or ends that.
    pub(crate) async fn set_blocked(
        &self,
        key: &SessionKey,
        blocked: bool,
    ) -> Result<(), ContactsError> {
        self.set_blocked_up_to(MAX_BLOCKED, key, blocked).await
    }

    async fn set_blocked_up_to(
        &self,
        limit: usize,
        key: &SessionKey,
        blocked: bool,
    ) -> Result<(), ContactsError> {
        let _turn = self.turn().await?;
        if self.circle.is_blocked(key) == blocked {
            return Ok(());
        }
        if blocked && self.circle.count_blocked(key.receiver()) >= limit {
            return Err(ContactsError::Full);
        }
        let standing = blocked.then_some(match self.circle.has_accepted(key) {
            true => Standing::BlockedFriend,
            false => Standing::Blocked,
        });
        self.set(vec![key.clone()], standing).await
    }

    /// The receiver of a session accepts its sender, unless they have accepted or blocked them already.
    pub(crate) fn accept(&self, key: &SessionKey) {
        let changed = self.circle.accept(key, MAX_ACCEPTED);
        if !changed.is_empty() {
            let mut late = self.late();
            late.keys.extend(changed);
            self.write(&mut late);
        }
    }

    /// Forgets all about a name, and who accepts and blocks it.
    pub(crate) async fn forget(&self, name: &Name) -> Result<(), ContactsError> {
        let _turn = self.turn().await?;
        let keys = self.circle.all(|key, _| involves(key, name));
        self.set(keys, None).await?;
        // Whoever was accepted meanwhile.
        let late = self.circle.all(|key, _| involves(key, name));
        late.iter().for_each(|key| self.circle.set(key, None));
        self.late().keys.extend(late);
        self.write(&mut self.late());
        Ok(())
    }

    async fn turn(&self) -> Result<async_lock::MutexGuard<'_, ()>, ContactsError> {
        task::within(WRITING, self.turn.lock()).await.ok_or(ContactsError::NotWritten)
    }

    /// Gives all of these sessions' senders a standing, on the disk first. To be called in one's [turn](Self::turn).
    async fn set(
        &self,
        keys: Vec<SessionKey>,
        standing: Option<Standing>,
    ) -> Result<(), ContactsError> {
        let held = self.hold(keys, standing);
        let written = task::within(WRITING, self.mailbox.synced()).await;
        written.unwrap_or_else(|| Err(MailboxError("it takes too long".into()))).map_err(
            |error| {
                log::error!("whom people block is not written down: {error}");
                ContactsError::NotWritten
            },
        )?;
        held.changed.iter().for_each(|key| self.circle.set(key, standing));
        Ok(())
    }

    fn hold(&self, changed: Vec<SessionKey>, standing: Option<Standing>) -> Held<'_> {
        let mut late = self.late();
        late.is_held = true;
        changed.iter().for_each(|key| self.mailbox.keep_standing(key, standing));
        Held { contacts: self, changed }
    }

    /// Gives the journal what the circle has, unless something is being changed.
    fn write(&self, late: &mut Late) {
        if !late.is_held {
            for key in late.keys.drain() {
                self.mailbox.keep_standing(&key, self.circle.standing(&key));
            }
        }
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        // Each change is complete before anything can panic.
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut late = self.contacts.late();
        late.is_held = false;
        late.keys.extend(self.changed.drain(..));
        self.contacts.write(&mut late);
    }
}

fn involves(key: &SessionKey, name: &Name) -> bool {
    key.sender() == name || key.receiver() == name
}

#[cfg(test)]
#[path = "contacts_tests.rs"]
mod tests;
