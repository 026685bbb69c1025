//! The keys of one's contacts, read: the one that is trusted, and another one that the server has shown.
//!
//! Each function is one step of a transaction of the [`store`](super). What is written is a matter of
//! [contacts](super::contacts).

use rusqlite::{OptionalExtension, Transaction};

use super::scope::Server;
use crate::message::Name;
use crate::trust::PublicKey;

type Result<T> = rusqlite::Result<T>;

/// The trusted key.
pub(crate) fn trusted(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
) -> Result<Option<PublicKey>> {
    read(tx, "SELECT key FROM contact WHERE server = ? AND peer = ?", server, peer)
}

/// The other key that the server showed last.
pub(super) fn offered(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
) -> Result<Option<PublicKey>> {
    read(tx, "SELECT offered FROM contact WHERE server = ? AND peer = ?", server, peer)
}

fn read(
    tx: &Transaction<'_>,
    query: &str,
    server: &Server,
    peer: &Name,
) -> Result<Option<PublicKey>> {
    let mut query = tx.prepare_cached(query)?;
    let key = [server.as_str(), peer.as_str()];
    let key: Option<Option<String>> = query.query_row(key, |row| row.get(0)).optional()?;
    // A malformed key counts as none; the next answer of the server replaces it.
    Ok(key.flatten().and_then(|key| key.parse().ok()))
}
