//! What a session knows of its messages: which were taken, which wait, which are committed, which
//! expired.
//!
//! Owned by a session, under its lock. Pure: no I/O, no clock. The rules are those of the delivery
//! specification in [`wire`](crate::wire): `have` is the highest number taken from each
//! installation; the two watermarks are computed from what waits and kept nowhere.
//!
//! Invariants: waiting positions are consecutive and end at `last_position`; within them the numbers
//! of each installation ascend; what is expiring precedes them.

use std::collections::{HashSet, VecDeque};
use std::ops::RangeInclusive;

use crate::mailbox::{Account, Accounts, Outline, Run, Shelf, Usage};
use crate::message::{Installation, MessageId};
use crate::wire::frame::Watermarks;

/// The most installations of a sender of which something waits in one session. One more is refused.
pub(super) const MAX_INSTALLATIONS: usize = 16;

/// The most installations of a sender that one session remembers: a little for each, on disk and while the session
/// is loaded. One of which nothing waits and that was not heard of for the longest gives way to one more.
pub(super) const MAX_REMEMBERED: usize = 4_096;

/// The most records of expiry of one installation in one session, together with what waits to become one: each is
/// numbers that follow each other. Beyond it nothing is taken of the installation until it says what it
/// knows of. Somebody who answers what they are told has one record, or none.
pub(super) const MAX_RECORDS: usize = 1_000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Accounts,
    last_position: u64,
    committed: u64,
    /// What waits, oldest first. Messages of one installation with consecutive numbers share a run,
    /// so that a long backlog costs little.
    runs: VecDeque<Run>,
    /// How long what waits is as its sender wrote it, oldest first.
    lengths: VecDeque<u32>,
    bytes: u64,
    /// Everything up to here is to expire once it is committed.
    condemned: u64,
    /// Of what waits up to here only the numbers are kept.
    withheld: u64,
    /// What of that had bodies when the ledger was made.
    loose: Usage,
    /// What was taken out of the queue to expire, until that is committed.
    expiring: Vec<Run>,
    /// By installation, what the receiver says to have seen. Not on disk.
    read: Vec<(Installation, u64)>,
}

impl Ledger {
    /// The ledger of a session as its mailbox keeps it.
    pub(super) fn from_shelf(shelf: &Shelf) -> Self {
        let mut ledger = Self {
            last_position: shelf.last_position - shelf.waiting.len() as u64,
            committed: shelf.last_position,
            ..Self::default()
        };
        for Outline { id, length, is_withheld } in &shelf.waiting {
            ledger.push(*id, *length);
            if *is_withheld {
                ledger.withheld = ledger.last_position;
            }
        }
        let withheld = (ledger.first_waiting()..=ledger.withheld).zip(&shelf.waiting);
        let loose = withheld.filter(|(_, it)| !it.is_withheld);
        ledger.loose = loose.map(|(_, it)| Usage::one(it.length)).sum();
        ledger.accounts = shelf.accounts.clone();
        ledger
    }

    /// Whether the message was taken before, now or long ago.
    pub(super) fn has(&self, id: MessageId) -> bool {
        id.n <= self.have(id.installation)
    }

