//! The lists of devices that are believed: of each name the newest one with its prekeys, also of one's own.
//!
//! Owned by the client's core, in its [store](super). Each function is one step of a transaction. Every row names the
//! server, as for [contacts](super::contacts). Invariants: a list is forgotten with the key that signed it, and does not
//! count once the server has another key than the one for which it was made; one that is only offered replaces another
//! when the person who uses this client says so.

use std::collections::BTreeSet;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Transaction, params};

use super::scope::Server;
use crate::message::{Installation, Name};
use crate::trust::devices::{Bundle, SignedPrekey, server_of};
use crate::trust::{CurveKey, Fingerprint};

type Result<T> = rusqlite::Result<T>;

/// A list of devices as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its version; 0 if there is no list.
    pub(crate) version: u64,
    /// The hash of its text, if there is one.
    pub(crate) hash: Option<Fingerprint>,
    /// The signed text, and the prekeys of its devices.
    pub(crate) statement: Bytes,
}

impl Kept {
    /// What is kept of a list and the prekeys of its devices.
    pub(crate) fn of(bundle: &Bundle) -> Self {
        let (version, hash) = (bundle.list().version(), Some(bundle.signed().hash()));
        Self { version, hash, statement: bundle.bytes().clone() }
    }

    /// That, if there is any.
    pub(crate) fn bundle(&self) -> Option<Bundle> {
        Bundle::read(self.statement.clone()).ok()
    }
}

/// What a row is: the list that is believed, or another one that the server shows for the name.
const BELIEVED: bool = false;
const OFFERED: bool = true;

/// The list that is believed of a name; version 0 if none is.
pub(crate) fn known(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<Kept> {
    let known = known_of_any_key(tx, server, name)?;
    let counts = server_of(&known.statement) == server.key();
    Ok(if counts { known } else { Kept::default() })
}

/// The same, also if it was made for another key that the server had.
pub(crate) fn known_of_any_key(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<Kept> {
    let query = "SELECT version, hash, statement FROM devices
                 WHERE server = ? AND name = ? AND offered = ?";
    let row = |row: &rusqlite::Row<'_>| {
        let (version, hash) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, String>(1)?);
        let statement = row.get::<_, Vec<u8>>(2)?.into();
        Ok(Kept { version, hash: hash.parse().ok(), statement })
    };
    let key = params![server.as_str(), name.as_str(), BELIEVED];
    Ok(tx.prepare_cached(query)?.query_row(key, row).optional()?.unwrap_or_default())
}

/// Believes a list from now on. None is offered any more.
pub(crate) fn keep(tx: &Transaction<'_>, server: &Server, name: &Name, list: &Kept) -> Result<()> {
    withdraw(tx, server, name)?;
    put(tx, server, name, BELIEVED, list)?;
    note_keys(tx, server, name, list)
}

/// Keeps a list that is not believed, until somebody accepts it.
pub(crate) fn offer(tx: &Transaction<'_>, server: &Server, name: &Name, list: &Kept) -> Result<()> {
    put(tx, server, name, OFFERED, list)
}

