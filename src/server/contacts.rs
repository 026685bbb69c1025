//! Whom people accepted, and whom they block: the [circle](Circle), and its [book](super::book) on disk.
//!
//! Owned by the server; the book is the file `contacts` of its data folder, a log of lines of three
//! words: `marie blocks eve`, `marie accepts john`, `marie forgets eve`; the last one about two people holds.
//! One named thread writes it. Invariant: a block that was said to be so, or not any more, is in the synced
//! book; who is accepted is so at once, and in the book soon after.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use thiserror::Error;

use super::book::{Book, BookError};
use crate::message::{Name, SessionKey};
use crate::task::Worker;

/// The most people whom one may block.
const MAX_BLOCKED: usize = 1_000;

/// The most people who are remembered as accepted by one. For one more another is forgotten, who is accepted
/// again when it matters.
const MAX_ACCEPTED: usize = 10_000;

/// How many changes wait for the disk. Those behind wait with their askers.
const QUEUE: usize = 64;

/// The book is written anew when it has so many lines more than twice what they say.
const SLACK: usize = 10_000;

/// What somebody thinks of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Accepted,
    Blocked,
}

const ACCEPTED: Option<Standing> = Some(Standing::Accepted);

impl Standing {
    fn verb(standing: Option<Self>) -> &'static str {
        match standing {
            Some(Self::Accepted) => "accepts",
            Some(Self::Blocked) => "blocks",
            None => "forgets",
        }
    }

    fn of_verb(verb: &str) -> Option<Option<Self>> {
        let all = [Some(Self::Accepted), Some(Self::Blocked), None];
        all.into_iter().find(|standing| Self::verb(*standing) == verb)
    }
}

/// Why somebody is not blocked. Made to be read by whoever wants it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum ContactsError {
    #[error("you block {MAX_BLOCKED} people already; let somebody go first")]
    Full,
    #[error("the server cannot write that down now; try again later")]
    NotWritten,
}

/// Who thinks what of whom, for all to look up.
#[derive(Debug, Default)]
pub(super) struct Circle {
    standings: DashMap<Name, HashMap<Name, Standing>>,
    /// Who blocks somebody: the same the other way round.
    blockers: DashMap<Name, BTreeSet<Name>>,
    /// Who was accepted and is not in the book yet: no more than are accepted.
    unwritten: Mutex<HashSet<SessionKey>>,
}

impl Circle {
    /// What the receiver of a session thinks of its sender.
    pub(super) fn standing(&self, key: &SessionKey) -> Option<Standing> {
        self.standings.get(key.receiver())?.get(key.sender()).copied()
    }

    /// Whether the receiver of a session blocks its sender.
    pub(super) fn is_blocked(&self, key: &SessionKey) -> bool {
        self.standing(key) == Some(Standing::Blocked)
    }

    /// Whether somebody blocks somebody else.
    pub(super) fn blocks(&self, name: &Name, other: &Name) -> bool {
        let others = self.standings.get(name);
        others.is_some_and(|others| others.get(other) == Some(&Standing::Blocked))
    }

    /// Who blocks somebody, in order.
    pub(super) fn blockers_of(&self, name: &Name) -> Vec<Name> {
        self.blockers.get(name).map_or_else(Vec::new, |it| it.iter().cloned().collect())
    }

    /// How many somebody blocks.
    pub(super) fn count_blocked(&self, name: &Name) -> usize {
        self.count(name, Standing::Blocked)
    }

    /// Whom somebody blocks, in order.
    pub(super) fn blocked_by(&self, name: &Name) -> Vec<Name> {
        let Some(others) = self.standings.get(name) else { return Vec::new() };
        let blocked = others.iter().filter(|(_, standing)| **standing == Standing::Blocked);
        let mut blocked: Vec<Name> = blocked.map(|(other, _)| other.clone()).collect();
        blocked.sort_unstable();
        blocked
    }

    /// Has the receiver of a session accept its sender. False if they think something of them already.
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
        // Each change is whole before anything can panic.
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

    /// Forgets what a name thinks of others, and they of it.
    fn forget(&self, name: &Name) {
        for other in self.blocked_by(name) {
            self.unset_blocker(name, &other);
        }
        self.blockers.remove(name);
        self.standings.remove(name);
        self.standings.iter_mut().for_each(|mut others| _ = others.remove(name));
        self.standings.retain(|_, others| !others.is_empty());
    }

