//! Whom people accepted, and whom they block: the [circle](Circle), and its [book](super::book) on disk.
//!
//! Owned by the server; the book is the file `contacts` of its data folder, a log of lines of three
//! words: `marie blocks eve`, `marie accepts john`, `marie forgets eve`; the last one about two people holds.
//! One named thread changes it. Invariant: what was said to be so is in the synced book.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Arc;

use dashmap::DashMap;
use thiserror::Error;

use super::book::{Book, BookError};
use crate::message::{Name, SessionKey};
use crate::task::Worker;

/// The most people whom one may block.
const MAX_BLOCKED: usize = 1_000;

/// The most people who are remembered as accepted by one. Others are accepted again when it matters.
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
pub(super) struct Circle(DashMap<Name, HashMap<Name, Standing>>);

impl Circle {
    /// What the receiver of a session thinks of its sender.
    pub(super) fn standing(&self, key: &SessionKey) -> Option<Standing> {
        self.0.get(key.receiver())?.get(key.sender()).copied()
    }

    /// Whether the receiver of a session blocks its sender.
    pub(super) fn is_blocked(&self, key: &SessionKey) -> bool {
        self.standing(key) == Some(Standing::Blocked)
    }

    /// Whether somebody blocks somebody else.
    pub(super) fn blocks(&self, name: &Name, other: &Name) -> bool {
        let others = self.0.get(name);
        others.is_some_and(|others| others.get(other) == Some(&Standing::Blocked))
    }

    /// Whom somebody blocks, in order.
    pub(super) fn blocked_by(&self, name: &Name) -> Vec<Name> {
        let Some(others) = self.0.get(name) else { return Vec::new() };
        let blocked = others.iter().filter(|(_, standing)| **standing == Standing::Blocked);
        let mut blocked: Vec<Name> = blocked.map(|(other, _)| other.clone()).collect();
        blocked.sort_unstable();
        blocked
    }

    fn set(&self, name: &Name, other: &Name, standing: Option<Standing>) {
        match standing {
            Some(standing) => {
                self.0.entry(name.clone()).or_default().insert(other.clone(), standing);
            }
            None => {
                if let Some(mut others) = self.0.get_mut(name) {
                    others.remove(other);
                }
                self.0.remove_if(name, |_, others| others.is_empty());
            }
        }
    }

    fn count(&self, name: &Name, standing: Standing) -> usize {
        let others = self.0.get(name);
        others.map_or(0, |others| others.values().filter(|it| **it == standing).count())
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for entry in &self.0 {
            for (other, standing) in entry.value() {
                text.push_str(&line(entry.key(), other, Some(*standing)));
            }
        }
        text
    }

    fn len(&self) -> usize {
        self.0.iter().map(|entry| entry.value().len()).sum()
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

    /// Remembers that the receiver of a session wants to hear of its sender, if that is new and can be.
    pub(super) fn accept(&self, key: &SessionKey) {
        if self.circle.standing(key).is_none() {
            let key = key.clone();
            self.clerk.suggest(move |clerk| {
                // They may have been quicker to block.
                if clerk.circle.standing(&key).is_none() {
                    let _ = clerk.set(&key, Some(Standing::Accepted), MAX_ACCEPTED);
                }
            });
        }
    }

    /// Forgets all about a name, and what others think of it.
    pub(super) async fn forget(&self, name: &Name) -> Result<(), ContactsError> {
        let name = name.clone();
        let forgotten = self.clerk.ask(move |clerk| clerk.forget(&name)).await;
        forgotten.unwrap_or(Err(ContactsError::NotWritten))
    }
}

/// What the thread owns. Only it changes the circle.
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

    fn forget(&mut self, name: &Name) -> Result<(), ContactsError> {
        self.circle.0.remove(name);
        self.circle.0.iter_mut().for_each(|mut others| _ = others.remove(name));
        self.circle.0.retain(|_, others| !others.is_empty());
        self.rewrite()
    }

    fn rewrite(&mut self) -> Result<(), ContactsError> {
        self.book.replace(&self.circle.lines()).map_err(not_written)?;
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
        clerk.set(&key(), Some(Standing::Accepted), 9).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "marie accepts eve\n");
    }

    #[test]
    fn there_is_an_end_to_blocking_and_to_accepting() {
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
