//! Everything that a person wrote and received, read from the data folder without a server and
//! beside a running client.
//!
//! Owned by whoever reads it. It changes nothing in the store and takes no lock of the folder, except to bring an older
//! layout up to date. If no client runs, SQLite leaves two files, which the next client removes: a reader cannot know
//! whether a client starts meanwhile, and must not miss its changes. Invariant: no transaction is open while the caller
//! looks at what was read, or the client's log could not shrink.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use thiserror::Error;

use super::database::{self, StoreError};
use super::rows::{self, Listed, Passage};
use super::schema::{self, NEWEST};
use super::search::Query;
use super::{files, info};
use crate::client::config::Address;
use crate::folder::{Folder, FolderError};
use crate::message::{Kind, Name, Timestamp};
use crate::trust::known_servers::KnownServers;

/// How many messages are read at once.
const ROWS: u32 = 256;

/// How many people are listed.
const PEOPLE: u32 = 1_000;

/// Which messages are wanted; by default all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those exchanged with somebody.
    pub with: Option<Name>,
    /// Only those that went through a server.
    pub server: Option<Address>,
    /// Only those of this time or later.
    pub since: Option<Timestamp>,
    /// Only those that have these words.
    pub words: Option<Query>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was written here, or when another's reached the server.
    pub time: Timestamp,
    /// Who wrote it.
    pub from: Name,
    /// To whom.
    pub to: Name,
    /// What it is.
    pub kind: Kind,
    /// What was written, if that is known of its kind. Data from others: not to be shown as it is.
    pub text: String,
    /// The file that it tells of.
    pub file: Option<Listed>,
    /// Own: `waiting`, `stored`, `delivered` or `expired`. Others': `received`.
    pub state: String,
    /// How it went.
    pub passage: Passage,
    /// When another's was written, as its writer says, if that is quite another time.
    pub written: Option<Timestamp>,
}

/// Why there is nothing to read. Made to be read by the folder's owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum TranscriptError {
    #[error("{user} has written and received nothing here: there is no {}", path.display())]
    Nothing { user: Name, path: PathBuf },
    #[error("the data folder belongs to {owner}; choose another with --data")]
    OtherPerson { owner: String },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: rusqlite::Error },
}

/// Visits a person's messages, oldest first: in the order in which they were written or came. Ends
/// early when `visit` fails, with its result.
pub fn read<E>(
    data: &Path,
    user: &Name,
    filter: &Filter,
    mut visit: impl FnMut(Entry) -> Result<(), E>,
) -> Result<Result<(), E>, TranscriptError> {
    let path = data.join("messages.db");
    let nothing = || TranscriptError::Nothing { user: user.clone(), path: path.clone() };
    if !path.exists() {
        return Err(nothing());
    }
    let unreadable = |cause| TranscriptError::Unreadable { path: path.clone(), cause };
    let connection = open(&path).map_err(unreadable)?;
    if schema::version(&connection).map_err(unreadable)? != NEWEST {
        bring_up_to_date(data, &path)?;
    }
    let owner = owner(&connection).map_err(unreadable)?.ok_or_else(nothing)?;
    if owner != user.as_str() {
        return Err(TranscriptError::OtherPerson { owner });
    }
    let each = |entry| visit(entry);
    visit_rows(&connection, user, filter, each).map_err(unreadable)
}

/// With whom a person talked, the most recent first; nobody if there is nothing to read.
pub fn people(data: &Path) -> Vec<String> {
    let listed = || {
        let connection = open(&data.join("messages.db"))?;
        let mut rows = connection
            .prepare("SELECT peer FROM message GROUP BY peer ORDER BY max(id) DESC LIMIT ?1")?;
        rows.query_map([PEOPLE], |row| row.get(0))?.collect::<rusqlite::Result<_>>()
    };
    listed().unwrap_or_default()
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let log = path.with_extension("db-wal").metadata();
    match schema::version(&connection) {
        Err(_) if log.map_or(0, |log| log.len()) == 0 => open_as_it_is(path),
        _ => Ok(connection),
    }
}

/// For a disk that cannot be written at all, not even the readers' shared memory. Nobody writes there.
fn open_as_it_is(path: &Path) -> rusqlite::Result<Connection> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    let bytes = path.as_os_str().as_bytes().iter();
    let encoded: String = bytes
        .map(|byte| if plain(byte) { char::from(*byte).into() } else { format!("%{byte:02x}") })
        .collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{encoded}?immutable=1"), flags)
}

/// The only change that a reader makes, unless somebody uses the folder.
fn bring_up_to_date(data: &Path, path: &Path) -> Result<(), TranscriptError> {
    let folder = Folder::open(data)?;
    let unreadable = |cause| TranscriptError::Unreadable { path: path.into(), cause };
    let mut connection = Connection::open(path).map_err(unreadable)?;
    let known_servers = KnownServers::new(folder.file("known_servers"));
    Ok(database::bring_up_to_date(&mut connection, path, &known_servers)?)
}

fn owner(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT name FROM person", (), |row| row.get(0)).optional()
}

