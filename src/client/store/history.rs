//! Received messages in the store.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: the history has everything that was
//! ever delivered, once. Duplicates are recognised by their origin and content, whatever number they come with and in
//! whatever payload; what is sealed by its payload, too, before it is opened, for nothing can be opened twice. What has
//! the number of another message, cannot be opened, or may not be its sender's for it is not sealed, is not taken. What is
//! answered is a function of the history, which only grows; so a message that was not taken because of its number is
//! either not taken again, or known.

use std::collections::BTreeMap;
use std::fmt::Display;

use rusqlite::{OptionalExtension, Transaction, params};

use super::info::FileInfo;
use super::rows::{self, Incoming, Passage};
use super::scope::{Server, counts, peer_and_count};
use super::sealed::keyring::{Keyring, Me};
use super::sealed::opening::{self, Opener, Opening, Unopened};
use super::{clear, files, payload, stock, unsealed};
use crate::client::config::Unasked;
use crate::message::{Installation, Kind, Message, MessageId, Name, Origin, Timestamp};
use crate::seal::{Body, BodyError, Content};

type Result<T> = rusqlite::Result<T>;

/// What became of a message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is in the history now.
    New(Incoming),
    /// It was there.
    Known,
    /// Its number is another message's: its sender's folder was restored, or is one of two copies. Or it cannot be opened.
    /// It has to come with another number.
    Bounced,
    /// It came in the clear, and its sender's client would have sealed it: whoever runs the server may have made it. It has
    /// to come again, sealed.
    Unsealed,
    /// It was sealed by a folder that stands in no list that is believed: once the newest list is there, it is to be taken
    /// again. Nothing is to be said of it before, nor of what came behind it from its sender.
    Unknown,
    /// It is for another data folder of the same person, and is left for that one, with all that comes behind it.
    NotHere,
}

/// Who receives messages.
pub(crate) struct Receiver<'a> {
    pub(crate) keyring: &'a mut Keyring,
    pub(crate) me: &'a Me,
    /// The data folder, as others seal for it.
    pub(crate) installation: Installation,
    /// How much is downloaded unasked.
    pub(crate) unasked: Unasked,
    pub(crate) now: Timestamp,
    /// Whether the data folder is a device of its person, or about to be: then what is not sealed for it comes back, to be
    /// sealed for it, too.
    pub(crate) is_device: bool,
    /// The newest list of its sender is there: what is still [unknown](Verdict::Unknown) comes back.
    pub(crate) is_last: bool,
    pub(crate) noticed: &'a mut Noticed,
}

/// What is noticed beside the messages.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// How many came that could not be opened.
    pub(crate) unopened: usize,
    /// Which version of their device list those who wrote have had.
    pub(crate) lists: BTreeMap<Name, u64>,
}

/// Writes a message, if it is new. A file that it announces is downloaded if the receiver allows.
pub(crate) fn receive(
    tx: &Transaction<'_>,
    receiver: &mut Receiver<'_>,
    server: &Server,
    peer: Name,
    message: Message,
) -> Result<Verdict> {
    let sealed = match sealed(&message) {
        Ok(sealed) => sealed,
        Err(error) => return Ok(refuse(receiver, &peer, &error)),
    };
    let Some(body) = sealed else { return take_clear(tx, receiver, server, peer, message) };
    if was_opened(tx, server, &peer, message.origin, &body.payload().hash())? {
        return Ok(Verdict::Known);
    }
    if let Some(clash) = clash(tx, server, &peer, message.id)? {
        return Ok(clash);
    }
    open(tx, receiver, server, peer, message, &body)
}

/// Writes what came in the clear, if it is new, and may be its sender's.
fn take_clear(
    tx: &Transaction<'_>,
    receiver: &mut Receiver<'_>,
    server: &Server,
    peer: Name,
    message: Message,
) -> Result<Verdict> {
    let hash = payload::hash(&message.kind, &message.body);
    if is_known_in_the_clear(tx, server, &peer, message.origin, &hash)? {
        return Ok(Verdict::Known);
    }
    if let Some(clash) = clash(tx, server, &peer, message.id)? {
        return Ok(clash);
    }
    let person = receiver.keyring.person(tx, receiver.me, server, &peer)?;
    let has_list = person.list.is_some();
    if !unsealed::may_come(tx, server, &peer, receiver.installation, has_list)? {
        return Ok(Verdict::Unsealed);
    }
    insert(tx, receiver.unasked, server, peer, message, &hash, Passage::Clear).map(Verdict::New)
}

/// What becomes of a message that has another one's number: it can come with a number of its own.
fn clash(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    id: MessageId,
) -> Result<Option<Verdict>> {
    Ok(is_number_used(tx, server, peer, id)?.then_some(Verdict::Bounced))
}

/// Its body, if it is sealed.
fn sealed(message: &Message) -> std::result::Result<Option<Body>, BodyError> {
    (message.kind == Kind::SEAL).then(|| Body::decode(message.body.clone())).transpose()
}

