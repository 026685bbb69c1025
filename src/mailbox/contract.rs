//! What every mailbox must do: one test suite, run over each implementation.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_std::task::block_on;

use super::*;
use crate::message::{Batch, Installation, Message, MessageId, Name, SessionKey, Uptime};
use crate::trust::PublicKey;

/// Makes each test of the contract once for each implementation, on a fresh mailbox.
macro_rules! contract {
    ($($test:ident)*) => {
        mod memory {
            $(#[test] fn $test() { super::$test(&super::MemoryMailbox::default()); })*
        }

        mod embedded {
            $(#[test] fn $test() {
                let folder = tempfile::tempdir().unwrap();
                super::$test(&super::EmbeddedMailbox::open(folder.path()).unwrap());
            })*
        }
    };
}

contract! {
    an_unknown_session_is_empty
    messages_come_back_in_order
    pending_begins_above_a_position_and_keeps_to_its_limit
    pending_keeps_to_bytes_but_gives_one_at_least
    removing_is_up_to_and_with
    positions_go_on_when_all_was_removed
    have_outlives_its_messages
    waiting_counts_for_one_receiver_alone
    usage_counts_messages_and_bytes
    every_append_is_committed_in_order
    what_is_withheld_has_no_body_and_expires_all_the_same
    what_is_set_aside_is_no_load
    what_expires_is_remembered_until_it_is_settled
    overdue_is_what_waits_since_before
    who_is_forgotten_begins_anew
    whoever_is_orphaned_is_so_until_they_are_heard_from
    what_was_settled_is_gone_when_its_installation_is_forgotten
    a_device_list_takes_the_place_of_another_and_is_told_when_it_is_committed
    standings_are_kept_until_they_are_removed_and_synced_when_somebody_asks
}

pub(super) fn key(sender: &str, receiver: &str) -> SessionKey {
    SessionKey::new(sender.parse().unwrap(), receiver.parse().unwrap()).unwrap()
}

pub(super) const INSTALLATION: Installation = Installation::from_u64(7);

pub(super) fn batch(first: u64, numbers: impl IntoIterator<Item = u64>) -> Batch {
    let message = |n| Message::text(INSTALLATION.to_u64(), n, format!("message {n}"));
    Batch::new(first, numbers.into_iter().map(message).collect::<Vec<_>>())
}

pub(super) fn up_to(messages: u64) -> Usage {
    Usage { messages, bytes: u64::MAX }
}

fn pending(mailbox: &dyn Mailbox, key: &SessionKey, after: u64, limit: u64) -> Vec<u64> {
    let batch = block_on(mailbox.pending(key, after, up_to(limit))).unwrap();
    batch.messages().iter().map(|it| it.id.n).collect()
}

/// What waits up to and with a position.
pub(super) fn usage_up_to(mailbox: &dyn Mailbox, key: &SessionKey, position: u64) -> Usage {
    let batch = block_on(mailbox.pending(key, 0, up_to(u64::MAX))).unwrap();
    let messages = (batch.first()..).zip(batch.messages());
    let old = messages.take_while(|(it, _)| *it <= position);
    old.map(|(_, message)| Usage::one(message.weight())).sum()
}

pub(super) fn remove(mailbox: &dyn Mailbox, key: &SessionKey, position: u64) {
    mailbox.remove(key, position, usage_up_to(mailbox, key, position));
}

pub(super) fn committed(mailbox: &dyn Mailbox, mut enough: impl FnMut(&Commit) -> bool) {
    loop {
        match block_on(mailbox.watch().recv()).unwrap() {
            Event::Committed(commits) if commits.iter().any(&mut enough) => return,
            Event::Committed(_) | Event::Listed(_) => {}
            Event::Recovered => panic!("nothing failed"),
        }
    }
}

fn account(mailbox: &dyn Mailbox, key: &SessionKey) -> Account {
    let shelf = block_on(mailbox.load(key)).unwrap();
    shelf.accounts.get(INSTALLATION).cloned().unwrap_or_default()
}

