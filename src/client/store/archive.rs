//! The messages, for a face that shows them page by page.
//!
//! Each function is one step of a transaction of the `store`. A record's id is its place:
//! ids ascend in the order in which messages were written or came.

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::rows::{self, Incoming, Passage, Record, State};
use super::scope::Server;
use super::{files, history, outbox};
use crate::message::{Name, Timestamp};

type Result<T> = rusqlite::Result<T>;

/// A conversation that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// With whom.
    pub peer: Name,
    /// When something was last said.
    pub last: Timestamp,
    /// Whether they were written to, or a message of theirs was shown.
    pub known: bool,
    /// How many own messages the server has not stored.
    pub unsent: u64,
}

/// New messages of others, for guests that follow them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// The id up to which these are all.
    pub(crate) last: i64,
    pub(crate) messages: Vec<Incoming>,
}

/// How many are read at once.
const NEWS: u32 = 256;

/// Which messages of a conversation are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The last ones.
    Newest,
    /// The last ones below an id.
    Below(i64),
    /// The first ones above an id.
    Above(i64),
}

/// Messages of a conversation, oldest first.
pub(crate) fn page(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    place: Place,
    limit: u32,
) -> Result<Vec<Record>> {
    let (range, id, order) = match place {
        Place::Newest => ("<=", i64::MAX, "DESC"),
        Place::Below(id) => ("<", id, "DESC"),
        Place::Above(id) => (">", id, "ASC"),
    };
    let mut query = tx.prepare_cached(&format!(
        "SELECT id, own, n, time, kind, body,
                CASE WHEN own = 1 AND message.state = 'delivered' AND n <= coalesce(
                    (SELECT seen.n FROM seen WHERE seen.server = message.server
                     AND seen.peer = message.peer AND seen.installation = message.installation), 0)
                THEN 'read' ELSE message.state END, sealed, number, file.state, why, written
         FROM message LEFT JOIN file ON file.message = message.id
         WHERE message.server = ? AND message.peer = ? AND id {range} ? ORDER BY id {order} LIMIT ?"
    ))?;
    let rows = query.query_map(params![server.as_str(), peer.as_str(), id, limit], record)?;
    let mut records = rows.collect::<Result<Vec<_>>>()?;
    records.sort_unstable_by_key(|record| record.id);
    Ok(records)
}

/// How far an own message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) state: State,
    pub(crate) passage: Passage,
}

/// How far an own message has come; none if there is no such message.
pub(crate) fn sent(tx: &Transaction<'_>, id: i64) -> Result<Option<Sent>> {
    let mut query = tx.prepare_cached("SELECT state, sealed FROM message WHERE id = ?")?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    let row: Option<(String, Option<bool>)> = query.query_row([id], row).optional()?;
    Ok(row.and_then(|(word, sealed)| {
        Some(Sent { state: State::of_word(&word)?, passage: Passage::of(sealed) })
    }))
}

/// Messages of others above an id, oldest first; without an id only the last id, or, if unread ones are wanted, all of
/// those.
pub(crate) fn news(
    tx: &Transaction<'_>,
    server: &Server,
    with: Option<&Name>,
    above: Option<i64>,
    unread: bool,
) -> Result<News> {
    let last = tx.query_row("SELECT coalesce(max(id), 0) FROM message", (), |row| row.get(0))?;
    let Some(above) = above.or(unread.then_some(0)) else {
        return Ok(News { last, messages: Vec::new() });
    };
    let mut query = tx.prepare_cached(
        "SELECT id, message.peer, time, kind, body, sealed, number, file.state, why, written
         FROM message
         LEFT JOIN file ON file.message = message.id
         WHERE id > ?1 AND own = 0 AND +message.server = ?2 AND (?3 IS NULL OR +message.peer = ?3)
               AND (NOT ?5 OR message.state = 'received')
         ORDER BY id LIMIT ?4",
    )?;
    let with = with.map(Name::as_str);
    let rows = query.query_map(params![above, server.as_str(), with, NEWS, unread], incoming)?;
    let messages = rows.collect::<Result<Vec<_>>>()?;
    let is_all = messages.len() < NEWS as usize;
    let last = messages.last().filter(|_| !is_all).map_or(last, |it| it.id);
    Ok(News { last, messages })
}

fn incoming(row: &Row<'_>) -> Result<Incoming> {
    let damaged = || rusqlite::Error::InvalidQuery;
    let (peer, kind): (String, String) = (row.get(1)?, row.get(3)?);
    Ok(Incoming {
        id: row.get(0)?,
        peer: peer.parse().map_err(|_| damaged())?,
        time: Timestamp(row.get::<_, i64>(2)?.cast_unsigned()),
        kind: kind.parse().map_err(|_| damaged())?,
        body: Bytes::from(row.get::<_, Vec<u8>>(4)?),
        passage: Passage::of(row.get(5)?),
        file: files::received(row, 6)?,
        written: rows::written(row, 9)?,
    })
}

