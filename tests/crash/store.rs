//! What lies in somebody's data folder.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, Row};

/// The files of a database that is not in use. The third one, the index of the second, is made
/// anew.
const FILES: [&str; 2] = ["messages.db", "messages.db-wal"];

/// One message in it.
pub(crate) struct Entry {
    /// With whom.
    pub(crate) peer: String,
    /// Written by its owner.
    pub(crate) own: bool,
    /// Its number.
    pub(crate) n: u64,
    pub(crate) text: String,
    pub(crate) state: String,
}

/// All of it, oldest first. It reads a copy: mending what a kill left is the client's own task.
pub(crate) fn read(data: &Path) -> Vec<Entry> {
    let copy = tempfile::tempdir().unwrap();
    for file in FILES.into_iter().filter(|file| data.join(file).exists()) {
        fs::copy(data.join(file), copy.path().join(file)).unwrap();
    }
    let database = Connection::open(copy.path().join(FILES[0])).unwrap();
    // A client that is killed in its first moment has made no table.
    let made: u32 = database
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'message'", (), |row| {
            row.get(0)
        })
        .unwrap();
    if made == 0 {
        return Vec::new();
    }
    let mut query =
        database.prepare("SELECT peer, own, n, body, state FROM message ORDER BY id").unwrap();
    query.query_map((), entry).unwrap().map(Result::unwrap).collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let n: i64 = row.get(2)?;
    let body: Vec<u8> = row.get(3)?;
    Ok(Entry {
        peer: row.get(0)?,
        own: row.get(1)?,
        n: n.cast_unsigned(),
        text: String::from_utf8(body).expect("only text was sent"),
        state: row.get(4)?,
    })
}

/// The texts to or from somebody.
pub(crate) fn texts(entries: &[Entry], own: bool, peer: &str) -> Vec<String> {
    let of = entries.iter().filter(|entry| entry.own == own && entry.peer == peer);
    of.map(|entry| entry.text.clone()).collect()
}