/// It can be opened with another number, other envelopes or another list.
fn refuse(receiver: &mut Receiver<'_>, peer: &Name, why: &dyn Display) -> Verdict {
    receiver.noticed.unopened += 1;
    log::debug!("a message of {peer} is not taken: {why}");
    Verdict::Bounced
}

/// Opens a sealed message, and writes what is inside.
fn open(
    tx: &Transaction<'_>,
    receiver: &mut Receiver<'_>,
    server: &Server,
    peer: Name,
    message: Message,
    body: &Body,
) -> Result<Verdict> {
    let Receiver { me, installation, unasked, now, is_device, is_last, .. } = *receiver;
    let opener = Opener { keyring: &mut *receiver.keyring, me, server, installation, now };
    let Content { kind, body: inside, lists, time: written, .. } =
        match opening::open(tx, opener, &peer, &message, body)? {
            Opening::Opened(content) => content,
            Opening::Unknown if is_last => {
                return Ok(refuse(receiver, &peer, &"nobody knows who sealed it"));
            }
            Opening::Unknown => return Ok(Verdict::Unknown),
            Opening::Refused(Unopened::Absent) if !is_device => return Ok(Verdict::NotHere),
            Opening::Refused(why) => return Ok(refuse(receiver, &peer, &why)),
        };
    unsealed::note_sealed(tx, server, &peer)?;
    if let Some(list) = lists[0] {
        let newest = receiver.noticed.lists.entry(peer.clone()).or_default();
        *newest = list.version.max(*newest);
    }
    let message = Message { kind, body: inside, ..message };
    // It may have come before as it was written, or in another payload: a folder that is restored from before it sealed a
    // message seals it again.
    let hash = payload::hash(&message.kind, &message.body);
    if let Some(known) = duplicate(tx, server, &peer, message.origin, &hash)? {
        note_opened(tx, body, known)?;
        return Ok(Verdict::Known);
    }
    let mut fresh = insert(tx, unasked, server, peer, message, &hash, Passage::Sealed)?;
    note_opened(tx, body, fresh.id)?;
    note_written(tx, &mut fresh, written)?;
    Ok(Verdict::New(fresh))
}

/// Writes a new message, which has this hash.
fn insert(
    tx: &Transaction<'_>,
    unasked: Unasked,
    server: &Server,
    peer: Name,
    message: Message,
    hash: &[u8; 32],
    passage: Passage,
) -> Result<Incoming> {
    let Message { id: MessageId { installation, n }, origin, time, kind, body } = message;
    tx.prepare_cached(
        "INSERT INTO message
             (server, peer, own, installation, n, origin, time, kind, body, hash, sealed, state)
         VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, 'received')",
    )?
    .execute(params![
        server.as_str(),
        peer.as_str(),
        installation.to_string(),
        n.cast_signed(),
        origin.to_bytes(),
        time.0.cast_signed(),
        kind.as_str(),
        &body[..],
        hash,
        passage.sealed(),
    ])?;
    let (id, is_sealed) = (tx.last_insert_rowid(), passage == Passage::Sealed);
    let file = FileInfo::of(&kind, &body)
        .map(|info| stock::announce(tx, unasked, server, &peer, (id, is_sealed), &info))
        .transpose()?;
    Ok(Incoming { id, peer, time, kind, body, passage, file, written: None })
}

/// When a new message was written is told beside when it came, if that is another time.
fn note_written(tx: &Transaction<'_>, fresh: &mut Incoming, written: Timestamp) -> Result<()> {
    fresh.written = rows::written_apart(written, fresh.time);
    let Some(written) = fresh.written else { return Ok(()) };
    let note = "UPDATE message SET written = ? WHERE id = ?";
    tx.execute(note, params![written.0.cast_signed(), fresh.id]).map(drop)
}

/// Looks for a message that is there. The signs keep SQLite from walking through a whole conversation instead of using
/// the index `received`.
const DUPLICATE: &str = "
    SELECT id FROM message
    WHERE origin = ? AND hash = ? AND own = 0 AND +server = ? AND +peer = ? LIMIT 1";

/// The same message, if it is there, under whatever number.
fn duplicate(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    origin: Origin,
    hash: &[u8; 32],
) -> Result<Option<i64>> {
    let mut query = tx.prepare_cached(DUPLICATE)?;
    let key = params![origin.to_bytes(), hash, server.as_str(), peer.as_str()];
    query.query_row(key, |row| row.get(0)).optional()
}

/// Whether a message that comes in the clear is there. Then it was in the clear, too, however it came before.
fn is_known_in_the_clear(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    origin: Origin,
    hash: &[u8; 32],
) -> Result<bool> {
    let known = duplicate(tx, server, peer, origin, hash)?;
    clear::note(tx, known)?;
    Ok(known.is_some())
}

/// Whether a message came in this payload before.
fn was_opened(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    origin: Origin,
    payload: &[u8; 32],
) -> Result<bool> {
    let mut query = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM opened JOIN message ON message.id = opened.message
         WHERE payload = ? AND origin = ? AND own = 0 AND server = ? AND peer = ?)",
    )?;
    let key = params![payload, origin.to_bytes(), server.as_str(), peer.as_str()];
    query.query_row(key, |row| row.get(0))
}