    /// The sessions whose receiver blocks their sender, and one of both is this.
    pub(super) fn blocks_with(&self, name: &Name) -> Vec<SessionKey> {
        let mut blocks = Vec::new();
        for entry in &self.standings {
            for (other, standing) in entry.value() {
                if *standing == Standing::Blocked && (entry.key() == name || other == name) {
                    blocks.extend(SessionKey::new(other.clone(), entry.key().clone()));
                }
            }
        }
        blocks
    }

    fn count(&self, name: &Name, standing: Standing) -> usize {
        let others = self.standings.get(name);
        others.map_or(0, |others| others.values().filter(|it| **it == standing).count())
    }

    /// The lines of a book that says all this, but for what concerns one name.
    fn lines(&self, without: Option<&Name>) -> String {
        let mut text = String::new();
        for entry in &self.standings {
            let name = entry.key();
            for (other, standing) in entry.value() {
                if !without.is_some_and(|it| it == name || it == other) {
                    text.push_str(&line(name, other, Some(*standing)));
                }
            }
        }
        text
    }

    fn len(&self) -> usize {
        self.standings.iter().map(|entry| entry.value().len()).sum()
    }
}

/// A handle to the contacts.
pub(super) struct Contacts {
    circle: Arc<Circle>,
    clerk: Worker<Clerk>,
}

impl Contacts {
    /// Opens the book, or begins it.
    pub(super) fn open(path: &Path) -> Result<Self, BookError> {
        let (book, text) = Book::open(path)?;
        let circle = Arc::new(Circle::default());
        for (index, line) in text.lines().enumerate() {
            let bad = || BookError::BadLine { path: path.into(), line: index + 1 };
            let (name, other, standing) = parse(line).ok_or_else(bad)?;
            circle.set(&name, &other, standing);
        }
        let clerk = Clerk { book, circle: circle.clone(), lines: text.lines().count() };
        let unusable = |cause| BookError::Unusable { path: path.into(), cause };
        let clerk = Worker::start("tinychat-contacts", QUEUE, clerk).map_err(unusable)?;
        Ok(Self { circle, clerk })
    }

    /// What can be looked up without waiting.
    pub(super) fn circle(&self) -> &Arc<Circle> {
        &self.circle
    }

