//! The outbox: own messages that are not known to have arrived.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: a number is assigned once, in the
//! transaction that writes its message; *delivered* and *expired* are final; and what a server says of a number
//! concerns a message that was sent from here, or none.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Transaction, params};

use super::rows::{Passage, Record, State};
use super::scope::{Scope, Server, counts, new_installation, new_origin, number, peer_and_count};
use super::{clear, payload};
use crate::message::{Installation, Kind, Name, Origin, Timestamp};
use crate::wire::frame::ClientFrame;

/// For how many messages their tokens are remembered.
const REMEMBERED: i64 = 100_000;

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// Its place in the store.
    pub(crate) id: i64,
    pub(crate) n: u64,
    pub(crate) origin: Origin,
    /// When it was written.
    pub(crate) time: Timestamp,
    pub(crate) kind: Kind,
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// The frame that sends it, written for a version of the peer's device list.
    pub(crate) fn to(self, peer: &Name, version: u64) -> ClientFrame {
        let Self { n, origin, kind, body, .. } = self;
        ClientFrame::Message { peer: peer.clone(), n, origin, kind, version, body }
    }
}

/// The numbers of the messages whose state a receipt changed, in order. Some may be both stored and delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) stored: Vec<u64>,
    pub(crate) delivered: Vec<u64>,
}

/// How much written to somebody has not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// To whom.
    pub peer: Name,
    /// How many messages the server has not stored.
    pub unsent: u64,
    /// How many it has stored and not delivered.
    pub undelivered: u64,
    /// When the oldest of them was written.
    pub since: Timestamp,
}

/// How a message ended that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The server kept it as long as it keeps messages.
    Expired,
    /// Its receiver did not take it.
    Bounced,
}

/// How often a message may come back; then it is not sent any more.
pub(super) const MOST_BOUNCES: u32 = 3;

type Result<T> = rusqlite::Result<T>;

/// Writes a message and its number; `sent` if it is about to be sent at once.
pub(crate) fn add(
    tx: &Transaction<'_>,
    scope: &Scope,
    kind: Kind,
    body: Bytes,
    time: Timestamp,
    sent: bool,
) -> Result<Record> {
    let n = last_number(tx, scope)? + 1;
    tx.prepare_cached(
        "INSERT INTO message
             (server, peer, own, installation, n, origin, time, kind, body, hash, state, sent)
         VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
    )?
    .execute(params![
        scope.server.as_str(),
        scope.peer.as_str(),
        scope.installation.to_string(),
        n.cast_signed(),
        new_origin().to_bytes(),
        time.0.cast_signed(),
        kind.as_str(),
        &body[..],
        payload::hash(&kind, &body),
        sent,
    ])?;
    let id = tx.last_insert_rowid();
    let (state, passage, file) = (State::Waiting, Passage::Unsent, None);
    Ok(Record { id, own: true, n, time, kind, body, state, passage, file, written: None })
}

/// Writes a message for a guest, idempotently: not if it was written for the same token before. Returns its id, and the
/// message if it is new.
pub(crate) fn add_once(
    tx: &Transaction<'_>,
    scope: &Scope,
    token: &str,
    text: String,
    time: Timestamp,
    sent: bool,
) -> Result<(i64, Option<Record>)> {
    let before = "SELECT message FROM asked WHERE token = ?";
    if let Some(id) = tx.query_row(before, [token], |row| row.get(0)).optional()? {
        return Ok((id, None));
    }
    let record = add(tx, scope, Kind::TEXT, text.into(), time, sent)?;
    tx.execute("INSERT INTO asked VALUES (?, ?)", params![token, record.id])?;
    tx.execute("DELETE FROM asked WHERE message < ?", [record.id - REMEMBERED])?;
    Ok((record.id, Some(record)))
}

