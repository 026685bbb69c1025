//! Merges two records of one server: the rows of one move to the other.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: one installation goes on, and what was
//! sent from it keeps its number; what has not arrived from the other is sent anew, and receivers drop what they have by
//! its origin. Received messages are deduplicated.

use rusqlite::{OptionalExtension, Transaction, params};

use super::scope::{Server, new_installation};
use super::sealed::{sealing, sessions};
use super::{accounts, clear, devices, search, unsealed};
use crate::message::Installation;

type Result<T> = rusqlite::Result<T>;

/// The tables whose rows belong to a server.
const TABLES: [&str; 6] = ["message", "installation", "contact", "seen", "upload", "file"];

/// Moves the rows of one server to another. Returns whether that had some before.
pub(crate) fn join(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<bool> {
    let before = has_rows(tx, to)?;
    set_apart(tx, from, to)?;
    clear::share(tx, [from.as_str(), to.as_str()])?;
    unsealed::forget(tx, from)?;
    // What was sealed for another server is opened by nobody on this one.
    sealing::void(tx, from, None)?;
    join_verified(tx, from, to)?;
    devices::join(tx, from, to)?;
    if let Some((main, other)) = move_rows(tx, from, to)? {
        number_anew(tx, to, (other, NOT_ARRIVED), main)?;
    }
    let bounced = "UPDATE OR REPLACE bounced SET server = ? WHERE server = ?";
    tx.execute(bounced, [to.as_str(), from.as_str()])?;
    sessions::join(tx, from, to)?;
    accounts::join(tx, from, to)?;
    Ok(before)
}

/// The same in layout 6, in which messages have no origins: what was sent from either installation keeps its number.
pub(super) fn join_in_layout_6(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<bool> {
    let before = has_rows(tx, to)?;
    if let Some((main, other)) = move_rows(tx, from, to)? {
        number_anew(tx, to, (other, NEVER_SENT), main)?;
        tx.execute("INSERT INTO former VALUES (?, ?)", [to.as_str(), &other.to_string()])?;
    }
    let formers = "UPDATE former SET server = ? WHERE server = ?";
    tx.execute(formers, [to.as_str(), from.as_str()])?;
    Ok(before)
}

/// Which messages of an installation get other numbers.
const NOT_ARRIVED: &str = "state IN ('waiting', 'stored')";
const NEVER_SENT: &str = "state = 'waiting' AND sent = 0";

/// Returns the installation that goes on, and the other one, if there are two.
fn move_rows(
    tx: &Transaction<'_>,
    from: &Server,
    to: &Server,
) -> Result<Option<(Installation, Installation)>> {
    drop_doubles(tx, from, to)?;
    join_files(tx, from, to)?;
    join_contacts(tx, from, to)?;
    join_seen(tx, from, to)?;
    let numbered = join_installations(tx, from, to)?;
    for table in TABLES {
        let all = format!("UPDATE {table} SET server = ? WHERE server = ?");
        tx.execute(&all, [to.as_str(), from.as_str()])?;
    }
    Ok(numbered)
}

/// Whether anything was said through a server.
pub(super) fn has_rows(tx: &Transaction<'_>, server: &Server) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM message WHERE server = ?)";
    tx.query_row(query, [server.as_str()], |row| row.get(0))
}

/// Received messages that have one number and are not the same: those of one server get an installation that nobody has.
fn set_apart(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    let different: Vec<i64> = tx
        .prepare(
            "SELECT one.id FROM message AS one JOIN message AS other USING (peer, own, installation, n)
             WHERE one.server = ? AND other.server = ? AND own = 0
                   AND (one.origin, one.hash) IS NOT (other.origin, other.hash)",
        )?
        .query_map([from.as_str(), to.as_str()], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for id in different {
        let apart = "UPDATE message SET installation = ? WHERE id = ?";
        tx.execute(apart, params![new_installation().to_string(), id])?;
    }
    Ok(())
}

/// Deduplicates what came through both.
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
    // The index still has the removed ones. It is rebuilt from the messages.
    if doubles.is_empty() { Ok(()) } else { search::reset(tx) }
}

/// Keeps the one whose file is here, else the earlier one, with the further state of both.
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

/// Files are numbered from 1 in each conversation: the added ones continue the count.
fn join_files(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    tx.execute(
        "UPDATE file SET server = ?2, number = file.number + last.number
         FROM (SELECT peer, max(number) AS number FROM file WHERE server = ?2 GROUP BY peer) AS last
         WHERE file.server = ?1 AND file.peer = last.peer",
        [from.as_str(), to.as_str()],
    )?;
    Ok(())
}

/// Of two keys of somebody the one that was known first is trusted. The other one becomes an offer.
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

/// Of two keys of somebody a verified one stays, or else the one that was known first: another one counts as known later
/// than it. Before the lists of devices move, and the contacts.
fn join_verified(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    let both = [from.as_str(), to.as_str()];
    tx.execute(
        "UPDATE contact SET since = max(contact.since, other.since + 1)
         FROM contact AS other
         WHERE contact.server IN (?1, ?2) AND other.server IN (?1, ?2)
               AND other.server <> contact.server AND other.peer = contact.peer
               AND (contact.server, contact.peer) NOT IN (SELECT server, peer FROM verified)
               AND (other.server, other.peer) IN (SELECT server, peer FROM verified)",
        both,
    )?;
    tx.execute(
        "DELETE FROM verified WHERE (server, peer) IN (
             SELECT iif(one.since < other.since, other.server, one.server), peer
             FROM contact AS one JOIN contact AS other USING (peer)
             WHERE one.server = ?1 AND other.server = ?2)",
        both,
    )?;
    let rest = "UPDATE OR REPLACE verified SET server = ?2 WHERE server = ?1";
    tx.execute(rest, both).map(drop)
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

/// Of two installations one goes on, if possible the one of which something is on its way. Returns both if there are two.
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

/// Renumbers these messages of one installation, and what was never sent from the one that goes on, in the order of
/// writing. Numbers only grow, so none is used again that a message has given up.
fn number_anew(
    tx: &Transaction<'_>,
    server: &Server,
    (other, which): (Installation, &str),
    main: Installation,
) -> Result<()> {
    let (main, other) = (main.to_string(), other.to_string());
    // Negative numbers first, so that none collides with another.
    tx.execute(
        &format!(
            "UPDATE message SET installation = ?2, n = -fresh.n, state = 'waiting', sent = 0
         FROM (SELECT id, row_number() OVER (PARTITION BY peer ORDER BY id) +
                          (SELECT coalesce(max(n), 0) FROM message AS before
                           WHERE before.server = ?1 AND before.own = 1
                                 AND before.installation = ?2 AND before.peer = message.peer) AS n
               FROM message
               WHERE server = ?1 AND own = 1
                     AND (installation = ?3 AND {which}
                          OR installation = ?2 AND {NEVER_SENT})) AS fresh
         WHERE message.id = fresh.id"
        ),
        [server.as_str(), &main, &other],
    )?;
    let turn =
        "UPDATE message SET n = -n WHERE server = ? AND own = 1 AND installation = ? AND n < 0";
    tx.execute(turn, [server.as_str(), &main]).map(drop)
}

/// What was sent under a former installation, and has not arrived, is sent anew.
pub(super) fn leave_formers(tx: &Transaction<'_>) -> Result<()> {
    let formers: Vec<(String, String, String)> = tx
        .prepare("SELECT server, former.id, installation.id FROM former JOIN installation USING (server)")?
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_>>()?;
    for (server, former, main) in formers {
        let id = |text: String| text.parse().map_err(|_| rusqlite::Error::InvalidQuery);
        number_anew(tx, &Server(server), (id(former)?, NOT_ARRIVED), id(main)?)?;
    }
    Ok(())
}
