//! Brings a store of an older layout up to date, one layout after another.
//!
//! Owned by whoever opens a store. Invariant: a step is one numbered commit that changes the layout's version too. So
//! wherever it is interrupted, the store has one layout or the next, wholly, and the next opening goes on.

use std::path::Path;

use bytes::Buf;
use fjall::{OwnedWriteBatch, PersistMode};

use super::error::StoreError;
use super::layout::{
    self, LAYOUT, Malformed, Row, accounts_prefix, encode_accounts, parse_session_key,
};
use super::store::Store;
use crate::mailbox::{Accounts, Fate};
use crate::message::Installation;

/// From each layout to the next, by the version that is found; the oldest first. A new layout adds a
/// line.
const STEPS: &[(u8, Step)] = &[(1, from_1_to_2), (2, adds), (3, adds), (4, adds)];

type Step = fn(&Store, &mut OwnedWriteBatch, Unreadable) -> Result<(), StoreError>;

/// What happens to entries that do not fit the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The store is refused and stays as it is.
    Refused,
    /// It stays as it is: what is left of the store is being saved.
    Left,
}

impl Store {
    /// Opens the store in a folder, or makes it, and brings it up to date. What it has is on disk then,
    /// also what a killed process had only written.
    pub(super) fn open(folder: &Path, unreadable: Unreadable) -> Result<Self, StoreError> {
        let store = Self::open_as(folder, layout::VERSION)?;
        upgrade(&store, unreadable)?;
        Ok(store)
    }
}

/// Brings a store up to date, if it is older.
pub(super) fn upgrade(store: &Store, unreadable: Unreadable) -> Result<(), StoreError> {
    loop {
        let found = store.layout()?;
        if found == layout::VERSION {
            return Ok(());
        }
        let step = STEPS.iter().find(|(from, _)| *from == found);
        let (from, step) = step.ok_or(StoreError::OtherLayout(found))?;
        let mut batch = store.database.batch().durability(Some(PersistMode::SyncData));
        step(store, &mut batch, unreadable)?;
        batch.insert(&store.meta, LAYOUT, [from + 1]);
        store.finish(batch, store.last_commit()? + 1)?;
        log::info!("the mailbox was brought from layout {from} to {}", from + 1);
    }
}

/// The installations in a session's row get entries of their own. Segments have their own version.
fn from_1_to_2(
    store: &Store,
    batch: &mut OwnedWriteBatch,
    unreadable: Unreadable,
) -> Result<(), StoreError> {
    for entry in store.sessions.iter() {
        let (key, value) = entry.into_inner()?;
        let session = parse_session_key(&key).and_then(|session| Ok((session, decode_1(&value)?)));
        match session {
            Ok((session, (row, accounts))) => {
                batch.insert(&store.sessions, key, row.encode());
                for (key, value) in encode_accounts(&accounts_prefix(&session), &accounts) {
                    batch.insert(&store.sessions, key, value);
                }
            }
            Err(problem) if unreadable == Unreadable::Refused => return Err(problem.into()),
            Err(_) => {}
        }
    }
    Ok(())
}

/// What is there stays as it is. Entries of another form may follow, which say for themselves that they are: segments of
/// version 3 in layout 3, device lists in layout 4, standings in layout 5.
fn adds(_: &Store, _: &mut OwnedWriteBatch, _: Unreadable) -> Result<(), StoreError> {
    Ok(())
}

/// A row of layout 1: version (u8), `removed`, `last`, `bytes` (u64 each); count (u32) of installations, each with
/// installation, n, settled (u64); count (u32) of expired runs, each with first position, installation, first n,
/// count (u64). When an installation was heard of was not known.
fn decode_1(mut bytes: &[u8]) -> Result<(Row, Accounts), Malformed> {
    decode_row_1(&mut bytes).filter(|_| bytes.is_empty()).ok_or(Malformed("a session's row"))
}

