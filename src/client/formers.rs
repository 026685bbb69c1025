//! Former installations: nothing new is numbered in them, and something that was is not final.
//!
//! Each function is one step of a transaction of the [`store`](super::store). There are some where two lives of one
//! server became [one](super::merge). Invariant: what may have been sent keeps its id, and its fate is asked for
//! under that, until all of it is known.

use rusqlite::{Transaction, params};

use super::merge;
use super::servers::{Home, Server};
use crate::message::{Installation, Name};
use crate::wire::frame::Watermarks;

type Result<T> = rusqlite::Result<T>;

/// Those of a server.
pub(super) fn all(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Installation>> {
    let mut query = tx.prepare_cached("SELECT id FROM former WHERE server = ? ORDER BY id")?;
    let rows = query.query_map([server.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|id| id?.parse().map_err(|_| rusqlite::Error::InvalidQuery)).collect()
}

/// To whom something was written in one that is not final; those first to whom something is to be sent.
pub(super) fn peers(
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
pub(super) fn has_unsent(tx: &Transaction<'_>, server: &Server) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM message JOIN former
                 ON former.server = message.server AND former.id = message.installation
                 WHERE message.server = ? AND own = 1 AND state = 'waiting')";
    tx.query_row(query, [server.as_str()], |row| row.get(0))
}

/// Forgets one of which all is final.
pub(super) fn settle(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    if peers(tx, server, former)?.is_empty() {
        forget(tx, server, former)?;
    }
    Ok(())
}

/// This folder is a copy, and the server has more of one than was sent from here: what of it the server does not
/// have is as good as never sent.
pub(super) fn leave_to_original(
    tx: &Transaction<'_>,
    home: &Home,
    former: Installation,
    peer: &Name,
    own: Watermarks,
) -> Result<()> {
    let (server, id) = (home.server.as_str(), former.to_string());
    for (state, n) in [("delivered", own.delivered), ("stored", own.stored)] {
        tx.execute(
            "UPDATE message SET state = ? WHERE server = ? AND peer = ? AND own = 1
                    AND installation = ? AND sent = 1 AND n <= ? AND state = 'waiting'",
            params![state, server, peer.as_str(), id, n.cast_signed()],
        )?;
    }
    tx.execute(
        "UPDATE message SET sent = 0
         WHERE server = ? AND installation = ? AND own = 1 AND state = 'waiting'",
        [server, &id],
    )?;
    merge::number_anew(tx, &home.server, former, home.installation)?;
    forget(tx, &home.server, former)
}

fn forget(tx: &Transaction<'_>, server: &Server, former: Installation) -> Result<()> {
    let one = "DELETE FROM former WHERE server = ? AND id = ?";
    tx.execute(one, [server.as_str(), &former.to_string()]).map(drop)
}
