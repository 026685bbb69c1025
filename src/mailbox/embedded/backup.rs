//! A backup: one file, a tar archive, with the mailbox, the files that wait, the server's books and its own key.
//!
//! Owned by whoever writes or reads it. In the archive, in this order:
//!
//! | entry | |
//! |---|---|
//! | `tinychat-backup` | the version of this table and of the store's layout, as text: `3 5` |
//! | `names` | the book of names as it is in the data folder |
//! | `contacts` | in version 1 of this table: another book, which later servers take over into the mailbox |
//! | `key.pem`, `certificate.pem` | the key that clients know the server by, and its certificate; empty where there is none |
//! | `mailbox/1`, `mailbox/2`, … | entries of the store, whole ones: table (u8: 1 `sessions`, 2 `messages`, 3 `meta`, of which only `uptime` is there), lengths of key and value (u32 each, big-endian), key, value |
//! | `blobs/ID`, … | the files that wait, whole ones, each as it lies in the data folder |
//! | `counts` | since version 3 of this table: when it was made, and how much is in it (a [`Tally`]), as text |
//! | `end` | the BLAKE3 hash of the contents before it, as hexadecimal text |
//!
//! Invariant: an archive without its end, or with a wrong one, is refused whole. Whoever wants to rely on what was
//! written reads it back with [`verify`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};

use super::error::StoreError;
use super::image::{Entry, Image, Table};
use super::layout::{self, UPTIME};
use super::opening::Paths;
use super::store::Store;
use super::tally::Tally;
use super::upgrade::{Unreadable, upgrade};
use super::watermark::Watermark;
use crate::blobs;
use crate::mailbox::Usage;
use crate::message::Timestamp;

const VERSION: u8 = 3;

/// The version that has the book of contacts.
const WITH_CONTACTS: u8 = 1;

/// The last version that does not say how much is in it.
const WITHOUT_COUNTS: u8 = 2;

/// How much is in it, and how long that may be.
const COUNTS: &str = "counts";
const MAX_COUNTS: u64 = 256;

/// About how much of the store goes into one entry of the archive.
const PIECE: usize = 4 * 1024 * 1024;

/// The longest piece that is read. A written piece exceeds [`PIECE`] by at most one entry, a segment at most; in layout
/// 1 a session's row had no bound.
const MAX_PIECE: u64 = 256 * 1024 * 1024;

/// The books in a data folder, and the longest one that is read.
const NAMES: &str = "names";
const CONTACTS: &str = "contacts";
const MAX_BOOK: u64 = 256 * 1024 * 1024;

/// What else of the data folder is in a backup, and how long each may be.
const KEY_FILES: [&str; 2] = ["key.pem", "certificate.pem"];
const MAX_KEY_FILE: u64 = 64 * 1024;

/// Why there is no backup, or why it is not restored. Made to be read by an operator.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum BackupError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("reading the mailbox: {0}")]
    Read(String),
    #[error("this is not a whole backup: {0}")]
    Bad(&'static str),
    #[error(
        "the backup has version {found}, and this program knows those up to {known}: restore it with the newer version of it that made it"
    )]
    Newer { found: String, known: String },
    #[error("{} is not empty; a backup is restored into a new folder", path.display())]
    NotEmpty { path: PathBuf },
    #[error("the backup is damaged: {0}")]
    Damaged(String),
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Read(error.to_string())
    }
}

/// Writes a backup of a data folder whose store has this image, which was taken at this time.
pub fn write(
    image: &Image,
    data: &Path,
    taken: Timestamp,
    out: impl Write,
) -> Result<(), BackupError> {
    let waiting = image.waiting().map_err(|error| BackupError::Read(error.0))?;
    let messages: Usage = waiting.into_iter().map(|(_, usage)| usage).sum();
    let mut archive = Archive { tar: tar::Builder::new(out), hash: blake3::Hasher::new() };
    archive.put("tinychat-backup", version(layout::VERSION).as_bytes())?;
    archive.put(NAMES, &whole_lines(&data.join(NAMES))?)?;
    for name in KEY_FILES {
        archive.put(name, &read_if_there(&data.join(name))?)?;
    }
    put_store(&mut archive, image)?;
    // After the messages: each file that they announce is there, or its receiver has it by now.
    let files = put_files(&mut archive, data)?;
    archive.put(COUNTS, Tally { taken, messages, files }.to_string().as_bytes())?;
    let end = archive.hash.finalize().to_hex();
    archive.put("end", end.as_bytes())?;
    archive.tar.into_inner()?.flush()?;
    Ok(())
}

