//! Opening the store in a data folder, and refusing one that is damaged.
//!
//! Owned by the mailbox. Invariant: a store that lost something that was synced is never used as if
//! nothing had happened, and before an opening that may cut a journal, its written part lies in a
//! copy. In the data folder:
//!
//! | name | |
//! |---|---|
//! | `mailbox/` | the store |
//! | `mailbox.watermark` | see [`watermark`](super::watermark) |
//! | `mailbox.journal/` | the copy, until the store has opened and holds its watermark |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::store::{Store, StoreError};
use super::watermark::Watermark;

/// What fjall ends each batch of its journal with.
const TRAILER: &[u8] = b"FJL\x03";

/// How much of a journal is copied at once.
const PIECE: usize = 64 * 1024;

/// Why a mailbox cannot be opened. Made to be read by its operator.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum OpenError {
    #[error(
        "the mailbox {} is damaged: {reason}{copy}. `tinychat-server check` with the same --data prints what is in it; restore a backup, or let the server go on with what is left: `tinychat-server check --accept`",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String, copy: String },
    #[error("cannot use the mailbox {}: {cause}", path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    #[error("the mailbox {} was made by a newer version of this program", path.display())]
    Newer { path: PathBuf },
}

/// Where things lie in a data folder.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) store: PathBuf,
    pub(super) watermark: PathBuf,
    journal_copy: PathBuf,
    probe: PathBuf,
}

impl Paths {
    pub(super) fn new(data: &Path) -> Self {
        Self {
            store: data.join("mailbox"),
            watermark: data.join("mailbox.watermark"),
            journal_copy: data.join("mailbox.journal"),
            probe: data.join("mailbox.probe"),
        }
    }

    /// Opens the store, or makes it where there never was one. Returns the number of its last commit
    /// too.
    pub(super) fn open(&self) -> Result<(Store, u64), OpenError> {
        let known = self.known()?;
        if !known.clean && self.exists() {
            self.copy_journal().map_err(|cause| self.unusable(cause))?;
        }
        let (store, last) = self.open_store()?;
        if last < known.commit {
            let reason =
                format!("it ends at commit {last}, and commit {} was synced", known.commit);
            return Err(self.damaged(reason));
        }
        self.open_watermark(last)?;
        Ok((store, last))
    }

    /// Opens the store without asking whether it lost anything, or if it is there at all.
    pub(super) fn open_anyway(&self) -> Result<(Store, u64), OpenError> {
        self.copy_journal().map_err(|cause| self.unusable(cause))?;
        self.open_store()
    }

    /// Lets what is there be the whole mailbox from now on. The copy of the journal is kept under
    /// another name, which is returned if there was one.
    pub(super) fn accept(&self, last: u64) -> Result<Option<PathBuf>, OpenError> {
        let kept = (1..).map(|n| self.journal_copy.with_extension(format!("journal.{n}")));
        let kept =
            kept.into_iter().find(|path| !path.exists()).filter(|_| self.journal_copy.exists());
        if let Some(kept) = &kept {
            fs::rename(&self.journal_copy, kept).map_err(|cause| self.unusable(cause))?;
        }
        self.open_watermark(last)?;
        Ok(kept)
    }

    /// Whether the disk takes a little more than a commit needs.
    pub(super) fn has_room(&self) -> bool {
        const ROOM: usize = 1024 * 1024;
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
            Some(known) if known.commit > 0 && !self.exists() => {
                Err(self.damaged("it is gone, and messages were in it".into()))
            }
            Some(known) => Ok(known),
            None if self.exists() => {
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

    fn exists(&self) -> bool {
        self.store.exists()
    }

    /// The store holds its watermark: nothing that was copied is needed.
    fn open_watermark(&self, last: u64) -> Result<(), OpenError> {
        let forget_copy = || {
            Watermark { commit: last, clean: false }.write(&self.watermark)?;
            remove_folder(&self.journal_copy)
        };
        forget_copy().map_err(|cause| self.unusable(cause))
    }

    fn open_store(&self) -> Result<(Store, u64), OpenError> {
        match self.try_open() {
            Err(StoreError::Engine(fjall::Error::JournalRecovery(error))) => {
                log::warn!("the mailbox's journal ends in a torn commit ({error:?}), which is cut");
                self.cut_last_commit().map_err(|cause| self.unusable(cause))?;
                self.try_open()
            }
            opened => opened,
        }
        .map_err(|error| self.explain(error))
    }

    /// fjall asserts what it reads here and there: a damaged store may make it panic.
    fn try_open(&self) -> Result<(Store, u64), StoreError> {
        let open = || {
            let store = Store::open(&self.store)?;
            let last = store.last_commit()?;
            Ok((store, last))
        };
        catch_unwind(AssertUnwindSafe(open))
            .unwrap_or(Err(StoreError::Engine(fjall::Error::Unrecoverable)))
    }

    /// Makes the last batch of the journal one that was not written to its end, as which fjall drops
    /// it. Of a commit that was not synced some pages may have reached the disk and others not, its
    /// end among the former; fjall takes this for damage, and the watermark says whether it is.
    fn cut_last_commit(&self) -> io::Result<()> {
        let Some(active) = journals(&self.store)?.pop() else { return Ok(()) };
        let mut bytes = Vec::new();
        File::open(&active)?.read_to_end(&mut bytes)?;
        let Some(at) = memchr::memmem::rfind(&bytes, TRAILER) else { return Ok(()) };
        let file = OpenOptions::new().write(true).open(&active)?;
        file.set_len(at as u64)?;
        file.sync_all()
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
            copy_written(&journal, &fresh)?;
        }
        fs::rename(&fresh, &self.journal_copy)
    }

    fn explain(&self, error: StoreError) -> OpenError {
        match error {
            StoreError::Newer(_) => OpenError::Newer { path: self.store.clone() },
            StoreError::Engine(fjall::Error::Io(cause)) => self.unusable(cause),
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

/// Copies a journal without the zeros that it was made with.
fn copy_written(journal: &Path, to: &Path) -> io::Result<()> {
    let Some(name) = journal.file_name() else { return Ok(()) };
    let mut from = File::open(journal)?;
    let mut copy =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to.join(name))?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece)?;
        match &piece[..read] {
            [] => break,
            zeros if zeros.iter().all(|byte| *byte == 0) => {
                copy.seek(SeekFrom::Current(read as i64))?;
            }
            written => copy.write_all(written)?,
        }
    }
    copy.sync_all()
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
