//! From which addresses people signed in lately: when more connections arrive than can be served, these go first.
//!
//! Owned by the server; the book is the file `addresses` of its data folder, for its owner alone: a line for each, with
//! the server's uptime when somebody was last signed in from there, and the address (for IPv6 the /64). After a restart
//! everybody comes back at once, so it is written once a minute if there is something new, and at shutdown. Only the
//! order in the queue depends on it: an address that cannot be read in it, or was not written before a crash, counts as
//! new. Invariant: no more than [`LIMIT`] addresses are remembered.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dashmap::DashMap;

use super::book::{Book, BookError};
use crate::message::Uptime;
use crate::server::limits::Origin;
use crate::task::Worker;

/// How long an address is remembered after the last person there has left.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How precisely that time is remembered, so that the book is not written for each sign-in.
const EXACTLY: Duration = Duration::from_secs(60 * 60);

/// The most addresses: as many as there are connections. For one more, an eighth of them is forgotten: the least
/// recently used among those from which nobody is signed in. If people are signed in from all of them, it is not
/// remembered.
const LIMIT: usize = 50_000;

/// How many writes of the book wait for the disk.
const QUEUE: usize = 2;

/// See the [module](self).
pub(crate) struct Guests {
    seen: DashMap<Origin, Seen>,
    is_written: AtomicBool,
    clerk: Worker<Book>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    last: Uptime,
    /// How many connections from there are signed in.
    here: u32,
}

impl Guests {
    /// Opens the book, or creates it.
    pub(crate) fn open(path: &Path) -> Result<Self, BookError> {
        let (book, text) = Book::open(path)?;
        let clerk = Worker::start("tinychat-addresses", QUEUE, book)
            .map_err(|cause| BookError::Unusable { path: path.into(), cause })?;
        let lines = text.lines().count();
        let seen: DashMap<_, _> = text.lines().filter_map(parse_line).take(LIMIT).collect();
        if seen.len() < lines {
            log::warn!("{} of {lines} lines of {} say nothing", lines - seen.len(), path.display());
        }
        Ok(Self { seen, is_written: AtomicBool::new(true), clerk })
    }

    /// Whether somebody is signed in from there, or was lately.
    pub(crate) fn is_known(&self, origin: Origin, now: Uptime) -> bool {
        self.seen.get(&origin).is_some_and(|it| it.is_fresh(now))
    }

    /// Somebody has signed in from there. They [leave](Self::leave) once.
    pub(crate) fn enter(&self, origin: Origin, now: Uptime) {
        if !self.seen.contains_key(&origin) && !self.has_room(now) {
            return;
        }
        let mut seen = self.seen.entry(origin).or_insert_with(|| {
            self.is_written.store(false, Ordering::Relaxed);
            Seen { last: now, here: 0 }
        });
        seen.here += 1;
        self.note(&mut seen, now);
    }

    /// One of them is gone.
    pub(crate) fn leave(&self, origin: Origin, now: Uptime) {
        if let Some(mut seen) = self.seen.get_mut(&origin) {
            seen.here = seen.here.saturating_sub(1);
            self.note(&mut seen, now);
        }
    }

    /// Writes the book if it does not say all of it.
    pub(crate) async fn write(&self, now: Uptime) {
        for mut seen in self.seen.iter_mut().filter(|it| it.here > 0) {
            self.note(&mut seen, now);
        }
        if self.is_written.swap(true, Ordering::Relaxed) {
            return;
        }
        self.seen.retain(|_, it| it.is_fresh(now));
        let text = self.to_text();
        if let Some(Err(error)) = self.clerk.ask(move |book| book.replace(&text)).await {
            log::error!("cannot write down who came from where: {error}; trying again");
            self.is_written.store(false, Ordering::Relaxed);
        }
    }

    fn note(&self, seen: &mut Seen, now: Uptime) {
        if now.since(seen.last) >= EXACTLY {
            seen.last = now;
            self.is_written.store(false, Ordering::Relaxed);
        }
    }

    fn has_room(&self, now: Uptime) -> bool {
        if self.seen.len() >= LIMIT {
            self.make_room(now);
        }
        self.seen.len() < LIMIT
    }

