//! Stores as power cuts, bad disks and careless hands leave them. SIGKILL shows none of this: what a
//! killed process had written stays written.
//!
//! Owned by the tests of [`opening`](super::opening) and [`salvage`](super::salvage). A mailbox is filled commit by
//! commit, and what lies in its folder is noted; copies of it are damaged and opened. Invariant: the mailbox itself
//! stays as it was.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use async_std::task::block_on;
use tempfile::TempDir;

use super::EmbeddedMailbox;
use super::files::{copy_folder, journals};
use super::opening::{OpenError, Paths};
use super::scan::{Verdict, scan};
use super::watermark::Watermark;
use crate::mailbox::{Event, Mailbox};
use crate::message::{Batch, Message, SessionKey};

/// How many commits there are, and how many messages in each.
pub(super) const COMMITS: u64 = 6;
pub(super) const MESSAGES: u64 = 3;

/// How far apart are the bytes at which something happens: not at all in step with the layout.
const STRIDE: usize = 67;

/// A mailbox without its last stop: as it was while its server ran.
pub(super) struct Filled {
    folder: TempDir,
    /// Where each commit ended in the journal: the first is that of an empty mailbox.
    pub(super) ends: Vec<usize>,
    /// What every file in the store has.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

pub(super) fn key() -> SessionKey {
    SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap()
}

pub(super) fn batch(numbers: Range<u64>) -> Batch {
    let body = |n| format!("message {n} {}", "and so on ".repeat(20));
    let message = |n| Message::text(7, n, body(n));
    Batch::new(numbers.start, numbers.map(message).collect::<Vec<_>>())
}

pub(super) fn await_commit(mailbox: &EmbeddedMailbox, position: u64) {
    let committed = |event| match event {
        Event::Committed(commits) => commits.iter().any(|commit| commit.up_to >= position),
        other => panic!("{other:?}"),
    };
    while !committed(block_on(mailbox.watch().recv()).unwrap()) {}
}

pub(super) fn active_journal(data: &Path) -> PathBuf {
    journals(&data.join("mailbox")).unwrap().pop().unwrap()
}

/// Where what is written of a whole journal ends.
pub(super) fn written(data: &Path) -> usize {
    match scan(&fs::read(active_journal(data)).unwrap()).verdict {
        Verdict::Whole { end } => end,
        other => panic!("a whole journal: {other:?}"),
    }
}

impl Filled {
    pub(super) fn new() -> Self {
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
    pub(super) fn copy(&self, commit: u64, clean: bool) -> TempDir {
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
    pub(super) fn bytes_of(&self, commits: Range<u64>) -> impl Iterator<Item = usize> + use<> {
        let end = |commit: u64| self.ends[usize::try_from(commit - 1).unwrap()];
        (end(commits.start) + 1..end(commits.end)).step_by(STRIDE)
    }
}

/// How many messages an opened store has, which are the first ones and whole, and its last commit.
pub(super) fn opened(data: &Path) -> Result<(u64, u64), OpenError> {
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
pub(super) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
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

pub(super) fn change(data: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let journal = active_journal(data);
    let mut bytes = fs::read(&journal).unwrap();
    change(&mut bytes);
    fs::write(&journal, bytes).unwrap();
}

/// What a disk may do to the journal from a byte on.
pub(super) type Damage = (&'static str, fn(&mut Vec<u8>, usize));

pub(super) const LOST: &[Damage] = &[
    ("cut", |journal, at| journal.truncate(at)),
    ("zeros to the end", |journal, at| journal[at..].fill(0)),
    ("zeros to the end and beyond", |journal, at| {
        journal[at..].fill(0);
        journal.resize(journal.len() + 8_192, 0);
    }),
];

pub(super) const CHANGED: &[Damage] = &[
    ("a hole", |journal, at| {
        let end = journal.len().min(at + 64);
        journal[at..end].fill(0);
    }),
    ("a flipped byte", |journal, at| journal[at] ^= 0xff),
];
