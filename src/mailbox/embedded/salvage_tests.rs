//! What is left of a damaged store can be looked at, accepted, and used from then on.

use std::time::Instant;

use async_std::task::block_on;

use super::super::image::Table;
use super::super::layout;
use super::super::test_stores::*;
use super::super::watermark::Watermark;
use super::*;
use crate::mailbox::embedded::EmbeddedMailbox;
use crate::mailbox::{KeptList, ListId, Mailbox, Usage};
use crate::message::Batch;
use crate::trust::PublicKey;

/// What is left is shown, accepted, and used from then on; what was refused is kept.
fn accept(data: &Path) -> Vec<u64> {
    let error = Paths::new(data).open().map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let before = contents(&data.join("mailbox"));
    drop(Salvage::open(data).unwrap());
    assert!(contents(&data.join("mailbox")) == before, "looking changes nothing");
    assert!(!data.join("mailbox.salvage").exists());

    let refused = Salvage::open(data).unwrap().accept().unwrap();
    let moved = contents(&refused).into_iter();
    let moved = moved.map(|(path, it)| (path.strip_prefix(&refused).unwrap().to_path_buf(), it));
    let before = before.into_iter();
    let before =
        before.map(|(path, it)| (path.strip_prefix(data.join("mailbox")).unwrap().into(), it));
    assert!(moved.eq(before), "what was refused is kept as it was");
    assert!(!data.join("mailbox.salvage").exists());
    assert!(!data.join("mailbox.journal").exists());

    let mailbox = EmbeddedMailbox::open(data).unwrap();
    let inspection = block_on(mailbox.image()).unwrap().inspect().unwrap();
    assert_eq!(inspection.problems, Vec::<String>::new(), "{inspection:?}");
    let everything = Usage { messages: u64::MAX, bytes: u64::MAX };
    let left = block_on(mailbox.pending(&key(), 0, everything)).unwrap();
    let left: Vec<_> = left.messages().iter().map(|message| message.id.n).collect();
    assert_eq!(mailbox.usage(key().receiver()).messages, left.len() as u64);
    assert_eq!(inspection.usage.messages, left.len() as u64);
    // What comes next has its place behind what is left.
    let shelf = block_on(mailbox.load(&key())).unwrap();
    let next = shelf.last_position + 1;
    let fresh = Batch::new(next, batch(100..101).messages().to_vec());
    mailbox.append(&key(), &fresh, Instant::now());
    await_commit(&mailbox, next);
    let all = block_on(mailbox.pending(&key(), 0, everything)).unwrap();
    let all: Vec<_> = all.messages().iter().map(|message| message.id.n).collect();
    assert_eq!(all, [&left[..], &[100]].concat());
    block_on(mailbox.close());
    left
}

#[test]
fn what_is_left_before_a_damage_can_be_accepted() {
    let filled = Filled::new();
    for (what, damage) in LOST.iter().chain(CHANGED) {
        for commit in [1, 3, COMMITS] {
            let copy = filled.copy(COMMITS, false);
            let at = filled.ends[usize::try_from(commit).unwrap()] - 100;
            change(copy.path(), |journal| damage(journal, at));
            let left: Vec<_> = (1..(commit - 1) * MESSAGES + 1).collect();
            assert_eq!(accept(copy.path()), left, "{what} in commit {commit}");
        }
    }
}

#[test]
fn what_is_left_when_a_part_of_the_store_is_gone_can_be_accepted() {
    let filled = Filled::new();
    for keyspace in ["1", "2", "3"] {
        let copy = filled.copy(COMMITS, false);
        let current = Path::new("mailbox/keyspaces").join(keyspace).join("current");
        fs::remove_file(copy.path().join(current)).unwrap();
        // Nothing was flushed: the journal has everything.
        let all: Vec<_> = (1..COMMITS * MESSAGES + 1).collect();
        assert_eq!(accept(copy.path()), all, "without keyspace {keyspace}");
    }
    let copy = filled.copy(COMMITS, false);
    fs::remove_dir_all(copy.path().join("mailbox")).unwrap();
    assert!(matches!(opened(copy.path()), Err(OpenError::Damaged { .. })));
    Salvage::open(copy.path()).unwrap().accept().unwrap();
    assert_eq!(opened(copy.path()).unwrap(), (0, 0));
}

#[test]
fn holes_between_messages_are_closed_and_lost_rows_made_again() {
    let filled = Filled::new();
    // Each commit is a segment.
    for lost in
        [0..=0, 1..=MESSAGES, MESSAGES + 1..=3 * MESSAGES, 2 * MESSAGES + 1..=COMMITS * MESSAGES]
    {
        for row in [false, true] {
            let copy = filled.copy(COMMITS, false);
            let (store, _) = Paths::new(copy.path()).open().unwrap();
            store.lose(&key(), lost.clone(), row);
            drop(store);
            // There is no such commit: it is refused.
            let watermark = Watermark { commit: COMMITS + 1, clean: false };
            watermark.write(&copy.path().join("mailbox.watermark")).unwrap();
            let left = (1..COMMITS * MESSAGES + 1).filter(|n| !lost.contains(n));
            assert_eq!(accept(copy.path()), left.collect::<Vec<_>>(), "{lost:?}, {row}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_left_out_of_what_is_accepted() {
    let filled = Filled::new();
    let copy = filled.copy(COMMITS, false);
    let (store, _) = Paths::new(copy.path()).open().unwrap();
    let garbage = |table, key: Vec<u8>| (table, (key.into(), bytes::Bytes::from_static(b"what?")));
    let prefix = layout::message_prefix(&key());
    let owner = PublicKey::from_bytes([7; 32]);
    let id = ListId { owner, version: 1, server: None, edition: 0 };
    let unsigned = layout::encode_list(&KeptList { id, bundle: "what?".into() });
    let unsigned = (Table::Sessions, (layout::list_key(key().sender()).into(), unsigned.into()));
    let entries = [
        garbage(Table::Sessions, layout::session_key(&key())),
        garbage(Table::Sessions, b"nobody".to_vec()),
        garbage(Table::Sessions, layout::list_key(key().receiver())),
        garbage(Table::Sessions, layout::standing_key(&key())),
        unsigned,
        garbage(Table::Messages, layout::segment_key(&prefix, 2 * MESSAGES)),
    ];
    store.fill(COMMITS, entries).unwrap();
    drop(store);
    let watermark = Watermark { commit: COMMITS + 1, clean: false };
    watermark.write(&copy.path().join("mailbox.watermark")).unwrap();
    let left = (1..COMMITS * MESSAGES + 1).filter(|n| !(MESSAGES + 1..=2 * MESSAGES).contains(n));
    assert_eq!(accept(copy.path()), left.collect::<Vec<_>>());
}
