//! The client's database: SQLite in the data folder, one thread that owns it, every change one
//! transaction that is on disk when it is answered.
//!
//! Owned by the client's core. What is read and written is in `outbox` and `history`, what is there is in
//! `schema`.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures::channel::oneshot;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};
use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;

use super::aside::Aside;
use super::servers::{self, Home};
use super::{history, schema, search};
use crate::client::Config;
use crate::folder::FolderError;
use crate::message::{Installation, Name};
use crate::task;
use crate::trust::known_servers::{KnownServers, KnownServersError};

/// So many messages are put into the index of words with one commit. Until then searches look through them.
const INDEX_AT_ONCE: u32 = 512;

/// The longest path of a data folder, in bytes: SQLite takes no more than 511 of a file's.
const LONGEST: usize = 511 - "/messages.db.new-journal".len();

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
    /// Whether something on the disk is not as SQLite left it. An index that lost its beginning meets what
    /// it has written before.
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

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the store.
pub(crate) struct Store {
    jobs: Sender<Job>,
    aside: Aside,
    /// The index of words was damaged and thrown away, and nobody was told.
    index_reset: Arc<AtomicBool>,
    /// Closed when the database is.
    ended: Receiver<Infallible>,
}

impl Store {
    /// Opens the database of a person, or makes it. Says where its person is.
    pub(crate) fn open(
        path: &Path,
        config: &Config,
        known_servers: &KnownServers,
    ) -> Result<(Self, Home), StoreError> {
        let failed = |cause| StoreError::Open { path: path.into(), cause };
        make_if_missing(path)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        bring_up_to_date(&mut connection, path, known_servers)?;
        belong_to(&mut connection, &config.user)?;
        transact(&mut connection, search::renew).map_err(failed)?;
        let aside = Aside::keep(path.parent().unwrap_or(Path::new(".")));
        note_aside(&mut connection, &aside)?;
        let home = enter(&mut connection, config, known_servers)?;
        let (jobs, queue) = async_channel::bounded(1);
        let (alive, ended) = async_channel::bounded(1);
        let index_reset = Arc::new(AtomicBool::new(false));
        let reset = index_reset.clone();
        let thread = move || {
            serve(connection, &queue, &reset);
            drop(alive);
        };
        task::spawn_thread("tinychat-store", thread).map_err(|_| StoreError::Gone)?;
        Ok((Self { jobs, aside, index_reset, ended }, home))
    }

    /// Closes the database, and waits until all of it is in its one file.
    pub(crate) async fn close(self) {
        let Self { jobs, ended, .. } = self;
        drop(jobs);
        let _ = ended.recv().await;
    }

