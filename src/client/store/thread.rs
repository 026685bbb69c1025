//! The thread that owns the client's database: SQLite in the data folder, every change one transaction that is on disk
//! when it is answered.
//!
//! Owned by the client's core, which has the one handle. The steps of the transactions are in the other files of this
//! room. While nobody waits, the thread fills the index.
//!
//! The log has pages as they were, with keys that opened something since, and words that were deleted. So it is emptied
//! when nothing was to be done for a while, now and then when there always is, and at the end.

use std::convert::Infallible;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

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

/// How many messages are added to the index with one commit. Until then searches scan them.
const INDEX_AT_ONCE: u32 = 512;

/// When nothing was to be done for so long, the log is emptied.
const IDLE: Duration = Duration::from_secs(2);

/// How often it is emptied while there is always something to be done.
const EMPTY: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the store.
pub(crate) struct Store {
    jobs: Sender<Job>,
    aside: Aside,
    /// The index was damaged and thrown away, and nobody was told yet.
    index_reset: Arc<AtomicBool>,
    /// Closed when the database is.
    ended: Receiver<Infallible>,
}

impl Store {
    /// Opens the database of a person, or makes it. Returns where its person is.
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

    /// Closes the database, and waits until its log is merged into its one file.
    pub(crate) async fn close(self) {
        let Self { jobs, ended, .. } = self;
        drop(jobs);
        let _ = ended.recv().await;
    }

    /// Records that messages were shown, even on a full disk.
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

    /// Throws the index away. It is rebuilt while nothing else is to be done.
    pub(crate) async fn reset_index(&self) -> Result<(), StoreError> {
        self.index_reset.store(true, Ordering::Relaxed);
        self.run(search::reset).await
    }

    /// Whether the index was thrown away since this was last asked.
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
            // The caller may be gone; the work was done all the same.
            let _ = answer.send(transact(connection, work));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Gone)?;
        Ok(answered.await.map_err(|_| StoreError::Gone)??)
    }
}

fn serve(mut connection: Connection, queue: &Receiver<Job>, index_reset: &AtomicBool) {
    let (mut rebuilt, mut emptied) = (false, Instant::now());
    loop {
        // While nobody waits.
        while queue.is_empty() && index(&mut connection, index_reset, &mut rebuilt) {}
        let Some(job) = next(&connection, queue, &mut emptied) else { return };
        job(&mut connection);
    }
}

/// The next job; none at the end.
fn next(connection: &Connection, queue: &Receiver<Job>, emptied: &mut Instant) -> Option<Job> {
    let job = next_within(IDLE, queue);
    if job.is_none() || emptied.elapsed() >= EMPTY {
        // If somebody reads in it, or the disk is full, the next time.
        let _ = empty_log(connection);
        *emptied = Instant::now();
    }
    match job {
        Some(job) => job,
        None => queue.recv_blocking().ok(),
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The next job, if there is one within a time; or that there are no more.
fn next_within(time: Duration, queue: &Receiver<Job>) -> Option<Option<Job>> {
    let (waker, began) = (Waker::from(Arc::new(Unpark(thread::current()))), Instant::now());
    let mut next = pin!(queue.recv());
    loop {
        if let Poll::Ready(job) = next.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(job.ok());
        }
        let left = time.checked_sub(began.elapsed())?;
        thread::park_timeout(left);
    }
}

/// Merges the log into the database and cuts it off, unless somebody reads in it.
fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let empty = "PRAGMA wal_checkpoint(TRUNCATE)";
    let emptied = connection.query_row(empty, (), |_| Ok(()));
    connection.busy_timeout(database::BUSY)?;
    emptied
}

/// Returns whether there is more to do. An index that cannot be written is retried later; one that is damaged is rebuilt
/// once: damage that is still there then is not in the index, but in the messages.
fn index(connection: &mut Connection, index_reset: &AtomicBool, rebuilt: &mut bool) -> bool {
    match index_more(connection).map_err(StoreError::from) {
        Ok(more) => more,
        Err(error) if error.is_damage() && !*rebuilt => {
            *rebuilt = true;
            index_reset.store(true, Ordering::Relaxed);
            transact(connection, search::reset).is_ok()
        }
        Err(_) => false,
    }
}