fn an_unknown_session_is_empty(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    assert_eq!(block_on(mailbox.load(&key)).unwrap(), Shelf::default());
    assert!(pending(mailbox, &key, 0, 10).is_empty());
    remove(mailbox, &key, 5);
    assert_eq!(mailbox.usage(key.receiver()), Usage::default());
}

fn messages_come_back_in_order(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    block_on(mailbox.ready(key.sender())).unwrap();
    mailbox.append(&key, &batch(1, [1, 2]), Instant::now());
    mailbox.append(&key, &batch(3, [5, 9]), Instant::now());
    let kept = block_on(mailbox.pending(&key, 0, up_to(10))).unwrap();
    assert_eq!(kept, batch(1, [1, 2, 5, 9]));
}

fn pending_begins_above_a_position_and_keeps_to_its_limit(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=6), Instant::now());
    assert_eq!(pending(mailbox, &key, 2, 3), [3, 4, 5]);
    assert!(pending(mailbox, &key, 6, 3).is_empty());
    remove(mailbox, &key, 3);
    let rest = block_on(mailbox.pending(&key, 0, up_to(2))).unwrap();
    assert_eq!(rest, batch(4, [4, 5]));
}

fn pending_keeps_to_bytes_but_gives_one_at_least(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=6), Instant::now());
    let length = "message 1".len() as u64;
    for (bytes, given) in [(0, 1), (length, 1), (3 * length, 3), (3 * length + 1, 3)] {
        let limit = Usage { messages: 5, bytes };
        let batch = block_on(mailbox.pending(&key, 0, limit)).unwrap();
        assert_eq!(batch.messages().len(), given, "{bytes} bytes");
    }
}

fn removing_is_up_to_and_with(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=4), Instant::now());
    remove(mailbox, &key, 2);
    remove(mailbox, &key, 1);
    assert_eq!(pending(mailbox, &key, 0, 10), [3, 4]);
    remove(mailbox, &key, 99);
    assert!(pending(mailbox, &key, 0, 10).is_empty());
}

fn positions_go_on_when_all_was_removed(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=4), Instant::now());
    remove(mailbox, &key, 4);
    assert_eq!(block_on(mailbox.load(&key)).unwrap().last_position, 4);
    mailbox.append(&key, &batch(5, [5]), Instant::now());
    assert_eq!(block_on(mailbox.pending(&key, 0, up_to(10))).unwrap(), batch(5, [5]));
}

fn have_outlives_its_messages(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, [3, 4]), Instant::now());
    remove(mailbox, &key, 1);
    let shelf = block_on(mailbox.load(&key)).unwrap();
    let id = MessageId { installation: INSTALLATION, n: 4 };
    let account = Account { n: 4, seen: 2, ..Account::default() };
    assert_eq!(shelf.accounts.get(INSTALLATION), Some(&account));
    let outline = Outline { id, length: "message 4".len(), is_withheld: false };
    assert_eq!(shelf.waiting, [outline]);
    remove(mailbox, &key, 2);
    assert_eq!(block_on(mailbox.load(&key)).unwrap().accounts, shelf.accounts);
}

fn waiting_counts_for_one_receiver_alone(mailbox: &dyn Mailbox) {
    mailbox.append(&key("john", "marie"), &batch(1, 1..=3), Instant::now());
    mailbox.append(&key("anna", "marie"), &batch(1, 1..=2), Instant::now());
    mailbox.append(&key("marie", "john"), &batch(1, 1..=9), Instant::now());
    mailbox.append(&key("zoe", "marie"), &batch(1, [1]), Instant::now());
    remove(mailbox, &key("zoe", "marie"), 1);
    let name = |text: &str| text.parse::<Name>().unwrap();
    assert_eq!(mailbox.waiting(&name("marie")), [(name("anna"), 2), (name("john"), 3)]);
    assert!(mailbox.waiting(&name("zoe")).is_empty());
}

