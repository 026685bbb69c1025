//! Changes that are not committed yet. Pure: no I/O, no clock.
//!
//! Owned by the mailbox, under its lock. Changes collect in `open`; the writer thread *seals* them and commits all of
//! them at once, while the next ones collect. So commits grow with the load, and each is a prefix of all changes ever
//! made. Within one commit the order between sessions means nothing, so changes are kept by session.
//!
//! A commit removes a [share](super::withholding) of the withheld bodies from the disk; the rest is open again.
//!
//! Invariant: disk, then sealed, then open changes, applied in this order, are the mailbox.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::layout::Row;
use super::withholding::{Left, Withholding};
use crate::mailbox::usage::Room;
use crate::mailbox::{Accounts, Fate, KeptList, ListId, Run, Standing, Usage};
use crate::message::{Batch, Installation, Message, MessageId, Name, SessionKey, Uptime};

/// Backpressure: when this many bytes of one sender are to be written they are written at once, and only that sender
/// waits for it.
const SENDER_LIMIT: u64 = 2 * 1024 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Journal {
    open: Changes,
    sealed: Option<Arc<Changes>>,
    /// How often changes were sealed, and how many of these commits are on the disk.
    seals: u64,
    commits: u64,
}

/// Changes that are committed together.
#[derive(Debug, Default)]
pub(super) struct Changes {
    sessions: HashMap<SessionKey, Delta>,
    /// Device lists that take the place of others, and names that have none any more.
    lists: HashMap<Name, Option<KeptList>>,
    /// What receivers of sessions think of their senders from now on.
    standings: HashMap<SessionKey, Option<Standing>>,
    /// Messages that are to be written.
    appended: Usage,
    /// How many bytes of them each sender wrote.
    senders: HashMap<Name, u64>,
    /// The earliest time at which an append is due; or earlier, for what was due first may have been taken back.
    due: Option<Instant>,
    /// Something on disk is to be changed at once, even if no message is to be written.
    pressing: bool,
    /// Something on disk is to be changed soon; nobody waits for that.
    soon: bool,
}

/// The changes of one session.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// Those at or below `row.removed` are not written.
    appended: VecDeque<Appended>,
    row: RowDelta,
}

/// Messages that are to be written, and by when.
#[derive(Debug)]
struct Appended {
    batch: Batch,
    due: Instant,
}

/// The changes of one session's row.
#[derive(Clone, Debug, Default)]
pub(super) struct RowDelta {
    last: u64,
    removed: u64,
    withheld: Withholding,
    bytes_added: u64,
    bytes_freed: u64,
    forgotten: Vec<Installation>,
    /// Of each installation the last message, and its position.
    taken: Vec<(MessageId, u64)>,
    /// Since the last message.
    heard: Vec<(Installation, u64)>,
    ended: Vec<(Fate, Run)>,
    settled: Vec<(Installation, u64)>,
}

/// What of one session is not on disk, or only just is.
#[derive(Debug)]
pub(super) struct Tail {
    rows: Vec<RowDelta>,
    /// In order, with their positions.
    pub(super) messages: Vec<(u64, Message)>,
}

impl Journal {
    /// A batch is to be kept, and to be on disk soon after `due`.
    pub(super) fn append(&mut self, key: &SessionKey, batch: &Batch, due: Instant) {
        let usage = Usage::of(batch);
        self.open.appended += usage;
        self.open.wrote(key.sender(), usage.bytes);
        self.open.due = Some(self.open.due.map_or(due, |earlier| earlier.min(due)));
        let delta = self.open.delta(key);
        let same = |a: &Message, b: &Message| a.id.installation == b.id.installation;
        let mut position = batch.first() - 1;
        for messages in batch.messages().chunk_by(same) {
            position += messages.len() as u64;
            // Of one installation numbers ascend.
            delta.row.take(messages[messages.len() - 1].id, position);
        }
        delta.row.last = batch.last();
        delta.row.bytes_added += usage.bytes;
        delta.appended.push_back(Appended { batch: batch.clone(), due });
    }

    /// Everything up to a position, `freed` in all, is to be forgotten. What was not sealed yet is never written;
    /// nobody waits for the removal of the rest.
    pub(super) fn remove(&mut self, key: &SessionKey, up_to: u64, freed: Usage) {
        let delta = self.open.delta(key);
        let cancelled = delta.cancel(up_to);
        delta.row.bytes_freed += freed.bytes;
        self.open.appended -= cancelled;
        self.open.takes_back(key.sender(), cancelled.bytes);
        self.open.soon |= freed.messages > cancelled.messages;
    }

