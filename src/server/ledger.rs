//! What a session knows of its messages: which were taken, which wait, which are committed, which
//! expired.
//!
//! Owned by a session, under its lock. Pure: no I/O, no clock. The rules are those of the delivery
//! specification in [`wire`](crate::wire): `have` is the highest number taken from each
//! installation; the two watermarks are computed from what waits and kept nowhere.
//!
//! Invariants: waiting positions are consecutive and end at `last_position`; within them the numbers
//! of each installation ascend; what is expiring precedes them.

use std::collections::VecDeque;

use crate::mailbox::{Have, Run, Shelf, Usage, settle_expired};
use crate::message::{Installation, MessageId};
use crate::wire::frame::Watermarks;

/// The most installations of a sender that one session remembers.
pub(super) const MAX_INSTALLATIONS: usize = 16;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ledger {
    have: Vec<Have>,
    last_position: u64,
    committed: u64,
    /// What waits, oldest first. Messages of one installation with consecutive numbers share a run,
    /// so that a long backlog costs little.
    runs: VecDeque<Run>,
    /// The body lengths of what waits, oldest first.
    lengths: VecDeque<u32>,
    bytes: u64,
    /// Everything up to here is to expire once it is committed.
    condemned: u64,
    /// The last message that was withheld when the ledger was made.
    withheld: u64,
    /// What was taken out of the queue to expire, until that is committed.
    expiring: Vec<Run>,
    /// What expired and is not settled, by position.
    expired: Vec<Run>,
    /// By installation, what the receiver says to have seen. Not on disk.
    read: Vec<(Installation, u64)>,
}

impl Ledger {
    /// The ledger of a session as its mailbox keeps it.
    pub(super) fn from_shelf(shelf: &Shelf) -> Self {
        let mut ledger = Self {
            last_position: shelf.last_position - shelf.waiting.len() as u64,
            committed: shelf.last_position,
            expired: shelf.expired.clone(),
            ..Self::default()
        };
        for (id, length) in &shelf.waiting {
            ledger.push(*id, length.unwrap_or(0));
            if length.is_none() {
                ledger.withheld = ledger.last_position;
            }
        }
        ledger.have = shelf.have.clone();
        ledger
    }

    /// Whether the message was taken before, now or long ago.
    pub(super) fn has(&self, id: MessageId) -> bool {
        self.find(id.installation).is_some_and(|have| id.n <= have.n)
    }