/// Whether another list waits to be accepted.
pub(crate) fn is_offered(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<bool> {
    let query =
        "SELECT EXISTS (SELECT 1 FROM devices WHERE server = ? AND name = ? AND offered = ?)";
    let key = params![server.as_str(), name.as_str(), OFFERED];
    tx.prepare_cached(query)?.query_row(key, |row| row.get(0))
}

/// The server does not show another list any more.
pub(crate) fn withdraw(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<()> {
    let offered = "DELETE FROM devices WHERE server = ? AND name = ? AND offered = ?";
    tx.execute(offered, params![server.as_str(), name.as_str(), OFFERED]).map(drop)
}

/// Believes the list that was offered last. Returns whether there was one.
pub(crate) fn accept(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<bool> {
    let accept = "UPDATE OR REPLACE devices SET offered = ?3
                  WHERE server = ?1 AND name = ?2 AND offered = ?4";
    let key = params![server.as_str(), name.as_str(), BELIEVED, OFFERED];
    if tx.execute(accept, key)? == 0 {
        return Ok(false);
    }
    note_keys(tx, server, name, &known_of_any_key(tx, server, name)?)?;
    Ok(true)
}

/// A device that is gone, of which something that it sealed before may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Former {
    /// Its key for life.
    pub(super) curve: CurveKey,
    /// The first version that was believed and calls it gone.
    pub(super) went: u64,
}

/// A device of a name that is gone; none of one whose key was never known, or of which all has come that waited.
pub(super) fn former(
    tx: &Transaction<'_>,
    server: &Server,
    name: &Name,
    installation: Installation,
) -> Result<Option<Former>> {
    let query = "SELECT curve, went FROM device WHERE server = ? AND name = ? AND installation = ?
                 AND went IS NOT NULL AND drained = 0";
    let row = |row: &rusqlite::Row<'_>| {
        let went = row.get::<_, i64>(1)?.cast_unsigned();
        Ok(Former { curve: CurveKey::from_bytes(row.get(0)?), went })
    };
    let key = [server.as_str(), name.as_str(), &installation.to_string()];
    tx.prepare_cached(query)?.query_row(key, row).optional()
}

/// Whether a device of a name is gone of which something may still come.
pub(crate) fn has_former(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM device WHERE server = ? AND name = ?
                 AND went IS NOT NULL AND drained = 0)";
    let key = [server.as_str(), name.as_str()];
    tx.prepare_cached(query)?.query_row(key, |row| row.get(0))
}

/// All has come that waited when this version was believed: nothing more is taken of devices that were gone by then.
pub(crate) fn drained(
    tx: &Transaction<'_>,
    server: &Server,
    name: &Name,
    version: u64,
) -> Result<()> {
    let drained = "UPDATE device SET drained = 1
                   WHERE server = ? AND name = ? AND went <= ? AND drained = 0";
    let key = params![server.as_str(), name.as_str(), version.cast_signed()];
    tx.execute(drained, key).map(drop)
}

/// The key that signed the lists of a name is not trusted any more.
pub(crate) fn forget(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<()> {
    for table in ["devices", "device"] {
        let all = format!("DELETE FROM {table} WHERE server = ? AND name = ?");
        tx.execute(&all, [server.as_str(), name.as_str()])?;
    }
    // The sessions are with devices of whoever had that key.
    let sessions = "DELETE FROM session WHERE server = ? AND peer = ?";
    tx.execute(sessions, [server.as_str(), name.as_str()]).map(drop)
}

/// Moves the lists of one server to another, before the contacts move: of two lists of a name the one stays whose key is
/// trusted from then on, or the newer one. What is offered is shown again.
pub(super) fn join(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    let both = [from.as_str(), to.as_str()];
    tx.execute("DELETE FROM devices WHERE server IN (?1, ?2) AND offered = 1", both)?;
    tx.execute(
        "DELETE FROM devices WHERE (server, name) IN (
             SELECT iif(one.since < other.since, other.server, one.server), peer
             FROM contact AS one JOIN contact AS other USING (peer)
             WHERE one.server = ?1 AND other.server = ?2 AND one.key <> other.key)",
        both,
    )?;
    tx.execute(
        "DELETE FROM devices WHERE (server, name) IN (
             SELECT iif(one.version > other.version, other.server, one.server), name
             FROM devices AS one JOIN devices AS other USING (name)
             WHERE one.server = ?1 AND other.server = ?2)",
        both,
    )?;
    tx.execute("UPDATE devices SET server = ?2 WHERE server = ?1", both)?;
    // They are of the identities whose lists stay, or else there is no list.
    tx.execute("UPDATE OR REPLACE device SET server = ?2 WHERE server = ?1", both)?;
    let others = "DELETE FROM device WHERE server = ?1 AND name NOT IN (
                      SELECT name FROM devices WHERE server = ?1)";
    tx.execute(others, [to.as_str()]).map(drop)
}

