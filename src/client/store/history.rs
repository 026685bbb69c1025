//! Received messages in the store.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: the history has everything that was
//! ever delivered, once. Duplicates are recognised by their origin, whatever number they come with, and by their id; and
//! by their content, for a copy of a sender's folder may have used the number for something else.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, params};

use super::info::FileInfo;
use super::rows::Incoming;
use super::scope::{Server, counts, peer_and_count};
use super::{files, payload, stock};
use crate::client::config::Unasked;
use crate::message::{Installation, Message, MessageId, Name, Origin, Timestamp};

/// How many different messages with one id are kept; more, which no copies of a folder cause, are dropped.
const MAX_COPIES: u64 = 16;

type Result<T> = rusqlite::Result<T>;

/// Writes a message, unless it is a duplicate. Returns it if it is new. A file that it announces is downloaded if
/// `unasked` allows.
pub(crate) fn receive(
    tx: &Transaction<'_>,
    server: &Server,
    peer: Name,
    message: Message,
    unasked: Unasked,
) -> Result<Option<Incoming>> {
    let hash = payload::hash(&message.kind, &message.body);
    if is_known_as(tx, server, &peer, message.origin, &hash)? {
        return Ok(None);
    }
    let Some(installation) = place(tx, server, &peer, message.id, &hash)? else { return Ok(None) };
    let Message { id: MessageId { n, .. }, origin, time, kind, body } = message;
    tx.prepare_cached(
        "INSERT INTO message
             (server, peer, own, installation, n, origin, time, kind, body, hash, state)
         VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, 'received')",
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
    ])?;
    let id = tx.last_insert_rowid();
    let file = FileInfo::of(&kind, &body)
        .map(|FileInfo { size, .. }| {
            let comes = stock::comes(tx, server, &peer, size, unasked)?;
            files::told(tx, server, &peer, id, size, comes)
        })
        .transpose()?;
    Ok(Some(Incoming { id, peer, time, kind, body, file }))
}

/// Whether a message is there, under whatever number.
fn is_known_as(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    origin: Origin,
    hash: &[u8; 32],
) -> Result<bool> {
    let mut query = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message
         WHERE origin = ? AND own = 0 AND server = ? AND peer = ? AND hash = ?)",
    )?;
    query.query_row(params![origin.to_bytes(), server.as_str(), peer.as_str(), hash], |row| {
        row.get(0)
    })
}

/// The installation under which a received message is kept; none if it is a duplicate. A different message with the
/// same id is kept under a neighbouring number.
fn place(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    MessageId { installation, n }: MessageId,
    hash: &[u8; 32],
) -> Result<Option<Installation>> {
    let mut query = tx.prepare_cached(
        "SELECT hash = ? FROM message
         WHERE server = ? AND peer = ? AND own = 0 AND installation = ? AND n = ?",
    )?;
    for copy in 0..MAX_COPIES {
        let installation = Installation::from_u64(installation.to_u64().wrapping_add(copy));
        let is_same: Option<bool> = query
            .query_row(
                params![
                    hash,
                    server.as_str(),
                    peer.as_str(),
                    installation.to_string(),
                    n.cast_signed(),
                ],
                |row| row.get(0),
            )
            .optional()?;
        match is_same {
            Some(false) => {}
            Some(true) => return Ok(None),
            None => return Ok(Some(installation)),
        }
    }
    Ok(None)
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
        "SELECT id, time, kind, body, number, file.state, why FROM message
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
            file: files::received(row, 4)?,
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
mod tests {
    use bytes::Bytes;

    use super::super::thread::tests::{in_memory, run};
    use super::*;

    fn message(installation: u64, n: u64) -> Message {
        Message::text(installation, n, format!("{installation}/{n}"))
    }

    fn bodies(messages: &[Incoming]) -> Vec<&str> {
        messages.iter().map(|it| std::str::from_utf8(&it.body).unwrap()).collect()
    }

    #[test]
    fn what_comes_again_is_dropped_for_each_sender_and_installation() {
        let server: Server = "localhost".parse().unwrap();
        let (marie, anna): (Name, Name) = ("marie".parse().unwrap(), "anna".parse().unwrap());
        run(&mut in_memory(), |tx| {
            for (peer, installation, n, new) in [
                (&marie, 1, 1, true),
                (&marie, 1, 3, true),
                (&marie, 1, 3, false),
                (&marie, 1, 1, false),
                (&marie, 2, 1, true),
                (&anna, 1, 1, true),
            ] {
                let received =
                    receive(tx, &server, peer.clone(), message(installation, n), Unasked::NONE)?;
                assert_eq!(received.is_some(), new, "{peer} {installation} {n}");
            }
            assert_eq!(bodies(&unshown(tx, &server, &marie, 0, 10)?), ["1/1", "1/3", "2/1"]);
            Ok(())
        });
    }

    #[test]
    fn another_message_with_a_used_id_is_kept_and_comes_once_too() {
        let server: Server = "localhost".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let copys = |n| Message { body: Bytes::from_static(b"of a copy"), ..message(1, n) };
        run(&mut in_memory(), |tx| {
            for (message, new) in [
                (message(1, 1), true),
                (message(1, 3), true),
                (copys(3), true),
                (copys(3), false),
                (message(1, 3), false),
                (copys(2), true),
            ] {
                assert_eq!(
                    receive(tx, &server, marie.clone(), message, Unasked::NONE)?.is_some(),
                    new
                );
            }
            let all = ["1/1", "1/3", "of a copy", "of a copy"];
            assert_eq!(bodies(&unshown(tx, &server, &marie, 0, 10)?), all);
            Ok(())
        });
    }

    #[test]
    fn what_comes_again_under_another_number_is_dropped_by_its_origin() {
        let server: Server = "localhost".parse().unwrap();
        let (marie, anna): (Name, Name) = ("marie".parse().unwrap(), "anna".parse().unwrap());
        let first = Message { origin: Origin::from_bytes([1; 16]), ..message(1, 1) };
        let again = Message { body: first.body.clone(), origin: first.origin, ..message(2, 9) };
        let twin = Message { origin: Origin::from_bytes([2; 16]), ..again.clone() };
        let other = Message { origin: first.origin, ..message(2, 10) };
        run(&mut in_memory(), |tx| {
            for (peer, message, new) in [
                (&marie, &first, true),
                (&marie, &again, false),
                (&anna, &again, true),
                // The same words once more, and an origin that somebody gave to other words.
                (&marie, &twin, true),
                (&marie, &other, true),
            ] {
                let received = receive(tx, &server, peer.clone(), message.clone(), Unasked::NONE)?;
                assert_eq!(received.is_some(), new, "{peer} {message:?}");
            }
            Ok(())
        });
    }

    #[test]
    fn what_was_shown_is_not_shown_again_but_stays() {
        let server: Server = "localhost".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        run(&mut in_memory(), |tx| {
            let first = receive(tx, &server, marie.clone(), message(1, 1), Unasked::NONE)?.unwrap();
            receive(tx, &server, marie.clone(), message(1, 2), Unasked::NONE)?;
            mark_shown(tx, &[first.id])?;
            assert_eq!(bodies(&unshown(tx, &server, &marie, 0, 10)?), ["1/2"]);
            assert_eq!(unshown_counts(tx, &server)?[&marie], 1);
            assert_eq!(receive(tx, &server, marie.clone(), message(1, 1), Unasked::NONE)?, None);
            Ok(())
        });
    }
}