/// The highest number that was assigned; 0 if none was.
pub(super) fn last_number(tx: &Transaction<'_>, scope: &Scope) -> Result<u64> {
    number(
        tx,
        scope,
        "SELECT coalesce(max(n), 0) FROM message
         WHERE server = ? AND peer = ? AND installation = ? AND own = 1",
    )
}

/// The highest number that may have been sent; 0 if none was. What a server has beyond it came from
/// a copy of this folder, or from the folder that this is a copy of.
pub(crate) fn last_sent(tx: &Transaction<'_>, scope: &Scope) -> Result<u64> {
    number(
        tx,
        scope,
        "SELECT max(coalesce((SELECT max(n) FROM message
                              WHERE server = ?1 AND peer = ?2 AND installation = ?3 AND own = 1
                                    AND sent = 1), 0),
                    coalesce((SELECT max(n) FROM bounced
                              WHERE server = ?1 AND peer = ?2 AND installation = ?3), 0))",
    )
}

/// The highest number up to which every fate is final.
pub(crate) fn settled(tx: &Transaction<'_>, scope: &Scope) -> Result<u64> {
    // What came back is not settled until its fate is known: else a folder that is restored from just before would take
    // the receipts for others for its own.
    let first_unsettled = number(
        tx,
        scope,
        "SELECT coalesce(min(n), 0) FROM (
             SELECT n FROM message
             WHERE server = ?1 AND peer = ?2 AND installation = ?3 AND state IN ('waiting', 'stored')
             UNION ALL
             SELECT bounced.n FROM bounced JOIN message ON message.id = bounced.message
             WHERE bounced.server = ?1 AND bounced.peer = ?2 AND bounced.installation = ?3
                   AND message.state IN ('waiting', 'stored'))",
    )?;
    if first_unsettled > 0 { Ok(first_unsettled - 1) } else { last_number(tx, scope) }
}

/// The messages above a number that are not final, in order, to be sent now, in the clear.
pub(crate) fn take_unsettled(
    tx: &Transaction<'_>,
    scope: &Scope,
    above: u64,
    limit: u32,
) -> Result<Vec<Outgoing>> {
    let messages = unsettled(tx, scope, above, limit)?;
    if let Some(last) = messages.last() {
        mark_sent(tx, scope, above, last.n)?;
    }
    clear::note(tx, messages.iter().map(|message| message.id))?;
    Ok(messages)
}

/// The unsettled messages above a number and up to another one are about to be sent.
pub(super) fn mark_sent(tx: &Transaction<'_>, scope: &Scope, above: u64, up_to: u64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE message SET sent = 1
         WHERE server = ? AND peer = ? AND own = 1 AND installation = ?
               AND n > ? AND n <= ? AND sent = 0 AND bounces < ?",
    )?
    .execute(params![
        scope.server.as_str(),
        scope.peer.as_str(),
        scope.installation.to_string(),
        above.cast_signed(),
        up_to.cast_signed(),
        MOST_BOUNCES,
    ])
    .map(drop)
}

/// The messages above a number that are not final, in order.
pub(crate) fn unsettled(
    tx: &Transaction<'_>,
    scope: &Scope,
    above: u64,
    limit: u32,
) -> Result<Vec<Outgoing>> {
    let mut query = tx.prepare_cached(
        "SELECT n, origin, kind, body, id, time FROM message
         WHERE server = ? AND peer = ? AND installation = ? AND n > ?
               AND state IN ('waiting', 'stored') AND bounces < ?
         ORDER BY n LIMIT ?",
    )?;
    let rows = query.query_map(
        params![
            scope.server.as_str(),
            scope.peer.as_str(),
            scope.installation.to_string(),
            above.cast_signed(),
            MOST_BOUNCES,
            limit,
        ],
        |row| {
            let (n, origin): (i64, [u8; 16]) = (row.get(0)?, row.get(1)?);
            let (kind, body): (String, Vec<u8>) = (row.get(2)?, row.get(3)?);
            let kind = kind.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
            let (n, origin) = (n.cast_unsigned(), Origin::from_bytes(origin));
            let time = Timestamp(row.get::<_, i64>(5)?.cast_unsigned());
            Ok(Outgoing { id: row.get(4)?, n, origin, time, kind, body: body.into() })
        },
    )?;
    rows.collect()
}