    /// Has the receiver of a session block its sender, or no more.
    pub(super) async fn set_blocked(
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

    /// The receiver of a session wants to hear of its sender, if they think nothing of them yet. In effect at
    /// once; the book follows.
    pub(super) fn accept(&self, key: &SessionKey) {
        if self.circle.accept(key, MAX_ACCEPTED) {
            // Where there is too much to do, what is done next writes it down first.
            self.clerk.suggest(Clerk::write_accepted);
        }
    }

    /// Waits until all who were accepted are in the book, if they can be.
    pub(super) async fn flush(&self) {
        let _ = self.clerk.ask(Clerk::write_accepted).await;
    }

    /// Forgets all about a name, and what others think of it.
    pub(super) async fn forget(&self, name: &Name) -> Result<(), ContactsError> {
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
        if standing.is_some_and(|standing| self.circle.count(name, standing) >= limit) {
            return Err(ContactsError::Full);
        }
        self.book.append(&line(name, other, standing)).map_err(not_written)?;
        self.lines += 1;
        self.circle.set(name, other, standing);
        if self.lines > 2 * self.circle.len() + SLACK {
            // It is in the book already.
            let _ = self.rewrite();
        }
        Ok(())
    }

    /// Writes down who was accepted. What cannot be written is tried again with what is done next.
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
            Ok(()) => self.lines += accepted.len(),
            Err(error) => {
                not_written(error);
                self.circle.unwritten().extend(unwritten);
            }
        }
    }

    fn forget(&mut self, name: &Name) -> Result<(), ContactsError> {
        self.book.replace(&self.circle.lines(Some(name))).map_err(not_written)?;
        self.circle.forget(name);
        self.lines = self.circle.len();
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), ContactsError> {
        self.book.replace(&self.circle.lines(None)).map_err(not_written)?;
        self.lines = self.circle.len();
        Ok(())
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
mod tests {
    use std::fs;
    use std::sync::mpsc;

    use async_std::task::block_on;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    /// From eve to marie.
    fn key() -> SessionKey {
        SessionKey::new(name("eve"), name("marie")).unwrap()
    }

    #[test]
    fn who_is_blocked_stays_so_across_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts");
        let contacts = Contacts::open(&path).unwrap();
        block_on(contacts.set_blocked(&key(), true)).unwrap();
        contacts.accept(&key());
        for contacts in [contacts, Contacts::open(&path).unwrap()] {
            assert!(contacts.circle().is_blocked(&key()));
            assert!(!contacts.circle().is_blocked(&key().reverse()));
            assert_eq!(contacts.circle().blocked_by(&name("marie")), [name("eve")]);
        }
        let contacts = Contacts::open(&path).unwrap();
        block_on(contacts.set_blocked(&key(), false)).unwrap();
        let contacts = Contacts::open(&path).unwrap();
        assert_eq!(contacts.circle().standing(&key()), None);
        assert_eq!(contacts.circle().len(), 0);
    }

    #[test]
    fn whoever_changes_their_mind_all_day_does_not_fill_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts");
        let (book, _) = Book::open(&path).unwrap();
        let mut clerk = Clerk { book, circle: Arc::default(), lines: 0 };
        for standing in [Some(Standing::Blocked), None] {
            clerk.set(&key(), standing, 9).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "marie blocks eve\nmarie forgets eve\n");
        clerk.lines = SLACK + 2;
        clerk.set(&key(), Some(Standing::Blocked), 9).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "marie blocks eve\n");
    }

    /// However long the disk takes, and however much waits for it.
    #[test]
    fn who_is_accepted_is_so_before_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts");
        let contacts = Contacts::open(&path).unwrap();
        let (go_on, held_up) = mpsc::channel::<()>();
        contacts.clerk.suggest(move |_| _ = held_up.recv());
        let from = |n: usize| SessionKey::new(name(&format!("eve{n}")), name("marie")).unwrap();
        for n in 0..2 * QUEUE {
            contacts.accept(&from(n));
            assert_eq!(contacts.circle().standing(&from(n)), ACCEPTED);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        drop(go_on);
        block_on(contacts.flush());
        let contacts = Contacts::open(&path).unwrap();
        assert!((0..2 * QUEUE).all(|n| contacts.circle().standing(&from(n)) == ACCEPTED));
    }

    #[test]
    fn who_is_blocked_is_not_accepted_whichever_is_written_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts");
        let contacts = Contacts::open(&path).unwrap();
        let (go_on, held_up) = mpsc::channel::<()>();
        contacts.clerk.suggest(move |_| _ = held_up.recv());
        let key = key();
        let blocking = contacts.set_blocked(&key, true);
        let meanwhile = async {
            contacts.accept(&key);
            drop(go_on);
        };
        assert_eq!(block_on(futures::future::join(blocking, meanwhile)).0, Ok(()));
        contacts.accept(&key);
        block_on(contacts.flush());
        for contacts in [contacts, Contacts::open(&path).unwrap()] {
            assert!(contacts.circle().is_blocked(&key));
        }
    }

    #[test]
    fn one_more_who_is_accepted_takes_the_place_of_another() {
        let circle = Circle::default();
        let from = |sender: &str| SessionKey::new(name(sender), name("marie")).unwrap();
        circle.set(&name("marie"), &name("mallory"), Some(Standing::Blocked));
        for sender in ["a", "b", "c", "c"] {
            circle.accept(&from(sender), 2);
            assert_eq!(circle.standing(&from(sender)), ACCEPTED);
        }
        assert_eq!(circle.count(&name("marie"), Standing::Accepted), 2);
        assert!(circle.is_blocked(&from("mallory")));
    }

    #[test]
    fn there_is_an_end_to_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let (book, _) = Book::open(&folder.path().join("contacts")).unwrap();
        let mut clerk = Clerk { book, circle: Arc::default(), lines: 0 };
        let from = |sender: &str| SessionKey::new(name(sender), name("marie")).unwrap();
        let mut block = |who| clerk.set(&from(who), Some(Standing::Blocked), 2);
        assert_eq!((block("a"), block("b")), (Ok(()), Ok(())));
        assert_eq!(block("c"), Err(ContactsError::Full));
        clerk.set(&from("a"), None, 2).unwrap();
        clerk.set(&from("c"), Some(Standing::Blocked), 2).unwrap();
    }

    #[test]
    fn a_name_that_is_given_up_is_forgotten_by_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts");
        fs::write(&path, "marie blocks eve\neve blocks bob\nmarie accepts bob\n").unwrap();
        let contacts = Contacts::open(&path).unwrap();
        block_on(contacts.forget(&name("eve"))).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "marie accepts bob\n");
        assert_eq!(contacts.circle().standing(&key()), None);
    }

    #[test]
    fn a_damaged_book_is_refused_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts");
        for bad in ["rubbish", "marie likes eve", "marie blocks", "marie blocks eve now", ""] {
            fs::write(&path, format!("marie blocks eve\n{bad}\n")).unwrap();
            let Err(error) = Contacts::open(&path) else { panic!("{bad}") };
            assert!(error.to_string().contains("line 2 of"), "{error}");
        }
    }
}
