//! What comes in the clear: whether it may be its sender's.
//!
//! Each function is one step of a transaction of the [`store`](super). A server takes nothing in the clear for whoever has
//! a device list. So what comes so was waiting before there was one, or the server has made it. Invariant: of a name of
//! which something sealed was opened, nothing is taken in the clear any more.

use rusqlite::Transaction;

use super::scope::Server;
use crate::message::Name;

type Result<T> = rusqlite::Result<T>;

/// Something sealed of somebody was opened.
pub(super) fn note_sealed(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<()> {
    let note = "INSERT OR IGNORE INTO sealer VALUES (?, ?)";
    tx.prepare_cached(note)?.execute([server.as_str(), peer.as_str()]).map(drop)
}

/// Whether what comes of somebody in the clear may be theirs.
pub(super) fn may_come(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<bool> {
    let none = "SELECT NOT EXISTS (SELECT 1 FROM sealer WHERE server = ? AND peer = ?)";
    tx.prepare_cached(none)?.query_row([server.as_str(), peer.as_str()], |row| row.get(0))
}

/// A server's rows move to another one, which knows nobody's devices yet.
pub(super) fn forget(tx: &Transaction<'_>, server: &Server) -> Result<()> {
    tx.execute("DELETE FROM sealer WHERE server = ?", [server.as_str()]).map(drop)
}
