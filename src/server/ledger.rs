//! What a session knows of its messages: which were taken, which wait, which are committed.
//!
//! Owned by a session, under its lock. Pure: no I/O, no clock. The rules are those of the delivery
//! specification in [`wire`](crate::wire): `have` is the highest number taken from each
//! installation; the two watermarks are computed from what waits and kept nowhere.
//!
//! Invariants: waiting positions are consecutive and end at `last_position`; within them the numbers
//! of each installation ascend.

use std::collections::{BTreeMap, VecDeque};

use crate::mailbox::{Shelf, Usage};
use crate::message::{Installation, MessageId};
use crate::wire::frame::Watermarks;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ledger {
    have: BTreeMap<Installation, u64>,
    last_position: u64,
    committed: u64,
    /// What waits, oldest first. Messages of one installation with consecutive numbers share a run,
    /// so that a long backlog costs little.
    runs: VecDeque<Run>,
    /// The body lengths of what waits, oldest first.
    lengths: VecDeque<u32>,
    bytes: u64,
}

#[derive(Debug)]
struct Run {
    first_position: u64,
    installation: Installation,
    first_n: u64,
    count: u64,
}

impl Run {
    fn last_position(&self) -> u64 {
        self.first_position + self.count - 1
    }

    fn is_followed_by(&self, id: MessageId) -> bool {
        self.installation == id.installation && self.first_n + self.count == id.n
    }
}

impl Ledger {
    /// The ledger of a session as its mailbox keeps it.
    pub(super) fn from_shelf(shelf: &Shelf) -> Self {
        let mut ledger = Self {
            last_position: shelf.last_position - shelf.waiting.len() as u64,
            committed: shelf.last_position,
            ..Self::default()
        };
        for (id, length) in &shelf.waiting {
            ledger.push(*id, *length);
        }
        ledger.have = shelf.have.iter().copied().collect();
        ledger
    }

    /// Whether the message was taken before, now or long ago.
    pub(super) fn has(&self, id: MessageId) -> bool {
        self.have.get(&id.installation).is_some_and(|have| id.n <= *have)
    }

    /// Takes a message that it does [not have](Self::has).
    pub(super) fn push(&mut self, id: MessageId, length: usize) {
        self.last_position += 1;
        self.have.insert(id.installation, id.n);
        self.lengths.push_back(u32::try_from(length).unwrap_or(u32::MAX));
        self.bytes += length as u64;
        match self.runs.back_mut() {
            Some(run) if run.is_followed_by(id) => run.count += 1,
            _ => self.runs.push_back(Run {
                first_position: self.last_position,
                installation: id.installation,
                first_n: id.n,
                count: 1,
            }),
        }
    }

    /// Everything up to `position` is committed.
    pub(super) fn commit(&mut self, position: u64) {
        self.committed = self.committed.max(position);
    }

    /// Everything up to `position` is on the receiver's disk. Returns whether anything was waiting.
    pub(super) fn acknowledge(&mut self, position: u64) -> bool {
        let mut any = false;
        while self.first_waiting() <= position.min(self.last_position) {
            let Some(length) = self.lengths.pop_front() else { break };
            self.bytes -= u64::from(length);
            any = true;
        }
        let first = self.first_waiting();
        while self.runs.front().is_some_and(|run| run.last_position() < first) {
            self.runs.pop_front();
        }
        if let Some(run) = self.runs.front_mut() {
            let gone = first - run.first_position;
            run.first_position += gone;
            run.first_n += gone;
            run.count -= gone;
        }
        if self.lengths.is_empty() {
            self.lengths.shrink_to_fit();
        }
        any
    }

    /// How far an installation's messages have come.
    pub(super) fn watermarks(&self, installation: Installation) -> Watermarks {
        let have = self.have.get(&installation).copied().unwrap_or_default();
        let mut own = self.runs.iter().filter(|run| run.installation == installation);
        // Numbers ascend, so the first one that still waits is the lowest.
        let delivered = own.clone().next().map_or(have, |run| run.first_n - 1);
        let uncommitted = own.find(|run| run.last_position() > self.committed);
        let stored = uncommitted.map_or(have, |run| {
            run.first_n - 1 + (self.committed + 1).saturating_sub(run.first_position)
        });
        Watermarks { have, stored, delivered }
    }