fn decode_row_1(bytes: &mut &[u8]) -> Option<(Row, Accounts)> {
    let row = Row::decode_from(1, bytes)?;
    let mut accounts = Accounts::default();
    for _ in 0..bytes.try_get_u32().ok()? {
        let mut number = || bytes.try_get_u64().ok();
        let account = accounts.restore(Installation::from_u64(number()?));
        (account.n, account.settled) = (number()?, number()?);
    }
    for _ in 0..bytes.try_get_u32().ok()? {
        let mut number = || bytes.try_get_u64().ok();
        let (_, installation) = (number()?, Installation::from_u64(number()?));
        let (first, count) = (number()?, number()?);
        let last = first.checked_add(count.checked_sub(1)?)?;
        accounts.end(installation, Fate::Expired, first, last);
    }
    Some((row, accounts))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::opening::{OpenError, Paths};
    use super::super::salvage::Salvage;
    use super::*;
    use crate::mailbox::Inspection;

    /// What a program that wrote layout 1 has left. It has 14 commits.
    const FOLDER: &[u8] = include_bytes!("../../../tests/layouts/server-1.tar");
    const COMMITS: u64 = 14;

    fn unpacked() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        tar::Archive::new(FOLDER).unpack(data.path()).unwrap();
        data
    }

    fn inspected(data: &Path) -> (Inspection, u64) {
        let (store, last) = Paths::new(data).open().unwrap();
        assert_eq!(store.layout().unwrap(), layout::VERSION);
        (store.image().inspect().unwrap(), last)
    }

    #[test]
    fn an_upgrade_that_is_cut_short_anywhere_is_done_by_the_next_opening() {
        let whole = unpacked();
        let journal = |data: &Path| data.join("mailbox/0.jnl");
        let before = fs::read(journal(whole.path())).unwrap().len();
        let (inspection, last) = inspected(whole.path());
        assert_eq!((inspection.problems.len(), inspection.usage.messages), (0, 8));
        assert_eq!(last, COMMITS + STEPS.len() as u64);
        let after = fs::read(journal(whole.path())).unwrap();
        let written = after.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        assert!(written > before, "they are batches behind what was there");
        for end in (before..written).step_by(23) {
            let cut = unpacked();
            fs::write(journal(cut.path()), &after[..end]).unwrap();
            assert_eq!(inspected(cut.path()), (inspection.clone(), last), "cut at {end}");
        }
        assert_eq!(inspected(whole.path()), (inspection, last), "once is enough");
    }

    #[test]
    fn a_newer_layout_is_refused_saying_so_and_stays_as_it_is() {
        let data = unpacked();
        let (store, _) = Paths::new(data.path()).open().unwrap();
        store.meta.insert(LAYOUT, [layout::VERSION + 1]).unwrap();
        drop(store);
        for _ in 0..2 {
            match Paths::new(data.path()).open().map(drop) {
                Err(error @ OpenError::Newer { .. }) => {
                    let (found, known) = (layout::VERSION + 1, layout::VERSION);
                    let said =
                        format!("has layout {found}, and this program knows those up to {known}");
                    assert!(error.to_string().contains(&said), "{error}");
                }
                other => panic!("it is newer: {other:?}"),
            }
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_refuses_the_upgrade_and_can_be_given_up() {
        let data = unpacked();
        let store = Store::open_as(&data.path().join("mailbox"), 1).unwrap();
        store.sessions.insert(b"bob\0alice", [1, 2, 3]).unwrap();
        drop(store);
        for _ in 0..2 {
            let refused = Paths::new(data.path()).open().map(drop);
            assert!(matches!(refused, Err(OpenError::Damaged { .. })), "{refused:?}");
        }
        Salvage::open(data.path()).unwrap().accept().unwrap();
        let (inspection, _) = inspected(data.path());
        assert_eq!((inspection.problems.len(), inspection.usage.messages), (0, 8));
    }
}
