//! What comes in the clear: whether it may be its sender's.
//!
//! Each function is one step of a transaction of the [`store`](super). A server takes nothing in the clear for whoever has
//! a device list. So what comes so was waiting before there was one, or the server has made it. Invariant: of a name of
//! which something sealed was opened, nothing is taken in the clear any more; nor of one that is verified, where this folder
//! can be sealed for: what waited comes back, and is sealed then. Of one that has a device list, nothing but what waited.

use rusqlite::{OptionalExtension, Transaction, params};

use super::scope::{Scope, Server};
use super::trusted::verified;
use crate::message::{Installation, Name};

type Result<T> = rusqlite::Result<T>;

/// Something sealed of somebody was opened.
pub(super) fn note_sealed(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<()> {
    let note = "INSERT OR IGNORE INTO sealer VALUES (?, ?)";
    tx.prepare_cached(note)?.execute([server.as_str(), peer.as_str()]).map(drop)
}

/// A conversation was opened in which so many messages wait. If the server has had a list with this folder before, no
/// others can be in the clear.
pub(crate) fn opened(tx: &Transaction<'_>, scope: &Scope, waiting: u64) -> Result<()> {
    let Scope { server, peer, installation } = scope;
    tx.prepare_cached(
        "INSERT INTO drain
         SELECT ?1, ?2, ?4 FROM account WHERE server = ?1 AND installation = ?3 AND listed = 1
         ON CONFLICT DO UPDATE SET waits = excluded.waits WHERE excluded.waits < waits",
    )?
    .execute(params![
        server.as_str(),
        peer.as_str(),
        installation.to_string(),
        waiting.cast_signed(),
    ])
    .map(drop)
}

/// Whether what comes of somebody to this installation in the clear may be theirs. It counts as one of those that waited.
pub(super) fn may_come(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    installation: Installation,
    has_list: bool,
) -> Result<bool> {
    let is_verified = verified(tx, server, peer)?.is_some();
    if has_sealed(tx, server, peer)? || is_verified && is_listed(tx, server, installation)? {
        return Ok(false);
    }
    let key = [server.as_str(), peer.as_str()];
    let query = "SELECT waits FROM drain WHERE server = ? AND peer = ?";
    let waits: Option<i64> =
        tx.prepare_cached(query)?.query_row(key, |row| row.get(0)).optional()?;
    match waits {
        None => Ok(true),
        Some(0) => Ok(!has_list),
        Some(_) => {
            let one = "UPDATE drain SET waits = waits - 1 WHERE server = ? AND peer = ?";
            tx.prepare_cached(one)?.execute(key)?;
            Ok(true)
        }
    }
}

fn has_sealed(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM sealer WHERE server = ? AND peer = ?)";
    tx.prepare_cached(query)?.query_row([server.as_str(), peer.as_str()], |row| row.get(0))
}

/// Whether the server has had a list with this folder: then whoever writes seals for it.
fn is_listed(tx: &Transaction<'_>, server: &Server, installation: Installation) -> Result<bool> {
    let query = "SELECT EXISTS (
                     SELECT 1 FROM account WHERE server = ? AND installation = ? AND listed = 1)";
    let key = [server.as_str(), &installation.to_string()];
    tx.prepare_cached(query)?.query_row(key, |row| row.get(0))
}

/// A server's rows move to another one, which knows nobody's devices yet.
pub(super) fn forget(tx: &Transaction<'_>, server: &Server) -> Result<()> {
    for table in ["sealer", "drain"] {
        tx.execute(&format!("DELETE FROM {table} WHERE server = ?"), [server.as_str()])?;
    }
    Ok(())
}