/// Keeps the keys of a list's devices, and of earlier ones those of devices that it calls gone.
fn note_keys(tx: &Transaction<'_>, server: &Server, name: &Name, list: &Kept) -> Result<()> {
    let Some(bundle) = list.bundle() else { return Ok(()) };
    let gone = bundle.list().gone().iter().map(|it| it.installation.to_string());
    let gone: BTreeSet<String> = gone.collect();
    for known in noted(tx, server, name)?.iter().filter(|it| !gone.contains(*it)) {
        let drop = "DELETE FROM device WHERE server = ? AND name = ? AND installation = ?";
        tx.execute(drop, [server.as_str(), name.as_str(), known])?;
    }
    for prekey in bundle.prekeys().map(SignedPrekey::prekey) {
        let (installation, curve) = (prekey.installation.to_string(), prekey.curve.to_bytes());
        let note = "INSERT INTO device (server, name, installation, curve) VALUES (?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET curve = excluded.curve";
        tx.execute(note, params![server.as_str(), name.as_str(), installation, curve])?;
    }
    for installation in gone {
        let note = "UPDATE device SET went = ?
                    WHERE server = ? AND name = ? AND installation = ? AND went IS NULL";
        let version = list.version.cast_signed();
        tx.execute(note, params![version, server.as_str(), name.as_str(), installation])?;
    }
    Ok(())
}

/// The devices of a name whose keys are kept.
fn noted(tx: &Transaction<'_>, server: &Server, name: &Name) -> Result<Vec<String>> {
    let mut query = tx.prepare("SELECT installation FROM device WHERE server = ? AND name = ?")?;
    query.query_map([server.as_str(), name.as_str()], |row| row.get(0))?.collect()
}

