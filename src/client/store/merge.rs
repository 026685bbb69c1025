//! Two lives of one server become one: the rows of one move to the other.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: what may have reached a
//! server keeps its id, for the server and the receiver know it by that; what cannot have is numbered anew. What
//! came twice stays once.

use rusqlite::{OptionalExtension, Transaction};

use super::scope::Server;
use super::search;
use crate::message::Installation;

type Result<T> = rusqlite::Result<T>;

/// The tables whose rows belong to a server.
const TABLES: [&str; 7] =
    ["message", "installation", "former", "contact", "seen", "upload", "file"];

/// Moves what belongs to one server to another. Returns whether there was something before.
pub(crate) fn join(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<bool> {
    let before = has_rows(tx, to)?;
    drop_doubles(tx, from, to)?;
    join_files(tx, from, to)?;
    join_contacts(tx, from, to)?;
    join_seen(tx, from, to)?;
    let numbered = join_installations(tx, from, to)?;
    for table in TABLES {
        let all = format!("UPDATE {table} SET server = ? WHERE server = ?");
        tx.execute(&all, [to.as_str(), from.as_str()])?;
    }
    if let Some((main, other)) = numbered {
        number_anew(tx, to, other, main)?;
    }
    Ok(before)
}

/// Whether anything was said through a server.
pub(super) fn has_rows(tx: &Transaction<'_>, server: &Server) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM message WHERE server = ?)";
    tx.query_row(query, [server.as_str()], |row| row.get(0))
}

/// Of what came through both, one stays.
fn drop_doubles(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    let doubles: Vec<(i64, i64)> = tx
        .prepare(
            "SELECT one.id, other.id FROM message AS one
             JOIN message AS other USING (peer, own, installation, n)
             WHERE one.server = ? AND other.server = ?",
        )?
        .query_map([from.as_str(), to.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    for (one, other) in &doubles {
        drop_double(tx, *one, *other)?;
    }
    // The index of words knows those that are gone. It is built again from the messages.
    if doubles.is_empty() { Ok(()) } else { search::reset(tx) }
}

/// The one stays whose file is here, else the earlier one, and it is as far as either was.
fn drop_double(tx: &Transaction<'_>, one: i64, other: i64) -> Result<()> {
    let by_worth = "SELECT message.id FROM message LEFT JOIN file ON file.message = message.id
                    WHERE message.id IN (?1, ?2) ORDER BY file.state IS NOT 'here', message.id LIMIT 1";
    let kept: i64 = tx.query_row(by_worth, [one, other], |row| row.get(0))?;
    let dropped = if kept == one { other } else { one };
    let furthest = "UPDATE message SET state = (
                        SELECT state FROM message WHERE id IN (?1, ?2) ORDER BY
                            CASE state WHEN 'received' THEN 0 WHEN 'waiting' THEN 0
                                       WHEN 'stored' THEN 1 ELSE 2 END DESC LIMIT 1)
                    WHERE id = ?1";
    tx.execute(furthest, [kept, dropped])?;
    for table in ["asked", "upload"] {
        let change = format!("UPDATE {table} SET message = ? WHERE message = ?");
        tx.execute(&change, [kept, dropped])?;
    }
    tx.execute("DELETE FROM file WHERE message = ?", [dropped])?;
    tx.execute("DELETE FROM message WHERE id = ?", [dropped])?;
    Ok(())
}

/// Files are called by numbers, from 1 in each conversation: those that come behind count on.
fn join_files(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    tx.execute(
        "UPDATE file SET server = ?2, number = file.number + last.number
         FROM (SELECT peer, max(number) AS number FROM file WHERE server = ?2 GROUP BY peer) AS last
         WHERE file.server = ?1 AND file.peer = last.peer",
        [from.as_str(), to.as_str()],
    )?;
    Ok(())
}

/// Of two keys of somebody the one is trusted that was known first. The other one is as good as an offer.
fn join_contacts(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    let both = [from.as_str(), to.as_str()];
    tx.execute(
        "UPDATE contact SET
             key = iif(contact.since <= other.since, contact.key, other.key),
             since = min(contact.since, other.since),
             offered = CASE WHEN contact.key = other.key THEN coalesce(contact.offered, other.offered)
                            WHEN contact.since <= other.since THEN other.key
                            ELSE contact.key END
         FROM contact AS other
         WHERE contact.server = ?2 AND other.server = ?1 AND other.peer = contact.peer",
        both,
    )?;
    tx.execute(
        "DELETE FROM contact WHERE server = ?1
             AND peer IN (SELECT peer FROM contact WHERE server = ?2)",
        both,
    )?;
    Ok(())
}

fn join_seen(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    tx.execute(
        "INSERT INTO seen SELECT ?2, peer, installation, n FROM seen WHERE server = ?1
         ON CONFLICT DO UPDATE SET n = max(n, excluded.n)",
        [from.as_str(), to.as_str()],
    )?;
    tx.execute("DELETE FROM seen WHERE server = ?", [from.as_str()])?;
    Ok(())
}

/// Of two installations one goes on; of the other one it is still asked what became of what was sent. Returns both
/// if there are two.
fn join_installations(
    tx: &Transaction<'_>,
    from: &Server,
    to: &Server,
) -> Result<Option<(Installation, Installation)>> {
    let (Some(moved), Some(there)) = (installation(tx, from)?, installation(tx, to)?) else {
        return Ok(None);
    };
    let moved_goes_on = is_in_flight(tx, from, &moved)? && !is_in_flight(tx, to, &there)?;
    let (main, other) = if moved_goes_on { (moved, there) } else { (there, moved) };
    tx.execute("DELETE FROM installation WHERE server = ?", [from.as_str()])?;
    let goes_on = "UPDATE installation SET id = ? WHERE server = ?";
    tx.execute(goes_on, [&main.to_string(), to.as_str()])?;
    if !moved_goes_on && is_in_flight(tx, from, &other)? {
        tx.execute("INSERT INTO former VALUES (?, ?)", [to.as_str(), &other.to_string()])?;
    }
    Ok(Some((main, other)))
}

fn installation(tx: &Transaction<'_>, server: &Server) -> Result<Option<Installation>> {
    let query = "SELECT id FROM installation WHERE server = ?";
    let id = tx.query_row(query, [server.as_str()], |row| row.get::<_, String>(0)).optional()?;
    id.map(|id| id.parse().map_err(|_| rusqlite::Error::InvalidQuery)).transpose()
}

/// Whether the server may know more of what was sent from an installation than is known here.
fn is_in_flight(tx: &Transaction<'_>, server: &Server, of: &Installation) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM message
                 WHERE server = ? AND own = 1 AND installation = ?
                       AND (state = 'stored' OR (state = 'waiting' AND sent = 1)))";
    tx.query_row(query, [server.as_str(), &of.to_string()], |row| row.get(0))
}

/// What was never sent is numbered in one installation, behind all that was, in the order in which it was written.
pub(super) fn number_anew(
    tx: &Transaction<'_>,
    server: &Server,
    other: Installation,
    main: Installation,
) -> Result<()> {
    let (main, other) = (main.to_string(), other.to_string());
    // Below zero no number is in the way of another.
    tx.execute(
        "UPDATE message SET installation = ?2, n = -fresh.n
         FROM (SELECT id, row_number() OVER (PARTITION BY peer ORDER BY id) AS n FROM message
               WHERE server = ?1 AND own = 1 AND installation IN (?2, ?3)
                     AND state = 'waiting' AND sent = 0) AS fresh
         WHERE message.id = fresh.id",
        [server.as_str(), &main, &other],
    )?;
    tx.execute(
        "UPDATE message SET n = last.n - message.n
         FROM (SELECT peer, max(0, max(n)) AS n FROM message
               WHERE server = ?1 AND own = 1 AND installation = ?2 GROUP BY peer) AS last
         WHERE message.server = ?1 AND message.own = 1 AND message.installation = ?2
               AND message.n < 0 AND message.peer = last.peer",
        [server.as_str(), &main],
    )?;
    Ok(())
}
