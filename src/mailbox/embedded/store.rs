//! The store: rows and messages in `fjall`, an LSM tree with a write-ahead journal.
//!
//! Owned by the mailbox. One thread commits, another reads. Invariant: the commits in the store are
//! numbered without a gap, and each is there wholly or not at all.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use fjall::{
    AbstractTree, Database, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode, Readable,
    Snapshot,
};

use super::journal::{Changes, Delta};
use super::layout::{
    self, Malformed, Row, decode_message, encode_message, message_key, message_prefix,
    parse_message_key, parse_session_key, session_key,
};
use crate::mailbox::{MailboxError, Room, Usage};
use crate::message::{Message, SessionKey};

/// How much is written to memory before it goes to a table of its own, for each keyspace.
pub(super) const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// How many such memories wait to become tables. Beyond it the first one grows.
const MAX_SEALED: usize = 2;

/// How much of the tables is kept in memory.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// When journals have more, what holds them back is flushed. The least that fjall takes.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

const LAYOUT: &str = "layout";
/// Where the number of the last commit is.
pub(super) const COMMIT: &str = "commit";

/// See the [module](self).
pub(super) struct Store {
    database: Database,
    meta: Keyspace,
    sessions: Keyspace,
    messages: Keyspace,
}

/// Why a store is not opened, or not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{}", explain(.0))]
    Engine(#[from] fjall::Error),
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("its layout has version {0}, which this program does not know")]
    Newer(u8),
}

/// Most of the engine's errors are for its developers; those of the disk are for operators.
fn explain(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(cause) | fjall::Error::Storage(LsmError::Io(cause)) => cause.to_string(),
        fjall::Error::Poisoned => "the engine refuses to write after an earlier failure".into(),
        other => other.to_string(),
    }
}

impl From<StoreError> for MailboxError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Store {
    /// Opens the store in a folder, or makes it. What it has is on disk then, also what a killed
    /// process had only written.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let database = Database::builder(folder)
            .worker_threads(2)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .open()?;
        // Asked to look after this itself, the engine may deadlock (its pull request 323): each commit
        // above the size puts a request into a queue of which its only reader is a writer too.
        let options = || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
        let meta = database.keyspace("meta", options)?;
        let sessions = database.keyspace("sessions", options)?;
        let messages = database.keyspace("messages", options)?;
        match meta.get(LAYOUT)?.as_deref() {
            None => meta.insert(LAYOUT, [layout::VERSION])?,
            Some([layout::VERSION]) => {}
            Some([other]) => return Err(StoreError::Newer(*other)),
            Some(_) => return Err(Malformed("the layout's version").into()),
        }
        database.persist(PersistMode::SyncAll)?;
        Ok(Self { database, meta, sessions, messages })
    }

    /// The number of the last commit; 0 before the first.
    pub(super) fn last_commit(&self) -> Result<u64, StoreError> {
        let Some(number) = self.meta.get(COMMIT)? else { return Ok(0) };
        let number = <[u8; 8]>::try_from(&*number).map_err(|_| Malformed("a commit's number"))?;
        Ok(u64::from_be_bytes(number))
    }

    /// Makes all changes, as the commit with this number. They are on disk when this returns. An
    /// error leaves it open whether they are: the store has to be opened again to know.
    pub(super) fn commit(&self, number: u64, changes: &Changes) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (key, delta) in changes.sessions() {
            self.change(&mut batch, key, delta)?;
        }
        batch.insert(&self.meta, COMMIT, number.to_be_bytes());
        batch.commit()?;
        self.rotate();
        Ok(())
    }

    /// Has what was written to memory become tables.
    fn rotate(&self) {
        for keyspace in [&self.meta, &self.sessions, &self.messages] {
            let is_full = keyspace.tree.active_memtable().size() > MEMTABLE_BYTES;
            if is_full && keyspace.sealed_memtable_count() < MAX_SEALED {
                // If it fails the engine refuses the next commit, and that is where it is told.
                if let Err(error) = keyspace.rotate_memtable() {
                    log::error!("the mailbox's engine: {error}");
                }
            }
        }
    }

    fn change(
        &self,
        batch: &mut fjall::OwnedWriteBatch,
        key: &SessionKey,
        delta: &Delta,
    ) -> Result<(), StoreError> {
        let mut row = self.row(key)?;
        let on_disk = (row.removed, row.last);
        delta.row().apply(&mut row);
        let prefix = message_prefix(key);
        for position in on_disk.0 + 1..=on_disk.1.min(row.removed) {
            batch.remove(&self.messages, message_key(&prefix, position));
        }
        for (position, message) in delta.messages() {
            batch.insert(&self.messages, message_key(&prefix, position), encode_message(message));
        }
        batch.insert(&self.sessions, session_key(key), row.encode());
        Ok(())
    }

    /// Takes entries as they are, into a store that is being filled from a backup.
    pub(super) fn fill(
        &self,
        number: u64,
        entries: impl IntoIterator<Item = (Table, Entry)>,
    ) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (table, (key, value)) in entries {
            let keyspace = match table {
                Table::Sessions => &self.sessions,
                Table::Messages => &self.messages,
            };
            batch.insert(keyspace, key, value);
        }
        batch.insert(&self.meta, COMMIT, number.to_be_bytes());
        batch.commit()?;
        self.rotate();
        Ok(())
    }

    /// Makes every session consistent with the messages that are there, where some were lost.
    pub(super) fn mend(&self) -> Result<(), StoreError> {
        let image = self.image();
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for key in image.every_key()? {
            let mut row = image.row(&key)?;
            let messages = image.messages_of(&key).collect::<Result<Vec<_>, _>>()?;
            let prefix = message_prefix(&key);
            // Positions are given anew: they may have holes, and may lie above what the row knows.
            let highest = messages.last().map_or(0, |(position, _)| *position);
            row.removed = row.last.max(highest);
            row.last = row.removed;
            row.bytes = 0;
            for (position, message) in messages {
                row.last += 1;
                row.bytes += message.body.len() as u64;
                row.take(message.id);
                batch.remove(&self.messages, message_key(&prefix, position));
                let encoded = encode_message(&message);
                batch.insert(&self.messages, message_key(&prefix, row.last), encoded);
            }
            batch.insert(&self.sessions, session_key(&key), row.encode());
        }
        Ok(batch.commit()?)
    }

    /// Has messages vanish, or their session's row, as no commit ever does.
    #[cfg(test)]
    pub(super) fn lose(&self, key: &SessionKey, positions: std::ops::Range<u64>, row: bool) {
        for position in positions {
            let key = message_key(&message_prefix(key), position);
            self.messages.remove(key).expect("a sound disk");
        }
        if row {
            self.sessions.remove(session_key(key)).expect("a sound disk");
        }
        self.database.persist(PersistMode::SyncAll).expect("a sound disk");
    }

    /// A session's row; an empty one if there is none.
    fn row(&self, key: &SessionKey) -> Result<Row, StoreError> {
        let bytes = self.sessions.get(session_key(key))?;
        Ok(bytes.map(|bytes| Row::decode(&bytes)).transpose()?.unwrap_or_default())
    }

    /// The store as it is now, whatever is committed later.
    pub(super) fn image(&self) -> Image {
        Image {
            snapshot: self.database.snapshot(),
            sessions: self.sessions.clone(),
            messages: self.messages.clone(),
        }
    }
}

