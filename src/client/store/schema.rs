//! The schema of the client's database, and the migrations of older ones.
//!
//! Owned by the `database`. A person's own archive should open in `sqlite3`: one table holds the whole transcript, and
//! counters, marks and receipts are all derived from it. Invariant: a new database begins with the oldest layout and
//! goes through the same migrations as an old one, so that there is one layout, whatever a store has been through.

use rusqlite::{Connection, Transaction};

use super::{merge, payload, search, servers, stock};
use crate::trust::Fingerprint;

type Result<T> = rusqlite::Result<T>;

/// Addresses of servers, each with a key that the server there may show.
type Known = [(String, Fingerprint)];

/// Brings a database from one layout to the next.
type Step = fn(&Transaction<'_>, &Known) -> Result<()>;

/// The oldest layout that can be brought up to date.
pub(super) const OLDEST: i64 = 5;

/// The migrations from each layout to the next, from [`OLDEST`] on. Released ones are never changed.
const STEPS: [Step; 5] = [to_6, to_7, to_8, to_9, to_10];

/// The `user_version` of today's layout.
pub(super) const NEWEST: i64 = OLDEST + STEPS.len() as i64;

/// Layout 5.
const LAYOUT: &str = "
    -- Whose folder this is.
    CREATE TABLE person (name TEXT NOT NULL) STRICT;

    -- The installation that new messages are numbered in. Each server, and each spelling of its
    -- address, has one of its own: none knows what was numbered for another.
    CREATE TABLE installation (server TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT;

    -- Every message, own ones and others', in the order in which they were written or came.
    CREATE TABLE message (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        own INTEGER NOT NULL CHECK (own IN (0, 1)),
        -- The sender's message id.
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        -- Milliseconds since 1970: when an own one was written, when another's reached the server.
        time INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body BLOB NOT NULL,
        -- Own: waiting, stored, delivered, expired. Others': received, shown.
        state TEXT NOT NULL
            CHECK (state IN ('waiting', 'stored', 'delivered', 'expired', 'received', 'shown')),
        -- Own: it may have been sent with this id. Told from numbers that a server knows and that
        -- were never sent from here, a folder learns that it is a copy.
        sent INTEGER NOT NULL DEFAULT 0 CHECK (sent IN (0, 1)),
        UNIQUE (server, peer, own, installation, n)
    ) STRICT;

    -- The keys with which a server knew those whom one talked to.
    CREATE TABLE contact (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- The base64 word of an OpenSSH public key line: the one that is trusted, and another one that
        -- the server has for the name since.
        key TEXT NOT NULL,
        offered TEXT,
        -- Milliseconds since 1970.
        since INTEGER NOT NULL,
        PRIMARY KEY (server, peer)
    ) STRICT;

    -- What people say to have seen of what was written to them in an installation.
    CREATE TABLE seen (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (server, peer, installation)
    ) STRICT;

    -- What was written for somebody beside the face, by a word that each makes up: who asks again, of another
    -- owner of this folder, is not written twice.
    CREATE TABLE asked (token TEXT PRIMARY KEY, message INTEGER NOT NULL) STRICT;

    -- Own files on their way to the server. What is there is in a message from then on.
    CREATE TABLE upload (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- Where it lies: the bytes of a path.
        path BLOB NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        -- When it was last written, in nanoseconds since 1970: what is sent has to be what was meant.
        modified INTEGER NOT NULL,
        caption TEXT,
        -- What somebody beside the face made up for it.
        token TEXT UNIQUE,
        -- What the server calls it, once it does.
        blob TEXT,
        state TEXT NOT NULL CHECK (state IN ('going', 'sent', 'failed', 'cancelled')),
        -- Why it failed.
        why TEXT,
        -- The message that tells of it, once it is sent.
        message INTEGER
    ) STRICT;

    -- Files that others tell of in their messages.
    CREATE TABLE file (
        message INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- What one calls it by, from 1 in each conversation.
        number INTEGER NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('offered', 'coming', 'here', 'failed', 'cancelled', 'gone')),
        why TEXT,
        -- The server knows that it need not keep it.
        dropped INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1)),
        UNIQUE (server, peer, number)
    ) STRICT;

    CREATE INDEX going ON upload (server, id) WHERE state = 'going';
    CREATE INDEX carried ON file (server, message) WHERE state = 'coming' OR dropped = 0;
    CREATE INDEX unsettled ON message (server, peer, installation, n)
        WHERE state IN ('waiting', 'stored');
    CREATE INDEX unshown ON message (server, peer, id) WHERE state = 'received';
    CREATE INDEX conversation ON message (server, peer, id);
