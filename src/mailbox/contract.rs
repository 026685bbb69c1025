//! What every mailbox must do, told once and run over each implementation.

use async_std::task::block_on;
use bytes::Bytes;

use super::*;
use crate::message::{Kind, Message, Timestamp};

/// Runs every test of the contract, each on a fresh mailbox.
macro_rules! contract {
    ($implementation:ident, $fresh:expr, $($test:ident)*) => {
        mod $implementation {
            use super::*;
            $(#[test] fn $test() { super::$test(&$fresh); })*
        }
    };
}

contract! {
    memory, MemoryMailbox::default(),
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
}

fn key(sender: &str, receiver: &str) -> SessionKey {
    SessionKey::new(sender.parse().unwrap(), receiver.parse().unwrap()).unwrap()
}

fn batch(first: u64, numbers: impl IntoIterator<Item = u64>) -> Batch {
    let message = |n| Message {
        id: MessageId { installation: Installation::from_u64(7), n },
        time: Timestamp(n),
        kind: Kind::TEXT,
        body: Bytes::from(format!("message {n}")),
    };
    Batch::new(first, numbers.into_iter().map(message).collect::<Vec<_>>())
}

fn up_to(messages: u64) -> Usage {
    Usage { messages, bytes: u64::MAX }
}

fn pending(mailbox: &dyn Mailbox, key: &SessionKey, after: u64, limit: u64) -> Vec<u64> {
    let batch = block_on(mailbox.pending(key, after, up_to(limit))).unwrap();
    batch.messages().iter().map(|it| it.id.n).collect()
}

fn an_unknown_session_is_empty(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    assert_eq!(block_on(mailbox.load(&key)).unwrap(), Shelf::default());
    assert!(pending(mailbox, &key, 0, 10).is_empty());
    mailbox.remove(&key, 5);
    assert_eq!(mailbox.usage(key.receiver()), Usage::default());
}

fn messages_come_back_in_order(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    block_on(mailbox.ready());
    mailbox.append(&key, &batch(1, [1, 2]));
    mailbox.append(&key, &batch(3, [5, 9]));
    let kept = block_on(mailbox.pending(&key, 0, up_to(10))).unwrap();
    assert_eq!(kept, batch(1, [1, 2, 5, 9]));
}

fn pending_begins_above_a_position_and_keeps_to_its_limit(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=6));
    assert_eq!(pending(mailbox, &key, 2, 3), [3, 4, 5]);
    assert!(pending(mailbox, &key, 6, 3).is_empty());
    mailbox.remove(&key, 3);
    let rest = block_on(mailbox.pending(&key, 0, up_to(2))).unwrap();
    assert_eq!(rest, batch(4, [4, 5]));
}

fn pending_keeps_to_bytes_but_gives_one_at_least(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=6));
    let length = "message 1".len() as u64;
    for (bytes, given) in [(0, 1), (length, 1), (3 * length, 3), (3 * length + 1, 3)] {
        let limit = Usage { messages: 5, bytes };
        let batch = block_on(mailbox.pending(&key, 0, limit)).unwrap();
        assert_eq!(batch.messages().len(), given, "{bytes} bytes");
    }
}

fn removing_is_up_to_and_with(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=4));
    mailbox.remove(&key, 2);
    mailbox.remove(&key, 1);
    assert_eq!(pending(mailbox, &key, 0, 10), [3, 4]);
    mailbox.remove(&key, 99);
    assert!(pending(mailbox, &key, 0, 10).is_empty());
}

fn positions_go_on_when_all_was_removed(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, 1..=4));
    mailbox.remove(&key, 4);
    assert_eq!(block_on(mailbox.load(&key)).unwrap().last_position, 4);
    mailbox.append(&key, &batch(5, [5]));
    assert_eq!(block_on(mailbox.pending(&key, 0, up_to(10))).unwrap(), batch(5, [5]));
}

fn have_outlives_its_messages(mailbox: &dyn Mailbox) {
    let key = key("john", "marie");
    mailbox.append(&key, &batch(1, [3, 4]));
    mailbox.remove(&key, 1);
    let shelf = block_on(mailbox.load(&key)).unwrap();
    let id = MessageId { installation: Installation::from_u64(7), n: 4 };
    assert_eq!(shelf.have, [(id.installation, 4)]);
    assert_eq!(shelf.waiting, [(id, "message 4".len())]);
    mailbox.remove(&key, 2);
    assert_eq!(block_on(mailbox.load(&key)).unwrap().have, [(id.installation, 4)]);
}

fn waiting_counts_for_one_receiver_alone(mailbox: &dyn Mailbox) {
    mailbox.append(&key("john", "marie"), &batch(1, 1..=3));
    mailbox.append(&key("anna", "marie"), &batch(1, 1..=2));
    mailbox.append(&key("marie", "john"), &batch(1, 1..=9));
    mailbox.append(&key("zoe", "marie"), &batch(1, [1]));
    mailbox.remove(&key("zoe", "marie"), 1);
    let name = |text: &str| text.parse::<Name>().unwrap();
    let waiting = block_on(mailbox.waiting(&name("marie"))).unwrap();
    assert_eq!(waiting, [(name("anna"), 2), (name("john"), 3)]);
    assert!(block_on(mailbox.waiting(&name("zoe"))).unwrap().is_empty());
}

fn usage_counts_messages_and_bytes(mailbox: &dyn Mailbox) {
    let marie: Name = "marie".parse().unwrap();
    mailbox.append(&key("john", "marie"), &batch(1, 1..=3));
    mailbox.append(&key("anna", "marie"), &batch(1, [10]));
    assert_eq!(mailbox.usage(&marie), Usage { messages: 4, bytes: 3 * 9 + 10 });
    mailbox.remove(&key("john", "marie"), 2);
    assert_eq!(mailbox.usage(&marie), Usage { messages: 2, bytes: 9 + 10 });
}

fn every_append_is_committed_in_order(mailbox: &dyn Mailbox) {
    let (key, commits) = (key("john", "marie"), mailbox.watch());
    mailbox.append(&key, &batch(1, 1..=3));
    mailbox.append(&key, &batch(4, 4..=7));
    let mut up_to = 0;
    while up_to < 7 {
        let commit = block_on(commits.recv()).unwrap();
        assert!(commit.key == key && commit.up_to > up_to);
        up_to = commit.up_to;
    }
}
