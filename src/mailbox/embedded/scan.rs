//! Looks at a journal of fjall 3 before fjall does. Pure: bytes in, a verdict out.
//!
//! Owned by [`opening`](super::opening). fjall ends a journal at the first thing in it that it cannot
//! read, and cuts off what is behind: right for a commit that a power cut tore, and a silent loss
//! where something in the middle was damaged (its issue 311). The difference is whether a whole
//! batch follows.
//!
//! A batch is a start (1, count of items: u32, sequence number: u64), its items (2 and a value, or 4
//! and a keyspace), and an end (3, XXH3 of the items: u64, `FJL` 3); all little-endian. Behind the
//! last batch there are zeros, with which a journal is made.

use xxhash_rust::xxh3::xxh3_64;

use super::layout::COMMIT;

const START: u8 = 1;
const TRAILER: &[u8] = b"FJL\x03";

/// A value, and the two kinds of its removal.
const KINDS: std::ops::RangeInclusive<u8> = 0..=2;
const NOT_COMPRESSED: u8 = 0;

/// What a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Whole batches up to here, and nothing behind.
    Whole { end: usize },
    /// Whole batches up to here, and behind them a piece of the last one.
    Torn { end: usize },
    /// Whole batches up to here, then something else, then whole batches again.
    Damaged { end: usize },
}

/// What a journal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) verdict: Verdict,
    /// The highest number of a commit in its whole batches.
    pub(super) last_commit: Option<u64>,
}

/// Looks at a journal's bytes.
pub(super) fn scan(journal: &[u8]) -> Scan {
    let mut end = 0;
    let mut last_sequence = None;
    let mut last_commit = None;
    while let Some(batch) = batch(journal, end) {
        if last_sequence.is_some_and(|last| batch.sequence <= last) {
            break;
        }
        last_sequence = Some(batch.sequence);
        last_commit = last_commit.max(batch.commit);
        end = batch.end;
    }
    Scan { verdict: verdict(journal, end), last_commit }
}

/// What a journal is whose batches are whole up to `end`.
fn verdict(journal: &[u8], end: usize) -> Verdict {
    let rest = &journal[end..];
    if rest.iter().all(|byte| *byte == 0) {
        return Verdict::Whole { end };
    }
    let mut starts = memchr::memchr_iter(START, rest).map(|at| end + at).filter(|at| *at > end);
    match starts.any(|at| batch(journal, at).is_some()) {
        true => Verdict::Damaged { end },
        false => Verdict::Torn { end },
    }
}

struct Batch {
    end: usize,
    sequence: u64,
    /// Its number, if it is one of the store's commits.
    commit: Option<u64>,
}

/// The whole batch that begins at `start`.
fn batch(journal: &[u8], start: usize) -> Option<Batch> {
    let count = number::<4>(journal, start + 1).filter(|_| journal[start] == START)?;
    let sequence = number::<8>(journal, start + 5)?;
    let first = start + 13;
    let mut at = first;
    let mut commit = None;
    for _ in 0..count {
        let end = item_end(journal, at)?;
        commit = commit.or(commit_number(journal.get(at..end)?));
        at = end;
    }
    let checksum = number::<8>(journal, at + 1).filter(|_| journal[at] == 3)?;
    let end = at + 13;
    let whole = journal.get(at + 9..end)? == TRAILER && checksum == xxh3_64(&journal[first..at]);
    whole.then_some(Batch { end, sequence, commit })
}

/// Where the item ends that begins at `at`. Of what the engine does not read it is none.
fn item_end(journal: &[u8], at: usize) -> Option<usize> {
    match journal.get(at)? {
        // Kind and compression (a byte each), keyspace (8), lengths of key (2), of the value as it
        // was (4) and as it is here (4).
        2 => {
            let key = number::<2>(journal, at + 11)?;
            let (value, here) = (number::<4>(journal, at + 13)?, number::<4>(journal, at + 17)?);
            let is_known = KINDS.contains(&journal[at + 1]) && journal[at + 2] == NOT_COMPRESSED;
            let length = usize::try_from(key + here).ok().filter(|_| is_known && value == here)?;
            at.checked_add(21)?.checked_add(length)
        }
        4 => Some(at + 9),
        _ => None,
    }
}

/// The number of a commit, if this item has it. No other key in the store is like that one.
fn commit_number(item: &[u8]) -> Option<u64> {
    let (length, key) = (number::<2>(item, 11)?, COMMIT.as_bytes());
    let value = item.get(21..).filter(|_| item[0] == 2)?.strip_prefix(key)?;
    let value = value.try_into().ok().filter(|_| length == key.len() as u64)?;
    Some(u64::from_be_bytes(value))
}

