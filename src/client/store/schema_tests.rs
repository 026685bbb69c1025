//! Older layouts are brought up to date.

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

/// What it knows of an upload.
const UPLOADS_8: &str = "
    SELECT id, server, peer, path, name, type, size, modified, caption, token, blob, state, why, message
    FROM upload";

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
        let tables = "person installation contact seen asked file bounced address";
        let all = tables.split(' ').map(|table| format!("SELECT * FROM {table}"));
        let queries = all.chain([MESSAGES_8, UPLOADS_8].map(str::to_owned));
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
    let seeds = "SELECT id FROM upload WHERE seed IS NOT NULL OR hash IS NOT NULL";
    assert_eq!(rows(folder.path(), seeds), [""; 0], "nothing that is on its way is sealed");
    let sealed = rows(folder.path(), "SELECT DISTINCT sealed FROM message");
    assert_eq!(sealed, ["Integer(0)"], "what came and went before was not, nor may what waits be");
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
    for (found, says) in [(NEWEST + 1, "a newer one has used it"), (OLDEST - 1, "move it away")] {
        connection.pragma_update(None, "user_version", found).unwrap();
        let error = bring_up_to_date(&mut connection, &path, &known_servers).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(&format!("has layout {found},")), "{error}");
        assert!(error.contains(says), "{error}");
        assert_eq!(version(&connection).unwrap(), found);
    }
}
