//! What a session knows of its messages: which were accepted, which wait, which are committed, which expired or bounced.
//!
//! Owned by a session, under its lock. Pure: no I/O, no clock. The rules are those of the delivery specification in
//! [`wire`](crate::wire): `have` is the highest number accepted from each installation; the two watermarks are computed
//! from what waits and stored nowhere.
//!
//! Installations are *orphaned* when whoever wrote from them loses the sender's name. What waits of them is delivered, and
//! counts for nobody who has the name later; one that is heard from again is its owner's like any other.
//!
//! Invariants: waiting positions are consecutive and end at `last_position`; within them the numbers
//! of each installation ascend; what is ending precedes them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::RangeInclusive;

use crate::mailbox::{Account, Accounts, Fate, Outline, Run, Shelf, Usage};
use crate::message::{Installation, MessageId};
use crate::wire::frame::Watermarks;

/// The most installations of a sender that may have waiting messages in one session, besides orphaned ones. One more is
/// refused.
pub(super) const MAX_INSTALLATIONS: usize = 16;

/// The most installations of a sender that one session remembers: each takes a little space, on disk and while the
/// session is loaded. For one more, the least recently heard one without waiting messages is forgotten.
pub(super) const MAX_REMEMBERED: usize = 4_096;

/// The most records of one installation in one session, together with waiting messages that may become one: each is a
/// range of numbers. Beyond that nothing is accepted from the installation until it says what it knows of. A client that
/// answers what it is told has one record, or none.
pub(super) const MAX_RECORDS: usize = 1_000;

/// The same of all installations together that are not orphaned, for who loads the session reads all of them: one of each
/// that is remembered, and some more.
pub(super) const MAX_RECORDS_IN_ALL: usize = 6_000;

