//! What lies in somebody's data folder.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, Row};

/// What a message is called for life.
pub(crate) type Origin = [u8; 16];

/// An installation, and what a message is numbered there.
pub(crate) type Number = (String, u64);

/// The files of a database that is not in use. The third one, the index of the second, is made
/// anew.
const FILES: [&str; 2] = ["messages.db", "messages.db-wal"];

/// All of it that matters here.
#[derive(Default)]
pub(crate) struct Stored {
    /// Oldest first.
    pub(crate) messages: Vec<Entry>,
    /// In which it numbers what is written.
    pub(crate) installation: Option<String>,
    /// Messages that came back, and the numbers that they had then.
    pub(crate) bounced: Vec<(Origin, Number)>,
    /// The lists of devices that are believed, by their owners' names.
    pub(crate) lists: HashMap<String, String>,
}

/// One message in it.
#[derive(Clone)]
pub(crate) struct Entry {
    /// With whom.
    pub(crate) peer: String,
    /// Written by its owner.
    pub(crate) own: bool,
    pub(crate) number: Number,
    pub(crate) origin: Origin,
    pub(crate) text: String,
    pub(crate) state: String,
}

/// Reads the folder of somebody who is away. It reads a copy: mending what a kill left is the client's own task.
pub(crate) fn read(data: &Path) -> Stored {
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
        return Stored::default();
    }
    let messages =
        "SELECT peer, own, body, state, origin, installation, n FROM message ORDER BY id";
    let bounced = "SELECT origin, bounced.installation, bounced.n
                   FROM bounced JOIN message ON message.id = bounced.message";
    let lists = "SELECT name, statement FROM devices WHERE offered = 0";
    let mut installations = all(&database, "SELECT id FROM installation", |row| row.get(0));
    assert!(installations.len() < 2, "one server was talked to");
    Stored {
        messages: all(&database, messages, entry),
        installation: installations.pop(),
        bounced: all(&database, bounced, |row| Ok((row.get(0)?, number(row, 1)?))),
        lists: all(&database, lists, |row| Ok((row.get::<_, String>(0)?, text(row, 1)?)))
            .into_iter()
            .collect(),
    }
}

fn all<T>(
    database: &Connection,
    query: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    database.prepare(query).unwrap().query_map((), read).unwrap().map(Result::unwrap).collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        peer: row.get(0)?,
        own: row.get(1)?,
        text: text(row, 2)?,
        state: row.get(3)?,
        origin: row.get(4)?,
        number: number(row, 5)?,
    })
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8(row.get(column)?).expect("only text was sent, and lists are text"))
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<Number> {
    Ok((row.get(column)?, row.get::<_, i64>(column + 1)?.cast_unsigned()))
}

/// The texts to or from somebody.
pub(crate) fn texts(entries: &[Entry], own: bool, peer: &str) -> Vec<String> {
    let of = entries.iter().filter(|entry| entry.own == own && entry.peer == peer);
    of.map(|entry| entry.text.clone()).collect()
}
