//! Stores as power cuts, bad disks and careless hands leave them. SIGKILL shows none of this: what a
//! killed process had written stays written.
//!
//! Owned by the tests. A mailbox is filled commit by commit, and what lies in its folder is noted;
//! copies of it are damaged and opened. Invariant: the mailbox itself stays as it was.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use async_std::task::block_on;
use tempfile::TempDir;

use super::super::image::Table;
use super::super::layout;
use super::*;
use crate::mailbox::embedded::EmbeddedMailbox;
use crate::mailbox::{Event, Mailbox, Usage};
use crate::message::{Batch, Installation, Kind, Message, MessageId, SessionKey, Timestamp};

/// How many commits there are, and how many messages in each.
const COMMITS: u64 = 6;
const MESSAGES: u64 = 3;

/// How far apart are the bytes at which something happens: not at all in step with the layout.
const STRIDE: usize = 67;

/// A mailbox without its last stop: as it was while its server ran.
struct Filled {
    folder: TempDir,
    /// Where each commit ended in the journal: the first is that of an empty mailbox.
    ends: Vec<usize>,
    /// What every file in the store has.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

fn key() -> SessionKey {
    SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap()
}

fn batch(numbers: Range<u64>) -> Batch {
    let message = |n: u64| Message {
        id: MessageId { installation: Installation::from_u64(7), n },
        time: Timestamp(n),
        kind: Kind::TEXT,
        body: format!("message {n} {}", "and so on ".repeat(20)).into(),
    };
    Batch::new(numbers.start, numbers.map(message).collect::<Vec<_>>())
}

fn await_commit(mailbox: &EmbeddedMailbox, position: u64) {
    let committed = |event| match event {
        Event::Committed(commits) => commits.iter().any(|commit| commit.up_to >= position),
        Event::Recovered => panic!("nothing failed"),
    };
    while !committed(block_on(mailbox.watch().recv()).unwrap()) {}
}

fn active_journal(data: &Path) -> PathBuf {
    journals(&data.join("mailbox")).unwrap().pop().unwrap()
}

/// Where what is written of a whole journal ends.
fn written(data: &Path) -> usize {
    match scan(&fs::read(active_journal(data)).unwrap()).verdict {
        Verdict::Whole { end } => end,
        other => panic!("a whole journal: {other:?}"),
    }
}

impl Filled {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = folder.path().join("running");
        fs::create_dir(&running).unwrap();
        // Opening again cuts off the zeros that a journal is made with: so much less to look at.
        block_on(EmbeddedMailbox::open(&running).unwrap().close());
        let mailbox = EmbeddedMailbox::open(&running).unwrap();
        let mut ends = vec![written(&running)];
        for commit in 0..COMMITS {
            let first = commit * MESSAGES + 1;
            mailbox.append(&key(), &batch(first..first + MESSAGES), Instant::now());
            await_commit(&mailbox, first + MESSAGES - 1);
            ends.push(written(&running));
        }
        // A copy of a store in use is what a power cut leaves when everything was synced.
        copy_folder(&running, &folder.path().join("cut")).unwrap();
        drop(mailbox);
        let files = contents(&folder.path().join("cut/mailbox"));
        let filled = Self { folder, ends, files };
        let copy = filled.copy(COMMITS, false);
        assert_eq!(opened(copy.path()).unwrap(), (COMMITS * MESSAGES, COMMITS));
        filled
    }