fn put_store(archive: &mut Archive<impl Write>, image: &Image) -> Result<(), BackupError> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut pieces = 0;
    for entry in image.entries() {
        encode_entry(&mut piece, &entry?);
        if piece.len() >= PIECE {
            pieces += 1;
            archive.put(&format!("mailbox/{pieces}"), &piece)?;
            piece.clear();
        }
    }
    Ok(archive.put(&format!("mailbox/{}", pieces + 1), &piece)?)
}

/// Returns how many files there are, and their bytes.
fn put_files(archive: &mut Archive<impl Write>, data: &Path) -> io::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for found in blobs::survey(&data.join(blobs::FOLDER))? {
        if !found.label.is_ok_and(|label| label.kept.is_some()) {
            continue;
        }
        if archive.put_file(&format!("{}/{}", blobs::FOLDER, found.id), &found.path)? {
            files += 1;
            bytes += found.length.saturating_sub(blobs::LABEL as u64);
        }
    }
    Ok((files, bytes))
}

/// Reads a backup as [`restore`] does, and refuses what that would. `scratch` is a folder that is made for it, and
/// removed afterwards.
pub fn verify<E: From<BackupError>>(
    backup: impl Read,
    scratch: &Path,
    check_books: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    begin(scratch)?;
    let verified = fill(backup, scratch, Files::Labels).map_err(E::from);
    let verified = verified.and_then(|_| check_books(scratch));
    remove_folder(scratch).map_err(BackupError::from)?;
    verified
}