/// Applies cumulative receipts: everything up to `stored` is stored, everything up to `delivered` delivered.
pub(crate) fn receive_receipt(
    tx: &Transaction<'_>,
    scope: &Scope,
    stored: u64,
    delivered: u64,
) -> Result<Moved> {
    let advance = |from: &str, to: &str, n: u64| {
        let mut update = tx.prepare_cached(&format!(
            "UPDATE message SET state = '{to}'
             WHERE server = ? AND peer = ? AND own = 1 AND installation = ? AND n <= ?
                   AND sent = 1 AND state = '{from}'
             RETURNING n"
        ))?;
        let scope = params![
            scope.server.as_str(),
            scope.peer.as_str(),
            scope.installation.to_string(),
            n.cast_signed(),
        ];
        let numbers = update.query_map(scope, |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))?;
        let mut numbers = numbers.collect::<Result<Vec<_>>>()?;
        numbers.sort_unstable();
        Ok::<_, rusqlite::Error>(numbers)
    };
    let stored = advance("waiting", "stored", stored.max(delivered))?;
    let delivered = advance("stored", "delivered", delivered)?;
    Ok(Moved { stored, delivered })
}

/// What has not arrived, by peer.
pub(crate) fn pending(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Pending>> {
    let mut query = tx.prepare_cached(
        "SELECT peer, sum(state = 'waiting'), sum(state = 'stored'), min(time) FROM message
         WHERE server = ? AND state IN ('waiting', 'stored') GROUP BY peer",
    )?;
    let rows = query.query_map([server.as_str()], |row| {
        let peer: String = row.get(0)?;
        let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
        Ok(Pending {
            peer: peer.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
            unsent: number(1)?,
            undelivered: number(2)?,
            since: Timestamp(number(3)?),
        })
    })?;
    rows.collect()
}

/// One message expired on the server. Returns whether that is new.
pub(crate) fn expire(tx: &Transaction<'_>, scope: &Scope, n: u64) -> Result<bool> {
    let rows = tx.execute(
        "UPDATE message SET state = 'expired'
         WHERE server = ? AND peer = ? AND own = 1 AND installation = ? AND n = ?
               AND sent = 1 AND state IN ('waiting', 'stored')",
        params![
            scope.server.as_str(),
            scope.peer.as_str(),
            scope.installation.to_string(),
            n.cast_signed(),
        ],
    )?;
    Ok(rows > 0)
}

/// The peer says to have read everything up to `n`. Returns up to where that concerns messages sent from here. What is
/// no news is not written.
pub(crate) fn seen(tx: &Transaction<'_>, scope: &Scope, n: u64) -> Result<u64> {
    let n = n.min(last_sent(tx, scope)?);
    if n == 0 {
        return Ok(0);
    }
    tx.prepare_cached(
        "INSERT INTO seen (server, peer, installation, n) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET n = excluded.n WHERE excluded.n > n",
    )?
    .execute(params![
        scope.server.as_str(),
        scope.peer.as_str(),
        scope.installation.to_string(),
        n.cast_signed(),
    ])?;
    Ok(n)
}

/// How many messages are not stored yet, by peer.
pub(crate) fn unsent(tx: &Transaction<'_>, server: &Server) -> Result<BTreeMap<Name, u64>> {
    let mut query = tx.prepare_cached(
        "SELECT peer, count(*) FROM message WHERE server = ? AND state = 'waiting' GROUP BY peer",
    )?;
    counts(query.query_map([server.as_str()], peer_and_count)?)
}

/// The receivers of messages whose fate is not final, and whether some are not stored.
pub(crate) fn unsettled_peers(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
) -> Result<Vec<(Name, bool)>> {
    let mut query = tx.prepare_cached(
        "SELECT peer, max(state = 'waiting') FROM message
         WHERE server = ? AND installation = ? AND state IN ('waiting', 'stored') GROUP BY peer",
    )?;
    let rows = query.query_map([server.as_str(), &installation.to_string()], peer_and_count)?;
    rows.map(|row| row.map(|(peer, unsent)| (peer, unsent > 0))).collect()
}

/// Whether the fate of everything that was written to somebody is final.
pub(crate) fn is_settled(tx: &Transaction<'_>, scope: &Scope) -> Result<bool> {
    let none = "SELECT NOT EXISTS (SELECT 1 FROM message
         WHERE server = ? AND peer = ? AND installation = ? AND state IN ('waiting', 'stored'))";
    let (peer, installation) = (scope.peer.as_str(), scope.installation.to_string());
    tx.prepare_cached(none)?
        .query_row(params![scope.server.as_str(), peer, installation], |row| row.get(0))
}