    /// Takes a message that it does [not have](Self::has).
    pub(super) fn push(&mut self, id: MessageId, length: usize) {
        self.last_position += 1;
        self.accounts.take(id, self.last_position);
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

    /// The same where only its number is kept, and of all that waits before it.
    pub(super) fn push_withheld(&mut self, id: MessageId, length: usize) {
        self.push(id, length);
        self.withheld = self.last_position;
    }

    /// Of all that waits only the numbers are kept. Returns what had bodies until now.
    pub(super) fn withhold(&mut self) -> Usage {
        let kept =
            (self.first_waiting()..).zip(&self.lengths).filter(|(it, _)| *it > self.withheld);
        let kept: Usage = kept.map(|(_, length)| Usage::one(*length as usize)).sum();
        self.withheld = self.last_position;
        let mut freed = self.withhold_rest();
        freed += kept;
        freed
    }

    /// The same for what waits in front of something that is withheld: it was written before a block.
    pub(super) fn withhold_rest(&mut self) -> Usage {
        std::mem::take(&mut self.loose)
    }

    /// Of what waits up to here only the numbers are kept.
    pub(super) fn withheld(&self) -> u64 {
        self.withheld
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
        for run in self.expiring.iter().filter(|run| run.last_position() <= position) {
            self.accounts.expire(run.installation, run.first_n, run.last_n());
        }
        self.expiring.retain(|run| run.last_position() > position);
    }

    /// Whether something is to expire, and that is not committed yet.
    pub(super) fn is_expiring(&self) -> bool {
        !self.expiring.is_empty() || self.first_waiting() <= self.condemned
    }

    /// An installation's expired messages above a number: ranges, in order.
    pub(super) fn expired(
        &self,
        installation: Installation,
        above: u64,
    ) -> Vec<RangeInclusive<u64>> {
        let records = self.accounts.get(installation).into_iter().flat_map(|it| &it.expired);
        let rest = |(first, last): (&u64, &u64)| above.saturating_add(1).max(*first)..=*last;
        records.map(rest).filter(|record| !record.is_empty()).collect()
    }

    /// The sender's client knows what became of everything up to `n`. Returns how much of that
    /// can be, if it is new or a record of expiry is superfluous now.
    pub(super) fn settle(&mut self, installation: Installation, n: u64) -> Option<u64> {
        self.accounts.settle(installation, n)
    }

    /// An installation is heard of. Returns when that was, if it is remembered and somebody else was later.
    pub(super) fn hear(&mut self, installation: Installation) -> Option<u64> {
        let now = self.last_position;
        self.accounts.hear(installation, now).then_some(now)
    }

    /// Whether one more message would make more records of its installation than are kept.
    pub(super) fn has_too_many_records(&self, id: MessageId) -> bool {
        let known = self.accounts.get(id.installation).map_or(0, |it| it.expired.len());
        if known + self.expiring.len() + self.runs.len() < MAX_RECORDS {
            return false;
        }
        let waiting = self.expiring.iter().chain(&self.runs);
        let (mut pieces, mut next) = (known, 0);
        for run in waiting.filter(|run| run.installation == id.installation) {
            pieces += usize::from(run.first_n != next);
            next = run.last_n() + 1;
        }
        known >= MAX_RECORDS || (pieces >= MAX_RECORDS && next != id.n)
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

    /// Whether something of an installation waits, or there is a place for one of which something does.
    pub(super) fn has_place(&self, installation: Installation) -> bool {
        let busy = self.busy();
        busy.contains(&installation) || busy.len() < MAX_INSTALLATIONS
    }

    /// Whether an installation is remembered, or one more can be.
    pub(super) fn remembers(&self, installation: Installation) -> bool {
        self.accounts.len() < MAX_REMEMBERED || self.accounts.get(installation).is_some()
    }

    /// Forgets the installation that was not heard of for the longest, of those of which nothing waits, no record is
    /// kept and no connection `is_present`; one that said it knows of everything first. Returns it.
    pub(super) fn forget_one(
        &mut self,
        is_present: impl Fn(Installation) -> bool,
    ) -> Option<Installation> {
        let busy = self.busy();
        let may_go = |(it, account): &(Installation, &Account)| {
            account.expired.is_empty() && !busy.contains(it) && !is_present(*it)
        };
        let candidates = self.accounts.iter().filter(may_go);
        let gone = candidates.min_by_key(|(_, it)| (it.settled < it.n, it.seen))?.0;
        self.accounts.forget(gone);
        self.read.retain(|(it, _)| *it != gone);
        Some(gone)
    }

    /// Forgets all installations of which nothing waits or is about to expire, and what expired of them.
    pub(super) fn forget_idle(&mut self) -> Vec<Installation> {
        let busy = self.busy();
        let idle = self.accounts.iter().map(|(it, _)| it).filter(|it| !busy.contains(it));
        let gone: Vec<Installation> = idle.collect();
        for it in &gone {
            self.accounts.forget(*it);
        }
        self.read.retain(|(it, _)| !gone.contains(it));
        gone
    }

    /// Whether there is an installation that is not forgotten.
    pub(super) fn knows_anybody(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The installations of which something waits or is about to expire.
    fn busy(&self) -> HashSet<Installation> {
        self.runs.iter().chain(&self.expiring).map(|run| run.installation).collect()
    }

    /// How far an installation's messages have come.
    pub(super) fn watermarks(&self, installation: Installation) -> Watermarks {
        let have = self.have(installation);
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

    /// How much waits, as its sender wrote it.
    pub(super) fn waiting(&self) -> Usage {
        Usage { messages: self.lengths.len() as u64, bytes: self.bytes }
    }

    fn have(&self, installation: Installation) -> u64 {
        self.accounts.get(installation).map_or(0, |account| account.n)
    }

    /// Takes everything up to `position` out of the queue. Returns what of it was kept.
    fn take_front(&mut self, position: u64) -> (Vec<Run>, Usage) {
        let mut freed = Usage::default();
        while self.first_waiting() <= position.min(self.last_position) {
            let is_withheld = self.first_waiting() <= self.withheld;
            let Some(length) = self.lengths.pop_front() else { break };
            self.bytes -= u64::from(length);
            freed += Usage::one(if is_withheld { 0 } else { length as usize });
        }
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
#[path = "ledger_tests.rs"]
mod tests;