    /// A copy to damage, with what its watermark says.
    fn copy(&self, commit: u64, clean: bool) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        let data = copy.path();
        let store = self.folder.path().join("cut");
        for (path, content) in &self.files {
            let path = data.join(path.strip_prefix(&store).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        // They are empty, and so have no files.
        for keyspace in ["1", "2", "3"] {
            let tables = data.join("mailbox/keyspaces").join(keyspace).join("tables");
            fs::create_dir_all(tables).unwrap();
        }
        Watermark { commit, clean }.write(&data.join("mailbox.watermark")).unwrap();
        copy
    }

    /// Bytes of the journal, not all of them, that lie in these commits, counted from 1.
    fn bytes_of(&self, commits: Range<u64>) -> impl Iterator<Item = usize> + use<> {
        let end = |commit: u64| self.ends[usize::try_from(commit - 1).unwrap()];
        (end(commits.start) + 1..end(commits.end)).step_by(STRIDE)
    }
}

/// How many messages an opened store has, which are the first ones and whole, and its last commit.
fn opened(data: &Path) -> Result<(u64, u64), OpenError> {
    let (store, last) = Paths::new(data).open()?;
    let messages: Vec<_> =
        store.image().messages_of(&key(), 0).collect::<Result<_, _>>().expect("they can be read");
    let count = messages.len() as u64;
    let expected = batch(1..count + 1);
    assert!(messages.iter().map(|it| &it.1).eq(expected.messages()), "whole and in order");
    assert_eq!(store.image().inspect().unwrap().problems, Vec::<String>::new());
    Ok((count, last))
}

/// Every file below a folder and what it has.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(contents(&path)),
            false => drop(files.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    files
}

fn change(data: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let journal = active_journal(data);
    let mut bytes = fs::read(&journal).unwrap();
    change(&mut bytes);
    fs::write(&journal, bytes).unwrap();
}

/// What a disk may do to the journal from a byte on.
type Damage = (&'static str, fn(&mut Vec<u8>, usize));

const LOST: &[Damage] = &[
    ("cut", |journal, at| journal.truncate(at)),
    ("zeros to the end", |journal, at| journal[at..].fill(0)),
    ("zeros to the end and beyond", |journal, at| {
        journal[at..].fill(0);
        journal.resize(journal.len() + 8_192, 0);
    }),
];

const CHANGED: &[Damage] = &[
    ("a hole", |journal, at| {
        let end = journal.len().min(at + 64);
        journal[at..end].fill(0);
    }),
    ("a flipped byte", |journal, at| journal[at] ^= 0xff),
];

#[test]
fn a_commit_that_was_not_synced_may_be_lost_and_no_other() {
    let filled = Filled::new();
    for at in filled.bytes_of(COMMITS..COMMITS + 1) {
        for (what, damage) in LOST.iter().chain(CHANGED) {
            let copy = filled.copy(COMMITS - 1, false);
            change(copy.path(), |journal| damage(journal, at));
            let (messages, last) = opened(copy.path()).unwrap_or_else(|error| {
                panic!("{what} at {at}: {error}");
            });
            // A hole in what is zero anyhow is none.
            let expected = [(COMMITS - 1) * MESSAGES, COMMITS * MESSAGES];
            assert!(expected.contains(&messages), "{what} at {at}: {messages} messages");
            assert_eq!(messages, last * MESSAGES, "{what} at {at}");
            assert!(!copy.path().join("mailbox.journal").exists(), "{what} at {at}");
        }
    }
}

#[test]
fn a_mailbox_with_a_torn_end_goes_on() {
    let filled = Filled::new();
    let copy = filled.copy(COMMITS - 1, false);
    change(copy.path(), |journal| journal.truncate(filled.ends[COMMITS as usize] - 1));
    let mailbox = EmbeddedMailbox::open(copy.path()).unwrap();
    let next = (COMMITS - 1) * MESSAGES + 1;
    mailbox.append(&key(), &batch(next..next + 2), Instant::now());
    await_commit(&mailbox, next + 1);
    block_on(mailbox.close());
    assert_eq!(opened(copy.path()).unwrap(), (next + 1, COMMITS));
}

#[test]
fn zeros_are_read_between_what_is_written_and_not_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("0.jnl");
    for (zeros, written) in [(0, 0), (0, 1), (7, 5), (PIECE, 1), (PIECE - 1, 1), (2 * PIECE, PIECE)]
    {
        for behind in [0, 1, PIECE, 3 * PIECE + 1] {
            let content = [vec![0; zeros], vec![1; written]].concat();
            fs::write(&journal, [&content[..], &vec![0; behind]].concat()).unwrap();
            let read = read_written(&journal).unwrap();
            let (start, end) = read.split_at(content.len());
            assert!(start == content, "{zeros}, {written}, {behind}");
            assert!(end.len() < PIECE && is_zero(end), "{zeros}, {written}, {behind}");
        }
    }
}

#[test]
fn a_journal_is_copied_unless_it_is_whole_and_one_that_is_whole_stays_so() {
    let filled = Filled::new();
    for torn in [false, true] {
        let copy = filled.copy(COMMITS - 1, false);
        if torn {
            change(copy.path(), |journal| journal.truncate(filled.ends[COMMITS as usize] - 1));
        }
        let journal = fs::read(active_journal(copy.path())).unwrap();
        let paths = Paths::new(copy.path());
        let last = COMMITS - u64::from(torn);
        assert_eq!(paths.mend_journals(paths.known().unwrap()).unwrap(), Some(last));
        match fs::read_dir(copy.path().join("mailbox.journal")) {
            Ok(mut copies) => {
                assert!(torn);
                assert_eq!(fs::read(copies.next().unwrap().unwrap().path()).unwrap(), journal);
            }
            Err(_) => assert!(!torn),
        }
        let written = filled.ends[usize::try_from(last).unwrap()];
        assert_eq!(opened(copy.path()).unwrap().1, last);
        let opened = fs::read(active_journal(copy.path())).unwrap();
        assert!(
            opened.starts_with(&journal[..written]),
            "the engine changes nothing that is whole"
        );
        assert!(!copy.path().join("mailbox.journal").exists());
    }
}

#[test]
fn what_was_synced_and_is_lost_is_told_and_left_as_it_is() {
    let filled = Filled::new();
    for at in filled.bytes_of(1..COMMITS + 1).step_by(4) {
        for (what, damage) in LOST {
            assert_refused(&filled, &format!("{what} at {at}"), |journal| damage(journal, at));
        }
    }
    // At the ends of commits nothing is torn.
    for end in &filled.ends[..filled.ends.len() - 1] {
        assert_refused(&filled, &format!("cut at {end}"), |journal| journal.truncate(*end));
    }
    assert_refused(&filled, "nothing left", Vec::clear);
}

#[test]
fn what_was_synced_and_is_changed_is_told_and_left_as_it_is() {
    let filled = Filled::new();
    let original = fs::read(active_journal(filled.copy(COMMITS, false).path())).unwrap();
    for at in filled.bytes_of(1..COMMITS + 1).step_by(4) {
        for (what, damage) in CHANGED {
            let mut journal = original.clone();
            damage(&mut journal, at);
            let begin = filled.ends.iter().rev().find(|end| **end <= at).unwrap();
            let only_its_number_in_order = (5..13).contains(&(at - begin));
            if journal != original && !only_its_number_in_order {
                assert_refused(&filled, &format!("{what} at {at}"), |it| *it = journal);
            }
        }
    }
}

/// A mailbox whose journal was changed is refused, now and later, clean or not, and not changed.
fn assert_refused(filled: &Filled, what: &str, damage: impl FnOnce(&mut Vec<u8>)) {
    let mut damage = Some(damage);
    let mut damaged = Vec::new();
    for clean in [false, true] {
        let copy = filled.copy(COMMITS, clean);
        let data = copy.path();
        change(data, |journal| match damage.take() {
            Some(damage) => {
                damage(journal);
                damaged = journal.clone();
            }
            None => *journal = damaged.clone(),
        });
        let before = contents(&data.join("mailbox"));
        for _ in 0..2 {
            let error = opened(data).expect_err(what);
            assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {error}");
            assert!(contents(&data.join("mailbox")) == before, "{what}, clean={clean}: changed");
            let copied = data.join("mailbox.journal");
            assert_eq!(error.to_string().contains("mailbox.journal)"), copied.exists(), "{error}");
            assert!(clean || copied.exists(), "{what}");
            if copied.exists() {
                let journal = active_journal(data);
                let copied = copied.join(journal.file_name().unwrap());
                assert!(fs::read(copied).unwrap() == damaged, "{what}: the copy");
            }
        }
    }
}

/// The sentence of the refusal, which changes nothing.
fn refusal(data: &Path) -> String {
    let before = contents(data);
    let error = opened(data).expect_err("refused");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let mut kept = contents(data);
    let ours = |path: &Path| path.starts_with(data.join("mailbox.journal"));
    kept.retain(|path, _| !ours(path));
    assert!(kept == before, "a refusal changes nothing");
    error.to_string()
}

#[test]
fn a_watermark_that_is_gone_or_rubbish_is_told() {
    let filled = Filled::new();
    let copy = filled.copy(COMMITS, false);
    let watermark = copy.path().join("mailbox.watermark");
    fs::remove_file(&watermark).unwrap();
    assert!(refusal(copy.path()).contains("mailbox.watermark is gone"));
    for rubbish in [&b""[..], b"rubbish\n", &[0; 40], b"\xff\xfe\n", b"tinychat-mailbox-1 commit=6"]
    {
        fs::write(&watermark, rubbish).unwrap();
        let sentence = refusal(copy.path());
        assert!(sentence.contains("mailbox.watermark: it is not as this program"), "{sentence}");
    }
}

#[test]
fn a_store_that_is_gone_is_told() {
    let filled = Filled::new();
    for clean in [false, true] {
        let copy = filled.copy(COMMITS, clean);
        fs::remove_dir_all(copy.path().join("mailbox")).unwrap();
        assert!(refusal(copy.path()).contains("it is gone, and messages were in it"));
    }
}

#[test]
fn a_part_of_the_store_that_is_gone_is_told() {
    let filled = Filled::new();
    for part in ["keyspaces", "keyspaces/2", "keyspaces/0/current", "keyspaces/3/current", "0.jnl"]
    {
        for clean in [false, true] {
            let copy = filled.copy(COMMITS, clean);
            let path = copy.path().join("mailbox").join(part);
            match path.is_dir() {
                true => fs::remove_dir_all(&path).unwrap(),
                false => fs::remove_file(&path).unwrap(),
            }
            let sentence = refusal(copy.path());
            assert!(sentence.contains(" is missing"), "{part}: {sentence}");
        }
    }
}

#[test]
fn an_unfinished_first_start_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    block_on(EmbeddedMailbox::open(folder.path()).unwrap().close());
    Watermark { commit: 0, clean: false }.write(&folder.path().join("mailbox.watermark")).unwrap();
    change(folder.path(), Vec::clear);
    assert_eq!(opened(folder.path()).unwrap(), (0, 0));
    for part in ["version", "keyspaces/0/current", "keyspaces/2/current"] {
        // As a full disk leaves it.
        fs::write(folder.path().join("mailbox").join(part), "").unwrap();
        assert_eq!(opened(folder.path()).unwrap(), (0, 0), "{part}");
    }
    fs::remove_dir_all(folder.path().join("mailbox")).unwrap();
    assert_eq!(opened(folder.path()).unwrap(), (0, 0));
}