";

/// Which layout a database has; 0 if it was never laid out.
pub(crate) fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Lays out an empty database.
pub(crate) fn lay_out(tx: &Transaction<'_>) -> Result<()> {
    tx.execute_batch(LAYOUT)?;
    tx.execute_batch(search::LAYOUT)?;
    tx.pragma_update(None, "user_version", OLDEST)?;
    bring_up_to_date(tx, &[])
}

/// Runs all migrations that a database has not had.
pub(super) fn bring_up_to_date(tx: &Transaction<'_>, known: &Known) -> Result<()> {
    take(tx, known, &STEPS)
}

fn take(tx: &Transaction<'_>, known: &Known, steps: &[Step]) -> Result<()> {
    let found = version(tx)?;
    for (from, step) in (OLDEST..).zip(steps).filter(|(from, _)| *from >= found) {
        step(tx, known)?;
        tx.pragma_update(None, "user_version", from + 1)?;
    }
    Ok(())
}

/// Rows belong to a server, which is its key, and no longer to an address.
fn to_6(tx: &Transaction<'_>, known: &Known) -> Result<()> {
    tx.execute_batch(
        "-- The server that was met at an address, by its key.
         CREATE TABLE address (address TEXT PRIMARY KEY, server TEXT NOT NULL) STRICT;

         -- Installations in which nothing new is numbered, and of which something is not final.
         CREATE TABLE former (
             server TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (server, id)
         ) STRICT;",
    )?;
    servers::adopt(tx, known)
}

/// Records for each file that others announce how much it counts.
fn to_7(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(
        "-- How many bytes it has, as its sender tells.
         ALTER TABLE file ADD COLUMN size INTEGER NOT NULL DEFAULT 0;

         -- It came by itself, and counts until its person frees it.
         ALTER TABLE file ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0 CHECK (unasked IN (0, 1));

         CREATE INDEX unasked ON file (server, peer, state, size, unasked) WHERE unasked = 1;",
    )?;
    stock::measure(tx)
}

/// Gives each message an origin, by which it is known under whatever number it comes, and lets it come back. What was
/// asked for under a former installation is sent anew.
fn to_8(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(
        "-- What it is called for life, and the hash of what it says.
         ALTER TABLE message ADD COLUMN origin BLOB NOT NULL DEFAULT x'';
         ALTER TABLE message ADD COLUMN hash BLOB NOT NULL DEFAULT x'';

         -- How often an own one came back since the last start.
         ALTER TABLE message ADD COLUMN bounces INTEGER NOT NULL DEFAULT 0;

         -- Numbers with which something was sent that came back and has another one now.
         CREATE TABLE bounced (
             server TEXT NOT NULL,
             peer TEXT NOT NULL,
             installation TEXT NOT NULL,
             n INTEGER NOT NULL,
             message INTEGER NOT NULL,
             PRIMARY KEY (server, peer, installation, n)
         ) STRICT;

         CREATE INDEX received ON message (origin) WHERE own = 0;",
    )?;
    payload::measure(tx)?;
    merge::leave_formers(tx)?;
    tx.execute_batch("DROP TABLE former")
}

/// Keeps the lists of devices that are believed. Has what comes looked up by its hash, too: whoever writes chooses the
/// origin, and may choose the same for all.
fn to_9(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(
        "-- The newest list of devices that is believed of each name, also of one's own; and another one that the server
         -- shows for it.
         CREATE TABLE devices (
             server TEXT NOT NULL,
             name TEXT NOT NULL,
             offered INTEGER NOT NULL CHECK (offered IN (0, 1)),
             -- 0: none. Then there is no hash, and the statement is empty.
             version INTEGER NOT NULL,
             -- Of its text, as SHA256: and base64.
             hash TEXT NOT NULL,
             -- The text and its signature.
             statement BLOB NOT NULL,
             PRIMARY KEY (server, name, offered)
         ) STRICT;

         DROP INDEX received;
         CREATE INDEX received ON message (origin, hash) WHERE own = 0;",
    )
}