/// Makes a data folder from a backup. It is there wholly or not at all. Returns what the backup says is in it, which is
/// so; none of an old one, which does not say it.
pub fn restore<E: From<BackupError>>(
    backup: impl Read,
    data: &Path,
    check_books: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<Option<Tally>, E> {
    let data = &behind_links(data)?;
    let partial = make_room(data)?;
    let filled = fill(backup, &partial, Files::Whole).map_err(E::from);
    let checked = filled.and_then(|tally| check_books(&partial).map(|()| tally));
    // Renaming replaces an empty folder.
    let renamed = || fs::rename(&partial, data).map_err(|error| E::from(BackupError::from(error)));
    let restored = checked.and_then(|tally| renamed().map(|()| tally));
    if restored.is_err() {
        // The reader needs the first error more than one of cleaning up.
        let _ = fs::remove_dir_all(&partial);
    }
    restored
}

/// A folder replaces another one, but never a link to it.
fn behind_links(data: &Path) -> Result<PathBuf, BackupError> {
    match fs::canonicalize(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(data.into()),
        real => Ok(real?),
    }
}

/// A new folder beside one that is empty or not there.
fn make_room(data: &Path) -> Result<PathBuf, BackupError> {
    match fs::read_dir(data).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => return Err(BackupError::NotEmpty { path: data.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let mut partial = data.as_os_str().to_owned();
    partial.push(".restoring");
    let partial = PathBuf::from(partial);
    if let Some(above) = data.parent() {
        DirBuilder::new().mode(0o700).recursive(true).create(above)?;
    }
    begin(&partial)?;
    Ok(partial)
}

/// An empty folder, instead of what a killed attempt left.
fn begin(folder: &Path) -> Result<(), BackupError> {
    remove_folder(folder)?;
    Ok(DirBuilder::new().mode(0o700).create(folder)?)
}

struct Archive<W: Write> {
    tar: tar::Builder<W>,
    hash: blake3::Hasher,
}

impl<W: Write> Archive<W> {
    fn put(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.put_from(name, content.len() as u64, content)
    }

    /// Whether it was still there.
    fn put_file(&mut self, name: &str, path: &Path) -> io::Result<bool> {
        match File::open(path) {
            // Its receiver has it by now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(file) => self.put_from(name, file.metadata()?.len(), file).map(|()| true),
        }
    }

    fn put_from(&mut self, name: &str, length: u64, content: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o600);
        header.set_cksum();
        let content = Hashed { inner: content, hash: &mut self.hash };
        self.tar.append_data(&mut header, name, content)
    }
}

/// A reader or writer that hashes what goes through it.
struct Hashed<'a, T> {
    inner: T,
    hash: &'a mut blake3::Hasher,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// The complete lines of a book: another one may just be being written.
fn whole_lines(names: &Path) -> io::Result<Vec<u8>> {
    let mut text = read_if_there(names)?;
    text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    Ok(text)
}

fn read_if_there(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

fn encode_entry(out: &mut Vec<u8>, (table, (key, value)): &(Table, Entry)) {
    out.put_u8(match table {
        Table::Sessions => 1,
        Table::Messages => 2,
        Table::Meta => 3,
    });
    for part in [key, value] {
        out.put_u32(u32::try_from(part.len()).expect("a segment and its key have far less"));
    }
    out.put_slice(key);
    out.put_slice(value);
}

fn decode_entry(piece: &mut Bytes) -> Option<(Table, Entry)> {
    let table = match piece.try_get_u8().ok()? {
        1 => Table::Sessions,
        2 => Table::Messages,
        3 => Table::Meta,
        _ => return None,
    };
    let mut length = || piece.try_get_u32().ok().and_then(|it| usize::try_from(it).ok());
    let (key, value) = (length()?, length()?);
    let whole = key.checked_add(value).is_some_and(|both| both <= piece.len());
    let entry = whole.then(|| (table, (piece.split_to(key), piece.split_to(value))));
    entry.filter(|(table, (key, _))| *table != Table::Meta || key == UPTIME)
}

/// Unpacks a backup into a new folder and checks whether it is sound.
fn fill(backup: impl Read, folder: &Path, files: Files) -> Result<Option<Tally>, BackupError> {
    let paths = Paths::new(folder);
    let mut reading = Reading { hash: blake3::Hasher::new(), pieces: 0, files, tally: None };
    let mut archive = tar::Archive::new(backup);
    let mut entries = archive.entries()?;
    let (table, layout) = versions(&reading.named(entries.next(), "tinychat-backup", 64)?)?;
    let store = Store::open_as(&paths.store, layout)?;
    let books = if table == WITH_CONTACTS { &[NAMES, CONTACTS][..] } else { &[NAMES] };
    for name in books {
        write_synced(&folder.join(name), &reading.named(entries.next(), name, MAX_BOOK)?)?;
    }
    for name in KEY_FILES {
        let content = reading.named(entries.next(), name, MAX_KEY_FILE)?;
        if !content.is_empty() {
            write_synced(&folder.join(name), &content)?;
        }
    }
    while let Some(mut piece) = reading.piece(entries.next(), folder)? {
        let mut decoded = Vec::new();
        while piece.has_remaining() {
            decoded.push(decode_entry(&mut piece).ok_or(BackupError::Bad("a piece is damaged"))?);
        }
        store.fill(reading.pieces, decoded)?;
    }
    upgrade(&store, Unreadable::Refused)?;
    look_whether_sound(&store, folder, reading.tally)?;
    if table > WITHOUT_COUNTS && reading.tally.is_none() {
        return Err(BackupError::Bad("it does not say how much is in it"));
    }
    let commit = store.last_commit()?;
    drop(store);
    Watermark { commit, clean: true }.write(&paths.watermark)?;
    Ok(reading.tally)
}

/// Refuses what is damaged, or is not as much as the backup says.
fn look_whether_sound(
    store: &Store,
    folder: &Path,
    tally: Option<Tally>,
) -> Result<(), BackupError> {
    let mailbox = store.image().inspect().map_err(|error| BackupError::Read(error.0))?;
    let stock = blobs::inspect(folder)?;
    let differs = tally.and_then(|it| it.difference(mailbox.usage, stock.kept));
    let mut problems = mailbox.problems.into_iter().chain(stock.problems).chain(differs);
    problems.next().map_or(Ok(()), |problem| Err(BackupError::Damaged(problem)))
}

/// The version of an archive whose store has a layout.
fn version(layout: u8) -> String {
    format!("{VERSION} {layout}")
}

/// The version of an archive's table and the layout of the store in it, as its beginning says.
fn versions(text: &[u8]) -> Result<(u8, u8), BackupError> {
    const BAD: BackupError = BackupError::Bad("it does not say its version");
    let text = std::str::from_utf8(text).map_err(|_| BAD)?;
    let (table, layout) = text.split_once(' ').ok_or(BAD)?;
    let table: u64 = table.parse().map_err(|_| BAD)?;
    let layout: u64 = layout.parse().map_err(|_| BAD)?;
    match (u8::try_from(table), u8::try_from(layout)) {
        (Ok(table @ ..=VERSION), Ok(layout @ ..=layout::VERSION)) => Ok((table, layout)),
        _ => Err(BackupError::Newer { found: text.into(), known: version(layout::VERSION) }),
    }
}

/// Reading an archive, piece by piece.
struct Reading {
    hash: blake3::Hasher,
    pieces: u64,
    files: Files,
    tally: Option<Tally>,
}

/// What to restore of the files that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Files {
    Whole,
    /// Their headers. The content is read and becomes a hole.
    Labels,
}

type TarEntry<'a, R> = Option<io::Result<tar::Entry<'a, R>>>;

impl Reading {
    fn named<R: Read>(
        &mut self,
        entry: TarEntry<'_, R>,
        name: &str,
        limit: u64,
    ) -> Result<Bytes, BackupError> {
        let mut entry = entry.ok_or(BackupError::Bad("it ends too early"))??;
        if entry.path_bytes() != name.as_bytes() {
            return Err(BackupError::Bad("something else is where a part of it should be"));
        }
        if entry.size() > limit {
            return Err(BackupError::Bad("a part is too long"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if content.len() as u64 != entry.size() {
            return Err(BackupError::Bad("it ends in the middle of a part"));
        }
        self.hash.update(&content);
        Ok(content.into())
    }

    /// The next piece of the mailbox; an empty one for a file that waits, which is put where it belongs, and for the
    /// counts. None at the end, whose hash has to match.
    fn piece<R: Read>(
        &mut self,
        entry: TarEntry<'_, R>,
        folder: &Path,
    ) -> Result<Option<Bytes>, BackupError> {
        let expected = self.hash.finalize().to_hex();
        let path = match &entry {
            Some(Ok(entry)) => entry.path_bytes().into_owned(),
            _ => Vec::new(),
        };
        if path == b"end" {
            let is_whole = self.named(entry, "end", 64)? == expected.as_bytes();
            let bad = BackupError::Bad("its hash is not that of its contents");
            return if is_whole { Ok(None) } else { Err(bad) };
        }
        if path == COUNTS.as_bytes() {
            let counts = Tally::parse(&self.named(entry, COUNTS, MAX_COUNTS)?);
            self.tally = Some(counts.ok_or(BackupError::Bad("its counts are damaged"))?);
            return Ok(Some(Bytes::new()));
        }
        if path.starts_with(blobs::FOLDER.as_bytes()) {
            return self.blob(entry, &path, folder).map(|()| Some(Bytes::new()));
        }
        self.pieces += 1;
        self.named(entry, &format!("mailbox/{}", self.pieces), MAX_PIECE).map(Some)
    }

    fn blob<R: Read>(
        &mut self,
        entry: TarEntry<'_, R>,
        path: &[u8],
        folder: &Path,
    ) -> Result<(), BackupError> {
        const OTHER: BackupError = BackupError::Bad("something else is where a file should be");
        let name = std::str::from_utf8(path).ok().and_then(|path| path.split_once('/'));
        let (_, name) = name.filter(|(folder, _)| *folder == blobs::FOLDER).ok_or(OTHER)?;
        // An id is never a path that leads elsewhere.
        let (id, _) = blobs::named(name).filter(|(_, is_part)| !is_part).ok_or(OTHER)?;
        let entry = entry.ok_or(BackupError::Bad("it ends too early"))??;
        let blobs = folder.join(blobs::FOLDER);
        DirBuilder::new().mode(0o700).recursive(true).create(&blobs)?;
        let (path, size) = (blobs.join(id.to_string()), entry.size());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut content = Hashed { inner: entry, hash: &mut self.hash };
        let copied = match self.files {
            Files::Whole => io::copy(&mut content, &mut file)?,
            Files::Labels => {
                let label = io::copy(&mut (&mut content).take(blobs::LABEL as u64), &mut file)?;
                label + io::copy(&mut content, &mut io::sink())?
            }
        };
        file.set_len(copied)?;
        file.sync_all()?;
        if copied == size {
            Ok(())
        } else {
            Err(BackupError::Bad("it ends in the middle of a file"))
        }
    }
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