fn record(row: &Row<'_>) -> Result<Record> {
    let damaged = || rusqlite::Error::InvalidQuery;
    let (n, time): (i64, i64) = (row.get(2)?, row.get(3)?);
    let (kind, state): (String, String) = (row.get(4)?, row.get(6)?);
    Ok(Record {
        id: row.get(0)?,
        own: row.get(1)?,
        n: n.cast_unsigned(),
        time: Timestamp(time.cast_unsigned()),
        kind: kind.parse().map_err(|_| damaged())?,
        body: Bytes::from(row.get::<_, Vec<u8>>(5)?),
        state: State::of_word(&state).ok_or_else(damaged)?,
        passage: Passage::of(row.get(7)?),
        file: files::received(row, 8)?,
        written: rows::written(row, 11)?,
    })
}

/// Every conversation, the most recent first.
pub(crate) fn overview(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Summary>> {
    let mut all = Vec::new();
    let mut unsent = outbox::unsent(tx, server)?;
    let mut after = String::new();
    // One lookup for each, however much was said.
    while let Some(peer) = next_peer(tx, server, &after)? {
        let name: Name = peer.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
        let unsent = unsent.remove(&name).unwrap_or(0);
        all.push(Summary { unsent, ..summary(tx, server, name)? });
        after = peer;
    }
    all.sort_by_key(|summary: &Summary| std::cmp::Reverse(summary.last.0));
    Ok(all)
}

/// Known people: those who were written to, or whose messages were read.
pub(crate) fn known(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Name>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    while let Some(peer) = next_peer(tx, server, &after)? {
        let name: Name = peer.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
        if history::is_known(tx, server, &name)? {
            all.push(name);
        }
        after = peer;
    }
    Ok(all)
}

fn next_peer(tx: &Transaction<'_>, server: &Server, after: &str) -> Result<Option<String>> {
    tx.prepare_cached(
        "SELECT peer FROM message WHERE server = ? AND peer > ? ORDER BY peer LIMIT 1",
    )?
    .query_row([server.as_str(), after], |row| row.get(0))
    .optional()
}

fn summary(tx: &Transaction<'_>, server: &Server, peer: Name) -> Result<Summary> {
    let last: i64 = tx
        .prepare_cached(
            "SELECT time FROM message WHERE server = ? AND peer = ? ORDER BY id DESC LIMIT 1",
        )?
        .query_row([server.as_str(), peer.as_str()], |row| row.get(0))?;
    let known = history::is_known(tx, server, &peer)?;
    Ok(Summary { peer, last: Timestamp(last.cast_unsigned()), known, unsent: 0 })
}

#[cfg(test)]
mod tests {
    use super::super::thread::tests::{in_memory, run};
    use super::*;

    #[test]
    fn a_conversation_is_read_page_by_page() {
        let (mut store, server) = (in_memory(), "localhost".parse::<Server>().unwrap());
        let name = |text: &str| text.parse::<Name>().unwrap();
        for n in 1..=9 {
            let (own, state) = if n % 2 == 0 { (1, "stored") } else { (0, "received") };
            for peer in ["anna", "marie"] {
                let row = "INSERT INTO message (server, peer, own, installation, n, time, kind, body, state)
                           VALUES (?, ?, ?, 'i', ?, ?, 'text', ?, ?)";
                let body = format!("{n} of {peer}").into_bytes();
                let values = params![server.as_str(), peer, own, n, 10 * n, body, state];
                store.execute(row, values).unwrap();
            }
        }
        let page = |store: &mut _, place, limit| {
            run(store, |tx| page(tx, &server, &name("marie"), place, limit))
        };
        let newest = page(&mut store, Place::Newest, 4);
        let numbers = |records: &[Record]| records.iter().map(|it| it.n).collect::<Vec<_>>();
        assert_eq!(numbers(&newest), [6, 7, 8, 9]);
        assert_eq!((newest[0].own, newest[0].state), (true, State::Stored));
        assert_eq!(
            (newest[1].body.as_ref(), newest[1].state),
            (&b"7 of marie"[..], State::Received)
        );
        let older = page(&mut store, Place::Below(newest[0].id), 9);
        assert_eq!(numbers(&older), [1, 2, 3, 4, 5]);
        let newer = page(&mut store, Place::Above(older[1].id), 3);
        assert_eq!(numbers(&newer), [3, 4, 5]);
        let all = run(&mut store, |tx| overview(tx, &server));
        let told: Vec<_> = all.iter().map(|it| (it.peer.as_str(), it.last.0, it.known)).collect();
        assert_eq!(told, [("anna", 90, true), ("marie", 90, true)]);
    }
}
