//! What a server counts of those whom it serves, beside what its mailbox counts.
//!
//! Owned by the [host](super::host), and shared by all who serve somebody. Invariant: it knows nobody's name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counting::{Counter, Histogram};
use crate::wire::frame::{ErrorCode, FileError, Refusal};

/// What came of somebody who wanted to sign in, beside the codes of refusals.
pub(super) const WELCOME: &str = "welcome";
/// They were gone before.
pub(super) const GONE: &str = "gone";
/// Nothing could be said to them, for there was no TLS.
pub(super) const NO_TLS: &str = "tls";

/// Why somebody may not sign in.
const UNWELCOME: [ErrorCode; 18] = [
    ErrorCode::Bad,
    ErrorCode::Banned,
    ErrorCode::Body,
    ErrorCode::Busy,
    ErrorCode::Claims,
    ErrorCode::Invite,
    ErrorCode::Key,
    ErrorCode::Line,
    ErrorCode::Looks,
    ErrorCode::Name,
    ErrorCode::Newcomer,
    ErrorCode::Proof,
    ErrorCode::State,
    ErrorCode::Taken,
    ErrorCode::Ticket,
    ErrorCode::Timeout,
    ErrorCode::Verb,
    ErrorCode::Version,
];

/// Why a message may be refused.
const REFUSALS: [Refusal; 5] = [
    Refusal::Full,
    Refusal::Store,
    Refusal::Owner,
    Refusal::Devices { version: 0 },
    Refusal::Slow { seconds: 0 },
];

/// What is counted under a word that nobody has foreseen.
const OTHER: &str = "other";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Counters {
    /// Connections that are open.
    open: AtomicU64,
    /// Connections that were closed unread, or were told no more than that there is no room.
    pub(super) unserved: Counter,
    /// How often the system could not give a connection.
    pub(super) accept_errors: Counter,
    pub(super) sign_ins: Tally,
    /// How often messages were refused; those behind them are not counted.
    pub(super) refusals: Tally,
    /// From taking a message to its acknowledgement, for receivers who are there.
    pub(super) round_trip: Histogram,
    pub(super) uploads: Transfers,
    pub(super) downloads: Transfers,
    pub(super) file_refusals: Tally,
}

/// Files that were carried in one direction.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// To their end.
    pub(super) files: Counter,
    pub(super) bytes: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        let outcomes = [WELCOME, GONE, NO_TLS].into_iter();
        Self {
            open: AtomicU64::new(0),
            unserved: Counter::default(),
            accept_errors: Counter::default(),
            sign_ins: Tally::of(outcomes.chain(UNWELCOME.map(ErrorCode::as_str))),
            refusals: Tally::of(REFUSALS.map(Refusal::code)),
            round_trip: Histogram::default(),
            uploads: Transfers::default(),
            downloads: Transfers::default(),
            file_refusals: Tally::of(FileError::ALL.iter().map(|it| it.as_str())),
        }
    }
}

impl Counters {
    /// How many connections are open.
    pub(super) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }
}

/// A connection that counts as open as long as this lives.
pub(super) struct Open(Arc<Counters>);

impl Open {
    /// One more.
    pub(super) fn one_more(counters: &Arc<Counters>) -> Self {
        counters.open.fetch_add(1, Ordering::Relaxed);
        Self(counters.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often each of some words was said.
#[derive(Debug)]
pub(super) struct Tally(Vec<(&'static str, Counter)>);

impl Tally {
    fn of(words: impl IntoIterator<Item = &'static str>) -> Self {
        let words = words.into_iter().chain([OTHER]);
        Self(words.map(|word| (word, Counter::default())).collect())
    }

    /// Counts one more.
    pub(super) fn count(&self, word: &str) {
        let found = self.0.iter().find(|it| it.0 == word).or(self.0.last());
        if let Some((_, counter)) = found {
            counter.add(1);
        }
    }

    /// Each word, and how often it was said.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(word, counter)| (*word, counter.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_nobody_has_foreseen_is_counted_as_another() {
        let tally = Tally::of(["here"]);
        ["here", "there", "nowhere"].iter().for_each(|word| tally.count(word));
        assert_eq!(tally.all().collect::<Vec<_>>(), [("here", 1), (OTHER, 2)]);
    }

    #[test]
    fn a_connection_is_open_as_long_as_somebody_holds_it() {
        let counters = Arc::new(Counters::default());
        let both = [Open::one_more(&counters), Open::one_more(&counters)];
        assert_eq!(counters.open(), 2);
        drop(both);
        assert_eq!(counters.open(), 0);
    }
}
