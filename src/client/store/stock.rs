//! Received files on this disk, and which of them were downloaded unasked.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: whatever others do, unasked downloads
//! take no more than [`Unasked`] allows, for one person and for all; only the owner of the disk makes room for more.

use rusqlite::{Row, ToSql, Transaction, params};

use super::files;
use super::info::FileInfo;
use super::rows::{Download, FileState, Received};
use super::scope::Server;
use crate::client::config::Unasked;
use crate::message::{Kind, Name};

type Result<T> = rusqlite::Result<T>;

/// The least that one file counts, in bytes: each is a row, a file and a connection, whatever is in it.
const LEAST: u64 = 64 * 1024;

/// One person's received files on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lying {
    /// Whose files these are.
    pub peer: Name,
    /// How many.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How much of that was downloaded unasked, as it counts, in bytes.
    pub unasked: u64,
    /// The limit for that.
    pub limit: u64,
}

/// Files that were removed from this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freed {
    /// Who has sent them.
    pub peer: Name,
    /// The messages that tell of them.
    pub messages: Vec<i64>,
    /// How many bytes they had.
    pub bytes: u64,
}

/// A new message tells of a file: it is downloaded unasked if that is allowed, and not at all if it is not sealed as its
/// message is.
pub(crate) fn announce(
    tx: &Transaction<'_>,
    unasked: Unasked,
    server: &Server,
    peer: &Name,
    (message, sealed): (i64, bool),
    info: &FileInfo,
) -> Result<Received> {
    let Some(why) = info.objection(sealed) else {
        let comes = comes(tx, server, peer, info.size, unasked)?;
        return files::told(tx, server, peer, message, info.size, comes);
    };
    let told = files::told(tx, server, peer, message, info.size, false)?;
    let state = FileState::Failed(why.into());
    files::set(tx, message, &state)?;
    Ok(Received { state, ..told })
}

/// Whether a file of somebody, of this size, is downloaded unasked.
pub(crate) fn comes(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    size: u64,
    unasked: Unasked,
) -> Result<bool> {
    if unasked.file == 0 || size > unasked.file || !was_written_to(tx, server, peer)? {
        return Ok(false);
    }
    let sum = |which: &str, of: &[&dyn ToSql]| -> Result<u64> {
        let sum = format!("SELECT {} FROM file WHERE unasked = 1 {which}", unasked_sum());
        tx.prepare_cached(&sum)?.query_row(of, |row| number(row, 0))
    };
    let (size, of) = (size.max(LEAST), [server.as_str(), peer.as_str()]);
    let of_all = sum("", &[])?.saturating_add(size);
    let of_one = sum("AND server = ? AND peer = ?", &[&of[0], &of[1]])?.saturating_add(size);
    Ok(of_all <= unasked.all && of_one <= unasked.person)
}

/// How much was downloaded unasked, as it counts. Unfinished downloads count whole, for they took traffic and may be
/// here; files that the server did not have count the minimum.
fn unasked_sum() -> String {
    format!(
        "coalesce(sum(CASE WHEN unasked = 0 THEN 0 WHEN state = 'gone' THEN {LEAST}
                           ELSE max(size, {LEAST}) END), 0)"
    )
}

fn was_written_to(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<bool> {
    let mut query = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message WHERE server = ? AND peer = ? AND own = 1)",
    )?;
    query.query_row([server.as_str(), peer.as_str()], |row| row.get(0))
}

/// Received files on this disk, by person, the most first.
pub(crate) fn lying(tx: &Transaction<'_>, server: &Server, limit: u64) -> Result<Vec<Lying>> {
    let mut query = tx.prepare_cached(&format!(
        "SELECT peer, sum(state = 'here'), sum(CASE state WHEN 'here' THEN size ELSE 0 END), {}
         FROM file WHERE server = ? GROUP BY peer HAVING sum(state = 'here') + sum(unasked) > 0
         ORDER BY 3 DESC, peer",
        unasked_sum()
    ))?;
    let rows = query.query_map([server.as_str()], |row| {
        let peer: String = row.get(0)?;
        let peer = peer.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
        let (files, bytes, unasked) = (number(row, 1)?, number(row, 2)?, number(row, 3)?);
        Ok(Lying { peer, files, bytes, unasked, limit })
    })?;
    rows.collect()
}

