//! The store: rows and messages in `fjall`, an LSM tree with a write-ahead journal.
//!
//! Owned by the mailbox. One thread commits, another reads. Invariant: the commits in the store are
//! numbered without a gap, and each is there wholly or not at all.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use fjall::{AbstractTree, Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::error::StoreError;
use super::image::{Entry, Image, Segment, Table, collect};
use super::journal::{Changes, Delta, Depth, RowDelta};
use super::layout::{
    COMMIT, LAYOUT, Malformed, Row, UPTIME, accounts_prefix, check_entry, decode_segment,
    decode_since, encode_accounts, encode_list, encode_segment, encode_standing, list_key,
    message_prefix, numbers_key, parse_segment_key, record_key, segment_key, session_key,
    standing_key,
};
use super::withholding::{Left, Withholding};
use crate::mailbox::usage::Room;
use crate::mailbox::{Accounts, Fate, Usage};
use crate::message::{Installation, Message, SessionKey, Uptime};

/// The size of a memtable before it is flushed to a table, for each keyspace.
pub(super) const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// How many sealed memtables may wait to be flushed. Beyond that the active one grows.
const MAX_SEALED: usize = 2;

/// The size of the block cache.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// When journals are larger, the memtables that they are kept for are flushed. The least that fjall accepts.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// The most that a segment has before its last message: about as much as one read brings.
const SEGMENT: Usage = Usage { messages: 1_024, bytes: 64 * 1024 };

/// Messages of one segment were accepted within this time. It counts from the last of them, so none expires early.
const SEGMENT_SPAN: Duration = Duration::from_secs(1);

/// See the [module](self).
pub(super) struct Store {
    pub(super) database: Database,
    pub(super) meta: Keyspace,
    pub(super) sessions: Keyspace,
    pub(super) messages: Keyspace,
}

impl Store {
    /// Opens the store in a folder, or makes it with some layout. Nothing is brought up to date. What it has is on disk
    /// then, also what a killed process had only written.
    pub(super) fn open_as(folder: &Path, made: u8) -> Result<Self, StoreError> {
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
        if meta.get(LAYOUT)?.is_none() {
            meta.insert(LAYOUT, [made])?;
        }
        database.persist(PersistMode::SyncAll)?;
        Ok(Self { database, meta, sessions, messages })
    }

    /// The version of its layout.
    pub(super) fn layout(&self) -> Result<u8, StoreError> {
        match self.meta.get(LAYOUT)?.as_deref() {
            Some([version]) => Ok(*version),
            _ => Err(Malformed("the layout's version").into()),
        }
    }

    /// The number of the last commit; 0 before the first.
    pub(super) fn last_commit(&self) -> Result<u64, StoreError> {
        let Some(number) = self.meta.get(COMMIT)? else { return Ok(0) };
        let number = <[u8; 8]>::try_from(&*number).map_err(|_| Malformed("a commit's number"))?;
        Ok(u64::from_be_bytes(number))
    }

    /// How long the server had run in all at the last commit.
    pub(super) fn uptime(&self) -> Result<Uptime, StoreError> {
        let Some(uptime) = self.meta.get(UPTIME)? else { return Ok(Uptime::default()) };
        let uptime = <[u8; 8]>::try_from(&*uptime).map_err(|_| Malformed("the uptime"))?;
        Ok(Uptime(u64::from_be_bytes(uptime)))
    }

