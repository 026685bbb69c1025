//! What was asked of the store and is not committed yet. Pure: no I/O, no clock.
//!
//! Owned by the mailbox, under its lock. Changes collect in `open`; the writer thread *seals* them,
//! commits all of them at once, and meanwhile the next ones collect. So commits grow with load by
//! themselves, and each is a prefix of everything that was ever asked. Within one commit the order
//! between sessions means nothing, so changes are kept by session.
//!
//! Invariant: disk, then sealed, then open changes, applied in this order, are the mailbox.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::layout::Row;
use crate::mailbox::{Room, Run, Usage, settle_expired};
use crate::message::{Batch, Installation, Message, MessageId, SessionKey, Uptime};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Journal {
    open: Changes,
    sealed: Option<Arc<Changes>>,
}

/// Changes that are committed together.
#[derive(Debug, Default)]
pub(super) struct Changes {
    sessions: HashMap<SessionKey, Delta>,
    /// Messages that are to be written.
    appended: Usage,
    /// Nothing that is to be written is due before; it may be due later, for what was due first may
    /// be taken back.
    due: Option<Instant>,
    /// Something on disk is to be changed at once, also if no message is to be written.
    pressing: bool,
    /// Something on disk is to be removed, which nobody waits for.
    removing: bool,
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
    bytes_added: u64,
    bytes_freed: u64,
    forgotten: Vec<Installation>,
    have: Vec<(Installation, u64)>,
    expired: Vec<Run>,
    settled: Vec<(Installation, u64)>,
}

