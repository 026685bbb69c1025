//! The keys of those whom one has talked to: trust on first use, as of servers.
//!
//! Owned by the client's core, in its [store](super::store). Each server has its own word for it, so that
//! every row carries the server's address.

use rusqlite::{OptionalExtension, Transaction};

use super::Address;
use crate::message::{Name, Timestamp};
use crate::trust::PublicKey;

/// Remembers the key with which a server knows somebody. Returns the one that was remembered, if it was
/// another.
pub(super) fn meet(
    tx: &Transaction<'_>,
    server: &Address,
    peer: &Name,
    key: PublicKey,
) -> rusqlite::Result<Option<PublicKey>> {
    let known = known(tx, server, peer)?;
    if known == Some(key) {
        return Ok(None);
    }
    tx.execute(
        "INSERT OR REPLACE INTO contact (server, peer, key, since) VALUES (?, ?, ?, ?)",
        (server.as_str(), peer.as_str(), key.to_string(), Timestamp::now().0.cast_signed()),
    )?;
    Ok(known)
}

/// The key that is remembered.
pub(super) fn known(
    tx: &Transaction<'_>,
    server: &Address,
    peer: &Name,
) -> rusqlite::Result<Option<PublicKey>> {
    let query = "SELECT key FROM contact WHERE server = ? AND peer = ?";
    let key: Option<String> =
        tx.query_row(query, [server.as_str(), peer.as_str()], |row| row.get(0)).optional()?;
    // A line that means nothing is as good as none; the next meeting writes it anew.
    Ok(key.and_then(|key| key.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::{in_memory, run};
    use super::*;
    use crate::trust::Identity;

    #[test]
    fn a_key_is_remembered_by_server_and_name_and_a_change_is_told_once() {
        let mut store = in_memory();
        let (here, there): (Address, Address) = ("a".parse().unwrap(), "b".parse().unwrap());
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [(); 2].map(|()| Identity::generate().unwrap().public());
        let mut meet = |server: &Address, key| run(&mut store, |tx| meet(tx, server, &marie, key));
        assert_eq!(meet(&here, first), None);
        assert_eq!(meet(&here, first), None);
        assert_eq!(meet(&there, second), None);
        assert_eq!(meet(&here, second), Some(first));
        assert_eq!(meet(&here, second), None);
        assert_eq!(run(&mut store, |tx| known(tx, &here, &marie)), Some(second));
    }
}