/// Everything that has not arrived gets a number in a new installation and is sent anew, because numbers of the old one
/// mean other messages, too: this folder is a copy of another, or was restored. Receivers drop what they have by its
/// origin. What the server says of the old numbers counts no more.
pub(crate) fn begin_anew(
    tx: &Transaction<'_>,
    server: &Server,
    old: Installation,
) -> Result<Installation> {
    let new = new_installation();
    let both = [&new.to_string(), server.as_str()];
    tx.execute("UPDATE installation SET id = ? WHERE server = ?", both)?;
    tx.execute(
        "UPDATE message SET installation = ?1, n = fresh.n, state = 'waiting', sent = 0
         FROM (SELECT id, row_number() OVER (PARTITION BY peer ORDER BY id) AS n
               FROM message WHERE server = ?3 AND own = 1 AND installation = ?2
                                  AND state IN ('waiting', 'stored')) AS fresh
         WHERE message.id = fresh.id",
        [&new.to_string(), &old.to_string(), server.as_str()],
    )?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::super::thread::tests::{in_memory, run};
    use super::*;

    fn scope(peer: &str) -> Scope {
        Scope {
            server: "localhost".parse().unwrap(),
            peer: peer.parse().unwrap(),
            installation: Installation::from_u64(1),
        }
    }

    fn add_all(tx: &Transaction<'_>, scope: &Scope, texts: &[&str]) -> Result<Vec<u64>> {
        { texts.iter() }
            .map(|text| {
                Ok(add(tx, scope, Kind::TEXT, text.to_string().into(), Timestamp(0), false)?.n)
            })
            .collect()
    }

    fn numbers(tx: &Transaction<'_>, scope: &Scope, above: u64) -> Vec<u64> {
        unsettled(tx, scope, above, 100).unwrap().iter().map(|it| it.n).collect()
    }

    #[test]
    fn numbers_count_for_each_conversation_alone() {
        run(&mut in_memory(), |tx| {
            assert_eq!(add_all(tx, &scope("marie"), &["a", "b"])?, [1, 2]);
            assert_eq!(add_all(tx, &scope("anna"), &["c"])?, [1]);
            assert_eq!(add_all(tx, &scope("marie"), &["d"])?, [3]);
            let bodies = unsettled(tx, &scope("marie"), 1, 1)?;
            assert_eq!(&bodies[0].body[..], b"b");
            Ok(())
        });
    }

    #[test]
    fn receipts_are_cumulative_and_final_ones_stay() {
        run(&mut in_memory(), |tx| {
            let scope = scope("marie");
            add_all(tx, &scope, &["1", "2", "3", "4"])?;
            take_unsettled(tx, &scope, 0, 4)?;
            assert_eq!(
                receive_receipt(tx, &scope, 3, 1)?,
                Moved { stored: vec![1, 2, 3], delivered: vec![1] }
            );
            assert_eq!(receive_receipt(tx, &scope, 3, 1)?, Moved::default());
            assert_eq!(settled(tx, &scope)?, 1);
            assert!(expire(tx, &scope, 2)?);
            assert!(!expire(tx, &scope, 2)?);
            assert!(!expire(tx, &scope, 1)?, "delivered is final");
            assert_eq!(settled(tx, &scope)?, 2);
            assert_eq!(numbers(tx, &scope, 0), [3, 4], "what is stored is still kept");
            assert_eq!(unsent(tx, &scope.server)?.values().sum::<u64>(), 1);
            assert_eq!(
                receive_receipt(tx, &scope, 0, 4)?,
                Moved { stored: vec![4], delivered: vec![3, 4] }
            );
            assert_eq!(settled(tx, &scope)?, 4);
            Ok(())
        });
    }

    #[test]
    fn nothing_is_known_of_a_number_that_was_not_sent() {
        run(&mut in_memory(), |tx| {
            let scope = scope("marie");
            add_all(tx, &scope, &["1", "2"])?;
            take_unsettled(tx, &scope, 0, 1)?;
            assert!(!expire(tx, &scope, 2)?);
            let first = Moved { stored: vec![1], delivered: vec![1] };
            assert_eq!(receive_receipt(tx, &scope, 2, 2)?, first);
            assert_eq!(seen(tx, &scope, 2)?, 1);
            assert_eq!(numbers(tx, &scope, 0), [2]);
            Ok(())
        });
    }

    #[test]
    fn what_was_taken_to_be_sent_counts_as_sent() {
        run(&mut in_memory(), |tx| {
            let scope = scope("marie");
            add_all(tx, &scope, &["1", "2", "3"])?;
            assert_eq!(last_sent(tx, &scope)?, 0);
            assert_eq!(take_unsettled(tx, &scope, 0, 2)?.len(), 2);
            assert_eq!(last_sent(tx, &scope)?, 2);
            assert_eq!(add(tx, &scope, Kind::TEXT, "4".into(), Timestamp(0), true)?.n, 4);
            assert_eq!(last_sent(tx, &scope)?, 4);
            Ok(())
        });
    }

    #[test]
    fn a_copied_folder_sends_all_that_has_not_arrived_anew() {
        run(&mut in_memory(), |tx| {
            let (marie, anna) = (scope("marie"), scope("anna"));
            let id = marie.installation.to_string();
            tx.execute("INSERT INTO installation VALUES (?, ?)", (marie.server.as_str(), id))?;
            add_all(tx, &marie, &["delivered", "stored", "sent"])?;
            let origins = |messages: Vec<Outgoing>| -> Vec<Origin> {
                messages.into_iter().map(|it| it.origin).collect()
            };
            let before = origins(take_unsettled(tx, &marie, 1, 10)?);
            take_unsettled(tx, &marie, 0, 10)?;
            receive_receipt(tx, &marie, 2, 1)?;
            add_all(tx, &marie, &["x"])?;
            add_all(tx, &anna, &["on its way"])?;
            take_unsettled(tx, &anna, 0, 10)?;
            let installation = begin_anew(tx, &marie.server, marie.installation)?;
            assert_ne!(installation, marie.installation);
            let renamed = |scope: &Scope| Scope { installation, ..scope.clone() };
            assert_eq!(numbers(tx, &renamed(&marie), 0), [1, 2, 3]);
            assert_eq!(numbers(tx, &renamed(&anna), 0), [1], "and to others likewise");
            assert_eq!(last_sent(tx, &renamed(&marie))?, 0);
            assert_eq!(numbers(tx, &marie, 0), [0; 0]);
            assert_eq!(settled(tx, &marie)?, 1, "what has arrived stays as it was");
            let after = origins(take_unsettled(tx, &renamed(&marie), 0, 10)?);
            assert_eq!(after[..2], before, "each by its origin");
            Ok(())
        });
    }
}