    /// These messages, the oldest of their session, are to become records.
    pub(super) fn end(&mut self, key: &SessionKey, fate: Fate, ended: &[Run], freed: Usage) {
        let Some(last) = ended.last() else { return };
        self.remove(key, last.last_position(), freed);
        self.open.delta(key).row.ended.extend(ended.iter().map(|run| (fate, *run)));
        self.open.pressing = true;
    }

    /// Of everything up to a position only the numbers are to be kept. Bodies that were not sealed yet are never
    /// written; the others are removed by this commit and the next ones.
    pub(super) fn withhold(&mut self, key: &SessionKey, up_to: u64) {
        let delta = self.open.delta(key);
        let spared = delta.withhold(up_to);
        delta.row.bytes_freed += spared;
        self.open.appended.bytes -= spared;
        self.open.takes_back(key.sender(), spared);
        self.open.pressing = true;
    }

    /// See [`Mailbox::settle`](crate::mailbox::Mailbox::settle).
    pub(super) fn settle(&mut self, key: &SessionKey, installation: Installation, n: u64) {
        raise(&mut self.open.delta(key).row.settled, installation, n);
    }

    /// See [`Mailbox::hear`](crate::mailbox::Mailbox::hear).
    pub(super) fn hear(&mut self, key: &SessionKey, installation: Installation, position: u64) {
        let heard = &mut self.open.delta(key).row.heard;
        heard.retain(|(it, _)| *it != installation);
        heard.push((installation, position));
    }

    /// See [`Mailbox::forget`](crate::mailbox::Mailbox::forget).
    pub(super) fn forget(&mut self, key: &SessionKey, installation: Installation) {
        let row = &mut self.open.delta(key).row;
        row.taken.retain(|(it, _)| it.installation != installation);
        row.heard.retain(|(it, _)| *it != installation);
        row.settled.retain(|(it, _)| *it != installation);
        row.forgotten.push(installation);
    }

    /// A device list is to be kept, or removed. Somebody waits for it.
    pub(super) fn keep_list(&mut self, name: &Name, list: Option<&KeptList>) {
        self.open.lists.insert(name.clone(), list.cloned());
        self.open.pressing = true;
    }

    /// See [`Mailbox::keep_standing`](crate::mailbox::Mailbox::keep_standing).
    pub(super) fn keep_standing(&mut self, key: &SessionKey, standing: Option<Standing>) {
        self.open.standings.insert(key.clone(), standing);
        self.open.soon = true;
    }

    /// Somebody waits for all changes that were made until now. Returns how many commits there are once they are on the
    /// disk.
    pub(super) fn hasten(&mut self) -> u64 {
        let is_open = !self.open.is_empty();
        self.open.pressing |= is_open;
        self.seals + u64::from(is_open)
    }

    /// Whether so many commits are on the disk.
    pub(super) fn has_committed(&self, commits: u64) -> bool {
        self.commits >= commits
    }

    /// The time is to be stored, even if nothing else is.
    pub(super) fn press(&mut self) {
        self.open.pressing = true;
    }

    /// What the writer is to commit now. Sealing again before [`committed`](Self::committed) gives
    /// the same.
    pub(super) fn seal(&mut self) -> Arc<Changes> {
        let Self { open, seals, .. } = self;
        let seal = || {
            *seals += 1;
            Arc::new(std::mem::take(open))
        };
        self.sealed.get_or_insert_with(seal).clone()
    }

    /// What was sealed is on disk, except for bodies that are still to be removed.
    pub(super) fn committed(&mut self, left: Left) {
        self.sealed = None;
        self.commits += 1;
        for (key, mut withheld) in left {
            let row = &mut self.open.delta(&key).row;
            withheld.join(&row.withheld);
            row.withheld = withheld;
            self.open.pressing = true;
        }
    }

    /// Whether there is something to commit without delay.
    pub(super) fn is_pressing(&self) -> bool {
        self.sealed.is_some() || self.open.pressing
    }

    /// Whether something on disk is to be changed soon.
    pub(super) fn has_something_soon(&self) -> bool {
        self.open.soon
    }

    /// When what is to be written is due, or somewhat earlier.
    pub(super) fn due(&self) -> Option<Instant> {
        self.open.due.filter(|_| !self.open.appended.is_empty())
    }

    /// Computes `due` again, after the time of something that was taken back has come.
    pub(super) fn review(&mut self) {
        self.open.due = self.open.sessions.values().filter_map(Delta::due).min();
    }

    /// Whether there is nothing to commit at all.
    pub(super) fn is_empty(&self) -> bool {
        self.sealed.is_none() && self.open.is_empty()
    }

