//! One consistent view of the store, to read from.
//!
//! Owned by whoever reads. Invariant: what is committed meanwhile is not in it.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use fjall::{Guard, Keyspace, Readable, Snapshot};

use super::error::StoreError;
use super::layout::{
    FIRST_SESSION, FIRST_STANDING, Malformed, Row, SessionPart, UPTIME, accounts_prefix, add_part,
    decode_outlines, decode_segment, decode_since, list_key, message_prefix, parse_list,
    parse_part, parse_segment_key, parse_standing, segment_key, session_key,
};
use crate::mailbox::{Accounts, KeptList, Outline, Standing, Usage};
use crate::message::{Message, Name, SessionKey, Uptime};

/// A consistent view of the whole store.
pub struct Image {
    pub(super) snapshot: Snapshot,
    pub(super) meta: Keyspace,
    pub(super) sessions: Keyspace,
    pub(super) messages: Keyspace,
}

/// A key and its value, as the layout has them.
pub(super) type Entry = (Bytes, Bytes);

impl Image {
    /// Every session's row, by receiver and sender.
    pub(super) fn sessions(
        &self,
    ) -> impl Iterator<Item = Result<(SessionKey, Row), StoreError>> + use<> {
        self.parts().filter_map(|part| match part {
            Ok((key, SessionPart::Row(row))) => Some(Ok((key, row))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Every session's row and accounts, part by part.
    pub(super) fn parts(
        &self,
    ) -> impl Iterator<Item = Result<(SessionKey, SessionPart), StoreError>> + use<> {
        self.snapshot.range::<&[u8], _>(&self.sessions, FIRST_SESSION.as_slice()..).map(part)
    }

    /// Everybody's device list, by name.
    pub(super) fn lists(
        &self,
    ) -> impl Iterator<Item = Result<(Name, KeptList), StoreError>> + use<> {
        let lists = ..FIRST_STANDING.as_slice();
        self.snapshot.range::<&[u8], _>(&self.sessions, lists).map(|entry| {
            let (key, value) = entry.into_inner()?;
            Ok(parse_list(&key, value.into())?)
        })
    }

    /// What receivers of sessions think of their senders, by receiver and sender.
    pub(super) fn standings(
        &self,
    ) -> impl Iterator<Item = Result<(SessionKey, Standing), StoreError>> + use<> {
        let standings = FIRST_STANDING.as_slice()..FIRST_SESSION.as_slice();
        self.snapshot.range::<&[u8], _>(&self.sessions, standings).map(|entry| {
            let (key, value) = entry.into_inner()?;
            Ok(parse_standing(&key, &value)?)
        })
    }

    /// The device list of a name.
    pub(super) fn list(&self, name: &Name) -> Result<Option<KeptList>, StoreError> {
        let key = list_key(name);
        let value = self.snapshot.get(&self.sessions, &key)?;
        Ok(value.map(|value| parse_list(&key, value.into())).transpose()?.map(|(_, list)| list))
    }

    /// What is known of a session's installations.
    pub(super) fn accounts(&self, key: &SessionKey) -> Result<Accounts, StoreError> {
        collect(self.snapshot.prefix(&self.sessions, accounts_prefix(key)))
    }

    /// A session's row; an empty one if there is none.
    pub(super) fn row(&self, key: &SessionKey) -> Result<Row, StoreError> {
        let bytes = self.snapshot.get(&self.sessions, session_key(key))?;
        Ok(bytes.map(|bytes| Row::decode(&bytes)).transpose()?.unwrap_or_default())
    }

    /// A session's messages above `after` and below `before`, one after another, with their positions.
    pub(super) fn walk(
        &self,
        key: &SessionKey,
        after: u64,
        before: u64,
    ) -> impl Iterator<Item = Result<(u64, Message), StoreError>> + use<> {
        self.messages_of(key, after)
            .take_while(move |it| it.as_ref().map_or(true, |(position, _)| *position < before))
    }

    /// The messages of a session above a position.
    pub(super) fn messages_of(
        &self,
        key: &SessionKey,
        after: u64,
    ) -> impl Iterator<Item = Result<(u64, Message), StoreError>> + use<> {
        let messages = |segment: Result<Segment, StoreError>| {
            let (segment, error) = match segment {
                Ok(segment) => (Some(segment), None),
                Err(error) => (None, Some(error)),
            };
            let messages = segment.into_iter().flat_map(|it| (it.first..).zip(it.messages));
            messages.map(Ok).chain(error.map(Err))
        };
        let above = move |it: &Result<(u64, Message), _>| {
            it.as_ref().map_or(true, |(position, _)| *position > after)
        };
        self.segments(key, after).flat_map(messages).filter(above)
    }

    /// The segments of a session with messages above a position: the position of each one's last message, and since
    /// when it has waited.
    pub(super) fn since(
        &self,
        key: &SessionKey,
        after: u64,
    ) -> impl Iterator<Item = Result<(u64, Uptime), StoreError>> + use<> {
        self.range(key, after).map(|entry| {
            let (key, value) = entry.into_inner()?;
            Ok((parse_segment_key(&key)?.1, decode_since(&value)?))
        })
    }

    /// The messages of a session above a position, each with the time since when it waits.
    pub(super) fn dated(
        &self,
        key: &SessionKey,
        after: u64,
    ) -> Result<Vec<(u64, Uptime, Message)>, StoreError> {
        let mut times = self.since(key, after).collect::<Result<Vec<_>, _>>()?.into_iter();
        let mut time = times.next();
        let mut all = Vec::new();
        for message in self.messages_of(key, after) {
            let (position, message) = message?;
            while time.is_some_and(|(last, _)| last < position) {
                time = times.next();
            }
            all.push((position, time.map_or(Uptime::default(), |(_, since)| since), message));
        }
        Ok(all)
    }

    /// The outlines of a session's messages above `after` and below `before`, in order.
    pub(super) fn outlines(
        &self,
        key: &SessionKey,
        after: u64,
        before: u64,
    ) -> Result<Vec<Outline>, StoreError> {
        let mut all = Vec::new();
        for segment in self.decoded(key, after, |bytes| decode_outlines(&bytes)) {
            let Segment { first, messages } = segment?;
            let next = first + messages.len() as u64;
            let wanted = |it: &(u64, _)| after < it.0 && it.0 < before;
            all.extend((first..).zip(messages).filter(wanted).map(|(_, outline)| outline));
            if next >= before {
                break;
            }
        }
        Ok(all)
    }

    /// The segments of a session that have something above a position.
    pub(super) fn segments(
        &self,
        key: &SessionKey,
        after: u64,
    ) -> impl Iterator<Item = Result<Segment, StoreError>> + use<> {
        self.decoded(key, after, decode_segment)
    }

    fn decoded<T, D: Fn(Bytes) -> Result<Vec<T>, Malformed>>(
        &self,
        key: &SessionKey,
        after: u64,
        decode: D,
    ) -> impl Iterator<Item = Result<Segment<T>, StoreError>> + use<T, D> {
        self.range(key, after).map(move |entry| {
            let (key, value) = entry.into_inner()?;
            let (_, last) = parse_segment_key(&key)?;
            let messages = decode(value.into())?;
            let before = last.checked_sub(messages.len() as u64);
            let first = before.ok_or(Malformed("a segment's position"))? + 1;
            Ok(Segment { first, messages })
        })
    }

    fn range(&self, key: &SessionKey, after: u64) -> impl Iterator<Item = Guard> + use<> {
        let prefix = message_prefix(key);
        let range = (
            Bound::Excluded(segment_key(&prefix, after)),
            Bound::Included(segment_key(&prefix, u64::MAX)),
        );
        self.snapshot.range::<Vec<u8>, _>(&self.messages, range)
    }

    /// The sessions that have a row, and those that only have other entries.
    pub(super) fn every_key(&self) -> Result<BTreeSet<SessionKey>, StoreError> {
        let mut keys = BTreeSet::new();
        for part in self.parts() {
            keys.insert(part?.0);
        }
        for message in self.snapshot.iter(&self.messages) {
            keys.insert(parse_segment_key(&message.key()?)?.0);
        }
        Ok(keys)
    }

    /// How many segments there are.
    pub(super) fn count_segments(&self) -> Result<u64, StoreError> {
        Ok(self.snapshot.len(&self.messages)? as u64)
    }

    /// How many entries the rows, accounts, device lists and standings have.
    pub(super) fn count_parts(&self) -> Result<u64, StoreError> {
        Ok(self.snapshot.len(&self.sessions)? as u64)
    }

    /// The uptime, then every device list, standing, row and account, then every segment.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = Result<(Table, Entry), StoreError>> + use<> {
        let entries = |table, keyspace| {
            self.snapshot.iter(keyspace).map(move |entry| {
                let (key, value) = entry.into_inner()?;
                Ok((table, (key.into(), value.into())))
            })
        };
        let uptime = self.snapshot.get(&self.meta, UPTIME).map_err(StoreError::from).transpose();
        let uptime = uptime.map(|it| Ok((Table::Meta, (UPTIME.into(), it?.into()))));
        let sessions = entries(Table::Sessions, &self.sessions);
        uptime.into_iter().chain(sessions).chain(entries(Table::Messages, &self.messages))
    }
}

/// Messages that are kept together, or something of each.
pub(super) struct Segment<T = Message> {
    /// The position of the first one.
    pub(super) first: u64,
    pub(super) messages: Vec<T>,
}

impl Segment {
    /// The usage of its kept messages at the wanted positions.
    pub(super) fn usage(&self, wanted: impl Fn(u64) -> bool) -> Usage {
        let wanted = (self.first..).zip(&self.messages).filter(|(position, _)| wanted(*position));
        wanted.map(|(_, message)| Usage::one(message.weight())).sum()
    }

    /// Keeps only the numbers of its messages up to a position.
    pub(super) fn withhold(&mut self, up_to: u64) {
        let known = (self.first..).zip(&mut self.messages).take_while(|(it, _)| *it <= up_to);
        known.for_each(|(_, message)| message.withhold());
    }
}

/// What a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Of which only the uptime is in it.
    Meta,
    Sessions,
    Messages,
}

/// The accounts that these entries are.
pub(super) fn collect(entries: impl Iterator<Item = Guard>) -> Result<Accounts, StoreError> {
    let mut accounts = Accounts::default();
    for entry in entries {
        add_part(&mut accounts, part(entry)?.1);
    }
    Ok(accounts)
}

fn part(entry: Guard) -> Result<(SessionKey, SessionPart), StoreError> {
    let (key, value) = entry.into_inner()?;
    Ok(parse_part(&key, &value)?)
}
