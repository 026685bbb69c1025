//! The keys with which others seal for this data folder: one Olm account for each server and installation.
//!
//! Owned by the client's core, in its [store](super). Each function is one step of a transaction. Invariant: an
//! installation has one account as long as it lives, for its key for life never changes; a server has the account of the
//! installation alone that is in use; and sessions end with the account that they were begun with.

use rusqlite::{OptionalExtension, Transaction, params};

use super::scope::Server;
use crate::message::{Installation, Timestamp};
use crate::seal::{Account, OlmError};
use crate::trust::devices::SignedWriter;

type Result<T> = rusqlite::Result<T>;

/// The number of the first prekey.
const FIRST: u64 = 1;

/// An account, and what its prekey says beside its keys.
pub(crate) struct Keys {
    pub(crate) account: Account,
    /// Counts up with each other key that others begin with.
    pub(crate) number: u64,
    /// When that was made.
    pub(crate) time: Timestamp,
    /// What their owner has signed of this folder, for messages that it writes without standing in a list.
    pub(crate) writer: Option<SignedWriter>,
}

/// The account of an installation on a server, which is made there if there is none.
pub(crate) fn of(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
    now: Timestamp,
) -> Result<Keys> {
    match kept(tx, server, installation)? {
        Some(keys) => Ok(keys),
        None => make(tx, server, installation, now),
    }
}

/// Keeps what the owner of an installation's account has signed of it.
pub(crate) fn keep_writer(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
    writer: &SignedWriter,
) -> Result<()> {
    let keep = "UPDATE account SET writer = ? WHERE server = ? AND installation = ?";
    let row = params![&writer.bytes()[..], server.as_str(), installation.to_string()];
    tx.execute(keep, row).map(drop)
}

/// The server has a list in which an installation stands.
pub(crate) fn note_listed(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
) -> Result<()> {
    let note = "UPDATE account SET listed = 1
                WHERE server = ? AND installation = ? AND listed = 0";
    tx.execute(note, [server.as_str(), &installation.to_string()]).map(drop)
}

/// The account as it is kept, if there is one: the same text has the same keys.
pub(super) fn pickle(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
) -> Result<Option<String>> {
    let query = "SELECT pickle FROM account WHERE server = ? AND installation = ?";
    let key = [server.as_str(), &installation.to_string()];
    tx.prepare_cached(query)?.query_row(key, |row| row.get(0)).optional()
}

/// Moves the accounts of one server to another, behind their installations: that one's stays which goes on.
pub(super) fn join(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    let all = "UPDATE OR REPLACE account SET server = ?, listed = 0 WHERE server = ?";
    tx.execute(all, [to.as_str(), from.as_str()])?;
    let others = "DELETE FROM account WHERE server = ?1 AND installation NOT IN (
                      SELECT id FROM installation WHERE server = ?1)";
    tx.execute(others, [to.as_str()]).map(drop)
}

fn kept(tx: &Transaction<'_>, server: &Server, installation: Installation) -> Result<Option<Keys>> {
    let query =
        "SELECT pickle, number, time, writer FROM account WHERE server = ? AND installation = ?";
    let row = |row: &rusqlite::Row<'_>| {
        let (number, time) = (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?);
        let account = Account::read(&row.get::<_, String>(0)?).map_err(unreadable)?;
        let time = Timestamp(time.cast_unsigned());
        let writer = row.get::<_, Option<Vec<u8>>>(3)?;
        let writer = writer.and_then(|it| SignedWriter::read(it.into()).ok());
        Ok(Keys { account, number: number.cast_unsigned(), time, writer })
    };
    let key = [server.as_str(), &installation.to_string()];
    tx.prepare_cached(query)?.query_row(key, row).optional()
}

fn make(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
    now: Timestamp,
) -> Result<Keys> {
    for table in ["account", "session"] {
        tx.execute(&format!("DELETE FROM {table} WHERE server = ?"), [server.as_str()])?;
    }
    let account = Account::generate();
    let (pickle, id) = (account.write().map_err(unreadable)?, installation.to_string());
    let (number, time) = (FIRST.cast_signed(), now.0.cast_signed());
    let row = params![server.as_str(), id, pickle, number, time];
    tx.execute("INSERT INTO account VALUES (?, ?, ?, ?, ?, NULL, 0)", row)?;
    Ok(Keys { account, number: FIRST, time: now, writer: None })
}