/// Waiting and ending messages of one installation, as records: how many, and which number would follow the last.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    count: usize,
    next: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Accounts,
    /// How many records they have.
    records: usize,
    last_position: u64,
    committed: u64,
    /// What waits, oldest first. Messages of one installation with consecutive numbers share a run,
    /// so that a long backlog costs little.
    runs: VecDeque<Run>,
    /// The original lengths of waiting messages, oldest first.
    lengths: VecDeque<u32>,
    bytes: u64,
    /// How much of it is of orphaned installations.
    orphaned: Usage,
    /// Some may be orphaned.
    has_orphans: bool,
    /// Everything up to here is to expire once it is committed.
    condemned: u64,
    /// Of waiting messages up to here only the numbers are kept.
    withheld: u64,
    /// How much of that had bodies when the ledger was made.
    loose: Usage,
    /// Messages that were taken out of the queue and ended so, until that is committed.
    ending: Vec<(Fate, Run)>,
    /// By installation, up to where the receiver says to have read. Not on disk.
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
        ledger.records = ledger.accounts.iter().map(|(_, it)| it.record_count()).sum();
        ledger.has_orphans = ledger.accounts.iter().any(|(_, it)| it.is_orphan());
        ledger.orphaned = ledger.waiting_from(|it| ledger.is_orphan(it));
        ledger
    }

    /// Whether the message is a duplicate of one that was accepted at any time.
    pub(super) fn has(&self, id: MessageId) -> bool {
        id.n <= self.have(id.installation)
    }

    /// Accepts a message that it does [not have](Self::has).
    pub(super) fn push(&mut self, id: MessageId, length: usize) {
        self.adopt(id.installation);
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

    /// The same, keeping only its number, and only the numbers of all that waits before it.
    pub(super) fn push_withheld(&mut self, id: MessageId, length: usize) {
        self.push(id, length);
        self.withheld = self.last_position;
    }

    /// From now on, of all that waits only the numbers are kept. Returns what had bodies until now.
    pub(super) fn withhold(&mut self) -> Usage {
        let kept =
            (self.first_waiting()..).zip(&self.lengths).filter(|(it, _)| *it > self.withheld);
        let kept: Usage = kept.map(|(_, length)| Usage::one(*length as usize)).sum();
        self.withheld = self.last_position;
        let mut freed = self.withhold_rest();
        freed += kept;
        freed
    }

    /// The same for what waits before something that is withheld: it was written before a block.
    pub(super) fn withhold_rest(&mut self) -> Usage {
        std::mem::take(&mut self.loose)
    }

    /// Of waiting messages up to here only the numbers are kept.
    pub(super) fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Everything up to `position` is committed.
    pub(super) fn commit(&mut self, position: u64) {
        self.committed = self.committed.max(position);
    }

    /// Cumulative acknowledgement: everything up to `position` is on the receiver's disk, except for what expired.
    /// Returns what waits no longer.
    pub(super) fn acknowledge(&mut self, position: u64) -> Usage {
        self.take_front(position).1
    }

    /// Marks messages up to `position` to expire. Nothing may be delivered until all of them [have](Self::expire).
    pub(super) fn condemn(&mut self, position: u64) {
        self.condemned = self.condemned.max(position.min(self.last_position));
    }

    /// Marks messages up to the last withheld one to expire: the sender is not blocked any more, and ending the block
    /// was interrupted before this.
    pub(super) fn condemn_withheld(&mut self) {
        self.condemn(self.withheld);
    }

    /// Takes out of the queue what is to expire and is committed. Returns it, and how much it was.
    pub(super) fn begin_to_expire(&mut self) -> (Vec<Run>, Usage) {
        self.take_to_end(Fate::Expired, self.condemned.min(self.committed))
    }

    /// The receiver does not take the oldest message, whose position this is. Returns it if it waits, and how much it
    /// was.
    pub(super) fn bounce(&mut self, position: u64) -> (Vec<Run>, Usage) {
        let is_first = position == self.first_waiting() && position <= self.last_position;
        self.take_to_end(Fate::Bounced, if is_first { position } else { 0 })
    }

    fn take_to_end(&mut self, fate: Fate, position: u64) -> (Vec<Run>, Usage) {
        let (runs, freed) = self.take_front(position);
        self.ending.extend(runs.iter().map(|run| (fate, *run)));
        (runs, freed)
    }

    /// It is committed how everything up to `position` ended that was [taken out](Self::bounce) of the queue.
    pub(super) fn end(&mut self, position: u64) {
        let is_over = |(_, run): &mut (Fate, Run)| run.last_position() <= position;
        let over: Vec<_> = self.ending.extract_if(.., is_over).collect();
        for (fate, run) in over {
            let it = run.installation;
            self.change(it, |accounts| accounts.end(it, fate, run.first_n, run.last_n()));
        }
    }

    /// Whether an expiry is not committed yet.
    pub(super) fn is_expiring(&self) -> bool {
        let expires = |(fate, _): &(Fate, Run)| *fate == Fate::Expired;
        self.ending.iter().any(expires) || self.first_waiting() <= self.condemned
    }

    /// Whether an end of any kind is not committed yet.
    pub(super) fn is_ending(&self) -> bool {
        !self.ending.is_empty() || self.is_expiring()
    }

    /// How an installation's messages above a number ended, where they did not arrive: ranges, in order.
    pub(super) fn ended(
        &self,
        installation: Installation,
        above: u64,
    ) -> Vec<(Fate, RangeInclusive<u64>)> {
        let Some(account) = self.accounts.get(installation) else { return Vec::new() };
        let first = above.saturating_add(1);
        let rest = |fate| {
            let records = account.records(fate).iter();
            records.map(move |(start, end)| (fate, first.max(*start)..=*end))
        };
        let records = Fate::ALL.into_iter().flat_map(rest).filter(|(_, it)| !it.is_empty());
        let mut ended: Vec<_> = records.collect();
        ended.sort_unstable_by_key(|(_, numbers)| *numbers.start());
        ended
    }

    /// The sender's client knows what became of everything up to `n`. Returns how much of that is possible, if it is
    /// new or makes a record of expiry superfluous.
    pub(super) fn settle(&mut self, installation: Installation, n: u64) -> Option<u64> {
        self.change(installation, |accounts| accounts.settle(installation, n))
    }

    /// An installation was heard from. Returns when that was, if it is remembered and another one was heard later.
    pub(super) fn hear(&mut self, installation: Installation) -> Option<u64> {
        self.adopt(installation);
        let now = self.last_position;
        self.accounts.hear(installation, now).then_some(now)
    }

    /// Whether one more message would make more records, of its installation or in all, than are kept.
    pub(super) fn has_too_many_records(&self, id: MessageId) -> bool {
        let own = self.record_count(id.installation);
        let most = self.ending.len() + self.runs.len();
        if own + most < MAX_RECORDS && self.records + most < MAX_RECORDS_IN_ALL {
            return false;
        }
        let records = self.records - self.orphaned_records();
        let pieces = self.pieces();
        let all: usize = pieces.values().map(|piece| piece.count).sum();
        let Piece { count, next } = pieces.get(&id.installation).copied().unwrap_or_default();
        let is_full = |more_own: usize, more: usize| {
            own + more_own >= MAX_RECORDS || records + more >= MAX_RECORDS_IN_ALL
        };
        is_full(0, 0) || (next != id.n && is_full(count, all))
    }

    /// What may become records of each installation with waiting or ending messages that is not orphaned.
    fn pieces(&self) -> HashMap<Installation, Piece> {
        let mut pieces: HashMap<_, Piece> = HashMap::new();
        for run in self.taken_and_waiting().filter(|run| !self.is_orphan(run.installation)) {
            let piece = pieces.entry(run.installation).or_default();
            piece.count += usize::from(run.first_n != piece.next);
            piece.next = run.last_n() + 1;
        }
        pieces
    }

    fn record_count(&self, installation: Installation) -> usize {
        self.accounts.get(installation).map_or(0, Account::record_count)
    }

    fn orphaned_records(&self) -> usize {
        if !self.has_orphans {
            return 0;
        }
        let orphans = self.accounts.iter().filter(|(_, it)| it.is_orphan());
        orphans.map(|(_, it)| it.record_count()).sum()
    }

    /// Changes what is known of an installation.
    fn change<T>(
        &mut self,
        installation: Installation,
        change: impl FnOnce(&mut Accounts) -> T,
    ) -> T {
        self.records -= self.record_count(installation);
        let changed = change(&mut self.accounts);
        self.records += self.record_count(installation);
        changed
    }

    /// The receiver says to have read everything of an installation up to `n`. Returns whether that is news; it counts
    /// only for what was delivered.
    pub(super) fn read(&mut self, installation: Installation, n: u64) -> bool {
        let n = n.min(self.watermarks(installation).delivered);
        let is_news = n > self.read_up_to(installation);
        if is_news {
            self.read.retain(|(it, _)| *it != installation);
            self.read.push((installation, n));
        }
        is_news
    }

    /// Up to where the receiver says to have read an installation's messages.
    pub(super) fn read_up_to(&self, installation: Installation) -> u64 {
        self.read.iter().find(|(it, _)| *it == installation).map_or(0, |(_, n)| *n)
    }

    /// Whether messages of an installation wait, or one more installation may have waiting messages.
    pub(super) fn has_place(&self, installation: Installation) -> bool {
        let mut busy = self.busy();
        busy.retain(|it| !self.is_orphan(*it));
        busy.contains(&installation) || busy.len() < MAX_INSTALLATIONS
    }

    /// Whether an installation is remembered, or one more can be.
    pub(super) fn remembers(&self, installation: Installation) -> bool {
        self.accounts.len() < MAX_REMEMBERED || self.accounts.get(installation).is_some()
    }

    /// Forgets the least recently heard installation, among those without waiting messages, without records and without
    /// a connection that `is_present`; first one that said it knows of everything. Returns it.
    pub(super) fn forget_one(
        &mut self,
        is_present: impl Fn(Installation) -> bool,
    ) -> Option<Installation> {
        let busy = self.busy();
        let may_go = |(it, account): &(Installation, &Account)| {
            account.record_count() == 0 && !busy.contains(it) && !is_present(*it)
        };
        let candidates = self.accounts.iter().filter(may_go);
        let gone = candidates.min_by_key(|(_, it)| (it.settled < it.n, it.seen))?.0;
        self.accounts.forget(gone);
        self.read.retain(|(it, _)| *it != gone);
        Some(gone)
    }

    /// Forgets all installations without waiting or ending messages, and their records. Returns them.
    pub(super) fn forget_idle(&mut self) -> Vec<Installation> {
        self.forget_idle_if(|_| true)
    }

    /// Whoever wrote from all these installations has lost the sender's name. Returns them.
    pub(super) fn orphan(&mut self) -> Vec<Installation> {
        let all: Vec<Installation> = self.accounts.iter().map(|(it, _)| it).collect();
        all.iter().for_each(|it| _ = self.accounts.hear(*it, Account::ORPHANED));
        self.orphaned = self.waiting();
        self.has_orphans = !all.is_empty();
        all
    }

    /// Forgets orphaned installations once nothing waits of any. Returns those without ending messages: the others stay
    /// until that is committed.
    pub(super) fn forget_orphans(&mut self) -> Vec<Installation> {
        if !self.has_orphans || !self.orphaned.is_empty() {
            return Vec::new();
        }
        let gone = self.forget_idle_if(Account::is_orphan);
        self.has_orphans = self.accounts.iter().any(|(_, it)| it.is_orphan());
        gone
    }

    fn forget_idle_if(&mut self, is_meant: impl Fn(&Account) -> bool) -> Vec<Installation> {
        let busy = self.busy();
        let may_go =
            |(it, account): &(Installation, &Account)| is_meant(account) && !busy.contains(it);
        let idle = self.accounts.iter().filter(may_go).map(|(it, _)| it);
        let gone: Vec<Installation> = idle.collect();
        for it in &gone {
            self.change(*it, |accounts| accounts.forget(*it));
        }
        self.read.retain(|(it, _)| !gone.contains(it));
        gone
    }

    /// Whether any installation is remembered that is not orphaned.
    pub(super) fn knows_anybody(&self) -> bool {
        self.accounts.iter().any(|(_, it)| !it.is_orphan())
    }

    /// The installations with waiting or ending messages.
    fn busy(&self) -> HashSet<Installation> {
        self.taken_and_waiting().map(|run| run.installation).collect()
    }

    /// What is ending was in front of what waits.
    fn taken_and_waiting(&self) -> impl Iterator<Item = &Run> + Clone {
        self.ending.iter().map(|(_, run)| run).chain(&self.runs)
    }

    /// How far an installation's messages have come.
    pub(super) fn watermarks(&self, installation: Installation) -> Watermarks {
        let have = self.have(installation);
        let mut own = self.taken_and_waiting().filter(|run| run.installation == installation);
        // Numbers ascend, so the first one is the lowest.
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

    /// How much waits, in its original lengths.
    pub(super) fn waiting(&self) -> Usage {
        Usage { messages: self.lengths.len() as u64, bytes: self.bytes }
    }

    /// The same without orphaned installations.
    pub(super) fn waiting_of_owner(&self) -> Usage {
        let mut usage = self.waiting();
        usage -= self.orphaned;
        usage
    }

    fn is_orphan(&self, installation: Installation) -> bool {
        self.has_orphans && self.accounts.get(installation).is_some_and(Account::is_orphan)
    }

    /// An installation is heard from: what waits of it is its owner's.
    fn adopt(&mut self, installation: Installation) {
        if self.is_orphan(installation) {
            let adopted = self.waiting_from(|it| it == installation);
            self.orphaned -= adopted;
        }
    }

    /// How much waits of those installations that are meant, in its original lengths.
    fn waiting_from(&self, is_meant: impl Fn(Installation) -> bool) -> Usage {
        let mut lengths = self.lengths.iter();
        let mut usage = Usage::default();
        for run in &self.runs {
            let own = (0..run.count).zip(lengths.by_ref());
            let own: Usage = own.map(|(_, length)| Usage::one(*length as usize)).sum();
            if is_meant(run.installation) {
                usage += own;
            }
        }
        usage
    }

    fn have(&self, installation: Installation) -> u64 {
        self.accounts.get(installation).map_or(0, |account| account.n)
    }

    /// Takes everything up to `position` out of the queue. Returns it, and how much of it was kept.
    fn take_front(&mut self, position: u64) -> (Vec<Run>, Usage) {
        let runs = self.take_runs(position.min(self.last_position) + 1);
        let freed: Usage = runs.iter().map(|run| self.take_lengths(run)).sum();
        if self.lengths.is_empty() {
            self.lengths.shrink_to_fit();
        }
        (runs, freed)
    }

    /// The same for the lengths of a run that was taken. Returns how much of it was kept.
    fn take_lengths(&mut self, run: &Run) -> Usage {
        let is_orphan = self.is_orphan(run.installation);
        let mut freed = Usage::default();
        for _ in 0..run.count {
            let is_withheld = self.first_waiting() <= self.withheld;
            let Some(length) = self.lengths.pop_front() else { break };
            self.bytes -= u64::from(length);
            if is_orphan {
                self.orphaned -= Usage::one(length as usize);
            }
            freed += Usage::one(if is_withheld { 0 } else { length as usize });
        }
        freed
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