    /// Writes down that messages were shown, also on a disk that is full.
    pub(crate) async fn mark_shown(&self, ids: Vec<i64>) -> Result<(), StoreError> {
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
    pub(crate) async fn reset_index(&self) -> Result<(), StoreError> {
        self.index_reset.store(true, Ordering::Relaxed);
        self.run(search::reset).await
    }

    /// Whether the index of words was thrown away since this was last asked.
    pub(crate) fn was_index_reset(&self) -> bool {
        self.index_reset.swap(false, Ordering::Relaxed)
    }

    /// Runs work as one transaction. When this returns, what it changed is on disk.
    pub(crate) async fn run<T: Send + 'static>(
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

/// Whether a store can be opened in a folder with this path.
pub(crate) fn fits(data: &Path) -> Result<(), FolderError> {
    let length = absolute(data).map_or(0, |path| path.as_os_str().len());
    let because =
        || format!("its path has {length} bytes, and a message store's at most {LONGEST}");
    let too_long = || FolderError::Unusable { path: data.into(), because: because() };
    if length > LONGEST { Err(too_long()) } else { Ok(()) }
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

/// A database is laid out before it is there: one that is there and empty was never made so.
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
    // SQLite gives the files that it puts beside it the same mode.
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

/// Brings an older layout up to date, all of it or nothing.
pub(crate) fn bring_up_to_date(
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

/// What is known without having asked the server.
fn enter(
    connection: &mut Connection,
    config: &Config,
    known_servers: &KnownServers,
) -> rusqlite::Result<Home> {
    let Config { server, fingerprint, tls, .. } = config;
    // Whatever is wrong with the file is said before the server is trusted.
    let known = || known_servers.keys(server.as_str()).unwrap_or_default();
    let told = fingerprint.or_else(|| known().first().copied());
    transact(connection, |tx| servers::enter(tx, server, *tls, told))
}

/// One that nobody has had before.
pub(crate) fn new_installation() -> Installation {
    Installation::from_u64(OsRng.next_u64())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A laid-out database in memory, to test what is done in it.
    pub(crate) fn in_memory() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        transact(&mut connection, schema::lay_out).unwrap();
        connection
    }

    /// Runs a piece of work in a transaction.
    pub(crate) fn run<T>(
        connection: &mut Connection,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> T {
        transact(connection, work).unwrap()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn open(path: &Path, person: &str, server: &str) -> Result<Installation, StoreError> {
        let known_servers = KnownServers::new(path.with_file_name("known_servers"));
        let config = Config::new(server.parse().unwrap(), name(person), path.into());
        Store::open(path, &config, &known_servers).map(|(_, home)| home.installation)
    }

    #[test]
    fn a_folder_keeps_its_installation_and_its_person() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let first = open(&path, "john", "localhost").unwrap();
        let again = open(&path, "john", "localhost").unwrap();
        assert_eq!(first, again);
        let elsewhere = open(&path, "john", "127.0.0.1").unwrap();
        assert_ne!(first, elsewhere, "one server knows nothing of another's numbers");
        let Err(error) = open(&path, "marie", "localhost") else { panic!("opened") };
        assert!(error.to_string().contains("belongs to john"), "{error}");
    }

    #[test]
    fn a_path_that_fits_is_one_that_can_be_opened() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = place.path().join("x".repeat(200));
        let rest = LONGEST - folder.as_os_str().len() - 2;
        folder.push("y".repeat(rest / 2));
        folder.push("z".repeat(rest - rest / 2));
        assert_eq!(folder.as_os_str().len(), LONGEST);
        fits(&folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        open(&folder.join("messages.db"), "john", "localhost").unwrap();
        let longer = PathBuf::from(format!("{}x", folder.display()));
        assert!(fits(&longer).unwrap_err().to_string().contains("at most 487; choose another"));
    }

    #[test]
    fn a_store_that_was_there_and_is_empty_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let told = || open(&path, "john", "localhost").unwrap_err().to_string();
        fs::write(&path, "").unwrap();
        assert!(told().contains("is empty: it was damaged"), "{}", told());
        assert_eq!(fs::read(&path).unwrap().len(), 0, "it is left as it is");
        // Without its log, as it was before anything went from that into it.
        fs::remove_file(&path).unwrap();
        let store = Connection::open(&path).unwrap();
        store.pragma_update(None, "journal_mode", "WAL").unwrap();
        drop(store);
        assert!(fs::metadata(&path).unwrap().len() > 0);
        assert!(told().contains("is empty: it was damaged"), "{}", told());
        fs::remove_file(&path).unwrap();
        fs::write(path.with_extension("db-wal"), "log").unwrap();
        assert!(told().contains("is gone, and its log"), "{}", told());
    }

    #[test]
    fn a_crash_while_it_is_made_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        fs::write(path.with_extension("db.new"), "half").unwrap();
        open(&path, "john", "localhost").unwrap();
        assert!(!path.with_extension("db.new").exists());
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(matches!(open(&path, "john", "localhost"), Err(StoreError::Open { .. })));
        assert_eq!(std::fs::read(&path).unwrap().len(), 5000);
    }
}