    /// Makes all changes, as the commit with this number and at this time. They are on disk when this returns, except
    /// for withheld bodies beyond a share, which are returned. After an error the store has to be opened again to know
    /// whether they are.
    pub(super) fn commit(
        &self,
        number: u64,
        uptime: Uptime,
        changes: &Changes,
        share: Usage,
    ) -> Result<Left, StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        let (mut left, mut room) = (Left::new(), Room::new(share));
        for (key, delta) in changes.sessions() {
            let rest = self.change(&mut batch, key, delta, &mut room)?;
            if !rest.is_empty() {
                left.push((key.clone(), rest));
            }
        }
        for (name, list) in changes.lists() {
            match list {
                Some(list) => batch.insert(&self.sessions, list_key(name), encode_list(list)),
                None => batch.remove(&self.sessions, list_key(name)),
            }
        }
        for (key, standing) in changes.standings() {
            match standing {
                Some(it) => batch.insert(&self.sessions, standing_key(key), encode_standing(it)),
                None => batch.remove(&self.sessions, standing_key(key)),
            }
        }
        batch.insert(&self.meta, UPTIME, uptime.0.to_be_bytes());
        self.finish(batch, number)?;
        Ok(left)
    }

    /// Commits a batch under a number.
    pub(super) fn finish(
        &self,
        mut batch: fjall::OwnedWriteBatch,
        number: u64,
    ) -> Result<(), StoreError> {
        batch.insert(&self.meta, COMMIT, number.to_be_bytes());
        batch.commit()?;
        self.rotate();
        Ok(())
    }

    /// Flushes memtables to tables.
    fn rotate(&self) {
        for keyspace in [&self.meta, &self.sessions, &self.messages] {
            let is_full = keyspace.tree.active_memtable().size() > MEMTABLE_BYTES;
            if is_full && keyspace.sealed_memtable_count() < MAX_SEALED {
                // If it fails the engine refuses the next commit, which reports it.
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
        room: &mut Room,
    ) -> Result<Withholding, StoreError> {
        let mut row = self.row(key)?;
        let (removed, last) = (row.removed, row.last);
        delta.row().apply(&mut row);
        // Segments that are removed whole; the row knows where a partly removed one begins.
        let gone = self.segments(key, removed + 1..=last.min(row.removed));
        for segment in gone {
            batch.remove(&self.messages, segment.key()?);
        }
        let withheld = delta.row().withheld().above(removed);
        let left = self.withhold(batch, key, last, &mut row, withheld, room)?;
        let prefix = message_prefix(key);
        self.put(batch, &prefix, delta.messages());
        batch.insert(&self.sessions, session_key(key), row.encode());
        let before = self.accounts(key, delta.row())?;
        let mut after = before.clone();
        delta.row().apply_to(&mut after);
        self.put_accounts(batch, key, &before, &after);
        Ok(left)
    }

    /// Removes bodies of messages on disk, as far as the share allows, and updates the row, also for those removed with
    /// their messages. The last message on disk has the position `last`. Returns what is left.
    fn withhold(
        &self,
        batch: &mut fjall::OwnedWriteBatch,
        key: &SessionKey,
        last: u64,
        row: &mut Row,
        withheld: Withholding,
        room: &mut Room,
    ) -> Result<Withholding, StoreError> {
        let Some(first) = withheld.first() else { return Ok(withheld) };
        for segment in self.segments(key, first..=last) {
            let (entry, value) = segment.into_inner()?;
            let value = Bytes::from(value);
            let (Ok(since), Ok(messages)) = (decode_since(&value), decode_segment(value)) else {
                // It must not prevent all others from being stored.
                log::error!("{key}: a segment is damaged, and stays as it is");
                continue;
            };
            let end = parse_segment_key(&entry)?.1;
            let mut segment = Segment { first: end + 1 - messages.len() as u64, messages };
            if segment.first > withheld.up_to() {
                break;
            }
            let removed = segment.usage(|it| withheld.has(it) && it <= row.removed);
            row.bytes = row.bytes.saturating_sub(removed.bytes);
            if end <= row.removed {
                continue;
            }
            if !room.takes_all(segment.usage(|_| true)) {
                return Ok(withheld.above(row.removed.max(segment.first - 1)));
            }
            let gone = segment.usage(|it| withheld.has(it) && it > row.removed);
            row.bytes = row.bytes.saturating_sub(gone.bytes);
            segment.withhold(withheld.up_to());
            batch.insert(&self.messages, entry, encode_segment(since, segment.messages.iter()));
        }
        Ok(Withholding::default())
    }

    /// The part of a session's accounts that is needed to change them.
    fn accounts(&self, key: &SessionKey, delta: &RowDelta) -> Result<Accounts, StoreError> {
        let prefix = accounts_prefix(key);
        let records = |fate: Fate, installation: Installation| {
            let record = |first| record_key(&prefix, fate, installation, first);
            self.sessions.range(record(0)..=record(u64::MAX))
        };
        let numbers = |installation| {
            let key = numbers_key(&prefix, installation);
            self.sessions.range(key.clone()..=key)
        };
        let entries = delta.touched().into_iter().flat_map(|(installation, depth)| {
            let records: Vec<Guard> = match depth {
                Depth::Numbers => Vec::new(),
                Depth::LastRecord => {
                    let last = |fate| records(fate, installation).next_back();
                    Fate::ALL.into_iter().filter_map(last).collect()
                }
                Depth::Everything => {
                    Fate::ALL.into_iter().flat_map(|fate| records(fate, installation)).collect()
                }
            };
            numbers(installation).chain(records)
        });
        collect(entries)
    }

    /// Writes what changed in accounts.
    fn put_accounts(
        &self,
        batch: &mut fjall::OwnedWriteBatch,
        key: &SessionKey,
        before: &Accounts,
        after: &Accounts,
    ) {
        let prefix = accounts_prefix(key);
        let mut before = encode_accounts(&prefix, before);
        for (key, value) in encode_accounts(&prefix, after) {
            if before.remove(&key).as_ref() != Some(&value) {
                batch.insert(&self.sessions, key, value);
            }
        }
        before.into_keys().for_each(|gone| batch.remove(&self.sessions, gone));
    }

    /// Puts messages with consecutive positions, as segments.
    fn put<'a>(
        &self,
        batch: &mut fjall::OwnedWriteBatch,
        prefix: &[u8],
        messages: impl Iterator<Item = (u64, Uptime, &'a Message)>,
    ) {
        let mut filling = Filling::default();
        let mut end = |filling: Filling<'_>| {
            let Filling { messages, last, since, .. } = filling;
            let encoded = encode_segment(since, messages.into_iter());
            batch.insert(&self.messages, segment_key(prefix, last), encoded);
        };
        for (position, since, message) in messages {
            if filling.is_too_early_for(since) {
                end(std::mem::take(&mut filling));
            }
            filling.take(position, since, message);
            if filling.usage.messages >= SEGMENT.messages || filling.usage.bytes >= SEGMENT.bytes {
                end(std::mem::take(&mut filling));
            }
        }
        if !filling.messages.is_empty() {
            end(filling);
        }
    }

    /// The segments whose last message has one of these positions.
    fn segments(&self, key: &SessionKey, last: RangeInclusive<u64>) -> impl Iterator<Item = Guard> {
        let prefix = message_prefix(key);
        let range = segment_key(&prefix, *last.start())..=segment_key(&prefix, *last.end());
        // The engine does not accept a range that ends before it begins.
        let range = (!last.is_empty()).then_some(range);
        range.into_iter().flat_map(|range| self.messages.range(range))
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
                Table::Meta => &self.meta,
                Table::Sessions => &self.sessions,
                Table::Messages => &self.messages,
            };
            batch.insert(keyspace, key, value);
        }
        self.finish(batch, number)
    }

    /// Makes every session consistent with the messages that are there, where some were lost.
    pub(super) fn mend(&self) -> Result<(), StoreError> {
        self.discard_unreadable()?;
        let image = self.image();
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        // What is left was not accepted later than now.
        let mut newest = self.uptime().unwrap_or_default();
        for key in image.every_key()? {
            let (mut row, before) = (image.row(&key)?, image.accounts(&key)?);
            let mut accounts = before.clone();
            let messages = image.dated(&key, row.removed)?;
            for segment in self.segments(&key, 0..=u64::MAX) {
                batch.remove(&self.messages, segment.key()?);
            }
            // Positions are assigned again: they may have holes, and may be above what the row knows.
            let highest = messages.last().map_or(0, |(position, ..)| *position);
            let first = row.last.max(highest) + 1;
            (row.removed, row.last, row.bytes) = (first - 1, first - 1, 0);
            for (_, _, message) in &messages {
                row.last += 1;
                row.bytes += message.weight() as u64;
                accounts.take(message.id, row.last);
            }
            newest = messages.last().map_or(newest, |(_, since, _)| newest.max(*since));
            let messages = (first..).zip(&messages);
            let messages = messages.map(|(position, (_, since, it))| (position, *since, it));
            self.put(&mut batch, &message_prefix(&key), messages);
            batch.insert(&self.sessions, session_key(&key), row.encode());
            self.put_accounts(&mut batch, &key, &before, &accounts);
        }
        batch.insert(&self.meta, UPTIME, newest.0.to_be_bytes());
        Ok(batch.commit()?)
    }

    /// Drops entries that do not fit the layout: nobody can say what they were.
    fn discard_unreadable(&self) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for entry in self.image().entries() {
            let (table, (key, value)) = entry?;
            let (keyspace, is_sound) = match table {
                Table::Meta => continue,
                Table::Sessions => (&self.sessions, check_entry(&key, value)),
                Table::Messages => {
                    let segment = parse_segment_key(&key).map(drop);
                    (&self.messages, segment.and_then(|()| decode_segment(value).map(drop)))
                }
            };
            if let Err(problem) = is_sound {
                log::warn!("{problem}; it is left out");
                batch.remove(keyspace, key);
            }
        }
        Ok(batch.commit()?)
    }

    /// Has the segments vanish that end at these positions, or their session's row, as no commit ever
    /// does.
    #[cfg(test)]
    pub(super) fn lose(&self, key: &SessionKey, last: RangeInclusive<u64>, row: bool) {
        for segment in self.segments(key, last) {
            self.messages.remove(segment.key().expect("a sound disk")).expect("a sound disk");
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
            meta: self.meta.clone(),
            sessions: self.sessions.clone(),
            messages: self.messages.clone(),
        }
    }
}

/// A segment that is being filled.
#[derive(Default)]
struct Filling<'a> {
    messages: Vec<&'a Message>,
    usage: Usage,
    last: u64,
    /// Since when the first and the last one wait.
    began: Uptime,
    since: Uptime,
}

impl<'a> Filling<'a> {
    /// Whether what waits since then belongs to another one.
    fn is_too_early_for(&self, since: Uptime) -> bool {
        !self.messages.is_empty() && since.since(self.began) >= SEGMENT_SPAN
    }

    fn take(&mut self, position: u64, since: Uptime, message: &'a Message) {
        if self.messages.is_empty() {
            self.began = since;
        }
        self.messages.push(message);
        self.usage += Usage::one(message.weight());
        (self.last, self.since) = (position, since);
    }
}