    /// The position of the oldest message that waits; one more than the last if none does.
    pub(super) fn first_waiting(&self) -> u64 {
        self.last_position + 1 - self.lengths.len() as u64
    }

    /// The position of the message that was taken last; 0 before the first.
    pub(super) fn last_position(&self) -> u64 {
        self.last_position
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> Usage {
        Usage { messages: self.lengths.len() as u64, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(installation: u64, n: u64) -> MessageId {
        MessageId { installation: Installation::from_u64(installation), n }
    }

    fn marks(ledger: &Ledger, installation: u64) -> (u64, u64, u64) {
        let it = ledger.watermarks(Installation::from_u64(installation));
        (it.have, it.stored, it.delivered)
    }

    #[test]
    fn a_message_goes_from_taken_to_stored_to_delivered() {
        let mut ledger = Ledger::default();
        assert_eq!(marks(&ledger, 1), (0, 0, 0));
        ledger.push(id(1, 1), 5);
        ledger.push(id(1, 2), 5);
        assert_eq!(marks(&ledger, 1), (2, 0, 0));
        ledger.commit(1);
        assert_eq!(marks(&ledger, 1), (2, 1, 0));
        ledger.commit(2);
        assert!(ledger.acknowledge(1));
        assert_eq!(marks(&ledger, 1), (2, 2, 1));
        assert!(!ledger.acknowledge(1));
        assert!(ledger.acknowledge(2));
        assert_eq!(marks(&ledger, 1), (2, 2, 2));
        assert_eq!(ledger.waiting(), Usage::default());
    }

    #[test]
    fn acknowledged_before_its_commit_counts_as_stored() {
        let mut ledger = Ledger::default();
        ledger.push(id(1, 1), 5);
        ledger.acknowledge(1);
        assert_eq!(marks(&ledger, 1), (1, 1, 1));
    }

    #[test]
    fn installations_have_watermarks_of_their_own() {
        let mut ledger = Ledger::default();
        for message in [id(1, 1), id(2, 1), id(1, 7), id(2, 2)] {
            assert!(!ledger.has(message));
            ledger.push(message, 1);
        }
        assert!(ledger.has(id(1, 3)), "below the highest: it has or had it");
        ledger.commit(3);
        ledger.acknowledge(1);
        assert_eq!(marks(&ledger, 1), (7, 7, 6));
        assert_eq!(marks(&ledger, 2), (2, 1, 0));
    }

    /// The same as the ledger, slowly: every message with all that is known of it.
    #[derive(Default)]
    struct Reference(Vec<(MessageId, bool, bool)>);

    impl Reference {
        fn marks(&self, installation: u64) -> (u64, u64, u64) {
            let own = || {
                self.0
                    .iter()
                    .filter(|(it, ..)| *it == id(installation, it.n))
                    .map(|it| (it.0.n, it.1, it.2))
            };
            let have = own().map(|(n, ..)| n).max().unwrap_or(0);
            let below = |lowest: Option<u64>| lowest.map_or(have, |n| n - 1);
            let stored =
                own().filter(|(_, committed, gone)| !committed && !gone).map(|it| it.0).min();
            let delivered = own().filter(|(_, _, gone)| !gone).map(|it| it.0).min();
            (have, below(stored), below(delivered))
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_list(steps in prop::collection::vec((0..4u8, 1..40u64, 1..3u64), 0..60)) {
            let (mut ledger, mut reference) = (Ledger::default(), Reference::default());
            for (step, position, installation) in steps {
                let n = reference.marks(installation).0 + 1 + position % 3;
                match step {
                    0 | 1 => {
                        ledger.push(id(installation, n), 1);
                        reference.0.push((id(installation, n), false, false));
                    }
                    2 => {
                        ledger.commit(position);
                        reference.0.iter_mut().take(position as usize).for_each(|it| it.1 = true);
                    }
                    _ => {
                        ledger.acknowledge(position);
                        reference.0.iter_mut().take(position as usize).for_each(|it| it.2 = true);
                    }
                }
                // A commit speaks of what was there.
                ledger.committed = ledger.committed.min(ledger.last_position);
                for installation in 1..3 {
                    prop_assert_eq!(marks(&ledger, installation), reference.marks(installation));
                }
                let waiting = reference.0.iter().filter(|it| !it.2).count() as u64;
                prop_assert_eq!(ledger.waiting(), Usage { messages: waiting, bytes: waiting });
            }
        }
    }
}