#[test]
fn a_young_mailbox_with_messages_is_not_taken_for_an_unfinished_one() {
    let filled = Filled::new();
    for part in ["version", "keyspaces/0/current", "keyspaces/2/current"] {
        // Its watermark was not renewed yet.
        let copy = filled.copy(0, false);
        fs::write(copy.path().join("mailbox").join(part), "").unwrap();
        assert!(opened(copy.path()).is_err(), "{part}");
        let before = active_journal(filled.copy(0, false).path());
        assert!(copy.path().join("mailbox").join(before.file_name().unwrap()).exists(), "{part}");
    }
}

#[test]
fn a_clean_stop_leaves_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    for stop in 0..3 {
        let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
        mailbox.append(&key(), &batch(stop + 1..stop + 2), Instant::now());
        block_on(mailbox.close());
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !["mailbox", "mailbox.watermark"].contains(&name.as_str()))
            .collect();
        assert_eq!(left, Vec::<String>::new());
        let watermark = Watermark::read(&folder.path().join("mailbox.watermark")).unwrap();
        assert_eq!(watermark, Some(Watermark { commit: stop + 1, clean: true }));
    }
}

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
    let entries = [
        garbage(Table::Sessions, layout::session_key(&key())),
        garbage(Table::Sessions, b"nobody".to_vec()),
        garbage(Table::Messages, layout::segment_key(&prefix, 2 * MESSAGES)),
    ];
    store.fill(COMMITS, entries).unwrap();
    drop(store);
    let watermark = Watermark { commit: COMMITS + 1, clean: false };
    watermark.write(&copy.path().join("mailbox.watermark")).unwrap();
    let left = (1..COMMITS * MESSAGES + 1).filter(|n| !(MESSAGES + 1..=2 * MESSAGES).contains(n));
    assert_eq!(accept(copy.path()), left.collect::<Vec<_>>());
}
