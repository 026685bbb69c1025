//! Bodies that go from the disk a share at a time: what others wait for meanwhile, and what a crash leaves.

use std::collections::BTreeMap;
use std::time::Instant;

use proptest::prelude::*;

use super::super::journal::Journal;
use super::super::layout::Row;
use super::super::store::Store;
use super::super::upgrade::Unreadable;
use super::*;
use crate::message::{Batch, Message, Uptime};

fn key(sender: &str) -> SessionKey {
    SessionKey::new(sender.parse().unwrap(), "marie".parse().unwrap()).unwrap()
}

fn batch(first: u64, count: u64, length: usize) -> Batch {
    let message = |n| Message::text(7, n, vec![b'x'; length]);
    Batch::new(first, (first..first + count).map(message).collect::<Vec<_>>())
}

/// A store, and what was asked of it.
struct Disk {
    folder: tempfile::TempDir,
    store: Option<Store>,
    journal: Journal,
    commits: u64,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Self { folder, store: None, journal: Journal::default(), commits: 0 };
        disk.crash();
        disk
    }

    fn commit(&mut self, share: Usage) {
        self.commits += 1;
        let changes = self.journal.seal();
        let store = self.store.as_ref().unwrap();
        let left = store.commit(self.commits, Uptime(0), &changes, share).unwrap();
        self.journal.committed(left);
    }

    /// What is not committed is gone.
    fn crash(&mut self) {
        self.store = None;
        self.store = Some(Store::open(self.folder.path(), Unreadable::Refused).unwrap());
        self.journal = Journal::default();
    }

    /// A session's row, which must be right.
    fn row(&self, key: &SessionKey) -> Row {
        let image = self.store.as_ref().unwrap().image();
        let row = image.row(key).unwrap();
        let kept = image.messages_of(key, row.removed).map(|it| it.unwrap().1);
        let kept: Usage = kept.map(|message| Usage::one(message.weight())).sum();
        assert_eq!(kept, Usage { messages: row.waiting(), bytes: row.bytes });
        row
    }
}

#[test]
fn who_writes_while_somebody_is_blocked_waits_for_one_share_of_their_bodies() {
    let (mut disk, eve, john) = (Disk::new(), key("eve"), key("john"));
    let all = batch(1, 80, 64 * 1024);
    disk.journal.append(&eve, &all, Instant::now());
    disk.commit(SHARE);
    let mut before = disk.row(&eve).bytes;
    assert_eq!(before, all.bytes());
    disk.journal.withhold(&eve, all.last());
    disk.journal.append(&john, &batch(1, 1, 5), Instant::now());
    disk.commit(SHARE);
    assert_eq!(disk.row(&john), Row { removed: 0, last: 1, bytes: 5 });
    let mut shares = 1;
    while disk.journal.is_pressing() {
        let after = disk.row(&eve).bytes;
        assert!(after < before && before - after <= SHARE.bytes, "{before} to {after}");
        let seen = disk.journal.tail(&eve, 0, Usage::default());
        assert_eq!(seen.withheld(), all.last(), "nobody sees that");
        (before, shares) = (after, shares + 1);
        disk.journal.append(&john, &batch(shares, 1, 5), Instant::now());
        disk.commit(SHARE);
        assert_eq!(disk.row(&john).last, shares);
    }
    assert_eq!((disk.row(&eve).bytes, shares), (0, 5));
    assert_eq!(disk.row(&eve).waiting(), 80, "the numbers are kept");
    assert!(disk.journal.is_empty());
}

#[test]
fn several_who_are_blocked_at_once_have_one_share_together() {
    let mut disk = Disk::new();
    let all: Vec<_> = ["eve", "mallory", "oscar"].map(key).into();
    for key in &all {
        disk.journal.append(key, &batch(1, 20, 60_000), Instant::now());
    }
    disk.commit(SHARE);
    let kept = |disk: &Disk| all.iter().map(|key| disk.row(key).bytes).sum::<u64>();
    all.iter().for_each(|key| disk.journal.withhold(key, 20));
    while disk.journal.is_pressing() {
        let before = kept(&disk);
        disk.commit(SHARE);
        assert!(before - kept(&disk) <= SHARE.bytes);
    }
    assert_eq!(kept(&disk), 0);
}

/// Something that is done to the session.
#[derive(Clone, Debug)]
enum Step {
    Append {
        count: u64,
    },
    Remove {
        count: u64,
    },
    Withhold {
        count: u64,
    },
    Commit,
    /// The writer cannot tell what became of the commit.
    CommitUnseen,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..9u64).prop_map(|count| Step::Append { count }),
        2 => (1..9u64).prop_map(|count| Step::Remove { count }),
        3 => (1..9u64).prop_map(|count| Step::Withhold { count }),
        4 => Just(Step::Commit),
        1 => Just(Step::CommitUnseen),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 0..60)
}

/// What waits in the session: by position, what is counted of each.
type Waiting = BTreeMap<u64, u64>;

/// The position up to which the oldest so many go, and what is counted of them.
fn oldest(waiting: &Waiting, count: u64) -> Option<(u64, Usage)> {
    let oldest = || waiting.iter().take(count as usize);
    let usage = Usage { messages: oldest().count() as u64, bytes: oldest().map(|it| it.1).sum() };
    Some((*oldest().next_back()?.0, usage))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_row_has_the_bytes_that_are_on_disk_whatever_came_between(
        steps in steps(),
        messages in 1..5u64,
        bytes in 1..40u64,
    ) {
        let (mut disk, eve, share) = (Disk::new(), key("eve"), Usage { messages, bytes });
        let (mut waiting, mut last) = (Waiting::new(), 0);
        for step in steps {
            match step {
                Step::Append { count } => {
                    disk.journal.append(&eve, &batch(last + 1, count, 9), Instant::now());
                    waiting.extend((last + 1..=last + count).map(|position| (position, 9)));
                    last += count;
                }
                Step::Remove { count } => if let Some((up_to, freed)) = oldest(&waiting, count) {
                    disk.journal.remove(&eve, up_to, freed);
                    waiting = waiting.split_off(&(up_to + 1));
                },
                Step::Withhold { count } => if let Some((up_to, _)) = oldest(&waiting, count) {
                    disk.journal.withhold(&eve, up_to);
                    waiting.range_mut(..=up_to).for_each(|(_, bytes)| *bytes = 0);
                },
                Step::Commit => disk.commit(share),
                Step::CommitUnseen => {
                    let all = disk.journal.seal().withheld();
                    disk.commit(share);
                    disk.journal.committed(all);
                }
                Step::Crash => {
                    disk.crash();
                    let image = disk.store.as_ref().unwrap().image();
                    let row = image.row(&eve).unwrap();
                    let kept = image.messages_of(&eve, row.removed).map(Result::unwrap);
                    waiting = kept.map(|(at, it)| (at, it.weight() as u64)).collect();
                    last = row.last;
                }
            }
            disk.row(&eve);
        }
        while !disk.journal.is_empty() {
            disk.commit(share);
        }
        let row = disk.row(&eve);
        prop_assert_eq!((row.last, row.bytes), (last, waiting.values().sum()));
    }
}