fn usage_counts_messages_and_bytes(mailbox: &dyn Mailbox) {
    let marie: Name = "marie".parse().unwrap();
    mailbox.append(&key("john", "marie"), &batch(1, 1..=3), Instant::now());
    mailbox.append(&key("anna", "marie"), &batch(1, [10]), Instant::now());
    assert_eq!(mailbox.usage(&marie), Usage { messages: 4, bytes: 3 * 9 + 10 });
    remove(mailbox, &key("john", "marie"), 2);
    assert_eq!(mailbox.usage(&marie), Usage { messages: 2, bytes: 9 + 10 });
}

fn every_append_is_committed_in_order(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=3), Instant::now());
    mailbox.append(&key, &batch(4, 4..=7), Instant::now());
    let mut so_far = 0;
    committed(mailbox, |commit| {
        assert!(commit.key == key && commit.up_to > so_far && commit.ended_up_to == 0);
        so_far = commit.up_to;
        so_far == 7
    });
}

fn withhold(mailbox: &dyn Mailbox, key: &SessionKey, up_to: u64) {
    mailbox.withhold(key, up_to, usage_up_to(mailbox, key, up_to));
}

fn what_is_withheld_has_no_body_and_expires_all_the_same(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    let (first, second) = (batch(1, 1..=3).waiting_since(Uptime(9)), batch(4, 4..=5));
    mailbox.append(&key, &first, Instant::now());
    committed(mailbox, |commit| commit.up_to == 3);
    mailbox.append(&key, &second, Instant::now());
    remove(mailbox, &key, 1);
    withhold(mailbox, &key, 4);
    let is_withheld = |it: &Message| {
        assert_eq!(it.length(), "message 1".len());
        it.is_withheld()
    };
    let look = || {
        assert_eq!(mailbox.usage(key.receiver()), Usage { messages: 4, bytes: 9 });
        let kept = block_on(mailbox.pending(&key, 0, up_to(10))).unwrap();
        let withheld: Vec<_> = kept.messages().iter().map(is_withheld).collect();
        assert_eq!((kept.first(), withheld), (2, vec![true, true, true, false]));
        let shelf = block_on(mailbox.load(&key)).unwrap();
        let outlines: Vec<_> = kept.messages().iter().map(Outline::of).collect();
        assert_eq!(shelf.waiting, outlines);
    };
    look();
    let other = batch(1, [1]).waiting_since(Uptime(10));
    mailbox.append(&key.reverse(), &other, Instant::now());
    committed(mailbox, |commit| commit.key == key.reverse());
    look();
    assert_eq!(block_on(mailbox.overdue(Uptime(10))).unwrap(), [(key.clone(), 5)]);
    let run = Run { first_position: 2, installation: INSTALLATION, first_n: 2, count: 3 };
    mailbox.end(&key, Fate::Expired, &[run], usage_up_to(mailbox, &key, 4));
    committed(mailbox, |commit| commit.ended_up_to == 4);
    assert_eq!(mailbox.usage(key.receiver()), Usage::one(9));
    assert_eq!(account(mailbox, &key).expired, [(2, 4)].into());
}

fn what_is_set_aside_is_no_load(mailbox: &dyn Mailbox) {
    let (eve, john, marie) = (key("eve", "marie"), key("john", "marie"), "marie".parse().unwrap());
    let two = Usage { messages: 2, bytes: 18 };
    assert_eq!(mailbox.set_aside(&eve, true), Usage::default());
    mailbox.append(&eve, &batch(1, 1..=2), Instant::now());
    mailbox.append(&john, &batch(1, 1..=2), Instant::now());
    assert_eq!(mailbox.usage(&marie), two);
    for _ in 0..2 {
        assert_eq!(mailbox.set_aside(&eve, true), two);
        assert_eq!(mailbox.set_aside(&john, true), two);
        assert_eq!(mailbox.usage(&marie), Usage::default());
    }
    remove(mailbox, &john, 1);
    for _ in 0..2 {
        assert_eq!(mailbox.set_aside(&john, false), Usage::one(9));
        assert_eq!(mailbox.usage(&marie), Usage::one(9));
    }
    assert_eq!(mailbox.waiting(&marie).len(), 2, "they wait all the same");
}