fn visit_rows<E>(
    connection: &Connection,
    user: &Name,
    filter: &Filter,
    mut visit: impl FnMut(Entry) -> Result<(), E>,
) -> rusqlite::Result<Result<(), E>> {
    let mut above = 0;
    loop {
        let rows = rows(connection, user, filter, above)?;
        let Some((last, _)) = rows.last() else { return Ok(Ok(())) };
        above = *last;
        for (_, entry) in rows {
            if filter.words.as_ref().is_some_and(|words| !words.fits(&entry.text)) {
                continue;
            }
            if let Err(error) = visit(entry) {
                return Ok(Err(error));
            }
        }
    }
}

/// The next messages above an id, each with its own.
fn rows(
    connection: &Connection,
    user: &Name,
    filter: &Filter,
    above: i64,
) -> rusqlite::Result<Vec<(i64, Entry)>> {
    let mut query = connection.prepare_cached(
        "SELECT own, message.peer, time, body, message.state, id, kind, number, file.state, why,
                sealed, written
         FROM message LEFT JOIN file ON file.message = message.id
         WHERE id > ?3 AND (?1 IS NULL OR message.peer = ?1)
               AND (?2 IS NULL OR message.server = ?2
                    OR message.server = (SELECT server FROM address WHERE address = ?2))
               AND time >= ?5
         ORDER BY id LIMIT ?4",
    )?;
    let with = filter.with.as_ref().map(Name::as_str);
    let server = filter.server.as_ref().map(Address::as_str);
    let since = filter.since.map_or(i64::MIN, |since| since.0.cast_signed());
    let rows = query.query_map(params![with, server, above, ROWS, since], |row| {
        Ok((row.get(5)?, entry(row, user)?))
    })?;
    rows.collect()
}

fn entry(row: &Row<'_>, user: &Name) -> rusqlite::Result<Entry> {
    let own: bool = row.get(0)?;
    let peer: String = row.get(1)?;
    let peer: Name = peer.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
    let time: i64 = row.get(2)?;
    let body: Vec<u8> = row.get(3)?;
    let state: String = row.get(4)?;
    let kind: String = row.get(6)?;
    let kind: Kind = kind.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
    let received = files::received(row, 7)?;
    let (from, to) = if own { (user.clone(), peer) } else { (peer, user.clone()) };
    Ok(Entry {
        time: Timestamp(time.cast_unsigned()),
        from,
        to,
        text: info::words(&kind, &body).into_owned(),
        file: Listed::of(&kind, &body, received.as_ref()),
        kind,
        // Whether it was shown concerns the face alone.
        state: if own { state } else { "received".into() },
        passage: Passage::of(row.get(10)?),
        written: rows::written(row, 11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::thread::Store;
    use super::*;
    use crate::client::config::Config;

    #[test]
    fn a_slow_reader_does_not_keep_the_log_from_shrinking() {
        const MANY: usize = ROWS as usize * 2 + 1;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let john: Name = "john".parse().unwrap();
        let known_servers = KnownServers::new(folder.path().join("known_servers"));
        let config = Config::new("localhost".parse().unwrap(), john.clone(), folder.path().into());
        let (store, _) = Store::open(&path, &config, &known_servers).unwrap();
        let beside = Connection::open(&path).unwrap();
        beside.busy_timeout(Duration::ZERO).unwrap();
        let write = |n: usize| {
            let row =
                "INSERT INTO message (server, peer, own, installation, n, time, kind, body, state)
                       VALUES ('localhost:7878', 'marie', 0, 'i', ?, 0, 'text', ?, 'received')";
            beside.execute(row, params![n.cast_signed(), n.to_string().as_bytes()]).unwrap();
        };
        beside.execute_batch("BEGIN").unwrap();
        (1..=MANY).for_each(write);
        beside.execute_batch("COMMIT").unwrap();

        let mut seen: Vec<usize> = Vec::new();
        let visited = read(folder.path(), &john, &Filter::default(), |entry| {
            seen.push(entry.text.parse().unwrap());
            if seen.len() < 5 {
                write(MANY + seen.len());
                let shrink = "PRAGMA wal_checkpoint(TRUNCATE)";
                let busy: bool = beside.query_row(shrink, (), |row| row.get(0)).unwrap();
                assert!(!busy, "at {}", entry.text);
            }
            Ok::<_, ()>(())
        });
        visited.unwrap().unwrap();
        assert_eq!(seen, (1..=MANY + 4).collect::<Vec<_>>(), "each once, in order");
        drop(store);
    }

    #[test]
    fn a_store_that_was_never_used_or_is_too_new_is_told_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let john: Name = "john".parse().unwrap();
        let told = || {
            let ignore = |_| Ok::<_, ()>(());
            read(folder.path(), &john, &Filter::default(), ignore).unwrap_err().to_string()
        };
        std::fs::write(&path, "").unwrap();
        assert!(told().contains("is empty: it was damaged"), "{}", told());
        let store = Connection::open(&path).unwrap();
        store.execute_batch("CREATE TABLE person (name TEXT)").unwrap();
        store.pragma_update(None, "user_version", NEWEST).unwrap();
        assert!(told().contains("received nothing here"), "{}", told());
        store.pragma_update(None, "user_version", NEWEST + 1).unwrap();
        assert!(told().contains("a newer one has used it"), "{}", told());
    }
}