    fn make_room(&self, now: Uptime) {
        self.seen.retain(|_, it| it.is_fresh(now));
        let away = self.seen.iter().filter(|it| it.here == 0);
        let mut away: Vec<(Uptime, Origin)> = away.map(|it| (it.last, *it.key())).collect();
        away.sort_unstable();
        for (_, origin) in away.iter().take(self.seen.len() / 8) {
            self.seen.remove_if(origin, |_, it| it.here == 0);
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for it in &self.seen {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{} {}", it.last.0, it.key());
        }
        text
    }
}

impl Seen {
    fn is_fresh(&self, now: Uptime) -> bool {
        self.here > 0 || now.since(self.last) <= REMEMBERED
    }
}

fn parse_line(line: &str) -> Option<(Origin, Seen)> {
    let (last, origin) = line.split_once(' ')?;
    Some((origin.parse().ok()?, Seen { last: Uptime(last.parse().ok()?), here: 0 }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use async_std::task::block_on;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const START: Uptime = Uptime(1_000);

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().unwrap()).unwrap()
    }

    fn open() -> (tempfile::TempDir, Guests) {
        let folder = tempfile::tempdir().unwrap();
        let guests = Guests::open(&folder.path().join("addresses")).unwrap();
        (folder, guests)
    }

    #[test]
    fn an_address_is_known_for_seven_days_and_as_long_as_somebody_is_there() {
        let (_folder, guests) = open();
        let (here, there) = (origin("192.0.2.1"), origin("2001:db8::1"));
        assert!(!guests.is_known(here, START));
        guests.enter(here, START);
        guests.enter(there, START);
        guests.leave(there, START);
        assert!(guests.is_known(origin("2001:db8::2"), START + 7 * DAY), "of the same /64");
        assert!(!guests.is_known(origin("2001:db8:0:1::1"), START));
        let later = START + 8 * DAY;
        assert!(guests.is_known(here, later) && !guests.is_known(there, later));
        guests.leave(here, later);
        assert!(guests.is_known(here, later + 7 * DAY) && !guests.is_known(here, later + 8 * DAY));
    }

    #[test]
    fn it_is_known_after_a_restart_too() {
        let (folder, guests) = open();
        let path = folder.path().join("addresses");
        let (here, there) = (origin("192.0.2.1"), origin("2001:db8::1"));
        guests.enter(here, START);
        guests.enter(there, START);
        guests.leave(there, START);
        // Also after a crash: who is there all the time is noted all the time.
        block_on(guests.write(START + 8 * DAY));
        let again = Guests::open(&path).unwrap();
        assert!(again.is_known(here, START + 9 * DAY) && !again.is_known(there, START));
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_book_is_written_when_there_is_something_new() {
        let (folder, guests) = open();
        let path = folder.path().join("addresses");
        let here = origin("192.0.2.1");
        guests.enter(here, START);
        block_on(guests.write(START));
        let written = |now| {
            fs::write(&path, "").unwrap();
            block_on(guests.write(now));
            fs::read_to_string(&path).unwrap() != ""
        };
        guests.enter(here, START);
        assert!(!written(START + EXACTLY / 2));
        assert!(written(START + EXACTLY));
        guests.enter(origin("192.0.2.2"), START + EXACTLY);
        assert!(written(START + EXACTLY));
    }

    #[test]
    fn what_the_book_does_not_say_is_nothing() {
        let (folder, _) = open();
        let path = folder.path().join("addresses");
        fs::write(&path, "rubbish\n7 192.0.2.1\n-1 192.0.2.2\n8 x\n9\n").unwrap();
        let guests = Guests::open(&path).unwrap();
        assert_eq!(guests.seen.len(), 1);
        assert!(guests.is_known(origin("192.0.2.1"), START));
    }

    #[test]
    fn there_is_an_end_to_addresses_and_those_stay_who_are_there() {
        let (_folder, guests) = open();
        let number =
            |number: u32| origin(&std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string());
        let first = number(0);
        guests.enter(first, START);
        for it in 1..60_000 {
            let now = START + Duration::from_millis(it.into());
            guests.enter(number(it), now);
            guests.leave(number(it), now);
            assert!(guests.seen.len() <= LIMIT);
        }
        let now = START + DAY;
        assert!(guests.is_known(first, now) && guests.is_known(number(59_999), now));
        assert!(!guests.is_known(number(1), now));
    }
}
