//! Whom people accept, and whom they block: the [circle](Circle), and its [book](super::book) on disk.
//!
//! Owned by the server; the book is the file `contacts` of its data folder, a log of lines of three words: `marie
//! blocks eve`, `marie accepts john`, `marie forgets eve`; the last line about two people holds, except that a block
//! does not forget an earlier acceptance. One named thread writes it. Invariant: a block is in the book, synced, before
//! it is reported to be set or ended; an acceptance takes effect at once, and is in the book soon after.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use thiserror::Error;

use super::book::{Book, BookError};
use crate::message::{Name, SessionKey};
use crate::task::Worker;

/// The most people whom one may block.
const MAX_BLOCKED: usize = 1_000;

/// The most people whom one may have accepted. For one more another is forgotten, and is accepted again when it
/// matters.
const MAX_ACCEPTED: usize = 10_000;

/// How many changes wait for the disk. Beyond them the callers wait.
const QUEUE: usize = 64;

/// The book is compacted when it has this many lines more than twice what is needed.
const SLACK: usize = 10_000;

/// What somebody thinks of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Accepted,
    Blocked,
    /// Blocked, and accepted before: their quota stays as it was, or they could tell.
    BlockedFriend,
}

const ACCEPTED: Option<Standing> = Some(Standing::Accepted);

