//! What lies here of files that others sent, and what of it came by itself.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: whatever others do, what
//! comes by itself has no more than [`Unasked`] allows, of one person and of all; nobody makes room for it but the person
//! whose disk it is.

use rusqlite::{Row, ToSql, Transaction, params};

use super::files;
use super::rows::Download;
use super::scope::Server;
use crate::client::config::Unasked;
use crate::message::Name;

type Result<T> = rusqlite::Result<T>;

/// What one file counts at least, in bytes: each is a row, a file and a connection, whatever is in it.
const LEAST: u64 = 64 * 1024;

/// What lies here of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lying {
    /// Whose files these are.
    pub peer: Name,
    /// How many.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What came by itself, as it counts, in bytes.
    pub unasked: u64,
    /// How much of that may be.
    pub limit: u64,
}

/// Files that lie here no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freed {
    /// Who has sent them.
    pub peer: Name,
    /// The messages that tell of them.
    pub messages: Vec<i64>,
    /// How many bytes they had.
    pub bytes: u64,
}

/// Whether a file of somebody, of so many bytes, comes by itself.
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

/// What came by itself, as it counts. What did not come to its end may lie here all the same, and has come in vain; only
/// of what the server did not have nothing came.
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

/// What lies here, by person, the most first.
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

/// What of somebody may lie here, wholly or in part, and does not just come: one, or all.
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

/// Nothing of a file lies here any more. What was here is gone; the server is told of it as before.
pub(crate) fn freed(tx: &Transaction<'_>, message: i64) -> Result<()> {
    let gone = "UPDATE file SET state = 'gone', why = 'freed' WHERE message = ? AND state = 'here'";
    tx.prepare_cached(gone)?.execute([message])?;
    tx.prepare_cached("UPDATE file SET unasked = 0 WHERE message = ?")?.execute([message]).map(drop)
}

/// Writes down how many bytes the files have that were told of before that was written down.
pub(crate) fn measure(tx: &Transaction<'_>) -> Result<()> {
    let mut all = tx.prepare(files::FILE)?;
    let mut size = tx.prepare("UPDATE file SET size = ? WHERE message = ?")?;
    // What is damaged has no size that anybody knows.
    for Download { message, info, .. } in all.query_map((), files::download)?.flatten() {
        size.execute(params![info.size.cast_signed(), message])?;
    }
    Ok(())
}

/// Sums of sizes may be more than a number of SQLite; then it is an error, which nobody's disk brings about.
fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::super::files::{set, to_drop, told};
    use super::super::thread::tests::{in_memory, run};
    use super::*;
    use crate::client::{FileInfo, FileState};
    use crate::message::BlobId;

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
            let info = FileInfo { blob, name, media, size, hash, caption: None };
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
