//! Opening the store in a data folder, and refusing one that is damaged.
//!
//! Owned by the mailbox. Invariant: a store that lost something that was synced is never used as if
//! nothing had happened, and one that is refused is not changed. In the data folder:
//!
//! | name | |
//! |---|---|
//! | `mailbox/` | the store |
//! | `mailbox.watermark` | see [`watermark`](super::watermark) |
//! | `mailbox.journal/` | the journal as it was before the store was refused, or a torn end was cut off; until the store has opened and holds its watermark |
//! | `mailbox.salvage/` | a copy of a refused store, while an operator looks at what is left |
//! | `mailbox.refused.1/`, … | a store in whose place an operator accepted what was left |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::LsmError;

use super::image::Image;
use super::layout;
use super::scan::{Scan, Verdict, scan};
use super::store::{MEMTABLE_BYTES, Store, StoreError};
use super::upgrade::Unreadable;
use super::watermark::Watermark;

/// How much of a file is read or copied at once.
const PIECE: usize = 64 * 1024;

/// What the engine may write at once when it opens.
const ROOM: usize = 2 * MEMTABLE_BYTES as usize;

/// Why a mailbox cannot be opened. Made to be read by its operator.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum OpenError {
    #[error(
        "the mailbox {} is damaged: {reason}{copy}. `tinychat-server check` with the same --data prints what is left in it; restore a backup, or let the server go on with what is left: `tinychat-server check --accept`",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String, copy: String },
    #[error("cannot use the mailbox {}: {cause}", path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    #[error(
        "the mailbox {} has layout {found}, and this program knows those up to {known}: a newer version of it was here. Start that one, or restore a backup that was made before",
        path.display()
    )]
    Newer { path: PathBuf, found: u8, known: u8 },
}

/// Where things lie in a data folder.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) store: PathBuf,
    pub(super) watermark: PathBuf,
    journal_copy: PathBuf,
    salvage: PathBuf,
    probe: PathBuf,
}

impl Paths {
    pub(super) fn new(data: &Path) -> Self {
        Self {
            store: data.join("mailbox"),
            watermark: data.join("mailbox.watermark"),
            journal_copy: data.join("mailbox.journal"),
            salvage: data.join("mailbox.salvage"),
            probe: data.join("mailbox.probe"),
        }
    }

    /// Opens the store, or makes it where there never was one. Returns the number of its last commit
    /// too.
    pub(super) fn open(&self) -> Result<(Store, u64), OpenError> {
        let known = self.known()?;
        if known.commit > 0 {
            self.look_for_keyspaces()?;
        }
        if !known.clean && self.store.exists() {
            self.forget_unfinished(known).map_err(|cause| self.unusable(cause))?;
        }
        let in_journals = self.mend_journals(known)?;
        let opened = match try_open(&self.store, Unreadable::Refused) {
            Err(StoreError::Engine(error))
                if known.commit == 0 && in_journals.is_none() && !is_disks(&error) =>
            {
                self.begin_anew(error)
            }
            opened => opened,
        };
        let (store, last) = opened.map_err(|error| self.explain(error))?;
        if last < known.commit {
            return Err(self.damaged(shortage(last, known)));
        }
        self.hold(last).map_err(|cause| self.unusable(cause))?;
        Ok((store, last))
    }

    /// A first start that was cut short, by a full disk for instance, leaves what the engine cannot
    /// open. Nothing was in it.
    fn begin_anew(&self, error: fjall::Error) -> Result<(Store, u64), StoreError> {
        if self.has_tables().map_err(fjall::Error::Io)? {
            return Err(error.into());
        }
        log::warn!("the mailbox was never finished and is made anew: {error}");
        remove_folder(&self.store).map_err(fjall::Error::Io)?;
        try_open(&self.store, Unreadable::Refused)
    }

    /// Whether the disk takes what opening and the next commits need.
    pub(super) fn has_room(&self) -> bool {
        let probe = || {
            let mut file = File::create(&self.probe)?;
            file.write_all(&vec![1; ROOM])?;
            file.sync_all()
        };
        let fits = probe().is_ok();
        let _ = fs::remove_file(&self.probe);
        fits
    }