/// What is not on disk of one session, or only just.
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
        self.open.due = Some(self.open.due.map_or(due, |earlier| earlier.min(due)));
        let delta = self.open.delta(key);
        let same = |a: &Message, b: &Message| a.id.installation == b.id.installation;
        for messages in batch.messages().chunk_by(same) {
            // Of one installation numbers ascend.
            let MessageId { installation, n } = messages[messages.len() - 1].id;
            raise(&mut delta.row.have, installation, n);
        }
        delta.row.last = batch.last();
        delta.row.bytes_added += usage.bytes;
        delta.appended.push_back(Appended { batch: batch.clone(), due });
    }

    /// Everything up to a position, `freed` in all, is to be forgotten. What was not sealed yet is
    /// never written; of the rest nobody waits to hear that it is gone.
    pub(super) fn remove(&mut self, key: &SessionKey, up_to: u64, freed: Usage) {
        let delta = self.open.delta(key);
        let cancelled = delta.cancel(up_to);
        delta.row.bytes_freed += freed.bytes;
        self.open.appended -= cancelled;
        self.open.removing |= freed.messages > cancelled.messages;
    }

    /// These messages, the oldest of their session, are to become records of expiry.
    pub(super) fn expire(&mut self, key: &SessionKey, expired: &[Run], freed: Usage) {
        let Some(last) = expired.last() else { return };
        self.remove(key, last.last_position(), freed);
        self.open.delta(key).row.expired.extend_from_slice(expired);
        self.open.pressing = true;
    }

    /// See [`Mailbox::settle`](crate::mailbox::Mailbox::settle).
    pub(super) fn settle(&mut self, key: &SessionKey, installation: Installation, n: u64) {
        raise(&mut self.open.delta(key).row.settled, installation, n);
    }

    /// See [`Mailbox::forget`](crate::mailbox::Mailbox::forget).
    pub(super) fn forget(&mut self, key: &SessionKey, installation: Installation) {
        let row = &mut self.open.delta(key).row;
        row.have.retain(|(it, _)| *it != installation);
        row.settled.retain(|(it, _)| *it != installation);
        row.forgotten.push(installation);
    }

    /// The time is to be stored, also if nothing else is.
    pub(super) fn press(&mut self) {
        self.open.pressing = true;
    }

    /// What the writer is to commit now. Sealing again before [`committed`](Self::committed) gives
    /// the same.
    pub(super) fn seal(&mut self) -> Arc<Changes> {
        let open = &mut self.open;
        self.sealed.get_or_insert_with(|| Arc::new(std::mem::take(open))).clone()
    }

    /// What was sealed is on disk.
    pub(super) fn committed(&mut self) {
        self.sealed = None;
    }

    /// Whether there is something to commit without delay.
    pub(super) fn is_pressing(&self) -> bool {
        self.sealed.is_some() || self.open.pressing
    }

    /// Whether something on disk is to be removed.
    pub(super) fn is_removing(&self) -> bool {
        self.open.removing
    }

    /// When what is to be written is due, or somewhat earlier.
    pub(super) fn due(&self) -> Option<Instant> {
        self.open.due.filter(|_| !self.open.appended.is_empty())
    }

    /// Looks again when what is to be written is due, for the time of something that was taken back
    /// has come.
    pub(super) fn review(&mut self) {
        self.open.due = self.open.sessions.values().filter_map(Delta::due).min();
    }

    /// Whether there is nothing to commit at all.
    pub(super) fn is_empty(&self) -> bool {
        self.sealed.is_none() && self.open.sessions.is_empty()
    }

    /// What is to be written, in all.
    pub(super) fn usage(&self) -> Usage {
        self.parts().map(|changes| changes.appended).sum()
    }

    /// What may not be on disk yet of a session: its messages above a position, no more than fit
    /// into `limit`, but one at least. To be taken *before* the disk is read, so that nothing is
    /// missed that is committed meanwhile.
    pub(super) fn tail(&self, key: &SessionKey, after: u64, limit: Usage) -> Tail {
        let deltas: Vec<_> = self.parts().filter_map(|it| it.sessions.get(key)).collect();
        let rows: Vec<_> = deltas.iter().map(|delta| delta.row.clone()).collect();
        let after = rows.iter().map(|row| row.removed).fold(after, u64::max);
        let mut room = Room::new(limit);
        let messages = deltas.iter().flat_map(|delta| delta.messages_after(after));
        let fitting = messages.take_while(|(.., message)| room.takes(message.body.len()));
        let messages = fitting.map(|(position, _, message)| (position, message.clone())).collect();
        Tail { rows, messages }
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

    /// What is to be written.
    pub(super) fn appended(&self) -> Usage {
        self.appended
    }

    fn delta(&mut self, key: &SessionKey) -> &mut Delta {
        self.sessions.entry(key.clone()).or_default()
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

    /// The last position that expires; 0 if none does.
    pub(super) fn expired_up_to(&self) -> u64 {
        self.row.expired.last().map_or(0, Run::last_position)
    }

    /// The changes of the session's row.
    pub(super) fn row(&self) -> &RowDelta {
        &self.row
    }

    /// Takes back the messages up to a position. Acknowledgements may come one by one, so a batch
    /// stays whole until its last message is taken back.
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
}

impl Tail {
    /// A session's row as it will be. Changes may be on disk already: making them again changes
    /// nothing but `bytes`.
    pub(super) fn overlay(&self, mut row: Row) -> Row {
        self.rows.iter().for_each(|delta| delta.apply(&mut row));
        row
    }

    /// Everything up to here was removed, as far as the tail knows.
    pub(super) fn removed(&self) -> u64 {
        self.rows.iter().map(|row| row.removed).max().unwrap_or(0)
    }
}

impl RowDelta {
    /// Makes the changes in a session's row.
    pub(super) fn apply(&self, row: &mut Row) {
        row.have.retain(|have| !self.forgotten.contains(&have.installation));
        // Who is forgotten has settled all; what `forget` took out of `settled` may be about these.
        row.expired.retain(|run| !self.forgotten.contains(&run.installation));
        for (installation, n) in &self.have {
            row.take(MessageId { installation: *installation, n: *n });
        }
        let known = row.expired.last().map_or(0, Run::last_position);
        row.expired.extend(self.expired.iter().filter(|run| run.first_position > known));
        for (installation, n) in &self.settled {
            settle(row, *installation, *n);
        }
        row.last = row.last.max(self.last);
        row.removed = row.removed.max(self.removed);
        row.bytes = (row.bytes + self.bytes_added).saturating_sub(self.bytes_freed);
    }
}

fn settle(row: &mut Row, installation: Installation, n: u64) {
    if let Some(have) = row.have.iter_mut().find(|have| have.installation == installation) {
        have.settled = have.settled.max(n);
    }
    settle_expired(&mut row.expired, installation, n);
}

fn raise(numbers: &mut Vec<(Installation, u64)>, installation: Installation, n: u64) {
    match numbers.iter_mut().find(|(it, _)| *it == installation) {
        Some((_, highest)) => *highest = (*highest).max(n),
        None => numbers.push((installation, n)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::mailbox::Have;
    use crate::message::{Kind, Timestamp};

    const A: Installation = Installation::from_u64(1);

    fn key() -> SessionKey {
        SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap()
    }

    fn batch(first: u64, count: u64) -> Batch {
        let message = |n| Message {
            id: MessageId { installation: A, n },
            time: Timestamp(n),
            kind: Kind::TEXT,
            body: Bytes::from_static(b"0123456789"),
        };
        Batch::new(first, (first..first + count).map(message).collect::<Vec<_>>())
    }

    fn usage(messages: u64) -> Usage {
        Usage { messages, bytes: 10 * messages }
    }

    fn overlay(journal: &Journal, row: Row) -> Row {
        journal.tail(&key(), 0, usage(0)).overlay(row)
    }

    fn written(changes: &Changes) -> Vec<u64> {
        changes.sessions().flat_map(|(_, delta)| delta.messages().map(|it| it.0)).collect()
    }

    #[test]
    fn what_is_removed_before_it_is_sealed_is_never_written() {
        let mut journal = Journal::default();
        journal.append(&key(), &batch(1, 3), Instant::now());
        journal.append(&key(), &batch(4, 3), Instant::now());
        assert_eq!(journal.usage(), usage(6));
        journal.remove(&key(), 4, usage(4));
        assert_eq!(journal.usage(), usage(2));
        let row = overlay(&journal, Row::default());
        assert_eq!((row.removed, row.last, row.bytes), (4, 6, 20));
        assert_eq!(written(&journal.seal()), [5, 6]);
    }

    #[test]
    fn when_all_is_taken_back_nothing_is_due_but_have_is_remembered() {
        let mut journal = Journal::default();
        journal.append(&key(), &batch(1, 3), Instant::now());
        assert!(journal.due().is_some());
        journal.remove(&key(), 3, usage(3));
        assert!(journal.due().is_none() && !journal.is_pressing() && !journal.is_empty());
        assert!(!journal.is_removing(), "nothing was on disk");
        let row = overlay(&journal, Row::default());
        assert_eq!(row.have, [Have { installation: A, n: 3, settled: 0 }]);
        assert_eq!((row.removed, row.last, row.bytes), (3, 3, 0));
        assert_eq!(written(&journal.seal()), [0; 0]);
    }

    #[test]
    fn what_is_sealed_is_removed_by_the_next_commit() {
        let mut journal = Journal::default();
        journal.append(&key(), &batch(1, 3), Instant::now());
        assert_eq!(written(&journal.seal()), [1, 2, 3]);
        journal.append(&key(), &batch(4, 1), Instant::now());
        assert!(!journal.is_removing());
        journal.remove(&key(), 2, usage(2));
        assert!(journal.is_removing());
        let tail = |limit| -> Vec<_> {
            journal.tail(&key(), 0, limit).messages.iter().map(|(position, _)| *position).collect()
        };
        assert_eq!(tail(usage(9)), [3, 4], "wherever it is");
        assert_eq!(tail(usage(0)), [3], "one at least");
        assert_eq!(written(&journal.seal()), [1, 2, 3], "the same until it is committed");
        journal.committed();
        let next = journal.seal();
        assert_eq!(written(&next), [4]);
        let mut row = Row { removed: 0, last: 3, bytes: 30, ..Row::default() };
        next.sessions().for_each(|(_, delta)| delta.row().apply(&mut row));
        assert_eq!((row.removed, row.last, row.bytes), (2, 4, 20));
        journal.committed();
        assert!(journal.is_empty());
    }

    #[test]
    fn what_is_not_taken_back_is_due_in_its_time() {
        let mut journal = Journal::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        journal.append(&key(), &batch(1, 3), at(1));
        journal.append(&key(), &batch(4, 3), at(3));
        journal.append(&key().reverse(), &batch(1, 3), at(2));
        assert_eq!(journal.due(), Some(at(1)));
        journal.remove(&key(), 3, usage(3));
        journal.review();
        assert_eq!(journal.due(), Some(at(2)));
        journal.remove(&key().reverse(), 3, usage(3));
        journal.review();
        assert_eq!(journal.due(), Some(at(3)));
        journal.remove(&key(), 5, usage(2));
        journal.review();
        assert_eq!(journal.due(), Some(at(3)), "one is left");
        journal.remove(&key(), 6, usage(1));
        assert_eq!(journal.due(), None);
        journal.append(&key(), &batch(7, 1), at(9));
        assert_eq!(journal.due(), Some(at(3)), "no later than it must be");
        journal.review();
        assert_eq!(journal.due(), Some(at(9)));
    }

    #[test]
    fn records_of_expiry_stay_until_they_are_settled() {
        let mut journal = Journal::default();
        let run = Run { first_position: 1, installation: A, first_n: 1, count: 3 };
        journal.append(&key(), &batch(1, 4), Instant::now());
        journal.expire(&key(), &[run], usage(3));
        let row = overlay(&journal, Row::default());
        assert_eq!((row.removed, row.expired.as_slice()), (3, &[run][..]));
        journal.settle(&key(), A, 2);
        let row = overlay(&journal, Row::default());
        let rest = Run { first_position: 3, first_n: 3, count: 1, ..run };
        assert_eq!((row.have[0].settled, row.expired), (2, vec![rest]));
        journal.settle(&key(), A, 3);
        assert!(overlay(&journal, Row::default()).expired.is_empty());
    }

    #[test]
    fn who_was_forgotten_may_come_again() {
        let mut journal = Journal::default();
        let have = Have { installation: A, n: 9, settled: 9 };
        let row = Row { removed: 9, last: 9, have: vec![have], ..Row::default() };
        journal.forget(&key(), A);
        assert!(overlay(&journal, row.clone()).have.is_empty());
        journal.append(&key(), &batch(1, 2), Instant::now());
        assert_eq!(overlay(&journal, row).have[0].n, 2);
    }
}
