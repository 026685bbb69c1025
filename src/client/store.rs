//! The client's database: SQLite in the data folder, one thread that owns it, every change one
//! transaction that is on disk when it is answered.
//!
//! Owned by the client's core. What is read and written is in `outbox` and `history`; the layout is
//! here. A person's own archive should open in `sqlite3`: one table holds the whole transcript, and
//! counters, marks and receipts are all derived from it.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures::channel::oneshot;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};
use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;

use super::aside::Aside;
use super::{Address, history, search};
use crate::message::{Installation, Name};
use crate::task;

/// What `user_version` says of the layout below.
pub(super) const LAYOUT_VERSION: i64 = 5;

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

/// So many messages are put into the index of words with one commit. Until then searches look through them.
const INDEX_AT_ONCE: u32 = 512;

/// Why there is no store, or why it failed. Made to be read by its owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum StoreError {
    #[error("cannot use the message store {}: {cause}", path.display())]
    Open { path: PathBuf, cause: rusqlite::Error },
    #[error("cannot open the message store {}: {cause}", path.display())]
    Make { path: PathBuf, cause: io::Error },
    #[error("the message store {} was made by another version of this program", path.display())]
    OtherVersion { path: PathBuf },
    #[error("this data folder belongs to {owner}; choose another with --data")]
    OtherPerson { owner: String },
    #[error("{0}")]
    Failed(#[from] rusqlite::Error),
    #[error("the store's thread is gone")]
    Gone,
}

impl StoreError {
    /// Whether something on the disk is not as SQLite left it. An index that lost its beginning meets what
    /// it has written before.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        let code = error.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation))
    }

    /// Whether the disk has no room.
    pub(super) fn is_full(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        error.sqlite_error_code() == Some(ErrorCode::DiskFull)
    }
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the store.
pub(super) struct Store {
    jobs: Sender<Job>,
    aside: Aside,
    /// The index of words was damaged and thrown away, and nobody was told.
    index_reset: Arc<AtomicBool>,
    /// Closed when the database is.
    ended: Receiver<Infallible>,
}

impl Store {
    /// Opens the database of a person, or makes it. Gives the installation to number messages in.
    pub(super) fn open(
        path: &Path,
        person: &Name,
        server: &Address,
    ) -> Result<(Self, Installation), StoreError> {
        let failed = |cause| StoreError::Open { path: path.into(), cause };
        let not_made = |cause| StoreError::Make { path: path.into(), cause };
        // SQLite gives the files that it puts beside it the same mode.
        OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(not_made)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        let version = prepare(&mut connection).map_err(failed)?;
        if version != LAYOUT_VERSION {
            return Err(StoreError::OtherVersion { path: path.into() });
        }
        belong_to(&mut connection, person)?;
        transact(&mut connection, search::renew).map_err(failed)?;
        let aside = Aside::keep(path.parent().unwrap_or(Path::new(".")));
        note_aside(&mut connection, &aside)?;
        let installation = installation(&mut connection, server)?;
        let (jobs, queue) = async_channel::bounded(1);
        let (alive, ended) = async_channel::bounded(1);
        let index_reset = Arc::new(AtomicBool::new(false));
        let reset = index_reset.clone();
        let thread = move || {
            serve(connection, &queue, &reset);
            drop(alive);
        };
        task::spawn_thread("tinychat-store", thread).map_err(|_| StoreError::Gone)?;
        Ok((Self { jobs, aside, index_reset, ended }, installation))
    }

    /// Closes the database, and waits until all of it is in its one file.
    pub(super) async fn close(self) {
        let Self { jobs, ended, .. } = self;
        drop(jobs);
        let _ = ended.recv().await;
    }

    /// Writes down that messages were shown, also on a disk that is full.
    pub(super) async fn mark_shown(&self, ids: Vec<i64>) -> Result<(), StoreError> {
        let again = ids.clone();
        match self.run(move |tx| history::mark_shown(tx, &ids)).await {
            Err(error) if error.is_full() => {
                let aside = self.aside.clone();
                task::blocking(move || aside.put(&again)).await.map_err(|_| error)
            }
            done => done,
        }
    }

    /// Throws the index of words away. It is built again while nothing else is to be done.
    pub(super) async fn reset_index(&self) -> Result<(), StoreError> {
        self.index_reset.store(true, Ordering::Relaxed);
        self.run(search::reset).await
    }

    /// Whether the index of words was thrown away since this was last asked.
    pub(super) fn was_index_reset(&self) -> bool {
        self.index_reset.swap(false, Ordering::Relaxed)
    }