    /// What the watermark says. A store without one, or one without a store, lost the other.
    fn known(&self) -> Result<Watermark, OpenError> {
        let known = match Watermark::read(&self.watermark) {
            Ok(known) => known,
            Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                return Err(self.damaged(format!("{}: {cause}", self.watermark.display())));
            }
            Err(cause) => return Err(self.unusable(cause)),
        };
        match known {
            Some(known) if known.commit > 0 && !self.store.exists() => {
                Err(self.damaged("it is gone, and messages were in it".into()))
            }
            Some(known) => Ok(known),
            None if self.store.exists() => {
                Err(self.damaged(format!("its watermark {} is gone", self.watermark.display())))
            }
            None => self.first_watermark(),
        }
    }

    /// Written before the store is made, so that a store without a watermark is one that lost it.
    fn first_watermark(&self) -> Result<Watermark, OpenError> {
        let first = Watermark { commit: 0, clean: false };
        first.write(&self.watermark).map_err(|cause| self.unusable(cause))?;
        Ok(first)
    }

    /// A store that was killed while it was made for the first time cannot be opened, and never had
    /// anything: the engine writes its version when all else is there.
    fn forget_unfinished(&self, known: Watermark) -> io::Result<()> {
        if known.commit == 0 && !self.store.join("version").exists() {
            remove_folder(&self.store)?;
        }
        Ok(())
    }

    /// The engine takes a keyspace that lost a part for one that was never finished, and begins it
    /// anew.
    fn look_for_keyspaces(&self) -> Result<(), OpenError> {
        let missing = || {
            let keyspaces = match fs::read_dir(self.store.join("keyspaces")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Some(self.store.join("keyspaces")));
                }
                keyspaces => keyspaces?,
            };
            let folders = keyspaces.collect::<io::Result<Vec<_>>>()?;
            let broken = folders.iter().map(|it| it.path().join("current")).find(|it| !it.exists());
            Ok(broken.or_else(|| (folders.len() < 4).then(|| self.store.join("keyspaces"))))
        };
        match missing() {
            Ok(None) => Ok(()),
            Ok(Some(path)) => Err(self.damaged(format!("{} is missing", path.display()))),
            Err(cause) => Err(self.unusable(cause)),
        }
    }

    /// Cuts off the piece of a commit at the end of the last journal: it was never synced, for its
    /// sync would have ended after all of it was written. What lost or changed more is left alone,
    /// and refused before the engine sees it. Returns the number of the last commit in them.
    ///
    /// Nothing is lost of journals that are whole, whatever comes: the engine reads all of them. So
    /// only others are copied first.
    fn mend_journals(&self, known: Watermark) -> Result<Option<u64>, OpenError> {
        let unusable = |cause| self.unusable(cause);
        let journals = self.look_at_journals(known).map_err(unusable)?;
        let is_whole = journals.torn.is_none() && journals.problem.is_none();
        if !known.clean && !is_whole {
            self.copy_journal().map_err(unusable)?;
        }
        if let Some(problem) = journals.problem {
            return Err(self.damaged(problem));
        }
        if let Some((active, end)) = journals.torn {
            log::warn!("the mailbox's journal ends in a piece of a commit, which is cut off");
            cut(&active, end).map_err(unusable)?;
        }
        Ok(journals.last_commit)
    }

    fn look_at_journals(&self, known: Watermark) -> io::Result<Journals> {
        let mut found = Journals::default();
        let journals = journals(&self.store)?;
        for journal in &journals {
            let Scan { verdict, last_commit } = scan(&read_written(journal)?);
            found.last_commit = found.last_commit.max(last_commit);
            match verdict {
                Verdict::Whole { .. } => {}
                Verdict::Torn { end } if Some(journal) == journals.last() => {
                    found.torn = Some((journal.clone(), end));
                }
                Verdict::Torn { end } | Verdict::Damaged { end } => {
                    found.problem = Some(damage(journal, end));
                    return Ok(found);
                }
            }
        }
        found.problem = match found.last_commit {
            _ if known.commit == 0 => None,
            _ if journals.is_empty() => Some("its journal is missing".into()),
            Some(last) if last < known.commit => Some(shortage(last, known)),
            None if !self.has_tables()? => Some(shortage(0, known)),
            _ => None,
        };
        Ok(found)
    }

    /// Whether anything was ever written elsewhere than to the journal.
    fn has_tables(&self) -> io::Result<bool> {
        let keyspaces = match fs::read_dir(self.store.join("keyspaces")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            keyspaces => keyspaces?,
        };
        for keyspace in keyspaces {
            let keyspace = keyspace?;
            let tables = match fs::read_dir(keyspace.path().join("tables")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                tables => tables?,
            };
            // The engine's own keyspace has tables from the beginning.
            if keyspace.file_name() != "0" && tables.count() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The store holds its watermark: the copy of its journal is not needed.
    fn hold(&self, last: u64) -> io::Result<()> {
        Watermark { commit: last, clean: false }.write(&self.watermark)?;
        remove_folder(&self.journal_copy)
    }

    /// Copies what is written of the journals, unless a copy of an earlier opening is still there:
    /// that one has more.
    fn copy_journal(&self) -> io::Result<()> {
        if self.journal_copy.exists() {
            return Ok(());
        }
        let fresh = self.journal_copy.with_extension("journal.new");
        remove_folder(&fresh)?;
        DirBuilder::new().mode(0o700).create(&fresh)?;
        for journal in journals(&self.store)? {
            copy_sparsely(&journal, &fresh)?;
        }
        fs::rename(&fresh, &self.journal_copy)
    }

    /// What a failure of the store means to its operator.
    pub(super) fn explain(&self, error: StoreError) -> OpenError {
        match error {
            StoreError::OtherLayout(found) if found > layout::VERSION => {
                OpenError::Newer { path: self.store.clone(), found, known: layout::VERSION }
            }
            StoreError::Engine(error) if is_disks(&error) => self.unusable(match error {
                fjall::Error::Io(cause) | fjall::Error::Storage(LsmError::Io(cause)) => cause,
                other => io::Error::other(other),
            }),
            error => self.damaged(error.to_string()),
        }
    }

    fn damaged(&self, reason: String) -> OpenError {
        let copy = match self.journal_copy.exists() {
            true => format!(" (its journal as it was is in {})", self.journal_copy.display()),
            false => String::new(),
        };
        OpenError::Damaged { path: self.store.clone(), reason, copy }
    }

    fn unusable(&self, cause: io::Error) -> OpenError {
        OpenError::Unusable { path: self.store.clone(), cause }
    }
}

/// What is known of a store's journals before the engine sees them.
#[derive(Default)]
struct Journals {
    last_commit: Option<u64>,
    /// The last one, if it ends in a piece of a commit, and where that begins.
    torn: Option<(PathBuf, usize)>,
    /// Why the store is to be refused.
    problem: Option<String>,
}

/// What is left of a mailbox that was refused, in a copy.
pub struct Salvage {
    paths: Paths,
    store: Option<Store>,
}

impl Salvage {
    /// Copies a refused store and opens what can be read of the copy.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        let paths = Paths::new(data);
        let unusable = |cause| OpenError::Unusable { path: paths.salvage.clone(), cause };
        remove_folder(&paths.salvage).map_err(unusable)?;
        copy_folder(&paths.store, &paths.salvage).map_err(unusable)?;
        for journal in journals(&paths.salvage).map_err(unusable)? {
            let Scan { verdict, .. } = scan(&read_written(&journal).map_err(unusable)?);
            let (Verdict::Whole { end } | Verdict::Torn { end } | Verdict::Damaged { end }) =
                verdict;
            cut(&journal, end).map_err(unusable)?;
        }
        // The engine makes a keyspace anew that is missing, and takes what the journal has for it only
        // when it opens the next time.
        let twice = try_open(&paths.salvage, Unreadable::Left).and_then(|first| {
            drop(first);
            try_open(&paths.salvage, Unreadable::Left)
        });
        let (store, _) = twice.map_err(|error| paths.explain(error))?;
        Ok(Self { paths, store: Some(store) })
    }

    /// What is left.
    pub fn image(&self) -> Option<Image> {
        self.store.as_ref().map(Store::image)
    }

    /// Puts what is left in the place of the refused mailbox. Returns where that lies from now on.
    pub fn accept(mut self) -> Result<PathBuf, OpenError> {
        let paths = self.paths.clone();
        let mended = self.store.take().map(|store| store.mend().and_then(|()| store.last_commit()));
        let last = mended.unwrap_or(Ok(0)).map_err(|error| paths.explain(error))?;
        let refused = (1..).map(|n| paths.store.with_extension(format!("refused.{n}")));
        let refused = refused.into_iter().find(|path| !path.exists());
        let refused = refused.expect("one of so many numbers is free");
        let replace = || {
            if paths.store.exists() {
                fs::rename(&paths.store, &refused)?;
            }
            fs::rename(&paths.salvage, &paths.store)?;
            paths.hold(last)
        };
        replace().map_err(|cause| paths.unusable(cause))?;
        Ok(refused)
    }
}

