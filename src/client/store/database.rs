//! The database's file: found or made, brought up to date, and assigned to a person.
//!
//! Owned by the `thread` that opens it; `transcript` reads it concurrently. Invariant: a new file gets its name only
//! once it is laid out, and an older one is brought up to date wholly or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};
use thiserror::Error;

use super::aside::Aside;
use super::sealed::sessions;
use super::servers::{self, Home};
use super::{bounced, history, schema, search};
use crate::client::config::Config;
use crate::folder::FolderError;
use crate::message::Name;
use crate::trust::known_servers::{KnownServers, KnownServersError};

/// The longest path of a data folder, in bytes: SQLite takes no more than 511 of a file's.
pub(super) const LONGEST: usize = 511 - "/messages.db.new-journal".len();

/// How long another process may use the database meanwhile.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Why there is no store, or why it failed. Made to be read by its owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum StoreError {
    #[error("cannot use the message store {}: {cause}", path.display())]
    Open { path: PathBuf, cause: rusqlite::Error },
    #[error("cannot open the message store {}: {cause}", path.display())]
    Make { path: PathBuf, cause: io::Error },
    #[error(
        "the message store {} is empty: it was damaged, for none is ever made so. Put it back from a copy; or remove it to begin with an empty history: what waits on the server still comes, what was not sent yet is gone", path.display()
    )]
    Empty { path: PathBuf },
    #[error(
        "the message store {} is gone, and its log {} is there. Put it back from a copy; or remove the log, too, to begin with an empty history", path.display(), log.display()
    )]
    LogAlone { path: PathBuf, log: PathBuf },
    #[error(
        "the message store {} has layout {found}, and this program knows up to {newest}: a newer one has used it. Start that one, or choose another folder with --data; nothing was changed", path.display()
    )]
    Newer { path: PathBuf, found: i64, newest: i64 },
    #[error(
        "the message store {} has layout {found}, and this program brings layouts from {oldest} on up to date. The program that made it can still read it; to begin anew, move it away or choose another folder with --data", path.display()
    )]
    Older { path: PathBuf, found: i64, oldest: i64 },
    #[error(
        "the message store {} could not be brought up to date: {cause}; it was left as it is", path.display()
    )]
    Upgrade { path: PathBuf, cause: rusqlite::Error },
    #[error(transparent)]
    KnownServers(#[from] KnownServersError),
    #[error("this data folder belongs to {owner}; choose another with --data")]
    OtherPerson { owner: String },
    #[error("{0}")]
    Failed(#[from] rusqlite::Error),
    #[error("the store's thread is gone")]
    Gone,
}

impl StoreError {
    /// Whether the file is damaged. An index that lost its beginning violates a constraint.
    pub(crate) fn is_damage(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        let code = error.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation))
    }

    /// Whether the disk has no room.
    pub(crate) fn is_full(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        error.sqlite_error_code() == Some(ErrorCode::DiskFull)
    }
}

/// Whether a store can be opened in a folder with this path.
pub(crate) fn fits(data: &Path) -> Result<(), FolderError> {
    let length = absolute(data).map_or(0, |path| path.as_os_str().len());
    let because =
        || format!("its path has {length} bytes, and a message store's at most {LONGEST}");
    let too_long = || FolderError::Unusable { path: data.into(), because: because() };
    if length > LONGEST { Err(too_long()) } else { Ok(()) }
}

/// Opens the database of a person, or makes it. Also returns the file for a full disk, and where its person is.
pub(super) fn open(
    path: &Path,
    config: &Config,
    known_servers: &KnownServers,
) -> Result<(Connection, Aside, Home), StoreError> {
    let failed = |cause| StoreError::Open { path: path.into(), cause };
    make_if_missing(path)?;
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    // What is deleted leaves nothing behind: keys that opened something, above all.
    connection.pragma_update(None, "secure_delete", "ON").map_err(failed)?;
    bring_up_to_date(&mut connection, path, known_servers)?;
    belong_to(&mut connection, &config.user)?;
    transact(&mut connection, search::renew).map_err(failed)?;
    transact(&mut connection, bounced::forgive).map_err(failed)?;
    transact(&mut connection, sessions::leave_all).map_err(failed)?;
    let aside = Aside::keep(path.parent().unwrap_or(Path::new(".")));
    note_aside(&mut connection, &aside)?;
    let home = enter(&mut connection, config, known_servers)?;
    Ok((connection, aside, home))
}