/// Files of somebody that may be here, wholly or in part, and are not being downloaded: one, or all.
pub(crate) fn to_free(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    which: Option<u64>,
) -> Result<Vec<Download>> {
    let which = which.map(u64::cast_signed);
    let mut query = tx.prepare_cached(&format!(
        "{} WHERE file.server = ?1 AND file.peer = ?2 AND (?3 IS NULL OR number = ?3)
            AND (unasked = 1 OR file.state IN ('here', 'failed', 'cancelled'))
            AND file.state <> 'coming' ORDER BY file.message",
        files::FILE
    ))?;
    query.query_map(params![server.as_str(), peer.as_str(), which], files::download)?.collect()
}

/// A file is no longer on this disk. One that was complete becomes `gone`; the server is told of it as before.
pub(crate) fn freed(tx: &Transaction<'_>, message: i64) -> Result<()> {
    let gone = "UPDATE file SET state = 'gone', why = 'freed' WHERE message = ? AND state = 'here'";
    tx.prepare_cached(gone)?.execute([message])?;
    tx.prepare_cached("UPDATE file SET unasked = 0 WHERE message = ?")?.execute([message]).map(drop)
}

/// Records the sizes of files that were announced before sizes were recorded.
pub(crate) fn measure(tx: &Transaction<'_>) -> Result<()> {
    let all = "SELECT file.message, body FROM file JOIN message ON message.id = file.message";
    let mut all = tx.prepare(all)?;
    let mut size = tx.prepare("UPDATE file SET size = ? WHERE message = ?")?;
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
    for (message, body) in all.query_map((), row)?.flatten() {
        // A damaged row has no known size.
        if let Some(info) = FileInfo::of(&Kind::FILE, &body) {
            size.execute(params![info.size.cast_signed(), message])?;
        }
    }
    Ok(())
}

