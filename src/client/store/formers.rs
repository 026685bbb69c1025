//! Former installations: nothing new is numbered in them, and something that was is not final.
//!
//! Each function is one step of a transaction of the [`store`](super). There are some where two lives of one
//! server became [one](super::merge), and where a folder turned out a copy. Invariant: what may have been sent keeps its id, and its fate is asked for
//! under that, until all of it is known.

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

/// To whom something was written in one that is not final; those first to whom something is to be sent.
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

/// Whether the server does not have something that was written in one.
pub(crate) fn has_unsent(tx: &Transaction<'_>, server: &Server) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM message JOIN former
                 ON former.server = message.server AND former.id = message.installation
                 WHERE message.server = ? AND own = 1 AND state = 'waiting')";
    tx.query_row(query, [server.as_str()], |row| row.get(0))
}

/// Forgets one of which all is final.
pub(crate) fn settle(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    if peers(tx, server, former)?.is_empty() {
        forget(tx, server, former)?;
    }
    Ok(())
}

/// Nothing new is numbered in this one any more: it is one of them, if something that was is not final.
pub(crate) fn keep(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    tx.execute("INSERT INTO former VALUES (?, ?)", [server.as_str(), &former.to_string()])?;
    settle(tx, server, former)
}

fn forget(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    let one = "DELETE FROM former WHERE server = ? AND id = ?";
    tx.execute(one, [server.as_str(), &former.to_string()]).map(drop)
}