/// Brings an older layout up to date, all of it or nothing.
pub(super) fn bring_up_to_date(
    connection: &mut Connection,
    path: &Path,
    known_servers: &KnownServers,
) -> Result<(), StoreError> {
    let (newest, oldest) = (schema::NEWEST, schema::OLDEST);
    let cannot = |cause| StoreError::Upgrade { path: path.into(), cause };
    match schema::version(connection).map_err(cannot)? {
        0 => Err(StoreError::Empty { path: path.into() }),
        found if found > newest => Err(StoreError::Newer { path: path.into(), found, newest }),
        found if found < oldest => Err(StoreError::Older { path: path.into(), found, oldest }),
        found if found == newest => Ok(()),
        _ => {
            let known = known_servers.all()?;
            transact(connection, |tx| schema::bring_up_to_date(tx, &known)).map_err(cannot)
        }
    }
}

/// Runs work as one transaction.
pub(super) fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

/// A database is laid out before it gets its name, so an empty one was not made here.
fn make_if_missing(path: &Path) -> Result<(), StoreError> {
    let not_made = |cause| StoreError::Make { path: path.into(), cause };
    match path.metadata() {
        Ok(metadata) if metadata.len() == 0 => return Err(StoreError::Empty { path: path.into() }),
        Ok(_) => return Ok(()),
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(not_made(cause)),
        Err(_) => {}
    }
    let log = path.with_extension("db-wal");
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        return Err(StoreError::LogAlone { path: path.into(), log });
    }
    let fresh = path.with_extension("db.new");
    // What a crash left.
    match fs::remove_file(&fresh) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(not_made(cause)),
        _ => {}
    }
    // SQLite gives its other files the same mode.
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(&fresh).map_err(not_made)?;
    make(&fresh).map_err(|cause| StoreError::Open { path: path.into(), cause })?;
    put_in_place(&fresh, path).map_err(not_made)
}

fn make(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    transact(&mut connection, schema::lay_out)?;
    connection.close().map_err(|(_, error)| error)
}

fn put_in_place(fresh: &Path, path: &Path) -> io::Result<()> {
    fs::rename(fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Records what was shown while there was no room to do so.
fn note_aside(connection: &mut Connection, aside: &Aside) -> Result<(), StoreError> {
    // If it cannot be read, nothing was put there.
    let ids = aside.ids().unwrap_or_default();
    if !ids.is_empty() {
        transact(connection, |tx| history::mark_shown(tx, &ids))?;
        // Recording is idempotent.
        let _ = aside.clear();
    }
    Ok(())
}

fn belong_to(connection: &mut Connection, person: &Name) -> Result<(), StoreError> {
    let owner: String = transact(connection, |tx| {
        let found = tx.query_row("SELECT name FROM person", (), |row| row.get(0)).optional()?;
        if let Some(owner) = found {
            return Ok(owner);
        }
        tx.execute("INSERT INTO person VALUES (?)", [person.as_str()])?;
        Ok(person.to_string())
    })?;
    if owner == person.as_str() { Ok(()) } else { Err(StoreError::OtherPerson { owner }) }
}

/// What is known without having asked the server.
fn enter(
    connection: &mut Connection,
    config: &Config,
    known_servers: &KnownServers,
) -> rusqlite::Result<Home> {
    let Config { server, fingerprint, tls, .. } = config;
    // Whatever is wrong with the file is reported before the server is trusted.
    let known = || known_servers.keys(server.as_str()).unwrap_or_default();
    let told = fingerprint.or_else(|| known().first().copied());
    transact(connection, |tx| servers::enter(tx, server, *tls, told))
}