/// Keeps what messages are sealed and opened with.
fn to_10(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(
        "-- An Olm account for each server and installation, as JSON; and the number and the time of its prekey.
         CREATE TABLE account (
             server TEXT NOT NULL,
             installation TEXT NOT NULL,
             pickle TEXT NOT NULL,
             number INTEGER NOT NULL,
             -- Milliseconds since 1970.
             time INTEGER NOT NULL,
             PRIMARY KEY (server, installation)
         ) STRICT;

         -- Olm sessions with devices of others, of each conversation its own.
         CREATE TABLE session (
             server TEXT NOT NULL,
             peer TEXT NOT NULL,
             -- The peer's device.
             installation TEXT NOT NULL,
             -- What both ends call it.
             id TEXT NOT NULL,
             -- As JSON.
             pickle TEXT NOT NULL,
             -- It was begun since the last start, so no copy of this folder has used its keys.
             sends INTEGER NOT NULL CHECK (sends IN (0, 1)),
             -- Ascends: the one that has the highest was begun last, or something was opened in it since.
             taken INTEGER NOT NULL,
             -- How many messages were sealed in it since something was opened in it, and when the first of them was.
             -- Milliseconds since 1970.
             unanswered INTEGER NOT NULL,
             since INTEGER NOT NULL,
             PRIMARY KEY (server, peer, installation, id)
         ) STRICT;

         -- Own messages as they were sealed, until their fate is final.
         CREATE TABLE sealed (
             message INTEGER PRIMARY KEY,
             -- For which number the envelopes are; 0: they are to be made anew.
             installation TEXT NOT NULL,
             n INTEGER NOT NULL,
             -- What the payload was sealed with.
             key BLOB NOT NULL,
             -- The payload and the envelopes.
             body BLOB NOT NULL
         ) STRICT;

         CREATE TRIGGER final AFTER UPDATE OF state ON message
             WHEN new.state IN ('delivered', 'expired')
         BEGIN
             DELETE FROM sealed WHERE message = new.id;
         END;

         CREATE TRIGGER dropped AFTER DELETE ON message
         BEGIN
             DELETE FROM sealed WHERE message = old.id;
         END;

         -- It travelled sealed.
         ALTER TABLE message ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0 CHECK (sealed IN (0, 1));",
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::database::{StoreError, bring_up_to_date};
    use super::super::thread::Store;
    use super::*;
    use crate::client::config::Config;
    use crate::trust::known_servers::KnownServers;

    /// A store that the program of layout 5 wrote; see there.
    const LAYOUT_5: &str = include_str!("../../../tests/layouts/client-5.sql");

    /// The servers that it knew.
    const KNOWN_5: &str = include_str!("../../../tests/layouts/client-5.known_servers");

    /// A store that the program of layout 8 wrote; see there.
    const LAYOUT_8: &str = include_str!("../../../tests/layouts/client-8.sql");

    /// What layout 8 knows of a message.
    const MESSAGES_8: &str = "
        SELECT id, server, peer, own, installation, n, time, kind, body, state, sent, origin, hash, bounces
        FROM message";

    /// The data folder of the program of layout 5.
    fn folder() -> tempfile::TempDir {
        let folder = folder_with(LAYOUT_5);
        fs::write(folder.path().join("known_servers"), KNOWN_5).unwrap();
        folder
    }

    fn folder_with(store: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("messages.db")).unwrap();
        connection.execute_batch(store).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        folder
    }

    /// What the program of layout 9 made of the one of layout 8, with a list of devices.
    fn folder_of_layout_9() -> tempfile::TempDir {
        let folder = folder_with(LAYOUT_8);
        let mut connection = Connection::open(folder.path().join("messages.db")).unwrap();
        let tx = connection.transaction().unwrap();
        take(&tx, &[], &STEPS[..4]).unwrap();
        let list = "INSERT INTO devices VALUES ('localhost', 'marie', 0, 1, '-', x'61')";
        tx.execute(list, ()).unwrap();
        tx.commit().unwrap();
        folder
    }

    fn open(folder: &Path) -> std::result::Result<(), StoreError> {
        let known_servers = KnownServers::new(folder.join("known_servers"));
        let server = "localhost:7101".parse().unwrap();
        let config = Config::new(server, "john".parse().unwrap(), folder.into());
        let (store, _) = Store::open(&folder.join("messages.db"), &config, &known_servers)?;
        async_std::task::block_on(store.close());
        Ok(())
    }

    /// Everything that stands in a table, as text.
    fn rows(folder: &Path, query: &str) -> Vec<String> {
        let connection = Connection::open(folder.join("messages.db")).unwrap();
        let mut query = connection.prepare(query).unwrap();
        let columns = query.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let value = |column| row.get_unwrap::<_, rusqlite::types::Value>(column);
            Ok((0..columns).map(|column| format!("{:?}", value(column))).collect())
        };
        query.query_map((), row).unwrap().map(Result::unwrap).collect()
    }

    fn schema(folder: &Path) -> Vec<String> {
        rows(folder, "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")
    }

    #[test]
    fn a_store_of_layout_5_is_brought_up_to_date_with_all_that_is_in_it() {
        let folder = folder();
        let everything = [
            "SELECT * FROM person",
            "SELECT id, peer, own, time, kind, body FROM message",
            // The rest of what one wrote is sent anew where it was sent under another installation.
            "SELECT id, state, sent FROM message WHERE own = 0 OR state IN ('delivered', 'expired')",
            "SELECT DISTINCT peer, key, offered FROM contact",
            "SELECT peer, installation, n FROM seen",
            "SELECT * FROM asked",
            "SELECT id, peer, path, name, type, size, modified, caption, token, blob, state, why, message FROM upload",
            "SELECT message, peer, number, state, why, dropped FROM file",
        ];
        let read = || everything.map(|query| rows(folder.path(), query));
        let before = read();
        assert!(before.iter().all(|rows| !rows.is_empty()), "{before:?}");
        open(folder.path()).unwrap();
        assert_eq!(rows(folder.path(), "PRAGMA user_version"), [format!("Integer({NEWEST})")]);
        assert_eq!(read(), before);
        // Each file has the size that its message tells.
        let sizes = "SELECT size FROM file JOIN message ON message.id = file.message
                     WHERE size <> json_extract(CAST(body AS TEXT), '$.size') OR unasked";
        assert_eq!(rows(folder.path(), sizes), [""; 0]);
        // Each message that others may know is called by the id that it had; each has its hash.
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(LAYOUT_5).unwrap();
        let ids = "SELECT id || ' ' || upper(installation || printf('%016x', n)) FROM message
                   WHERE own = 0 OR sent = 1";
        let ids: Vec<String> = connection
            .prepare(ids)
            .and_then(|mut query| query.query_map((), |row| row.get(0))?.collect())
            .unwrap();
        let origins = rows(folder.path(), "SELECT id || ' ' || hex(origin) FROM message");
        assert!(ids.iter().all(|id| origins.contains(&format!("Text({id:?})"))), "{origins:?}");
        let unhashed = "SELECT id FROM message WHERE length(hash) <> 32";
        assert_eq!(rows(folder.path(), unhashed), [""; 0]);
        // Of the two servers the one was known at two addresses.
        let distinct = "SELECT count(DISTINCT server), sum(server LIKE 'SHA256:%') FROM message";
        assert_eq!(rows(folder.path(), distinct), ["Integer(2)Integer(11)"]);
        let after = schema(folder.path());
        open(folder.path()).unwrap();
        assert_eq!((read(), schema(folder.path())), (before, after), "once is enough");
    }

    #[test]
    fn a_store_of_layout_8_keeps_all_that_is_in_it() {
        let folder = folder_with(LAYOUT_8);
        let read = || {
            let tables = "person installation contact seen asked upload file bounced address";
            let all = tables.split(' ').map(|table| format!("SELECT * FROM {table}"));
            let queries = all.chain([MESSAGES_8.to_owned()]);
            queries.map(|query| rows(folder.path(), &query)).collect::<Vec<_>>()
        };
        let before = read();
        assert!(before.iter().all(|rows| !rows.is_empty()), "{before:?}");
        // What a start does with what came back is another matter.
        let path = folder.path().join("messages.db");
        let known_servers = KnownServers::new(folder.path().join("known_servers"));
        let mut connection = Connection::open(&path).unwrap();
        bring_up_to_date(&mut connection, &path, &known_servers).unwrap();
        assert_eq!(version(&connection).unwrap(), NEWEST);
        assert_eq!(read(), before);
        assert_eq!(rows(folder.path(), "SELECT * FROM devices"), [""; 0]);
    }

    #[test]
    fn a_store_of_layout_9_keeps_its_lists_of_devices() {
        let folder = folder_of_layout_9();
        assert_eq!(rows(folder.path(), "PRAGMA user_version"), ["Integer(9)"]);
        let read = || ["SELECT * FROM devices", MESSAGES_8].map(|it| rows(folder.path(), it));
        let before = read();
        assert!(before.iter().all(|rows| !rows.is_empty()), "{before:?}");
        let path = folder.path().join("messages.db");
        let known_servers = KnownServers::new(folder.path().join("known_servers"));
        let mut connection = Connection::open(&path).unwrap();
        bring_up_to_date(&mut connection, &path, &known_servers).unwrap();
        assert_eq!(version(&connection).unwrap(), NEWEST);
        assert_eq!(read(), before);
        for table in ["account", "session", "sealed"] {
            assert_eq!(rows(folder.path(), &format!("SELECT * FROM {table}")), [""; 0]);
        }
        let sealed = rows(folder.path(), "SELECT DISTINCT sealed FROM message");
        assert_eq!(sealed, ["Integer(0)"], "what came before was not");
    }

    #[test]
    fn an_old_store_becomes_what_a_new_one_is() {
        let new = tempfile::tempdir().unwrap();
        open(new.path()).unwrap();
        for old in [folder(), folder_with(LAYOUT_8), folder_of_layout_9()] {
            open(old.path()).unwrap();
            assert_eq!(schema(old.path()), schema(new.path()));
        }
    }

    #[test]
    fn a_kill_in_the_middle_leaves_the_old_layout() {
        let (folder, copy) = (folder(), tempfile::tempdir().unwrap());
        let mut connection = Connection::open(folder.path().join("messages.db")).unwrap();
        // What does not fit into SQLite's memory is in its log before it is committed.
        connection.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1").unwrap();
        let tx = connection.transaction().unwrap();
        super::bring_up_to_date(&tx, &[]).unwrap();
        for file in ["messages.db", "messages.db-wal", "known_servers"] {
            fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
        }
        assert_eq!(rows(copy.path(), "PRAGMA user_version"), ["Integer(5)"]);
        open(copy.path()).unwrap();
        assert_eq!(rows(copy.path(), "PRAGMA user_version"), [format!("Integer({NEWEST})")]);
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_layout() {
        let folder = folder();
        let fail: Step = |_, _| Err(rusqlite::Error::InvalidQuery);
        let mut connection = Connection::open(folder.path().join("messages.db")).unwrap();
        let tx = connection.transaction().unwrap();
        take(&tx, &[], &[STEPS.as_slice(), &[fail]].concat()).unwrap_err();
        drop(tx);
        assert_eq!(rows(folder.path(), "PRAGMA user_version"), ["Integer(5)"]);
    }

    #[test]
    fn other_layouts_are_refused_by_their_numbers() {
        let folder = folder();
        let path = folder.path().join("messages.db");
        let mut connection = Connection::open(&path).unwrap();
        let known_servers = KnownServers::new(folder.path().join("known_servers"));
        for (found, says) in [(NEWEST + 1, "a newer one has used it"), (OLDEST - 1, "move it away")]
        {
            connection.pragma_update(None, "user_version", found).unwrap();
            let error = bring_up_to_date(&mut connection, &path, &known_servers).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(&format!("has layout {found},")), "{error}");
            assert!(error.contains(says), "{error}");
            assert_eq!(version(&connection).unwrap(), found);
        }
    }
}