    /// Takes a message that it does [not have](Self::has).
    pub(super) fn push(&mut self, id: MessageId, length: usize) {
        self.last_position += 1;
        match self.have.iter_mut().find(|have| have.installation == id.installation) {
            Some(have) => have.n = id.n,
            None => self.have.push(Have { installation: id.installation, n: id.n, settled: 0 }),
        }
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

    /// Everything up to `position` is on the receiver's disk, but for what expired. Returns what
    /// waits no longer.
    pub(super) fn acknowledge(&mut self, position: u64) -> Usage {
        self.take_front(position).1
    }

    /// Has messages up to `position` expire. Nothing may be delivered until all of them
    /// [have](Self::expire).
    pub(super) fn condemn(&mut self, position: u64) {
        self.condemned = self.condemned.max(position.min(self.last_position));
    }

    /// Has messages expire up to the last that was withheld: the sender is not blocked any more, and whoever
    /// ended that did not come to it.
    pub(super) fn condemn_withheld(&mut self) {
        self.condemn(self.withheld);
    }

    /// Takes out of the queue what is to expire and is committed. Returns what that was, and how much.
    pub(super) fn begin_to_expire(&mut self) -> (Vec<Run>, Usage) {
        let (runs, freed) = self.take_front(self.condemned.min(self.committed));
        self.expiring.extend_from_slice(&runs);
        (runs, freed)
    }

    /// The expiry of everything up to `position` is committed.
    pub(super) fn expire(&mut self, position: u64) {
        let expired = self.expiring.iter().filter(|run| run.last_position() <= position);
        self.expired.extend(expired);
        self.expiring.retain(|run| run.last_position() > position);
    }

    /// Whether something is to expire, and that is not committed yet.
    pub(super) fn is_expiring(&self) -> bool {
        !self.expiring.is_empty() || self.first_waiting() <= self.condemned
    }

    /// An installation's expired messages above a position, by position.
    pub(super) fn expired(&self, installation: Installation, after: u64) -> Vec<Run> {
        let own = self.expired.iter().filter(|run| run.installation == installation);
        own.filter(|run| run.first_position > after).copied().collect()
    }

    /// The sender's client knows what became of everything up to `n`. Returns how much of that can
    /// be, if it is new or a record of expiry is superfluous now.
    pub(super) fn settle(&mut self, installation: Installation, n: u64) -> Option<u64> {
        let have = self.have.iter_mut().find(|have| have.installation == installation)?;
        // It can only speak of what was taken.
        let n = n.min(have.n);
        let mut own = self.expired.iter().filter(|run| run.installation == installation);
        let is_new = n > have.settled || own.any(|run| run.first_n <= n);
        have.settled = have.settled.max(n);
        settle_expired(&mut self.expired, installation, n);
        is_new.then_some(n)
    }

    /// The receiver says to have seen everything of an installation up to `n`. Returns whether that is
    /// news; it can only speak of what was delivered.
    pub(super) fn read(&mut self, installation: Installation, n: u64) -> bool {
        let n = n.min(self.watermarks(installation).delivered);
        let is_news = n > self.read_up_to(installation);
        if is_news {
            self.read.retain(|(it, _)| *it != installation);
            self.read.push((installation, n));
        }
        is_news
    }

    /// What of an installation the receiver says to have seen.
    pub(super) fn read_up_to(&self, installation: Installation) -> u64 {
        self.read.iter().find(|(it, _)| *it == installation).map_or(0, |(_, n)| *n)
    }

    /// Whether there is a place for one more installation, or it has one.
    pub(super) fn knows_or_has_room(&self, installation: Installation) -> bool {
        self.have.len() < MAX_INSTALLATIONS || self.find(installation).is_some()
    }

    /// Forgets an installation of which nothing is on its way any more and of which
    /// no connection `is_present`, if there is one. Returns it.
    pub(super) fn forget_one(
        &mut self,
        is_present: impl Fn(Installation) -> bool,
    ) -> Option<Installation> {
        let busy = |it: &Installation| {
            let mut runs = self.runs.iter().chain(&self.expiring).chain(&self.expired);
            runs.any(|run| run.installation == *it)
        };
        let done = self.have.iter().filter(|have| have.settled >= have.n);
        let mut candidates = done.map(|have| have.installation);
        let gone = candidates.find(|it| !is_present(*it) && !busy(it))?;
        self.have.retain(|have| have.installation != gone);
        self.read.retain(|(it, _)| *it != gone);
        Some(gone)
    }

    /// Forgets all installations of which nothing waits or is about to expire, and what expired of them.
    pub(super) fn forget_idle(&mut self) -> Vec<Installation> {
        let waits = |have: &Have| {
            let mut runs = self.runs.iter().chain(&self.expiring);
            runs.any(|run| run.installation == have.installation)
        };
        let (busy, idle): (Vec<Have>, Vec<Have>) = self.have.iter().partition(|it| waits(it));
        let gone: Vec<Installation> = idle.iter().map(|have| have.installation).collect();
        self.have = busy;
        self.expired.retain(|run| !gone.contains(&run.installation));
        self.read.retain(|(it, _)| !gone.contains(it));
        gone
    }

    /// Whether there is an installation that is not forgotten.
    pub(super) fn knows_anybody(&self) -> bool {
        !self.have.is_empty()
    }

    /// How far an installation's messages have come.
    pub(super) fn watermarks(&self, installation: Installation) -> Watermarks {
        let have = self.find(installation).map_or(0, |have| have.n);
        let own = |run: &&Run| run.installation == installation;
        let mut waiting = self.runs.iter().filter(own);
        // Numbers ascend, so the first one that still waits is the lowest; what is expiring was
        // before it.
        let first = self.expiring.iter().find(own).or_else(|| waiting.clone().next());
        let delivered = first.map_or(have, |run| run.first_n - 1);
        let uncommitted = waiting.find(|run| run.last_position() > self.committed);
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

    fn find(&self, installation: Installation) -> Option<&Have> {
        self.have.iter().find(|have| have.installation == installation)
    }

    /// Takes everything up to `position` out of the queue.
    fn take_front(&mut self, position: u64) -> (Vec<Run>, Usage) {
        let mut freed = Usage::default();
        while self.first_waiting() <= position.min(self.last_position) {
            let Some(length) = self.lengths.pop_front() else { break };
            freed += Usage { messages: 1, bytes: u64::from(length) };
        }
        self.bytes -= freed.bytes;
        if self.lengths.is_empty() {
            self.lengths.shrink_to_fit();
        }
        (self.take_runs(self.first_waiting()), freed)
    }

    fn take_runs(&mut self, before: u64) -> Vec<Run> {
        let mut taken = Vec::new();
        while let Some(run) = self.runs.front_mut().filter(|run| run.first_position < before) {
            taken.push(run.split_to(before - run.first_position));
            if run.count == 0 {
                self.runs.pop_front();
            }
        }
        taken
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
        assert_eq!(ledger.acknowledge(1), Usage::one(5));
        assert_eq!(marks(&ledger, 1), (2, 2, 1));
        assert!(ledger.acknowledge(1).is_empty());
        assert_eq!(ledger.acknowledge(2), Usage::one(5));
        assert_eq!(marks(&ledger, 1), (2, 2, 2));
        assert_eq!(ledger.waiting(), Usage::default());
    }

    #[test]
    fn read_is_what_was_delivered_at_most() {
        let mut ledger = Ledger::default();
        ledger.push(id(1, 1), 5);
        ledger.push(id(1, 2), 5);
        let it = Installation::from_u64(1);
        assert!(!ledger.read(it, 2) && !ledger.read(Installation::from_u64(2), 1));
        ledger.acknowledge(1);
        assert!(ledger.read(it, 2) && !ledger.read(it, 1));
        assert_eq!((ledger.read_up_to(it), ledger.read.len()), (1, 1));
        ledger.acknowledge(2);
        assert!(ledger.read(it, 2) && !ledger.read(it, 2));
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

    #[test]
    fn what_expires_is_neither_delivered_nor_acknowledged() {
        let mut ledger = Ledger::default();
        for n in 1..=5 {
            ledger.push(id(1, n), 5);
        }
        ledger.commit(3);
        ledger.condemn(3);
        let (runs, freed) = ledger.begin_to_expire();
        assert_eq!((runs.len(), runs[0].count), (1, 3));
        assert_eq!(freed, Usage { messages: 3, bytes: 15 });
        assert!(ledger.is_expiring() && ledger.expired(Installation::from_u64(1), 0).is_empty());
        assert!(ledger.acknowledge(2).is_empty(), "it counts no longer");
        assert_eq!(ledger.acknowledge(4), Usage::one(5));
        assert_eq!(marks(&ledger, 1), (5, 4, 0), "delivered does not pass what is expiring");
        ledger.expire(3);
        assert_eq!(marks(&ledger, 1), (5, 4, 4));
        let expired = ledger.expired(Installation::from_u64(1), 0);
        assert_eq!((expired.len(), expired[0].first_n, expired[0].count), (1, 1, 3));
        assert_eq!(ledger.settle(Installation::from_u64(1), 2), Some(2));
        assert_eq!(ledger.settle(Installation::from_u64(1), 1), None);
        assert_eq!(ledger.expired(Installation::from_u64(1), 0)[0].first_n, 3);
        ledger.settle(Installation::from_u64(1), 4);
        assert!(ledger.expired(Installation::from_u64(1), 0).is_empty());
    }

    #[test]
    fn what_is_to_expire_does_so_once_it_is_committed() {
        let mut ledger = Ledger::default();
        for n in 1..=3 {
            ledger.push(id(1, n), 5);
        }
        ledger.commit(1);
        ledger.condemn(9);
        ledger.push(id(1, 4), 5);
        assert_eq!(ledger.begin_to_expire().1, Usage::one(5), "only what is committed");
        ledger.expire(1);
        assert!(ledger.is_expiring(), "two are still to come");
        ledger.commit(4);
        assert_eq!(ledger.begin_to_expire().1, Usage { messages: 2, bytes: 10 });
        ledger.expire(3);
        assert!(!ledger.is_expiring());
        assert_eq!((ledger.waiting(), ledger.first_waiting()), (Usage::one(5), 4));
        assert_eq!(marks(&ledger, 1), (4, 4, 3));
    }

    /// A crash may bring back what was delivered and settled; then it may expire.
    #[test]
    fn a_record_of_what_was_settled_before_is_dropped_on_disk_too() {
        let it = Installation::from_u64(1);
        let have = vec![Have { installation: it, n: 2, settled: 2 }];
        let waiting = vec![(id(1, 2), Some(5))];
        let shelf = Shelf { have, last_position: 2, waiting, ..Shelf::default() };
        let mut ledger = Ledger::from_shelf(&shelf);
        ledger.condemn(2);
        ledger.begin_to_expire();
        ledger.expire(2);
        assert_eq!(ledger.expired(it, 0).len(), 1);
        assert_eq!(ledger.settle(it, 2), Some(2), "the mailbox has a record to drop");
        assert!(ledger.expired(it, 0).is_empty());
        assert_eq!(ledger.settle(it, 2), None);
    }

    #[test]
    fn only_who_is_done_and_gone_is_forgotten() {
        let installation = Installation::from_u64;
        let mut ledger = Ledger::default();
        for number in 1..=MAX_INSTALLATIONS as u64 {
            ledger.push(id(number, 1), 1);
        }
        assert!(!ledger.knows_or_has_room(installation(99)));
        assert!(ledger.knows_or_has_room(installation(1)));
        let nobody = |_| false;
        assert_eq!(ledger.forget_one(nobody), None, "all of it waits");
        ledger.acknowledge(2);
        assert_eq!(ledger.forget_one(nobody), None, "nobody said that they know it");
        ledger.settle(installation(1), 1);
        ledger.settle(installation(2), 1);
        ledger.settle(installation(3), 1);
        assert_eq!(ledger.forget_one(|it| it == installation(1)), Some(installation(2)));
        assert!(ledger.knows_or_has_room(installation(99)));
        assert_eq!(ledger.forget_one(nobody), Some(installation(1)));
        assert_eq!(ledger.forget_one(nobody), None, "the third waits");
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