fn put(
    tx: &Transaction<'_>,
    server: &Server,
    name: &Name,
    offered: bool,
    list: &Kept,
) -> Result<()> {
    let hash = list.hash.map_or("-".into(), |hash| hash.to_string());
    let version = list.version.cast_signed();
    tx.execute(
        "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?, ?, ?)",
        params![server.as_str(), name.as_str(), offered, version, hash, &list.statement[..]],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::contacts::{self, Meeting};
    use super::super::servers::{self, Arrival};
    use super::super::thread::tests::{in_memory, run};
    use super::*;
    use crate::client::outcome::Trust;
    use crate::trust::{Identity, PublicKey};

    fn server(text: &str) -> Server {
        text.parse().unwrap()
    }

    fn marie() -> Name {
        "marie".parse().unwrap()
    }

    fn list(version: u64, text: &'static str) -> Kept {
        let hash = Some(Fingerprint::of(text.as_bytes()));
        Kept { version, hash, statement: text.into() }
    }

    /// The same for a server with a key.
    fn list_for(key: &str, version: u64) -> Kept {
        let text = format!("tinychat/2 devices\nserver {}\n", Fingerprint::of(key.as_bytes()));
        Kept { statement: text.into(), ..list(version, "") }
    }

    fn known_at(store: &mut Connection, server: &Server) -> Kept {
        run(store, |tx| known(tx, server, &marie()))
    }

    fn keep_at(store: &mut Connection, server: &Server, list: &Kept) {
        run(store, |tx| keep(tx, server, &marie(), list));
    }

    fn key() -> PublicKey {
        Identity::generate().unwrap().public()
    }

    /// The address leads to the server with this key, which a person trusts.
    fn arrive(store: &mut Connection, address: &str, key: &str) -> Server {
        let arrival = Arrival { shown: Fingerprint::of(key.as_bytes()), moves: true };
        let address = address.parse().unwrap();
        run(store, |tx| servers::arrive(tx, &address, arrival)).0.server
    }

    #[test]
    fn the_newest_list_is_known_by_server_and_name() {
        let mut store = in_memory();
        let (here, there) = (server("a"), server("b"));
        assert_eq!(known_at(&mut store, &here), Kept::default());
        keep_at(&mut store, &here, &list(1, "one"));
        keep_at(&mut store, &here, &list(2, "two"));
        assert_eq!(known_at(&mut store, &here), list(2, "two"));
        assert_eq!(known_at(&mut store, &there).version, 0);
    }

    #[test]
    fn another_list_is_believed_once_it_is_accepted() {
        let (mut store, here) = (in_memory(), server("a"));
        keep_at(&mut store, &here, &list(2, "two"));
        for other in [list(2, "lie"), list(2, "truth")] {
            run(&mut store, |tx| offer(tx, &here, &marie(), &other));
            assert!(run(&mut store, |tx| is_offered(tx, &here, &marie())));
            assert_eq!(known_at(&mut store, &here), list(2, "two"));
        }
        let trust = |store: &mut _| run(store, |tx| contacts::trust(tx, &here, &marie()));
        assert_eq!(trust(&mut store), Trust::List);
        assert_eq!(known_at(&mut store, &here), list(2, "truth"));
        assert_eq!(trust(&mut store), Trust::Stranger, "it was");
        run(&mut store, |tx| offer(tx, &here, &marie(), &Kept::default()));
        keep_at(&mut store, &here, &list(3, "three"));
        assert!(!run(&mut store, |tx| accept(tx, &here, &marie())), "it is shown no more");
    }

    #[test]
    fn a_list_is_forgotten_with_the_key_that_signed_it() {
        let mut store = in_memory();
        let here = server("a");
        let meet = |store: &mut _, key| run(store, |tx| contacts::meet(tx, &here, &marie(), key));
        for next in [Some(key()), None] {
            assert_eq!(meet(&mut store, Some(key())), Meeting::Same);
            keep_at(&mut store, &here, &list(2, "two"));
            meet(&mut store, next);
            assert_eq!(known_at(&mut store, &here).version, 2, "as long as that is not accepted");
            run(&mut store, |tx| contacts::trust(tx, &here, &marie()));
            assert_eq!(known_at(&mut store, &here).version, 0);
            run(&mut store, |tx| tx.execute("DELETE FROM contact", ()));
        }
    }

    #[test]
    fn lists_go_along_with_a_server_whose_new_key_is_accepted_and_are_none_until_they_are_for_it() {
        let mut store = in_memory();
        let first = arrive(&mut store, "a", "old");
        keep_at(&mut store, &first, &list_for("old", 2));
        assert_eq!(known_at(&mut store, &first), list_for("old", 2));
        let second = arrive(&mut store, "a", "new");
        assert_eq!(known_at(&mut store, &second), Kept::default());
        let of_any_key = |tx: &Transaction<'_>| known_of_any_key(tx, &second, &marie());
        assert_eq!(run(&mut store, of_any_key), list_for("old", 2), "its owner goes on from there");
        keep_at(&mut store, &second, &list_for("new", 3));
        assert_eq!(known_at(&mut store, &second), list_for("new", 3));
        assert_eq!(known_at(&mut store, &first).version, 0);
    }

    #[test]
    fn of_two_lists_of_somebody_the_newer_stays() {
        for (here, there) in [(2, 3), (3, 2), (3, 3)] {
            let mut store = in_memory();
            let first = arrive(&mut store, "a", "k");
            keep_at(&mut store, &server("b"), &list(there, "there"));
            keep_at(&mut store, &first, &list_for("k", here));
            let home = arrive(&mut store, "b", "k");
            let known_at =
                |store: &mut _, at: &Server| run(store, |tx| known_of_any_key(tx, at, &marie()));
            let newer = if there > here { list(there, "there") } else { list_for("k", here) };
            assert_eq!(known_at(&mut store, &home), newer);
        }
    }

    #[test]
    fn of_two_keys_of_somebody_the_list_of_the_trusted_one_stays() {
        for (first, stays) in [("a", 2), ("b", 9)] {
            let mut store = in_memory();
            for (at, version) in [("a", 2), ("b", 9)] {
                let at = server(at);
                run(&mut store, |tx| contacts::meet(tx, &at, &marie(), Some(key())));
                keep_at(&mut store, &at, &list_for("k", version));
            }
            let since = "UPDATE contact SET since = (server <> ?)";
            store.execute(since, [server(first).as_str()]).unwrap();
            arrive(&mut store, "a", "k");
            let home = arrive(&mut store, "b", "k");
            assert_eq!(known_at(&mut store, &home).version, stays);
        }
    }
}
