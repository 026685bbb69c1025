//! What collects until it is committed.

use std::time::Duration;

use super::*;
use crate::mailbox::Account;

const A: Installation = Installation::from_u64(1);

fn key() -> SessionKey {
    SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap()
}

fn batch(first: u64, count: u64) -> Batch {
    let message = |n| Message::text(A.to_u64(), n, "0123456789");
    Batch::new(first, (first..first + count).map(message).collect::<Vec<_>>())
}

fn usage(messages: u64) -> Usage {
    Usage { messages, bytes: 10 * messages }
}

fn overlay(journal: &Journal, row: Row) -> Row {
    journal.tail(&key(), 0, usage(0)).overlay(row, Accounts::default()).0
}

fn account(journal: &Journal) -> Account {
    let (_, accounts) =
        journal.tail(&key(), 0, usage(0)).overlay(Row::default(), Accounts::default());
    accounts.get(A).cloned().unwrap_or_default()
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
    assert!(!journal.has_something_soon(), "nothing was on disk");
    let row = overlay(&journal, Row::default());
    assert_eq!((account(&journal).n, account(&journal).seen), (3, 3));
    assert_eq!((row.removed, row.last, row.bytes), (3, 3, 0));
    assert_eq!(written(&journal.seal()), [0; 0]);
}

/// One message of a sender who has written as much as may wait, and how much of it is too much.
fn too_much(sender: &str) -> (SessionKey, Batch, Usage) {
    let body = vec![b'x'; usize::try_from(SENDER_LIMIT).unwrap()];
    let message = Message::text(A.to_u64(), 1, body);
    let key = SessionKey::new(sender.parse().unwrap(), "marie".parse().unwrap()).unwrap();
    (key, Batch::new(1, vec![message]), Usage { messages: 1, bytes: SENDER_LIMIT })
}

#[test]
fn who_writes_much_waits_for_the_disk_and_others_do_not() {
    let mut journal = Journal::default();
    let (later, (key, batch, usage)) = (Instant::now() + Duration::from_secs(9), too_much("eve"));
    let john = self::key().sender().clone();
    journal.append(&self::key(), &self::batch(1, 3), later);
    assert!(!journal.is_pressing() && !journal.holds_up(&john));
    journal.append(&key, &batch, later);
    assert!(journal.is_pressing(), "it is not waited until it is due");
    journal.seal();
    assert!(journal.holds_up(key.sender()) && !journal.holds_up(&john));
    journal.committed(Vec::new());
    assert!(!journal.holds_up(key.sender()));
    journal.append(&key, &batch, later);
    journal.remove(&key, 1, usage);
    assert!(!journal.holds_up(key.sender()), "it was acknowledged");
    let mut journal = Journal::default();
    journal.append(&key, &batch, later);
    journal.withhold(&key, 1);
    assert!(!journal.holds_up(key.sender()), "it lost its body");
}

#[test]
fn what_is_sealed_is_removed_by_the_next_commit() {
    let mut journal = Journal::default();
    journal.append(&key(), &batch(1, 3), Instant::now());
    assert_eq!(written(&journal.seal()), [1, 2, 3]);
    journal.append(&key(), &batch(4, 1), Instant::now());
    assert!(!journal.has_something_soon());
    journal.remove(&key(), 2, usage(2));
    assert!(journal.has_something_soon());
    let tail = |limit| -> Vec<_> {
        journal.tail(&key(), 0, limit).messages.iter().map(|(position, _)| *position).collect()
    };
    assert_eq!(tail(usage(9)), [3, 4], "wherever it is");
    assert_eq!(tail(usage(0)), [3], "one at least");
    assert_eq!(written(&journal.seal()), [1, 2, 3], "the same until it is committed");
    journal.committed(Vec::new());
    let next = journal.seal();
    assert_eq!(written(&next), [4]);
    let mut row = Row { removed: 0, last: 3, bytes: 30 };
    next.sessions().for_each(|(_, delta)| delta.row().apply(&mut row));
    assert_eq!((row.removed, row.last, row.bytes), (2, 4, 20));
    journal.committed(Vec::new());
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
    journal.end(&key(), Fate::Expired, &[run], usage(3));
    assert_eq!(overlay(&journal, Row::default()).removed, 3);
    assert_eq!(account(&journal).expired, [(1, 3)].into());
    journal.settle(&key(), A, 2);
    assert_eq!((account(&journal).settled, account(&journal).expired), (2, [(3, 3)].into()));
    journal.settle(&key(), A, 3);
    assert!(account(&journal).expired.is_empty());
}

#[test]
fn who_was_forgotten_may_come_again() {
    let mut journal = Journal::default();
    let mut accounts = Accounts::default();
    accounts.take(MessageId { installation: A, n: 9 }, 9);
    accounts.settle(A, 9);
    let overlay = |journal: &Journal| {
        journal.tail(&key(), 0, usage(0)).overlay(Row::default(), accounts.clone()).1
    };
    journal.hear(&key(), A, 9);
    journal.forget(&key(), A);
    assert!(overlay(&journal).is_empty());
    journal.append(&key(), &batch(1, 2), Instant::now());
    assert_eq!(overlay(&journal).get(A).map(|it| (it.n, it.settled)), Some((2, 0)));
}

/// Nobody waits for what people think of each other, but it is not to be lost with the next crash either.
#[test]
fn a_standing_is_committed_soon_and_at_once_if_somebody_waits_for_it() {
    let mut journal = Journal::default();
    assert!(journal.hasten() == 0 && journal.has_committed(0), "there is nothing to wait for");
    journal.keep_standing(&key(), Some(Standing::Accepted));
    assert!(journal.has_something_soon() && !journal.is_pressing() && !journal.is_empty());
    assert_eq!(journal.hasten(), 1);
    assert!(journal.is_pressing() && !journal.has_committed(1));
    journal.seal();
    journal.keep_standing(&key(), None);
    assert_eq!(journal.hasten(), 2, "it came behind what is being written");
    journal.committed(Left::default());
    assert!(journal.has_committed(1) && !journal.has_committed(2));
}