    /// What is to be written, in all.
    pub(super) fn usage(&self) -> Usage {
        self.parts().map(|changes| changes.appended).sum()
    }

    /// Whether a sender waits until what they wrote is written.
    pub(super) fn holds_up(&self, sender: &Name) -> bool {
        let bytes = self.parts().filter_map(|changes| changes.senders.get(sender));
        bytes.sum::<u64>() >= SENDER_LIMIT
    }

    /// What of a session may not be on disk yet: its messages above a position, no more than fit into `limit`, but at
    /// least one. To be taken *before* the disk is read, so that nothing that is committed meanwhile is missed.
    pub(super) fn tail(&self, key: &SessionKey, after: u64, limit: Usage) -> Tail {
        let deltas: Vec<_> = self.parts().filter_map(|it| it.sessions.get(key)).collect();
        let rows: Vec<_> = deltas.iter().map(|delta| delta.row.clone()).collect();
        let after = rows.iter().map(|row| row.removed).fold(after, u64::max);
        let mut tail = Tail { rows, messages: Vec::new() };
        let mut room = Room::new(limit);
        for (position, _, message) in deltas.iter().flat_map(|delta| delta.messages_after(after)) {
            let message = tail.seen(position, message.clone());
            if !room.takes(message.weight()) {
                break;
            }
            tail.messages.push((position, message));
        }
        tail
    }

    /// The sessions of which something may not be on disk yet.
    pub(super) fn keys(&self) -> HashSet<SessionKey> {
        self.parts().flat_map(|changes| changes.sessions.keys().cloned()).collect()
    }

    fn parts(&self) -> impl Iterator<Item = &Changes> {
        self.sealed.as_deref().into_iter().chain([&self.open])
    }
}

impl Changes {
    /// Each changed session once.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (&SessionKey, &Delta)> {
        self.sessions.iter()
    }

    /// Each changed device list once.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&Name, Option<&KeptList>)> {
        self.lists.iter().map(|(name, list)| (name, list.as_ref()))
    }

    /// Which they are.
    pub(super) fn listed(&self) -> Vec<(Name, Option<ListId>)> {
        self.lists().map(|(name, list)| (name.clone(), list.map(|it| it.id))).collect()
    }

    /// Each changed standing once.
    pub(super) fn standings(&self) -> impl Iterator<Item = (&SessionKey, Option<Standing>)> {
        self.standings.iter().map(|(key, standing)| (key, *standing))
    }

    /// What is left if it is not known which bodies are gone.
    pub(super) fn withheld(&self) -> Left {
        let withheld = self.sessions.iter().map(|(key, it)| (key.clone(), it.row.withheld.clone()));
        withheld.filter(|(_, it)| !it.is_empty()).collect()
    }

    /// What is to be written.
    pub(super) fn appended(&self) -> Usage {
        self.appended
    }

    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.lists.is_empty() && self.standings.is_empty()
    }

    fn delta(&mut self, key: &SessionKey) -> &mut Delta {
        self.sessions.entry(key.clone()).or_default()
    }

    fn wrote(&mut self, sender: &Name, bytes: u64) {
        let sum = self.senders.entry(sender.clone()).or_default();
        *sum += bytes;
        self.pressing |= *sum >= SENDER_LIMIT;
    }

    fn takes_back(&mut self, sender: &Name, bytes: u64) {
        if let Some(sum) = self.senders.get_mut(sender) {
            *sum = sum.saturating_sub(bytes);
        }
    }
}

impl Delta {
    /// The messages that are to be written, in order, each with its position and since when it waits.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u64, Uptime, &Message)> {
        self.messages_after(self.row.removed)
    }

    fn messages_after(&self, after: u64) -> impl Iterator<Item = (u64, Uptime, &Message)> {
        self.appended.iter().flat_map(move |Appended { batch, .. }| {
            let messages = batch.after(after);
            let first = batch.last() + 1 - messages.len() as u64;
            (first..).zip(messages).map(|(position, it)| (position, batch.since(), it))
        })
    }

    /// The last position that is to be written; 0 if none is.
    pub(super) fn appended_up_to(&self) -> u64 {
        self.appended.back().map_or(0, |last| last.batch.last())
    }

    /// When the first of what is to be written is due.
    fn due(&self) -> Option<Instant> {
        self.appended.front().map(|first| first.due)
    }

    /// The last position that becomes part of a record; 0 if none does.
    pub(super) fn ended_up_to(&self) -> u64 {
        self.row.ended.last().map_or(0, |(_, run)| run.last_position())
    }

    /// The changes of the session's row.
    pub(super) fn row(&self) -> &RowDelta {
        &self.row
    }

    /// Cancels the messages up to a position. Acknowledgements may come one by one, so a batch stays whole until its
    /// last message is cancelled.
    fn cancel(&mut self, up_to: u64) -> Usage {
        let mut cancelled = Usage::default();
        while let Some(Appended { batch, .. }) = self.appended.front() {
            cancelled += Usage::between(batch, self.row.removed, up_to);
            if batch.last() > up_to {
                break;
            }
            self.appended.pop_front();
        }
        self.row.removed = self.row.removed.max(up_to);
        cancelled
    }

    /// Returns how many bytes of bodies are not written.
    fn withhold(&mut self, up_to: u64) -> u64 {
        let removed = self.row.removed;
        let mut spared = 0;
        for Appended { batch, .. } in &mut self.appended {
            let bytes = |batch: &Batch| Usage::between(batch, removed, batch.last()).bytes;
            let withheld = batch.withheld_up_to(up_to);
            spared += bytes(batch) - bytes(&withheld);
            *batch = withheld;
        }
        self.row.withheld.add(removed, up_to);
        spared
    }
}