fn what_expires_is_remembered_until_it_is_settled(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=5), Instant::now());
    let run = Run { first_position: 1, installation: INSTALLATION, first_n: 1, count: 3 };
    mailbox.end(&key, Fate::Expired, &[run], usage_up_to(mailbox, &key, 3));
    assert_eq!(pending(mailbox, &key, 0, 10), [4, 5]);
    committed(mailbox, |commit| commit.ended_up_to == 3);
    assert_eq!(account(mailbox, &key).expired, [(1, 3)].into());
    mailbox.settle(&key, INSTALLATION, 2);
    let Account { settled, expired, .. } = account(mailbox, &key);
    assert_eq!((settled, expired), (2, [(3, 3)].into()));
    mailbox.settle(&key, INSTALLATION, 3);
    assert!(account(mailbox, &key).expired.is_empty());
}

fn overdue_is_what_waits_since_before(mailbox: &dyn Mailbox) {
    let (one, other) = (key("john", "marie"), key("anna", "marie"));
    let minute = |minutes: u64| Uptime(0) + Duration::from_secs(60 * minutes);
    let append = |key, numbers: std::ops::RangeInclusive<u64>, minutes| {
        let batch = batch(*numbers.start(), numbers).waiting_since(minute(minutes));
        mailbox.append(key, &batch, Instant::now());
    };
    append(&one, 1..=3, 10);
    append(&one, 4..=4, 14);
    append(&one, 5..=5, 15);
    append(&other, 1..=2, 21);
    // Only what is committed is old enough for anything.
    let mut missing = vec![(one.clone(), 5), (other, 2)];
    committed(mailbox, |commit| {
        missing.retain(|(key, last)| *key != commit.key || *last > commit.up_to);
        missing.is_empty()
    });
    let overdue = |before| block_on(mailbox.overdue(minute(before))).unwrap();
    assert_eq!(overdue(10), []);
    assert_eq!(overdue(14), [(one.clone(), 3)]);
    assert_eq!(overdue(99).len(), 2);
    remove(mailbox, &one, 4);
    assert_eq!(overdue(15), []);
    assert_eq!(overdue(16), [(one, 5)]);
}

fn who_is_forgotten_begins_anew(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, [9]), Instant::now());
    remove(mailbox, &key, 1);
    mailbox.forget(&key, INSTALLATION);
    assert!(block_on(mailbox.load(&key)).unwrap().accounts.is_empty());
    mailbox.append(&key, &batch(2, [1]), Instant::now());
    assert_eq!(account(mailbox, &key), Account { n: 1, seen: 2, ..Account::default() });
}

fn whoever_is_orphaned_is_so_until_they_are_heard_from(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    let account_is = |n, seen| {
        assert_eq!(account(mailbox, &key), Account { n, seen, ..Account::default() });
    };
    mailbox.orphan(&key, INSTALLATION);
    assert_eq!(block_on(mailbox.load(&key)).unwrap(), Shelf::default(), "nothing came from it");
    mailbox.append(&key, &batch(1, 1..=2), Instant::now());
    mailbox.orphan(&key, INSTALLATION);
    account_is(2, Account::ORPHANED);
    committed(mailbox, |commit| commit.up_to == 2);
    remove(mailbox, &key, 1);
    account_is(2, Account::ORPHANED);
    mailbox.hear(&key, INSTALLATION, 2);
    account_is(2, 2);
    mailbox.orphan(&key, INSTALLATION);
    mailbox.append(&key, &batch(3, [3]), Instant::now());
    account_is(3, 3);
    committed(mailbox, |commit| commit.up_to == 3);
    account_is(3, 3);
}