    /// Runs work as one transaction. When this returns, what it changed is on disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may be gone; what was asked is done all the same.
            let _ = answer.send(transact(connection, work));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Gone)?;
        Ok(answered.await.map_err(|_| StoreError::Gone)??)
    }
}

fn serve(mut connection: Connection, queue: &Receiver<Job>, index_reset: &AtomicBool) {
    loop {
        // While nobody waits.
        while queue.is_empty() && index(&mut connection, index_reset) {}
        let Ok(job) = queue.recv_blocking() else { return };
        job(&mut connection);
    }
}

/// Returns whether there is more to do. An index that cannot be written is looked at again later; one that
/// is damaged is thrown away.
fn index(connection: &mut Connection, index_reset: &AtomicBool) -> bool {
    match index_more(connection).map_err(StoreError::from) {
        Ok(more) => more,
        Err(error) if error.is_damage() => {
            index_reset.store(true, Ordering::Relaxed);
            transact(connection, search::reset).is_ok()
        }
        Err(_) => false,
    }
}

/// Puts what is not in the index of words into it, once that is much. Returns whether there may be more.
fn index_more(connection: &mut Connection) -> rusqlite::Result<bool> {
    let missing: u32 = connection
        .prepare_cached("SELECT coalesce(max(id), 0) - (SELECT up_to FROM indexed) FROM message")?
        .query_row((), |row| row.get(0))?;
    if missing < INDEX_AT_ONCE {
        return Ok(false);
    }
    transact(connection, |tx| search::advance(tx, INDEX_AT_ONCE))
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

/// Lays out a new database. Returns the layout's version.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    transact(connection, |tx| {
        let version = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            tx.execute_batch(LAYOUT)?;
            tx.execute_batch(search::LAYOUT)?;
            tx.pragma_update(None, "user_version", LAYOUT_VERSION)?;
            return Ok(LAYOUT_VERSION);
        }
        Ok(version)
    })
}

/// Notes what was shown when there was no room to do so.
fn note_aside(connection: &mut Connection, aside: &Aside) -> Result<(), StoreError> {
    // Where that cannot be read, nothing was put.
    let ids = aside.ids().unwrap_or_default();
    if !ids.is_empty() {
        transact(connection, |tx| history::mark_shown(tx, &ids))?;
        // Noted twice they are as they are.
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

/// The installation for a server, made the first time.
fn installation(connection: &mut Connection, server: &Address) -> rusqlite::Result<Installation> {
    let id: String = transact(connection, |tx| {
        tx.execute(
            "INSERT OR IGNORE INTO installation VALUES (?, ?)",
            (server.as_str(), new_installation().to_string()),
        )?;
        let query = "SELECT id FROM installation WHERE server = ?";
        tx.query_row(query, [server.as_str()], |row| row.get(0))
    })?;
    id.parse().map_err(|_| rusqlite::Error::InvalidQuery)
}

/// One that nobody has had before.
pub(super) fn new_installation() -> Installation {
    Installation::from_u64(OsRng.next_u64())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A laid-out database in memory, to test what is done in it.
    pub(in crate::client) fn in_memory() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        prepare(&mut connection).unwrap();
        connection
    }

    /// Runs a piece of work in a transaction.
    pub(in crate::client) fn run<T>(
        connection: &mut Connection,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> T {
        transact(connection, work).unwrap()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn server() -> Address {
        "localhost".parse().unwrap()
    }

    #[test]
    fn a_folder_keeps_its_installation_and_its_person() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let (_, first) = Store::open(&path, &name("john"), &server()).unwrap();
        let (_, again) = Store::open(&path, &name("john"), &server()).unwrap();
        assert_eq!(first, again);
        let other: Address = "127.0.0.1".parse().unwrap();
        let (_, elsewhere) = Store::open(&path, &name("john"), &other).unwrap();
        assert_ne!(first, elsewhere, "one server knows nothing of another's numbers");
        let Err(error) = Store::open(&path, &name("marie"), &server()) else { panic!("opened") };
        assert!(error.to_string().contains("belongs to john"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(matches!(
            Store::open(&path, &name("john"), &server()),
            Err(StoreError::Open { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap().len(), 5000);
    }

    #[test]
    fn a_later_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        drop(Store::open(&path, &name("john"), &server()).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", LAYOUT_VERSION + 1).unwrap();
        assert!(matches!(
            Store::open(&path, &name("john"), &server()),
            Err(StoreError::OtherVersion { .. })
        ));
    }
}
