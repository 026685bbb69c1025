//! What the mailbox does while the disk is behind: who waits, what is written together, what never is.

use async_std::task::block_on;

use super::*;
use crate::message::{Kind, MessageId};

fn batch(first: u64, count: u64) -> Batch {
    let message = |n| Message {
        id: MessageId { installation: Installation::from_u64(1), n },
        time: Timestamp(n),
        kind: Kind::TEXT,
        body: "hello".into(),
    };
    Batch::new(first, (first..first + count).map(message).collect::<Vec<_>>())
}

#[test]
fn who_appends_waits_while_the_disk_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    {
        // Nothing can be committed as long as this is held.
        let _disk = mailbox.shared.store.write().unwrap();
        mailbox.append(&key, &batch(1, JOURNAL_LIMIT.messages - 1));
        assert!(mailbox.ready().now_or_never().is_some(), "there is room for one more");
        mailbox.append(&key, &batch(JOURNAL_LIMIT.messages, 1));
        assert!(mailbox.ready().now_or_never().is_none());
    }
    block_on(mailbox.ready()).unwrap();
    block_on(mailbox.close());
}

#[test]
fn what_is_appended_together_is_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    {
        let _disk = mailbox.shared.store.write().unwrap();
        mailbox.append(&key, &batch(1, 1));
        // The writer has begun with it, at the latest now.
        mailbox.shared.state().journal.seal();
        (2..=500).for_each(|n| mailbox.append(&key, &batch(n, 1)));
    }
    block_on(mailbox.close());
    let Counts { taken, written, commits } = mailbox.counts();
    assert_eq!((taken, written, commits), (500, 500, 2));
}

#[test]
fn what_is_acknowledged_before_its_commit_is_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    let five = |messages| Usage { messages, bytes: 5 * messages };
    {
        let _disk = mailbox.shared.store.write().unwrap();
        mailbox.append(&key, &batch(1, 1));
        mailbox.shared.state().journal.seal();
        (2..=500).for_each(|n| mailbox.append(&key, &batch(n, 1)));
        mailbox.remove(&key, 500, five(500));
    }
    block_on(mailbox.close());
    let Counts { taken, written, .. } = mailbox.counts();
    assert_eq!((taken, written), (500, 1), "only the first one was handed over before");
    let again = EmbeddedMailbox::open(folder.path()).unwrap();
    let shelf = block_on(again.load(&key)).unwrap();
    assert_eq!((shelf.waiting.len(), shelf.have[0].n), (0, 500), "but it is known");
}