/// The payload of a sealed message was opened, and is this one.
fn note_opened(tx: &Transaction<'_>, body: &Body, message: i64) -> Result<()> {
    let mut note = tx.prepare_cached("INSERT OR REPLACE INTO opened VALUES (?, ?)")?;
    note.execute(params![body.payload().hash(), message]).map(drop)
}

/// Whether a message has a number.
fn is_number_used(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    MessageId { installation, n }: MessageId,
) -> Result<bool> {
    let mut query = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message
         WHERE server = ? AND peer = ? AND own = 0 AND installation = ? AND n = ?)",
    )?;
    let installation = installation.to_string();
    let key = params![server.as_str(), peer.as_str(), installation, n.cast_signed()];
    query.query_row(key, |row| row.get(0))
}

/// Received messages of somebody that were not shown, in order, above an id.
pub(crate) fn unshown(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    above: i64,
    limit: u32,
) -> Result<Vec<Incoming>> {
    let mut query = tx.prepare_cached(
        "SELECT id, time, kind, body, sealed, number, file.state, why, written FROM message
         LEFT JOIN file ON file.message = message.id
         WHERE message.server = ? AND message.peer = ? AND message.state = 'received' AND id > ?
         ORDER BY id LIMIT ?",
    )?;
    let rows = query.query_map(params![server.as_str(), peer.as_str(), above, limit], |row| {
        let time: i64 = row.get(1)?;
        let kind: String = row.get(2)?;
        let body: Vec<u8> = row.get(3)?;
        Ok(Incoming {
            id: row.get(0)?,
            peer: peer.clone(),
            time: Timestamp(time.cast_unsigned()),
            kind: kind.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
            body: body.into(),
            passage: Passage::of(row.get(4)?),
            file: files::received(row, 5)?,
            written: rows::written(row, 8)?,
        })
    })?;
    rows.collect()
}

/// How many messages were received and not shown, by peer.
pub(crate) fn unshown_counts(tx: &Transaction<'_>, server: &Server) -> Result<BTreeMap<Name, u64>> {
    let mut query = tx.prepare_cached(
        "SELECT peer, count(*) FROM message WHERE server = ? AND state = 'received' GROUP BY peer",
    )?;
    counts(query.query_map([server.as_str()], peer_and_count)?)
}

/// Whether somebody was written to before, or a message of theirs was shown.
pub(crate) fn is_known(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<bool> {
    let mut query = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message
         WHERE server = ? AND peer = ? AND (own = 1 OR state = 'shown'))",
    )?;
    query.query_row([server.as_str(), peer.as_str()], |row| row.get(0))
}

/// Whether no message was ever exchanged with somebody.
pub(crate) fn is_empty(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<bool> {
    let mut query = tx.prepare_cached(
        "SELECT NOT EXISTS (SELECT 1 FROM message WHERE server = ? AND peer = ?)",
    )?;
    query.query_row([server.as_str(), peer.as_str()], |row| row.get(0))
}

/// Messages were shown.
pub(crate) fn mark_shown(tx: &Transaction<'_>, ids: &[i64]) -> Result<()> {
    let mut update =
        tx.prepare_cached("UPDATE message SET state = 'shown' WHERE id = ? AND own = 0")?;
    for id in ids {
        update.execute([id])?;
    }
    Ok(())
}

/// A message of somebody: whose, from which installation, and its number.
pub(crate) type Seen = (Name, Installation, u64);

/// The highest number of messages that were shown, by sender and installation.
pub(crate) fn highest(tx: &Transaction<'_>, ids: &[i64]) -> Result<Vec<Seen>> {
    let mut query =
        tx.prepare_cached("SELECT peer, installation, n FROM message WHERE id = ? AND own = 0")?;
    let mut highest = BTreeMap::new();
    for id in ids {
        if let Some((peer, installation, n)) = query.query_row([id], seen).optional()? {
            let before: &mut u64 = highest.entry((peer, installation)).or_default();
            *before = n.max(*before);
        }
    }
    Ok(highest.into_iter().map(|((peer, installation), n)| (peer, installation, n)).collect())
}

/// The last message of somebody that was shown.
pub(crate) fn last_shown(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
) -> Result<Option<Seen>> {
    let mut query = tx.prepare_cached(
        "SELECT peer, installation, n FROM message
         WHERE server = ? AND peer = ? AND state = 'shown' ORDER BY id DESC LIMIT 1",
    )?;
    query.query_row([server.as_str(), peer.as_str()], seen).optional()
}

fn seen(row: &rusqlite::Row<'_>) -> Result<Seen> {
    let (peer, installation): (String, String) = (row.get(0)?, row.get(1)?);
    let damaged = |_| rusqlite::Error::InvalidQuery;
    let installation = installation.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
    Ok((peer.parse().map_err(damaged)?, installation, row.get::<_, i64>(2)?.cast_unsigned()))
}

#[cfg(test)]
#[path = "history_tests.rs"]
pub(super) mod tests;