impl Drop for Salvage {
    fn drop(&mut self) {
        self.store = None;
        let _ = remove_folder(&self.paths.salvage);
    }
}

/// Whether the disk did not do what it was asked to. What is not as it should be on a disk that does
/// is damage.
fn is_disks(error: &fjall::Error) -> bool {
    let (fjall::Error::Io(cause) | fjall::Error::Storage(LsmError::Io(cause))) = error else {
        return false;
    };
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    !matches!(cause.kind(), InvalidData | NotFound | UnexpectedEof)
}

fn shortage(last: u64, known: Watermark) -> String {
    format!("it ends at commit {last}, and commit {} was synced", known.commit)
}

fn damage(journal: &Path, end: usize) -> String {
    format!("its journal {} cannot be read at byte {end}, and goes on behind", journal.display())
}

/// fjall asserts what it reads here and there: a damaged store may make it panic.
fn try_open(folder: &Path, unreadable: Unreadable) -> Result<(Store, u64), StoreError> {
    let open = || {
        let store = Store::open(folder, unreadable)?;
        let last = store.last_commit()?;
        Ok((store, last))
    };
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or(Err(StoreError::Engine(fjall::Error::Unrecoverable)))
}

/// The journal files of a store, the active one last.
fn journals(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    let entries = match fs::read_dir(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|it| it == "jnl")) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