/// A consistent view of the whole store.
pub struct Image {
    snapshot: Snapshot,
    sessions: Keyspace,
    messages: Keyspace,
}

/// A key and its value, as the layout has them.
pub(super) type Entry = (Bytes, Bytes);

impl Image {
    /// Every session's row, by receiver and sender.
    pub(super) fn sessions(
        &self,
    ) -> impl Iterator<Item = Result<(SessionKey, Row), StoreError>> + use<> {
        self.snapshot.iter(&self.sessions).map(session_entry)
    }

    /// A session's row; an empty one if there is none.
    pub(super) fn row(&self, key: &SessionKey) -> Result<Row, StoreError> {
        let bytes = self.snapshot.get(&self.sessions, session_key(key))?;
        Ok(bytes.map(|bytes| Row::decode(&bytes)).transpose()?.unwrap_or_default())
    }

    /// A session's messages above `after` and below `before`, with their positions: no more than
    /// fit into `limit`, but one at least if there is any.
    pub(super) fn messages(
        &self,
        key: &SessionKey,
        after: u64,
        before: u64,
        limit: Usage,
    ) -> Result<Vec<(u64, Message)>, StoreError> {
        let mut room = Room::new(limit);
        let mut messages = Vec::new();
        for message in self.walk(key, after, before) {
            let (position, message) = message?;
            if !room.takes(message.body.len()) {
                break;
            }
            messages.push((position, message));
        }
        Ok(messages)
    }

    /// A session's messages above `after` and below `before`, one after another.
    pub(super) fn walk(
        &self,
        key: &SessionKey,
        after: u64,
        before: u64,
    ) -> impl Iterator<Item = Result<(u64, Message), StoreError>> + use<> {
        let prefix = message_prefix(key);
        let range = (
            Bound::Excluded(message_key(&prefix, after)),
            Bound::Excluded(message_key(&prefix, before.max(after + 1))),
        );
        self.snapshot.range::<Vec<u8>, _>(&self.messages, range).map(message_entry)
    }

    /// The messages of a session, by position.
    pub(super) fn messages_of(
        &self,
        key: &SessionKey,
    ) -> impl Iterator<Item = Result<(u64, Message), StoreError>> + use<> {
        self.snapshot.prefix(&self.messages, message_prefix(key)).map(message_entry)
    }

    /// The sessions that have a row, and those of which there are only messages.
    fn every_key(&self) -> Result<BTreeSet<SessionKey>, StoreError> {
        let mut keys = BTreeSet::new();
        for session in self.sessions() {
            keys.insert(session?.0);
        }
        for message in self.snapshot.iter(&self.messages) {
            keys.insert(parse_message_key(&message.key()?)?.0);
        }
        Ok(keys)
    }

    /// How many messages there are.
    pub(super) fn count_messages(&self) -> Result<u64, StoreError> {
        Ok(self.snapshot.len(&self.messages)? as u64)
    }

    /// Every row, then every message.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = Result<(Table, Entry), StoreError>> + use<> {
        let entries = |table, keyspace| {
            self.snapshot.iter(keyspace).map(move |entry| {
                let (key, value) = entry.into_inner()?;
                Ok((table, (key.into(), value.into())))
            })
        };
        entries(Table::Sessions, &self.sessions).chain(entries(Table::Messages, &self.messages))
    }
}

/// What a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Sessions,
    Messages,
}

fn session_entry(entry: fjall::Guard) -> Result<(SessionKey, Row), StoreError> {
    let (key, value) = entry.into_inner()?;
    Ok((parse_session_key(&key)?, Row::decode(&value)?))
}

fn message_entry(entry: fjall::Guard) -> Result<(u64, Message), StoreError> {
    let (key, value) = entry.into_inner()?;
    Ok((parse_message_key(&key)?.1, decode_message(value.into())?))
}