/// Adds messages that are not in the index, once there are many. Returns whether there may be more.
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

    /// Makes the page of the database unreadable on which this text stands.
    fn damage(path: &Path, text: &str) {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.windows(text.len()).position(|it| it == text.as_bytes()).unwrap();
        let page = at / 4096 * 4096;
        bytes[page..page + 8].fill(0xff);
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn an_index_is_not_rebuilt_again_and_again_for_a_damaged_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let mut connection = Connection::open(&path).unwrap();
        transact(&mut connection, schema::lay_out).unwrap();
        let add = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
            INSERT INTO message (server, peer, own, installation, n, time, kind, body, state)
            SELECT 'localhost', 'marie', 0, '0', n, 0, 'text',
                CAST(printf('words of message %d', n) AS BLOB), 'shown' FROM n";
        connection.execute(add, [2 * INDEX_AT_ONCE]).unwrap();
        drop(connection);
        damage(&path, &format!("words of message {INDEX_AT_ONCE}"));
        let mut connection = Connection::open(&path).unwrap();
        let (reset, mut rebuilt) = (AtomicBool::new(false), false);
        let rounds = (0..10).take_while(|_| index(&mut connection, &reset, &mut rebuilt)).count();
        assert_eq!(rounds, 1, "it is rebuilt once");
        assert!(reset.load(Ordering::Relaxed), "whoever searches is told");
    }

    /// John's database.
    fn johns(path: &Path) -> Connection {
        let known_servers = KnownServers::new(path.with_file_name("known_servers"));
        let config = Config::new("localhost".parse().unwrap(), name("john"), path.into());
        let (connection, ..) = database::open(path, &config, &known_servers).unwrap();
        connection
    }

    /// Whether bytes stand in some file of a folder.
    fn is_anywhere(folder: &Path, text: &[u8]) -> bool {
        fs::read_dir(folder).unwrap().any(|file| {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            bytes.windows(text.len()).any(|it| it == text)
        })
    }

    #[test]
    fn what_is_deleted_or_replaced_is_in_no_file_once_the_log_is_empty() {
        const MANY: u32 = 200;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let mut connection = johns(&path);
        // As long as they are in practice, and sometimes longer than a page.
        let pickle = |what: &str, n: u32| {
            let filling = ",1".repeat(if n.is_multiple_of(5) { 3_000 } else { 600 });
            format!("{what}-key-of-{n}-{filling}")
        };
        for n in 0..MANY {
            let row = "INSERT INTO session VALUES ('localhost', ?, 'i', 'id', ?, 1, 1, 0, 0, 0)";
            let message = "INSERT INTO message
                     (server, peer, own, installation, n, time, kind, body, state)
                 VALUES ('localhost', 'marie', 0, 'i', ?, 0, 'text', ?, 'shown')";
            transact(&mut connection, |tx| {
                tx.execute(row, (n.to_string(), pickle("used", n)))?;
                tx.execute(message, (n, format!("the secretword of {n}").as_bytes()))
            })
            .unwrap();
        }
        transact(&mut connection, |tx| search::advance(tx, MANY)).unwrap();
        empty_log(&connection).unwrap();
        for gone in ["used-key-of-", "secretword"] {
            assert!(is_anywhere(folder.path(), gone.as_bytes()), "{gone} is there");
        }
        for n in 0..MANY {
            let step = |tx: &Transaction<'_>| {
                let next = "UPDATE session SET pickle = ? WHERE peer = ?";
                tx.execute(next, (pickle("following", n), n.to_string()))?;
                tx.execute("DELETE FROM message WHERE n = ?", [n])
            };
            transact(&mut connection, step).unwrap();
        }
        transact(&mut connection, search::reset).unwrap();
        let log = path.with_extension("db-wal");
        assert!(fs::read(&log).unwrap().windows(8).any(|it| it == b"used-key"), "in the log");
        empty_log(&connection).unwrap();
        for gone in ["used-key-of-", "secretword"] {
            assert!(!is_anywhere(folder.path(), gone.as_bytes()), "{gone} is gone");
        }
        assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    }

    #[test]
    fn a_log_in_which_somebody_reads_is_emptied_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.db");
        let (writer, reader) = (johns(&path), Connection::open(&path).unwrap());
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT count(*) FROM message", (), |_| Ok(())).unwrap();
        writer.execute("UPDATE person SET name = 'anna'", ()).unwrap();
        let began = Instant::now();
        let _ = empty_log(&writer);
        assert!(began.elapsed() < database::BUSY, "nobody waits for it");
        let log = || fs::metadata(path.with_extension("db-wal")).unwrap().len();
        assert!(log() > 0);
        reader.execute_batch("COMMIT").unwrap();
        empty_log(&writer).unwrap();
        assert_eq!(log(), 0);
    }

    #[test]
    fn the_next_job_is_waited_for_so_long() {
        let (jobs, queue) = async_channel::bounded::<Job>(1);
        assert!(next_within(Duration::ZERO, &queue).is_none());
        jobs.try_send(Box::new(|_| {})).unwrap();
        assert!(next_within(Duration::ZERO, &queue).is_some_and(|job| job.is_some()));
        let later = thread::spawn(move || jobs.send_blocking(Box::new(|_| {})));
        let hour = Duration::from_secs(60 * 60);
        assert!(next_within(hour, &queue).is_some_and(|job| job.is_some()), "it is woken");
        later.join().unwrap().unwrap();
        assert!(next_within(hour, &queue).is_some_and(|job| job.is_none()), "there are no more");
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