fn cut(journal: &Path, end: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(journal)?;
    file.set_len(end as u64)?;
    file.sync_all()
}

pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to.join(entry.file_name()))?,
            false => copy_sparsely(&entry.path(), to)?,
        }
    }
    Ok(())
}

/// What is written of a journal, without the zeros at its end: more of those change nothing in what
/// it is.
fn read_written(journal: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(journal)?;
    let mut piece = vec![0; PIECE];
    let (mut written, mut length) = (Vec::new(), 0);
    loop {
        let read = file.read(&mut piece)?;
        match &piece[..read] {
            [] => return Ok(written),
            zeros if is_zero(zeros) => {}
            other => {
                written.resize(length, 0);
                written.extend_from_slice(other);
            }
        }
        length += read;
    }
}

fn is_zero(piece: &[u8]) -> bool {
    static ZEROS: [u8; PIECE] = [0; PIECE];
    piece.chunks(PIECE).all(|piece| *piece == ZEROS[..piece.len()])
}

/// Copies a file into a folder, without the zeros that a journal is made with.
fn copy_sparsely(file: &Path, folder: &Path) -> io::Result<()> {
    let Some(name) = file.file_name() else { return Ok(()) };
    let mut from = File::open(file)?;
    let mut options = OpenOptions::new();
    let mut copy = options.write(true).create_new(true).mode(0o600).open(folder.join(name))?;
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    loop {
        let read = from.read(&mut piece)?;
        length += read as u64;
        match &piece[..read] {
            [] => break,
            zeros if is_zero(zeros) => {
                copy.seek(SeekFrom::Start(length))?;
            }
            written => copy.write_all(written)?,
        }
    }
    copy.set_len(length)?;
    copy.sync_all()
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;