/// No other account is made for the installation: it would have another key for life.
fn unreadable(error: OlmError) -> rusqlite::Error {
    log::error!("the keys of this data folder: {error}");
    rusqlite::Error::InvalidQuery
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::outbox;
    use super::super::servers::{self, Arrival, Home};
    use super::super::thread::tests::{in_memory, run};
    use super::*;
    use crate::trust::{CurveKey, Fingerprint};

    /// The address leads to the server with this key, which a person trusts.
    fn arrive(store: &mut Connection, address: &str, key: &str) -> Home {
        let arrival = Arrival { shown: Fingerprint::of(key.as_bytes()), moves: true };
        let address = address.parse().unwrap();
        run(store, |tx| servers::arrive(tx, &address, arrival)).0
    }

    fn keys(store: &mut Connection, home: &Home, now: u64) -> Keys {
        run(store, |tx| of(tx, &home.server, home.installation, Timestamp(now)))
    }

    fn curve(store: &mut Connection, home: &Home) -> CurveKey {
        keys(store, home, 9).account.curve()
    }

    fn count(store: &Connection) -> i64 {
        store.query_row("SELECT count(*) FROM account", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_installation_has_one_account() {
        let mut store = in_memory();
        let home = arrive(&mut store, "a", "k");
        let first = keys(&mut store, &home, 5);
        assert_eq!((first.number, first.time), (1, Timestamp(5)));
        let again = keys(&mut store, &home, 7);
        assert_eq!((again.number, again.time), (1, Timestamp(5)));
        assert_eq!(again.account.curve(), first.account.curve());
        assert_eq!(again.account.fallback(), first.account.fallback());
        let there = arrive(&mut store, "b", "other");
        assert_ne!(curve(&mut store, &there), first.account.curve());
        assert_eq!(curve(&mut store, &home), first.account.curve());
        assert_eq!(count(&store), 2);
    }

    #[test]
    fn an_installation_that_begins_anew_has_another_account_and_the_old_one_is_gone() {
        let mut store = in_memory();
        let home = arrive(&mut store, "a", "k");
        let first = curve(&mut store, &home);
        let begin = |tx: &Transaction<'_>| outbox::begin_anew(tx, &home.server, home.installation);
        let installation = run(&mut store, begin);
        let anew = Home { installation, ..home.clone() };
        assert_ne!(curve(&mut store, &anew), first);
        assert_eq!(count(&store), 1);
    }

    #[test]
    fn an_account_goes_along_with_its_installation() {
        let mut store = in_memory();
        let home = arrive(&mut store, "a", "k");
        let first = curve(&mut store, &home);
        let moved = arrive(&mut store, "a", "new");
        assert_eq!(moved.installation, home.installation);
        assert_eq!(curve(&mut store, &moved), first);
        assert_eq!(count(&store), 1);
    }

    #[test]
    fn of_two_installations_the_account_of_the_one_stays_that_goes_on() {
        let mut store = in_memory();
        let homes = ["a", "b"].map(|at| {
            let address = at.parse().unwrap();
            run(&mut store, |tx| servers::enter(tx, &address, true, None))
        });
        let curves = [0, 1].map(|at: usize| curve(&mut store, &homes[at]));
        arrive(&mut store, "a", "k");
        let home = arrive(&mut store, "b", "k");
        let goes_on = homes.iter().position(|it| it.installation == home.installation).unwrap();
        assert_eq!(count(&store), 1);
        assert_eq!(curve(&mut store, &home), curves[goes_on]);
    }

    #[test]
    fn an_account_that_cannot_be_read_is_not_replaced() {
        let mut store = in_memory();
        let home = arrive(&mut store, "a", "k");
        curve(&mut store, &home);
        store.execute("UPDATE account SET pickle = 'garbage'", ()).unwrap();
        let tx = store.transaction().unwrap();
        assert!(of(&tx, &home.server, home.installation, Timestamp(9)).is_err());
        drop(tx);
        assert_eq!(count(&store), 1);
    }
}
