//! When people were last here, for operators to see.
//!
//! Owned by the server; the book is the file `seen` of its data folder, for its owner alone: a line for each, with the
//! wall clock's time and the name. It is written once an hour if there is something new, and at shutdown; what was not
//! written before a crash is lost. A damaged one is put aside. Invariant: whoever has no name here is not in the book
//! that is written.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;

use super::book::{Book, BookError};
use super::roll::MAX_NAMES;
use crate::message::{Name, Timestamp};
use crate::task::Worker;
use crate::time_text;

/// How many writes of the book wait for the disk.
const QUEUE: usize = 2;

/// See the [module](self).
pub(crate) struct Seen {
    last: Arc<DashMap<Name, Timestamp>>,
    is_written: AtomicBool,
    clerk: Worker<Book>,
}

impl Seen {
    /// Opens the book, or creates it. A line that says nothing is left out.
    pub(crate) fn open(path: &Path) -> Result<Self, BookError> {
        let (book, text) = match Book::open(path) {
            Err(BookError::Unusable { cause, .. }) if cause.kind() == ErrorKind::InvalidData => {
                put_aside(path)?;
                Book::open(path)?
            }
            opened => opened?,
        };
        let clerk = Worker::start("tinychat-seen", QUEUE, book)
            .map_err(|cause| BookError::Unusable { path: path.into(), cause })?;
        let last: DashMap<_, _> = text.lines().filter_map(parse_line).take(MAX_NAMES).collect();
        Ok(Self { last: last.into(), is_written: AtomicBool::new(true), clerk })
    }

    /// Somebody is here now.
    pub(crate) fn note(&self, name: &Name, now: Timestamp) {
        self.last.insert(name.clone(), now);
        self.is_written.store(false, Ordering::Relaxed);
    }

    /// When somebody was last here.
    pub(crate) fn last(&self, name: &Name) -> Option<Timestamp> {
        self.last.get(name).map(|last| *last)
    }

    /// Somebody has lost their name.
    pub(crate) fn forget(&self, name: &Name) {
        self.last.remove(name);
        self.is_written.store(false, Ordering::Relaxed);
    }

    /// Writes the book if it does not say all of it. Those who have no name are forgotten. False if it cannot be written.
    pub(crate) async fn write(&self, has_name: impl Fn(&Name) -> bool + Send + 'static) -> bool {
        if self.is_written.swap(true, Ordering::Relaxed) {
            return true;
        }
        let last = self.last.clone();
        let written = self.clerk.ask(move |book| {
            last.retain(|name, _| has_name(name));
            book.replace(&to_text(&last))
        });
        match written.await {
            Some(Ok(())) => return true,
            Some(Err(error)) => log::error!("cannot write down who was here when: {error}"),
            None => log::error!("nobody writes down who was here when"),
        }
        self.is_written.store(false, Ordering::Relaxed);
        false
    }
}

fn to_text(last: &DashMap<Name, Timestamp>) -> String {
    let mut text = String::new();
    for it in last {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{} {}", time_text::moment(it.printable(), 0), it.key());
    }
    text
}

/// Nobody is kept out by it.
fn put_aside(path: &Path) -> Result<(), BookError> {
    let aside = path.with_extension("damaged");
    log::warn!(
        "{} is damaged; it is {} now, and a new one begins",
        path.display(),
        aside.display()
    );
    fs::rename(path, aside).map_err(|cause| BookError::Unusable { path: path.into(), cause })
}

fn parse_line(line: &str) -> Option<(Name, Timestamp)> {
    let (last, name) = line.split_once(' ')?;
    Some((name.parse().ok()?, Timestamp::of(time_text::parse_moment(last)?)))
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn it_is_known_after_a_restart_when_somebody_was_here() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let seen = Seen::open(&path).unwrap();
        for who in ["john", "eve", "bob"] {
            seen.note(&name(who), NOW);
        }
        seen.forget(&name("eve"));
        block_on(seen.write(|it| it.as_str() != "bob"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "2027-01-15T08:00:00Z john\n");
        let again = Seen::open(&path).unwrap();
        assert_eq!(again.last(&name("john")), Some(NOW));
        assert_eq!(again.last(&name("eve")), None);
    }

    #[test]
    fn the_book_is_written_when_there_is_something_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        fs::write(&path, "rubbish\nyesterday john\n2027-01-15T08:00:00Z JOHN\n").unwrap();
        let seen = Seen::open(&path).unwrap();
        block_on(seen.write(|_| true));
        assert!(fs::read_to_string(&path).unwrap().starts_with("rubbish"));
        seen.note(&name("john"), NOW);
        block_on(seen.write(|_| true));
        assert_eq!(fs::read_to_string(&path).unwrap(), "2027-01-15T08:00:00Z john\n");
    }

    #[test]
    fn a_damaged_book_is_put_aside_and_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        fs::write(&path, b"2027-01-15T08:00:00Z \xff\n").unwrap();
        let seen = Seen::open(&path).unwrap();
        seen.note(&name("john"), NOW);
        assert!(block_on(seen.write(|_| true)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "2027-01-15T08:00:00Z john\n");
        assert!(folder.path().join("seen.damaged").exists());
    }
}
