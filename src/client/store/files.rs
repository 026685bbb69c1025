//! Outgoing and incoming files, in the store.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: an own file is in a message once the
//! server keeps all of it, and not before; a file is *here* once all of it is in the data folder, under the id of its
//! message, and has the announced hash.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use blake3::Hash;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::info::FileInfo;
use super::outbox;
use super::rows::{
    Download, FileSeal, FileState, Received, Record, Source, State, Transfer, Upload,
};
use super::scope::{Scope, Server, counts, peer_and_count};
use crate::message::{BlobId, Kind, Name, Timestamp};
use crate::seal::FileSeed;

type Result<T> = rusqlite::Result<T>;

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Going,
    /// It is in this message.
    Sent(i64),
    Failed(String),
}

/// Records that a file is to be sent, once for each token. Returns its id.
pub(crate) fn add(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    source: &Source,
    token: Option<&str>,
) -> Result<i64> {
    let before = "SELECT id FROM upload WHERE token = ?";
    if let Some(id) = tx.query_row(before, [token], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    tx.execute(
        "INSERT INTO upload (server, peer, path, name, type, size, modified, caption, token, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'going')",
        params![
            server.as_str(),
            peer.as_str(),
            source.path.as_os_str().as_bytes(),
            source.name,
            source.media,
            source.size.cast_signed(),
            source.modified,
            source.caption,
            token,
        ],
    )?;
    Ok(tx.last_insert_rowid())
}

/// The unfinished uploads, the oldest first.
pub(crate) fn going(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Upload>> {
    let mut query = tx.prepare_cached(&format!(
        "SELECT {UPLOAD} FROM upload WHERE server = ? AND state = 'going' ORDER BY id",
    ))?;
    query.query_map([server.as_str()], upload)?.collect()
}

/// The columns of an own file.
const UPLOAD: &str = "upload.id, upload.peer, path, name, type, size, modified, caption, blob,
                      upload.seed, upload.hash";

fn upload(row: &Row<'_>) -> Result<Upload> {
    let damaged = |()| rusqlite::Error::InvalidQuery;
    let peer: String = row.get(1)?;
    let path: Vec<u8> = row.get(2)?;
    let blob: Option<String> = row.get(8)?;
    let source = Source {
        path: OsStr::from_bytes(&path).into(),
        name: row.get(3)?,
        media: row.get(4)?,
        size: row.get::<_, i64>(5)?.cast_unsigned(),
        modified: row.get(6)?,
        caption: row.get(7)?,
    };
    let blob = blob.map(|blob| blob.parse().map_err(|_| damaged(()))).transpose()?;
    let seal = row.get::<_, Option<_>>(9)?.zip(row.get::<_, Option<_>>(10)?);
    let seal = seal.map(|(seed, hash)| FileSeal {
        seed: FileSeed::from_bytes(seed),
        hash: Hash::from_bytes(hash),
    });
    Ok(Upload { id: row.get(0)?, peer: peer.parse().map_err(|_| damaged(()))?, source, blob, seal })
}

/// The server has given an upload this id, under which all that it gets is sealed with this.
pub(crate) fn name(tx: &Transaction<'_>, id: i64, blob: BlobId, seal: &FileSeal) -> Result<()> {
    let (seed, hash) = (seal.seed.to_bytes(), seal.hash.as_bytes());
    tx.execute(
        "UPDATE upload SET blob = ?, seed = ?, hash = ? WHERE id = ?",
        params![blob.to_string(), seed, hash, id],
    )
    .map(drop)
}

/// The server does not have an upload any more, or what it has is of no use: it is offered again, sealed with something
/// else.
pub(crate) fn begin_anew(tx: &Transaction<'_>, id: i64) -> Result<()> {
    let forget = "UPDATE upload SET blob = NULL, seed = NULL, hash = NULL WHERE id = ?";
    tx.execute(forget, [id]).map(drop)
}

/// The server keeps all of it: writes the message that tells of it. None if it was cancelled meanwhile.
pub(crate) fn sent(
    tx: &Transaction<'_>,
    scope: &Scope,
    id: i64,
    info: &FileInfo,
    now: Timestamp,
    at_once: bool,
) -> Result<Option<Record>> {
    let going = "SELECT state = 'going' FROM upload WHERE id = ?";
    if tx.query_row(going, [id], |row| row.get(0)).optional()? != Some(true) {
        return Ok(None);
    }
    let record = outbox::add(tx, scope, Kind::FILE, info.to_body().into(), now, at_once)?;
    let done = "UPDATE upload SET state = 'sent', message = ?, blob = ? WHERE id = ?";
    tx.execute(done, params![record.id, info.blob.to_string(), id])?;
    Ok(Some(record))
}

/// An upload ends without a message, unless it has one already. Returns whether it did.
pub(crate) fn give_up(tx: &Transaction<'_>, id: i64, why: Option<&str>) -> Result<bool> {
    let state = if why.is_some() { "failed" } else { "cancelled" };
    let end = "UPDATE upload SET state = ?, why = ? WHERE id = ? AND state = 'going'";
    Ok(tx.execute(end, params![state, why, id])? > 0)
}

/// What became of an upload.
pub(crate) fn fate(tx: &Transaction<'_>, id: i64) -> Result<Option<Fate>> {
    let mut query = tx.prepare_cached("SELECT state, message, why FROM upload WHERE id = ?")?;
    let fate = query.query_row([id], |row| {
        let (state, message): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(match (state.as_str(), message) {
            ("going", _) => Fate::Going,
            (_, Some(message)) => Fate::Sent(message),
            _ => Fate::Failed(row.get::<_, Option<String>>(2)?.unwrap_or("cancelled".into())),
        })
    });
    fate.optional()
}

/// Own files for somebody that the server keeps, and that nobody was told of yet, the oldest first.
pub(crate) fn waiting(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<Vec<Upload>> {
    let mut query = tx.prepare_cached(&format!(
        "SELECT {UPLOAD} FROM upload JOIN message ON message.id = upload.message
         WHERE upload.server = ? AND upload.peer = ? AND upload.state = 'sent'
               AND message.state IN ('waiting', 'stored') ORDER BY upload.id"
    ))?;
    query.query_map([server.as_str(), peer.as_str()], upload)?.collect()
}

/// An own file that waits on the server is called back.
pub(crate) fn call_back(tx: &Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("UPDATE upload SET state = 'cancelled' WHERE id = ? AND state = 'sent'", [id])
        .map(drop)
}

/// How many own files are not on the server yet, by peer.
pub(crate) fn unsent(
    tx: &Transaction<'_>,
    server: &Server,
) -> Result<std::collections::BTreeMap<Name, u64>> {
    let mut query = tx.prepare_cached(
        "SELECT peer, count(*) FROM upload WHERE server = ? AND state = 'going' GROUP BY peer",
    )?;
    counts(query.query_map([server.as_str()], peer_and_count)?)
}

/// Somebody announces a file of `size` bytes: it gets its number, and whether it is downloaded unasked.
pub(crate) fn told(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    message: i64,
    size: u64,
    comes: bool,
) -> Result<Received> {
    let number: i64 = tx
        .prepare_cached(
            "SELECT coalesce(max(number), 0) + 1 FROM file WHERE server = ? AND peer = ?",
        )?
        .query_row([server.as_str(), peer.as_str()], |row| row.get(0))?;
    let state = if comes { FileState::Coming } else { FileState::Offered };
    tx.prepare_cached(
        "INSERT INTO file (message, server, peer, number, state, size, unasked)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        message,
        server.as_str(),
        peer.as_str(),
        number,
        state.word(),
        size.cast_signed(),
        comes,
    ])?;
    Ok(Received { number: number.cast_unsigned(), state })
}

/// The state of a file changed.
pub(crate) fn set(tx: &Transaction<'_>, message: i64, state: &FileState) -> Result<()> {
    let why = if let FileState::Failed(why) = state { Some(why) } else { None };
    tx.prepare_cached("UPDATE file SET state = ?, why = ? WHERE message = ?")?
        .execute(params![state.word(), why, message])
        .map(drop)
}

/// The server knows that it need not keep a file: that of a message, or one that is unwanted.
pub(crate) fn dropped(tx: &Transaction<'_>, message: i64, blob: BlobId) -> Result<()> {
    tx.execute("UPDATE file SET dropped = 1 WHERE message = ?", [message])?;
    let upload = "UPDATE upload SET blob = NULL
                  WHERE blob = ? AND state IN ('failed', 'cancelled')";
    tx.execute(upload, [blob.to_string()]).map(drop)
}

/// Own files that the server may have and need not keep. They count there until the server is told.
pub(crate) fn unwanted(tx: &Transaction<'_>, server: &Server) -> Result<Vec<BlobId>> {
    let mut query = tx.prepare_cached(
        "SELECT blob FROM upload
         WHERE server = ? AND state IN ('failed', 'cancelled') AND blob IS NOT NULL",
    )?;
    let blobs = query.query_map([server.as_str()], |row| row.get::<_, String>(0))?;
    blobs.map(|blob| blob?.parse().map_err(|_| rusqlite::Error::InvalidQuery)).collect()
}

/// The columns of a file that others sent.
pub(crate) const FILE: &str =
    "SELECT file.message, file.peer, number, file.state, why, body, sealed FROM file
                    JOIN message ON message.id = file.message";

/// The files to download, the oldest first.
pub(crate) fn coming(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Download>> {
    let mut query = tx.prepare_cached(&format!(
        "{FILE} WHERE file.server = ? AND file.state = 'coming' ORDER BY file.message"
    ))?;
    query.query_map([server.as_str()], download)?.collect()
}

/// Files that the server keeps although they are, or were, here.
pub(crate) fn to_drop(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Download>> {
    let mut query = tx.prepare_cached(&format!(
        "{FILE} WHERE file.server = ? AND dropped = 0
            AND (file.state = 'here' OR (file.state = 'gone' AND why = 'freed'))
         ORDER BY file.message"
    ))?;
    query.query_map([server.as_str()], download)?.collect()
}

/// The file with this number in a conversation; without a number the last one.
pub(crate) fn find(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    number: Option<u64>,
) -> Result<Option<Download>> {
    let mut query = tx.prepare_cached(&format!(
        "{FILE} WHERE file.server = ? AND file.peer = ? AND (?3 IS NULL OR number = ?3)
         ORDER BY number DESC LIMIT 1"
    ))?;
    let number = number.map(u64::cast_signed);
    query.query_row(params![server.as_str(), peer.as_str(), number], download).optional()
}

pub(crate) fn download(row: &Row<'_>) -> Result<Download> {
    let damaged = || rusqlite::Error::InvalidQuery;
    let peer: String = row.get(1)?;
    let body: Vec<u8> = row.get(5)?;
    Ok(Download {
        message: row.get(0)?,
        peer: peer.parse().map_err(|_| damaged())?,
        number: row.get::<_, i64>(2)?.cast_unsigned(),
        info: FileInfo::of(&Kind::FILE, &body).ok_or_else(damaged)?,
        state: file_state(row, 3)?.ok_or_else(damaged)?,
        is_sealed: row.get::<_, Option<bool>>(6)? == Some(true),
    })
}

/// The state of a file, and why, from two columns; none where there is no file.
pub(super) fn file_state(row: &Row<'_>, column: usize) -> Result<Option<FileState>> {
    let state: Option<String> = row.get(column)?;
    let why: Option<String> = row.get(column + 1)?;
    Ok(state.and_then(|state| FileState::of_word(&state, why)))
}

/// The state of another's file, from three columns: number, state, why.
pub(crate) fn received(row: &Row<'_>, column: usize) -> Result<Option<Received>> {
    let number: Option<i64> = row.get(column)?;
    let state = file_state(row, column + 1)?;
    Ok(number.zip(state).map(|(number, state)| Received { number: number.cast_unsigned(), state }))
}

/// The state of files: the last ones that were sent or announced by others, and then those being sent; `limit` in all.
pub(crate) fn all(tx: &Transaction<'_>, server: &Server, limit: u32) -> Result<Vec<Transfer>> {
    let mut going = going(tx, server)?;
    going.truncate(limit as usize);
    let mut all = told_of(tx, server, limit)?;
    all.extend(gone(tx, server, limit)?);
    all.sort_by_key(|(message, _)| *message);
    let surplus = (all.len() + going.len()).saturating_sub(limit as usize);
    let past = all.into_iter().skip(surplus).map(|(_, transfer)| transfer);
    let going = going.iter().map(|upload| Transfer::of_upload(upload, FileState::Coming));
    Ok(past.chain(going).collect())
}

/// The last files that others announced, each in the place of its message.
fn told_of(tx: &Transaction<'_>, server: &Server, limit: u32) -> Result<Vec<(i64, Transfer)>> {
    let mut query = tx.prepare_cached(&format!(
        "{FILE} WHERE file.server = ? ORDER BY file.message DESC LIMIT ?"
    ))?;
    let rows = query.query_map(params![server.as_str(), limit], download)?;
    rows.map(|row| row.map(|it| (it.message, Transfer::of_download(&it)))).collect()
}

/// The last own files whose upload has ended, each in the place of its message; those that failed or were cancelled
/// after the one before.
fn gone(tx: &Transaction<'_>, server: &Server, limit: u32) -> Result<Vec<(i64, Transfer)>> {
    let mut query = tx.prepare_cached(&format!(
        "SELECT {UPLOAD}, upload.state, why, message, message.state FROM upload
         LEFT JOIN message ON message.id = upload.message
         WHERE upload.server = ? AND upload.state <> 'going' ORDER BY upload.id DESC LIMIT ?"
    ))?;
    let rows = query.query_map(params![server.as_str(), limit], |row| {
        Ok((row.get::<_, Option<i64>>(13)?, upload(row)?, gone_state(row)?))
    })?;
    let mut gone = rows.collect::<Result<Vec<_>>>()?;
    gone.reverse();
    let mut last = 0;
    let placed = gone.into_iter().map(|(message, upload, state)| {
        last = message.unwrap_or(last).max(last);
        let done = if message.is_some() { upload.source.size } else { 0 };
        (message.unwrap_or(last), Transfer { done, ..Transfer::of_upload(&upload, state) })
    });
    Ok(placed.collect())
}

fn gone_state(row: &Row<'_>) -> Result<FileState> {
    let state: String = row.get(11)?;
    let of_message: Option<String> = row.get(14)?;
    let of_message = of_message.and_then(|word| State::of_word(&word));
    let state = match of_message {
        // One that was called back has a message, too.
        Some(of_message) if state == "sent" => Some(FileState::Sent(of_message)),
        _ => FileState::of_word(&state, row.get(12)?),
    };
    state.ok_or(rusqlite::Error::InvalidQuery)
}

#[cfg(test)]
mod tests {
    use super::super::thread::tests::{in_memory, run};
    use super::*;

    const LIMIT: u32 = 5;

    /// Each as its name and state, in short.
    fn listed(store: &mut rusqlite::Connection) -> Vec<String> {
        let server: Server = "localhost".parse().unwrap();
        let all = run(store, |tx| all(tx, &server, LIMIT));
        all.iter().map(|it| format!("{} {:?}", it.name, it.state)).collect()
    }

    fn say(store: &rusqlite::Connection, own: bool, state: &str, name: &str) -> i64 {
        let blob = BlobId::from_u128(1);
        let (media, hash) = ("image/png".into(), blake3::hash(b""));
        let info =
            FileInfo { blob, name: name.into(), media, size: 5, hash, seed: None, caption: None };
        let row = "INSERT INTO message (server, peer, own, installation, n, time, kind, body, state)
                   VALUES ('localhost:7878', 'marie', ?1, 'i', (SELECT count(*) FROM message), 0, 'file', ?2, ?3)";
        store.execute(row, params![own, info.to_body(), state]).unwrap();
        store.last_insert_rowid()
    }

    fn upload(store: &rusqlite::Connection, name: &str, state: &str, message: Option<i64>) {
        let row = "INSERT INTO upload (server, peer, path, name, type, size, modified, state, why, message)
                   VALUES ('localhost:7878', 'marie', x'', ?, 'image/png', 5, 0, ?, 'because', ?)";
        store.execute(row, params![name, state, message]).unwrap();
    }

    #[test]
    fn what_went_and_came_is_listed_in_its_order_and_what_goes_last() {
        let mut store = in_memory();
        assert_eq!(listed(&mut store), [""; 0]);
        upload(&store, "zero", "cancelled", None);
        let one = say(&store, true, "delivered", "one");
        upload(&store, "one", "sent", Some(one));
        upload(&store, "slow", "going", None);
        let two = say(&store, false, "shown", "two");
        run(&mut store, |tx| {
            told(tx, &"localhost".parse().unwrap(), &"marie".parse().unwrap(), two, 5, true)
        });
        let three = say(&store, true, "stored", "three");
        upload(&store, "three", "sent", Some(three));
        let expected = ["one Sent(Delivered)", "two Coming", "three Sent(Stored)", "slow Coming"];
        assert_eq!(listed(&mut store)[1..], expected);
        assert_eq!(listed(&mut store)[0], "zero Cancelled");
        upload(&store, "four", "failed", None);
        let expected = [
            "one Sent(Delivered)",
            "two Coming",
            "three Sent(Stored)",
            "four Failed(\"because\")",
            "slow Coming",
        ];
        assert_eq!(listed(&mut store), expected, "no more than so many");
        (0..9).for_each(|_| upload(&store, "more", "going", None));
        let listed = listed(&mut store);
        assert_eq!((listed.len(), listed[0].as_str()), (5, "slow Coming"));
    }

    fn seal() -> FileSeal {
        FileSeal { seed: FileSeed::generate(), hash: blake3::hash(b"hello") }
    }

    #[test]
    fn what_an_upload_is_sealed_with_is_known_with_its_id_and_forgotten_with_it() {
        let (mut store, seal) = (in_memory(), seal());
        let server: Server = "localhost".parse().unwrap();
        upload(&store, "cat", "going", None);
        let id = store.last_insert_rowid();
        let first = |store: &mut rusqlite::Connection| {
            let going = run(store, |tx| going(tx, &server));
            (going[0].blob, going[0].seal.clone())
        };
        assert_eq!(first(&mut store), (None, None));
        let blob = BlobId::from_u128(7);
        run(&mut store, |tx| name(tx, id, blob, &seal));
        assert_eq!(first(&mut store), (Some(blob), Some(seal)));
        run(&mut store, |tx| begin_anew(tx, id));
        assert_eq!(first(&mut store), (None, None));
    }

    #[test]
    fn what_one_thought_better_of_is_unwanted_until_the_server_knows() {
        let mut store = in_memory();
        let server: Server = "localhost".parse().unwrap();
        let blob = BlobId::from_u128;
        for (number, state) in [(1, "cancelled"), (2, "failed"), (3, "going"), (4, "sent")] {
            upload(&store, state, state, None);
            let id = store.last_insert_rowid();
            run(&mut store, |tx| name(tx, id, blob(number), &seal()));
        }
        upload(&store, "never offered", "cancelled", None);
        let unwanted = |store: &mut rusqlite::Connection| run(store, |tx| unwanted(tx, &server));
        assert_eq!(unwanted(&mut store), [blob(1), blob(2)]);
        run(&mut store, |tx| dropped(tx, 0, blob(1)));
        run(&mut store, |tx| dropped(tx, 0, blob(4)));
        assert_eq!(unwanted(&mut store), [blob(2)]);
    }
}