/// Sums of sizes may overflow a number of SQLite; then it is an error, which no real disk causes.
fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::super::files::{set, to_drop, told};
    use super::super::thread::tests::{in_memory, run};
    use super::*;
    use crate::message::BlobId;
    use crate::seal::FileSeed;

    const SMALL: Unasked = Unasked { file: 2 * LEAST, person: 4 * LEAST, all: 6 * LEAST };

    struct Shelf(rusqlite::Connection);

    impl Shelf {
        fn new() -> Self {
            Self(in_memory())
        }

        fn server() -> Server {
            "localhost".parse().unwrap()
        }

        fn say(&self, peer: &str, own: bool, size: u64) -> i64 {
            let (name, media, hash) = ("cat".into(), String::new(), blake3::hash(b""));
            let blob = BlobId::from_u128(1);
            let info = FileInfo { blob, name, media, size, hash, seed: None, caption: None };
            let row = "INSERT INTO message (server, peer, own, installation, n, time, kind, body, state)
                       VALUES (?, ?, ?, 'i', (SELECT count(*) FROM message), 0, 'file', ?, 'stored')";
            let server = Self::server();
            self.0.execute(row, params![server.as_str(), peer, own, info.to_body()]).unwrap();
            self.0.last_insert_rowid()
        }

        /// Somebody tells of a file. Its message, and whether it comes by itself; then it is here.
        fn tell(&mut self, peer: &str, size: u64) -> (i64, bool) {
            let message = self.say(peer, false, size);
            let comes = run(&mut self.0, |tx| {
                let (server, peer) = (Self::server(), peer.parse().unwrap());
                let comes = comes(tx, &server, &peer, size, SMALL)?;
                told(tx, &server, &peer, message, size, comes)?;
                if comes {
                    set(tx, message, &FileState::Here)?;
                }
                Ok(comes)
            });
            (message, comes)
        }

        fn free(&mut self, peer: &str, which: Option<u64>) -> usize {
            run(&mut self.0, |tx| {
                let all = to_free(tx, &Self::server(), &peer.parse().unwrap(), which)?;
                all.iter().try_for_each(|it| freed(tx, it.message))?;
                Ok(all.len())
            })
        }

        fn lying(&mut self) -> Vec<(String, u64, u64, u64)> {
            let all = run(&mut self.0, |tx| lying(tx, &Self::server(), SMALL.person));
            all.into_iter()
                .map(|it| (it.peer.to_string(), it.files, it.bytes, it.unasked))
                .collect()
        }
    }

    #[test]
    fn nothing_comes_by_itself_from_whom_one_never_wrote_to() {
        let mut shelf = Shelf::new();
        assert!(!shelf.tell("mallory", 5).1);
        shelf.say("mallory", true, 0);
        assert!(shelf.tell("mallory", 5).1);
        assert!(!shelf.tell("mallory", SMALL.file + 1).1);
        assert!(!shelf.tell("anna", 5).1, "it was somebody else");
    }

    #[test]
    fn what_is_not_sealed_as_its_message_is_does_not_come_at_all() {
        let mut shelf = Shelf::new();
        shelf.say("john", true, 0);
        for (is_sealed, seed, comes) in [
            (true, Some(FileSeed::generate()), true),
            (true, None, false),
            (false, Some(FileSeed::generate()), false),
            (false, None, true),
        ] {
            let message = shelf.say("john", false, 5);
            let (name, media, hash) = ("cat".into(), String::new(), blake3::hash(b""));
            let blob = BlobId::from_u128(1);
            let info = FileInfo { blob, name, media, size: 5, hash, seed, caption: None };
            let received = run(&mut shelf.0, |tx| {
                let (server, john) = (Shelf::server(), "john".parse().unwrap());
                announce(tx, SMALL, &server, &john, (message, is_sealed), &info)
            });
            let is_coming = received.state == FileState::Coming;
            let is_refused = matches!(&received.state, FileState::Failed(_));
            assert_eq!((is_coming, is_refused), (comes, !comes), "{received:?}");
        }
        assert_eq!(shelf.lying().len(), 1);
    }

    #[test]
    fn no_more_comes_by_itself_than_one_and_all_may_until_some_is_freed() {
        let mut shelf = Shelf::new();
        for peer in ["john", "anna"] {
            shelf.say(peer, true, 0);
        }
        let johns: Vec<_> = (0..5).map(|_| shelf.tell("john", 5)).collect();
        let came = [true, true, true, true, false];
        assert_eq!(johns.iter().map(|it| it.1).collect::<Vec<_>>(), came, "each counts as much");
        assert_eq!([2 * LEAST, 1].map(|size| shelf.tell("anna", size).1), [true, false], "in all");
        let (john, anna) =
            (("john".into(), 4, 20, 4 * LEAST), ("anna".into(), 1, 2 * LEAST, 2 * LEAST));
        assert_eq!(shelf.lying(), [anna.clone(), john]);
        assert_eq!((shelf.free("john", Some(5)), shelf.free("john", Some(2))), (0, 1));
        assert_eq!(shelf.lying(), [anna.clone(), ("john".into(), 3, 15, 3 * LEAST)]);
        assert_eq!([5, 5].map(|size| shelf.tell("john", size).1), [true, false]);
        assert_eq!(shelf.free("john", None), 4);
        assert_eq!(shelf.lying(), [anna]);
        let to_drop = run(&mut shelf.0, |tx| to_drop(tx, &Shelf::server()));
        assert_eq!(to_drop.len(), 6, "the server is still told what it need not keep");
    }

    #[test]
    fn what_came_in_vain_counts_until_it_is_freed() {
        let mut shelf = Shelf::new();
        shelf.say("mallory", true, 0);
        for state in [FileState::Failed("wrong".into()), FileState::Gone, FileState::Cancelled] {
            let (message, comes) = shelf.tell("mallory", LEAST + 1);
            assert!(comes, "{state:?}");
            run(&mut shelf.0, |tx| set(tx, message, &state));
        }
        assert_eq!(shelf.lying(), [("mallory".into(), 0, 0, 3 * LEAST + 2)]);
        assert!(!shelf.tell("mallory", LEAST).1);
        assert_eq!(shelf.free("mallory", None), 3);
        assert!(shelf.tell("mallory", LEAST).1);
    }
}
