//! The thread that owns the client's database: SQLite in the data folder, every change one transaction that is on disk
//! when it is answered.
//!
//! Owned by the client's core, which has the one handle. What is done in the transactions is in the other files of this
//! room. While nobody waits, the thread puts words into the index.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::{Receiver, Sender};
use futures::channel::oneshot;
use rusqlite::{Connection, Transaction};

use super::aside::Aside;
use super::database::{self, StoreError, transact};
use super::servers::Home;
use super::{history, search};
use crate::client::config::Config;
use crate::task;
use crate::trust::known_servers::KnownServers;

/// So many messages are put into the index of words with one commit. Until then searches look through them.
const INDEX_AT_ONCE: u32 = 512;

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
        let (connection, aside, home) = database::open(path, config, known_servers)?;
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

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::database::{LONGEST, fits};
    use super::super::schema;
    use super::*;
    use crate::message::{Installation, Name};

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
        fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(matches!(open(&path, "john", "localhost"), Err(StoreError::Open { .. })));
        assert_eq!(fs::read(&path).unwrap().len(), 5000);
    }
}