impl Tail {
    /// A message at a position as it will be.
    pub(super) fn seen(&self, position: u64, mut message: Message) -> Message {
        if position <= self.withheld() {
            message.withhold();
        }
        message
    }

    /// Of everything up to here only the numbers are kept, as far as the tail knows.
    pub(super) fn withheld(&self) -> u64 {
        self.rows.iter().map(|row| row.withheld.up_to()).max().unwrap_or(0)
    }

    /// A session's row and accounts as they will be. Changes may be on disk already: they are idempotent, except for
    /// `bytes`.
    pub(super) fn overlay(&self, mut row: Row, mut accounts: Accounts) -> (Row, Accounts) {
        for delta in &self.rows {
            delta.apply(&mut row);
            delta.apply_to(&mut accounts);
        }
        (row, accounts)
    }

    /// Everything up to here was removed, as far as the tail knows.
    pub(super) fn removed(&self) -> u64 {
        self.rows.iter().map(|row| row.removed).max().unwrap_or(0)
    }
}

impl RowDelta {
    /// What is to lose its body on disk.
    pub(super) fn withheld(&self) -> &Withholding {
        &self.withheld
    }

    /// Makes the changes in a session's row.
    pub(super) fn apply(&self, row: &mut Row) {
        row.last = row.last.max(self.last);
        row.removed = row.removed.max(self.removed);
        row.bytes = (row.bytes + self.bytes_added).saturating_sub(self.bytes_freed);
    }

    /// Makes the changes in a session's accounts, or in those that [are changed](Self::touched).
    pub(super) fn apply_to(&self, accounts: &mut Accounts) {
        self.forgotten.iter().for_each(|installation| accounts.forget(*installation));
        self.taken.iter().for_each(|(id, position)| accounts.take(*id, *position));
        for (fate, run) in &self.ended {
            accounts.end(run.installation, *fate, run.first_n, run.last_n());
        }
        for (installation, n) in &self.settled {
            accounts.settle(*installation, *n);
        }
        for (installation, position) in &self.heard {
            accounts.hear(*installation, *position);
        }
    }

    /// Which accounts are changed, and how much of each has to be known for it.
    pub(super) fn touched(&self) -> BTreeMap<Installation, Depth> {
        let last = self.ended.iter().map(|(_, run)| (run.installation, Depth::LastRecord));
        let taken = self.taken.iter().map(|(id, _)| (id.installation, Depth::Numbers));
        let heard = self.heard.iter().map(|(it, _)| (*it, Depth::Numbers));
        let settled = self.settled.iter().map(|(it, _)| (*it, Depth::Everything));
        let forgotten = self.forgotten.iter().map(|it| (*it, Depth::Everything));
        let mut touched = BTreeMap::new();
        for (installation, depth) in taken.chain(heard).chain(last).chain(settled).chain(forgotten)
        {
            let known = touched.entry(installation).or_insert(depth);
            *known = depth.max(*known);
        }
        touched
    }

    fn take(&mut self, id: MessageId, position: u64) {
        self.taken.retain(|(it, _)| it.installation != id.installation);
        self.heard.retain(|(it, _)| *it != id.installation);
        self.taken.push((id, position));
    }
}

/// How much of an account has to be known to change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// All but its records.
    Numbers,
    /// The last one of each fate, too, for the next may follow it.
    LastRecord,
    Everything,
}

fn raise(numbers: &mut Vec<(Installation, u64)>, installation: Installation, n: u64) {
    match numbers.iter_mut().find(|(it, _)| *it == installation) {
        Some((_, highest)) => *highest = (*highest).max(n),
        None => numbers.push((installation, n)),
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