fn what_was_settled_is_gone_when_its_installation_is_forgotten(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, [9]), Instant::now());
    committed(mailbox, |commit| commit.up_to == 1);
    let run = Run { first_position: 1, installation: INSTALLATION, first_n: 9, count: 1 };
    mailbox.end(&key, Fate::Expired, &[run], usage_up_to(mailbox, &key, 1));
    committed(mailbox, |commit| commit.ended_up_to == 1);
    // Most likely one commit takes both.
    mailbox.settle(&key, INSTALLATION, 9);
    mailbox.forget(&key, INSTALLATION);
    let shelf = block_on(mailbox.load(&key)).unwrap();
    assert_eq!(shelf, Shelf { last_position: 1, ..Shelf::default() });
}

pub(super) fn list(version: u64) -> KeptList {
    let owner = PublicKey::from_bytes([7; 32]);
    let id = ListId { owner, version, server: None, edition: 0 };
    KeptList { id, bundle: format!("version {version}").into() }
}

pub(super) fn committed_list(mailbox: &dyn Mailbox, name: &Name) -> Option<KeptList> {
    block_on(mailbox.committed_list(name)).unwrap()
}

fn a_device_list_takes_the_place_of_another_and_is_told_when_it_is_committed(
    mailbox: &dyn Mailbox,
) {
    let (marie, john): (Name, Name) = ("marie".parse().unwrap(), "john".parse().unwrap());
    let listed = |name: &Name, id| loop {
        match block_on(mailbox.watch().recv()).unwrap() {
            Event::Listed(lists) if lists.contains(&(name.clone(), id)) => return,
            Event::Listed(_) | Event::Committed(_) => {}
            Event::Recovered => panic!("nothing failed"),
        }
    };
    assert_eq!((mailbox.list_of(&marie), committed_list(mailbox, &marie)), (None, None));
    for version in [1, 7] {
        mailbox.append(&key("john", "marie"), &batch(version, [version]), Instant::now());
        mailbox.keep_list(&marie, Some(&list(version)));
        let id = Some(list(version).id);
        assert_eq!(mailbox.list_of(&marie), id);
        listed(&marie, id);
        assert_eq!(committed_list(mailbox, &marie), Some(list(version)));
    }
    assert_eq!(committed_list(mailbox, &john), None, "another's");
    assert_eq!(mailbox.waiting(&marie), [(john, 2)]);
    mailbox.keep_list(&marie, None);
    assert_eq!(mailbox.list_of(&marie), None);
    listed(&marie, None);
    assert_eq!(committed_list(mailbox, &marie), None);
}

/// All standings that are committed.
pub(super) fn standings(mailbox: &dyn Mailbox) -> HashMap<SessionKey, Standing> {
    block_on(mailbox.standings()).unwrap().into_iter().collect()
}

fn standings_are_kept_until_they_are_removed_and_synced_when_somebody_asks(mailbox: &dyn Mailbox) {
    let (key, reverse) = (key("john", "marie"), key("marie", "john"));
    block_on(mailbox.synced()).unwrap();
    assert!(standings(mailbox).is_empty());
    for standing in Standing::ALL {
        mailbox.keep_standing(&key, Some(standing));
        mailbox.keep_standing(&reverse, Some(Standing::Accepted));
        block_on(mailbox.synced()).unwrap();
        let expected = [(key.clone(), standing), (reverse.clone(), Standing::Accepted)];
        assert_eq!(standings(mailbox), expected.into());
    }
    assert_eq!(block_on(mailbox.load(&key)).unwrap(), Shelf::default(), "it is none of it");
    mailbox.keep_standing(&key, None);
    block_on(mailbox.synced()).unwrap();
    assert_eq!(standings(mailbox), [(reverse, Standing::Accepted)].into());
}