impl Standing {
    fn verb(standing: Option<Self>) -> &'static str {
        match standing {
            Some(Self::Accepted) => "accepts",
            Some(Self::Blocked | Self::BlockedFriend) => "blocks",
            None => "forgets",
        }
    }

    fn is_blocked(self) -> bool {
        matches!(self, Self::Blocked | Self::BlockedFriend)
    }

    fn of_verb(verb: &str) -> Option<Option<Self>> {
        let all = [Some(Self::Accepted), Some(Self::Blocked), None];
        all.into_iter().find(|standing| Self::verb(*standing) == verb)
    }
}

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
    /// Acceptances that are not in the book yet: no more than there are acceptances.
    unwritten: Mutex<HashSet<SessionKey>>,
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
        matches!(self.standing(key), Some(Standing::Accepted | Standing::BlockedFriend))
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

    /// Makes the receiver of a session accept its sender. False if they have accepted or blocked them already.
    fn accept(&self, key: &SessionKey, limit: usize) -> bool {
        let mut others = self.standings.entry(key.receiver().clone()).or_default();
        if others.contains_key(key.sender()) {
            return false;
        }
        let accepted = others.iter().filter(|(_, it)| **it == Standing::Accepted);
        let too_many: Vec<Name> = accepted.skip(limit - 1).map(|it| it.0.clone()).collect();
        too_many.iter().for_each(|other| _ = others.remove(other));
        others.insert(key.sender().clone(), Standing::Accepted);
        drop(others);
        self.unwritten().insert(key.clone());
        true
    }

    fn unwritten(&self) -> MutexGuard<'_, HashSet<SessionKey>> {
        // Each change is complete before anything can panic.
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: &Name, other: &Name, standing: Option<Standing>) {
        if standing == Some(Standing::Blocked) {
            self.blockers.entry(other.clone()).or_default().insert(name.clone());
        } else {
            self.unset_blocker(name, other);
        }
        match standing {
            Some(standing) => {
                let mut others = self.standings.entry(name.clone()).or_default();
                let before = others.get(other);
                let is_friend =
                    matches!(before, Some(Standing::Accepted | Standing::BlockedFriend));
                let standing = match standing {
                    Standing::Blocked if is_friend => Standing::BlockedFriend,
                    standing => standing,
                };
                others.insert(other.clone(), standing);
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

    /// Forgets whom a name accepts and blocks, and who accepts and blocks it.
    fn forget(&self, name: &Name) {
        for other in self.blocked_by(name) {
            self.unset_blocker(name, &other);
        }
        self.blockers.remove(name);
        self.standings.remove(name);
        self.standings.iter_mut().for_each(|mut others| _ = others.remove(name));
        self.standings.retain(|_, others| !others.is_empty());
    }

    /// The sessions whose receiver blocks their sender.
    pub(crate) fn all_blocks(&self) -> Vec<SessionKey> {
        let mut blocks = Vec::new();
        for entry in &self.standings {
            let blocked = entry.value().iter().filter(|(_, standing)| standing.is_blocked());
            let to = |(from, _): (&Name, _)| SessionKey::new(from.clone(), entry.key().clone());
            blocks.extend(blocked.filter_map(|it| to(it).ok()));
        }
        blocks
    }

    /// Those of them that involve this name.
    pub(crate) fn blocks_with(&self, name: &Name) -> Vec<SessionKey> {
        let mut blocks = self.all_blocks();
        blocks.retain(|key| key.sender() == name || key.receiver() == name);
        blocks
    }

    /// How many people somebody blocks.
    pub(crate) fn count_blocked(&self, name: &Name) -> usize {
        let others = self.standings.get(name);
        others.map_or(0, |others| others.values().filter(|it| it.is_blocked()).count())
    }

    /// The lines of a book with all this, except for what concerns one name.
    fn lines(&self, without: Option<&Name>) -> String {
        let mut text = String::new();
        for entry in &self.standings {
            let name = entry.key();
            for (other, standing) in entry.value() {
                if without.is_some_and(|it| it == name || it == other) {
                    continue;
                }
                if *standing == Standing::BlockedFriend {
                    text.push_str(&line(name, other, ACCEPTED));
                }
                text.push_str(&line(name, other, Some(*standing)));
            }
        }
        text
    }

    fn len(&self) -> usize {
        self.standings.iter().map(|entry| entry.value().len()).sum()
    }
}

/// A handle to the contacts.
pub(crate) struct Contacts {
    circle: Arc<Circle>,
    clerk: Worker<Clerk>,
}

impl Contacts {
    /// Opens the book, or creates it.
    pub(crate) fn open(path: &Path) -> Result<Self, BookError> {
        let (book, text) = Book::open(path)?;
        let circle = Arc::new(Circle::default());
        for (index, line) in text.lines().enumerate() {
            let bad = || BookError::BadLine { path: path.into(), line: index + 1 };
            let (name, other, standing) = parse(line).ok_or_else(bad)?;
            circle.set(&name, &other, standing);
        }
        let mut clerk = Clerk { book, circle: circle.clone(), lines: text.lines().count() };
        clerk.tidy();
        let unusable = |cause| BookError::Unusable { path: path.into(), cause };
        let clerk = Worker::start("tinychat-contacts", QUEUE, clerk).map_err(unusable)?;
        Ok(Self { circle, clerk })
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
        if self.circle.is_blocked(key) == blocked {
            return Ok(());
        }
        let key = key.clone();
        let standing = blocked.then_some(Standing::Blocked);
        let set = self.clerk.ask(move |clerk| clerk.set(&key, standing, MAX_BLOCKED)).await;
        set.unwrap_or(Err(ContactsError::NotWritten))
    }

    /// The receiver of a session accepts its sender, unless they have accepted or blocked them already. In effect at
    /// once; the book follows.
    pub(crate) fn accept(&self, key: &SessionKey) {
        if self.circle.accept(key, MAX_ACCEPTED) {
            // If the queue is full, the next change writes it down first.
            self.clerk.suggest(Clerk::write_accepted);
        }
    }

    /// Waits until all acceptances are in the book, if they can be written.
    pub(crate) async fn flush(&self) {
        let _ = self.clerk.ask(Clerk::write_accepted).await;
    }

    /// Forgets all about a name, and who accepts and blocks it.
    pub(crate) async fn forget(&self, name: &Name) -> Result<(), ContactsError> {
        let name = name.clone();
        let forgotten = self.clerk.ask(move |clerk| clerk.forget(&name)).await;
        forgotten.unwrap_or(Err(ContactsError::NotWritten))
    }
}

/// What the thread owns. Only it changes who is blocked.
struct Clerk {
    book: Book,
    circle: Arc<Circle>,
    /// How many lines the book has.
    lines: usize,
}

impl Clerk {
    fn set(
        &mut self,
        key: &SessionKey,
        standing: Option<Standing>,
        limit: usize,
    ) -> Result<(), ContactsError> {
        self.write_accepted();
        let (name, other) = (key.receiver(), key.sender());
        if standing.is_some() && self.circle.count_blocked(name) >= limit {
            return Err(ContactsError::Full);
        }
        self.book.append(&line(name, other, standing)).map_err(not_written)?;
        self.lines += 1;
        self.circle.set(name, other, standing);
        self.tidy();
        Ok(())
    }

    /// Writes down acceptances. What cannot be written is retried with the next change.
    fn write_accepted(&mut self) {
        let unwritten = std::mem::take(&mut *self.circle.unwritten());
        // They may be blocked or forgotten meanwhile.
        let accepted = |key: &&SessionKey| self.circle.standing(key) == Some(Standing::Accepted);
        let accepted: Vec<&SessionKey> = unwritten.iter().filter(accepted).collect();
        let to_line = |key: &&SessionKey| line(key.receiver(), key.sender(), ACCEPTED);
        let lines: String = accepted.iter().map(to_line).collect();
        if lines.is_empty() {
            return;
        }
        match self.book.append(&lines) {
            Ok(()) => {
                self.lines += accepted.len();
                self.tidy();
            }
            Err(error) => {
                not_written(error);
                self.circle.unwritten().extend(unwritten);
            }
        }
    }

    fn forget(&mut self, name: &Name) -> Result<(), ContactsError> {
        let text = self.circle.lines(Some(name));
        self.book.replace(&text).map_err(not_written)?;
        self.circle.forget(name);
        self.lines = text.lines().count();
        Ok(())
    }

    /// Compacts the book if much of it is obsolete. If that fails it stays as it was.
    fn tidy(&mut self) {
        if self.lines <= 2 * self.circle.len() + SLACK {
            return;
        }
        let text = self.circle.lines(None);
        if self.book.replace(&text).map_err(not_written).is_ok() {
            self.lines = text.lines().count();
        }
    }
}

fn not_written(error: io::Error) -> ContactsError {
    log::error!("cannot write the book of contacts: {error}");
    ContactsError::NotWritten
}

fn line(name: &Name, other: &Name, standing: Option<Standing>) -> String {
    let mut line = String::new();
    // Writing into a growing string cannot fail.
    let _ = writeln!(line, "{name} {} {other}", Standing::verb(standing));
    line
}

fn parse(line: &str) -> Option<(Name, Name, Option<Standing>)> {
    let mut words = line.split(' ');
    let name = words.next()?.parse().ok()?;
    let standing = Standing::of_verb(words.next()?)?;
    let other = words.next()?.parse().ok()?;
    words.next().is_none().then_some((name, other, standing))
}

#[cfg(test)]
#[path = "contacts_tests.rs"]
mod tests;