fn number<const BYTES: usize>(journal: &[u8], at: usize) -> Option<u64> {
    let bytes = journal.get(at..at.checked_add(BYTES)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use fjall::{Database, KeyspaceCreateOptions, PersistMode};
    use proptest::prelude::*;

    use super::*;

    fn scan(journal: &[u8]) -> Verdict {
        super::scan(journal).verdict
    }

    /// A journal as fjall writes it, and where its batches end. Batches have distinct contents.
    fn journal(batches: u8) -> (Vec<u8>, Vec<usize>) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::builder(folder.path()).open().unwrap();
        let keyspace = database.keyspace("one", KeyspaceCreateOptions::default).unwrap();
        let mut ends = Vec::new();
        let file = folder.path().join("0.jnl");
        for number in 0..batches {
            let mut batch = database.batch().durability(Some(PersistMode::SyncData));
            for item in 0..3u8 {
                batch.insert(&keyspace, [number, item], vec![number + 100; 40]);
            }
            batch.remove(&keyspace, [number, 0]);
            batch.commit().unwrap();
            let Verdict::Whole { end } = scan(&fs::read(&file).unwrap()) else { panic!("whole") };
            ends.push(end);
        }
        let mut bytes = fs::read(&file).unwrap();
        bytes.truncate(ends.last().unwrap() + 100);
        (bytes, ends)
    }

    /// How many batches of such a journal the engine reads; none if it refuses it.
    fn read_by_the_engine(journal: &[u8]) -> Option<usize> {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let database = Database::builder(folder.path()).open().ok()?;
            let keyspace = database.keyspace("one", KeyspaceCreateOptions::default).ok()?;
            let is_read = |batch: &u8| keyspace.contains_key([*batch, 1]).unwrap();
            Some((0..u8::MAX).filter(is_read).count())
        };
        assert_eq!(open(), Some(0));
        fs::write(folder.path().join("0.jnl"), journal).unwrap();
        catch_unwind(AssertUnwindSafe(open)).ok().flatten()
    }

    #[test]
    fn every_batch_of_the_engine_is_seen() {
        let (bytes, ends) = journal(4);
        assert!(ends.is_sorted_by(|one, next| one < next), "{ends:?}");
        assert_eq!(scan(&bytes), Verdict::Whole { end: ends[3] });
        assert_eq!(scan(&[]), Verdict::Whole { end: 0 });
        assert_eq!(scan(&[0; 9]), Verdict::Whole { end: 0 });
    }

    #[test]
    fn a_cut_anywhere_is_a_tear() {
        let (bytes, ends) = journal(3);
        for cut in ends[0] + 1..ends[2] {
            let end = if cut < ends[1] { ends[0] } else { ends[1] };
            let expected = match cut == ends[1] {
                true => Verdict::Whole { end },
                false => Verdict::Torn { end },
            };
            assert_eq!(scan(&bytes[..cut]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_hole_in_the_last_batch_is_a_tear_and_elsewhere_damage() {
        let (bytes, ends) = journal(4);
        for at in ends[1]..ends[3] {
            let mut bytes = bytes.clone();
            if bytes[at] == 0 {
                continue;
            }
            bytes[at] = 0;
            let verdict = scan(&bytes);
            // The order of numbers tells most wrong ones, but not all.
            let in_sequence = (5..13).contains(&(at - ends[if at < ends[2] { 1 } else { 2 }]));
            match at < ends[2] {
                _ if in_sequence => {}
                true => assert_eq!(verdict, Verdict::Damaged { end: ends[1] }, "at {at}"),
                false => assert_eq!(verdict, Verdict::Torn { end: ends[2] }, "at {at}"),
            }
        }
    }

    /// The engine would end the journal there: its checksum covers bytes that only the engine judges.
    #[test]
    fn a_batch_that_the_engine_does_not_read_is_not_whole() {
        let (bytes, ends) = journal(3);
        // Behind the start: kind, compression, and the lengths of the value.
        for at in [1, 2, 13, 17].map(|field| ends[0] + 13 + field) {
            let mut bytes = bytes.clone();
            bytes[at] = 9;
            let items = ends[0] + 13..ends[1] - 13;
            let checksum = xxh3_64(&bytes[items.clone()]);
            bytes[items.end + 1..items.end + 9].copy_from_slice(&checksum.to_le_bytes());
            assert_eq!(scan(&bytes), Verdict::Damaged { end: ends[0] }, "at {at}");
            assert_ne!(read_by_the_engine(&bytes), Some(3), "at {at}");
        }
        assert_eq!(read_by_the_engine(&bytes), Some(3));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_get_a_verdict(bytes: Vec<u8>) {
            scan(&bytes);
        }
    }
}
