//! The keys with which others seal for this data folder: one Olm account for each server and installation.
//!
//! Owned by the client's core, in its [store](super). Each function is one step of a transaction. Invariant: an
//! installation has one account as long as it lives, for its key for life never changes; a server has the account of the
//! installation alone that is in use; sessions end with the account that they were begun with; and as an account holds the
//! key that others begin with and the one before, none takes another one soon after the last.

use rusqlite::{OptionalExtension, Transaction, params};

use super::scope::Server;
use crate::message::{Installation, Timestamp};
use crate::seal::{Account, OlmError};
use crate::trust::devices::{MAX_VERSION, SignedWriter};

type Result<T> = rusqlite::Result<T>;

/// The number of the first prekey.
const FIRST: u64 = 1;

/// After how long another key takes the place of the one that others begin with, in milliseconds.
const RENEWED_AFTER: u64 = 37 * 24 * 60 * 60 * 1_000;

/// For how long that is put off, in milliseconds, while something waits that may be sealed for the key before it.
const LONGEST_PUT_OFF: u64 = 37 * 24 * 60 * 60 * 1_000;

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

/// Whether others begin with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    Renewed,
    /// It is time, but something waits.
    PutOff,
    NotDue,
}

/// Makes another key that others begin with, if it is time. `waits`: something may wait that was sealed for the key
/// before it, which is forgotten then.
pub(crate) fn renew(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
    now: Timestamp,
    waits: bool,
) -> Result<Renewal> {
    let keys = of(tx, server, installation, now)?;
    let since = held_since(tx, server, installation, keys.time, now)?;
    let age = now.0.saturating_sub(since.0);
    if age < RENEWED_AFTER || keys.number >= MAX_VERSION {
        return Ok(Renewal::NotDue);
    }
    if waits && age < RENEWED_AFTER + LONGEST_PUT_OFF {
        return Ok(Renewal::PutOff);
    }
    let pickle = keys.account.renewed().write().map_err(unreadable)?;
    let (number, time) = ((keys.number + 1).cast_signed(), now.0.cast_signed());
    let renew = "UPDATE account SET pickle = ?, number = ?, time = ?, behind = NULL
                 WHERE server = ? AND installation = ?";
    let row = params![pickle, number, time, server.as_str(), installation.to_string()];
    tx.execute(renew, row)?;
    Ok(Renewal::Renewed)
}

/// Since when there is the key that others begin with. If the clock is behind the time when it was made, one of both is
/// wrong: then it counts from when that was found, as long as it is so. A clock that is behind for a moment changes
/// nothing, and one that was ahead for a moment does not keep a key for years.
fn held_since(
    tx: &Transaction<'_>,
    server: &Server,
    installation: Installation,
    made: Timestamp,
    now: Timestamp,
) -> Result<Timestamp> {
    let key = [server.as_str(), &installation.to_string()];
    let query = "SELECT behind FROM account WHERE server = ? AND installation = ?";
    let before: Option<i64> = tx.query_row(query, key, |row| row.get(0))?;
    let found = before.map(i64::cast_unsigned).filter(|it| *it <= now.0).unwrap_or(now.0);
    let behind = (now < made).then_some(found);
    let after = behind.map(u64::cast_signed);
    if after != before {
        let note = "UPDATE account SET behind = ? WHERE server = ? AND installation = ?";
        tx.execute(note, params![after, server.as_str(), installation.to_string()])?;
    }
    Ok(behind.map_or(made, Timestamp))
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
    tx.execute("INSERT INTO account VALUES (?, ?, ?, ?, ?, NULL, NULL, 0)", row)?;
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

    /// Day by day, by whatever clock; what the clock says, and whether something waits.
    fn renewals(days: &[(u64, bool)]) -> Vec<Renewal> {
        let mut store = in_memory();
        let home = arrive(&mut store, "a", "k");
        let mut all = Vec::new();
        keys(&mut store, &home, 1_000 * DAY);
        for (day, waits) in days {
            let before = keys(&mut store, &home, 0);
            let now = Timestamp(day * DAY);
            let step =
                |tx: &Transaction<'_>| renew(tx, &home.server, home.installation, now, *waits);
            let renewal = run(&mut store, step);
            let after = keys(&mut store, &home, 0);
            assert_eq!(after.account.curve(), before.account.curve(), "for life");
            let is_other = after.account.fallback() != before.account.fallback();
            assert_eq!(is_other, renewal == Renewal::Renewed);
            assert_eq!(after.number - before.number, u64::from(is_other));
            assert_eq!(after.time, if is_other { now } else { before.time });
            all.push(renewal);
        }
        all
    }

    const DAY: u64 = 24 * 60 * 60 * 1_000;

    #[test]
    fn others_begin_with_another_key_after_37_days_and_not_twice_within_them() {
        use Renewal::{NotDue, Renewed};
        let days = [1_000, 1_036, 1_037, 1_037, 1_073, 1_074].map(|day| (day, false));
        assert_eq!(renewals(&days), [NotDue, NotDue, Renewed, NotDue, NotDue, Renewed]);
    }

    #[test]
    fn a_key_stays_while_something_waits_but_not_for_more_than_37_days() {
        use Renewal::{NotDue, PutOff, Renewed};
        let days = [(1_036, true), (1_037, true), (1_073, true), (1_074, true), (1_110, true)];
        assert_eq!(renewals(&days), [NotDue, PutOff, PutOff, Renewed, NotDue]);
        assert_eq!(renewals(&[(1_050, true), (1_051, false)]), [PutOff, Renewed]);
    }

    #[test]
    fn a_wrong_clock_renews_a_key_once_and_never_keeps_it_for_years() {
        use Renewal::{NotDue, Renewed};
        let days = |days: &[u64]| days.iter().map(|day| (*day, false)).collect::<Vec<_>>();
        // It is years ahead, stays there for a while, and is right again.
        let ahead = days(&[9_000, 9_036, 1_001, 1_037, 1_038, 1_039, 1_075]);
        let found = [Renewed, NotDue, NotDue, NotDue, Renewed, NotDue, Renewed];
        assert_eq!(renewals(&ahead), found);
        // It begins at 1970 with each start of the machine.
        let flapping = days(&[0, 1_001, 0, 1_020, 0, 1_036, 0, 1_037, 0, 1_038, 0, 1_073]);
        let mut found = [NotDue; 12];
        found[7] = Renewed;
        assert_eq!(renewals(&flapping), found);
        // It went back, and stays there.
        let back = days(&[10, 46, 47, 83, 84]);
        assert_eq!(renewals(&back), [NotDue, NotDue, Renewed, NotDue, Renewed]);
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
