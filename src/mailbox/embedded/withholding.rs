//! Which messages of a session are to lose their bodies on disk. Pure: no I/O, no clock.
//!
//! Owned by the [journal](super::journal). A commit rewrites a [share](SHARE) of them, and returns the rest, so that
//! nobody's messages wait for all the bodies of blocked people.
//!
//! Invariant: for every reader everything up to [its last position](Withholding::up_to) is withheld, or removed.
//! Whoever removes one of its messages counts no body for it: the commit does, if it finds one.

use std::ops::RangeInclusive;

use crate::mailbox::Usage;
use crate::message::SessionKey;

/// How much one commit rewrites of messages that lose their bodies, in all sessions together; at least one segment. The
/// rest is left for the next commits.
pub(super) const SHARE: Usage = Usage { messages: 1_024, bytes: 1024 * 1024 };

/// What a commit has left for the next one.
pub(super) type Left = Vec<(SessionKey, Withholding)>;

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Withholding {
    /// Positions, ascending. Those between the ranges were removed with their bodies.
    ranges: Vec<RangeInclusive<u64>>,
}

impl Withholding {
    /// Everything up to a position is to lose its body; what is up to `removed` was removed with its body.
    pub(super) fn add(&mut self, removed: u64, up_to: u64) {
        let first = removed.max(self.up_to()) + 1;
        match self.ranges.last_mut() {
            _ if first > up_to => {}
            Some(last) if *last.end() + 1 == first => *last = *last.start()..=up_to,
            _ => self.ranges.push(first..=up_to),
        }
    }

    /// What is left of this joins what came meanwhile.
    pub(super) fn join(&mut self, later: &Self) {
        let later = later.above(self.up_to());
        self.ranges.extend(later.ranges);
    }

    /// The part above a position.
    pub(super) fn above(&self, position: u64) -> Self {
        let above = self.ranges.iter().map(|it| (*it.start()).max(position + 1)..=*it.end());
        Self { ranges: above.filter(|it| !it.is_empty()).collect() }
    }

    /// Whether a message is one of them.
    pub(super) fn has(&self, position: u64) -> bool {
        self.ranges.iter().any(|it| it.contains(&position))
    }

    /// The first position; none if there is nothing.
    pub(super) fn first(&self) -> Option<u64> {
        self.ranges.first().map(|it| *it.start())
    }

    /// The last position; 0 if there is none.
    pub(super) fn up_to(&self) -> u64 {
        self.ranges.last().map_or(0, |it| *it.end())
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
#[path = "withholding_tests.rs"]
mod tests;
