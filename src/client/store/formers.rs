//! Former installations: they get no new numbers, and some of their messages have no final fate.
//!
//! Each function is one step of a transaction of the [`store`](super). They arise when two records of one server are
//! [merged](super::merge), and when a folder turns out to be a copy. Invariant: what may have been sent keeps its id,
//! and its fate is asked for under that, until all of it is known.

use rusqlite::Transaction;

use super::scope::Server;
use crate::message::{Installation, Name};

type Result<T> = rusqlite::Result<T>;

/// Those of a server.
pub(crate) fn all(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Installation>> {
    let mut query = tx.prepare_cached("SELECT id FROM former WHERE server = ? ORDER BY id")?;
    let rows = query.query_map([server.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|id| id?.parse().map_err(|_| rusqlite::Error::InvalidQuery)).collect()
}

/// The receivers of messages of one that are not final; first those with something to send.
pub(crate) fn peers(
    tx: &Transaction<'_>,
    server: &Server,
    former: Installation,
) -> Result<Vec<Name>> {
    let mut query = tx.prepare_cached(
        "SELECT peer FROM message
         WHERE server = ? AND installation = ? AND own = 1 AND state IN ('waiting', 'stored')
         GROUP BY peer ORDER BY max(state = 'waiting') DESC, peer",
    )?;
    let peer = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let rows = query.query_map([server.as_str(), &former.to_string()], peer)?;
    rows.map(|peer| peer?.parse().map_err(|_| rusqlite::Error::InvalidQuery)).collect()
}

/// Whether something that was written in one is not on the server.
pub(crate) fn has_unsent(tx: &Transaction<'_>, server: &Server) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM message JOIN former
                 ON former.server = message.server AND former.id = message.installation
                 WHERE message.server = ? AND own = 1 AND state = 'waiting')";
    tx.query_row(query, [server.as_str()], |row| row.get(0))
}

/// Forgets one whose messages are all final.
pub(crate) fn settle(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    if peers(tx, server, former)?.is_empty() {
        forget(tx, server, former)?;
    }
    Ok(())
}

/// This one gets no new numbers any more: it is kept as a former one if some of its messages are not final.
pub(crate) fn keep(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    tx.execute("INSERT INTO former VALUES (?, ?)", [server.as_str(), &former.to_string()])?;
    settle(tx, server, former)
}

fn forget(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    let one = "DELETE FROM former WHERE server = ? AND id = ?";
    tx.execute(one, [server.as_str(), &former.to_string()]).map(drop)
}
