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
//! | `mailbox.salvage/` | a [copy](super::salvage) of a refused store, while an operator looks at what is left |
//! | `mailbox.refused.1/`, … | a store in whose place an operator accepted what was left |

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::LsmError;

use super::error::StoreError;
use super::files::{copy_sparsely, cut, journals, read_written, remove_folder};
use super::layout;
use super::scan::{Scan, Verdict, scan};
use super::store::{MEMTABLE_BYTES, Store};
use super::upgrade::Unreadable;
use super::watermark::Watermark;

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
    pub(super) salvage: PathBuf,
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
    pub(super) fn hold(&self, last: u64) -> io::Result<()> {
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

    pub(super) fn unusable(&self, cause: io::Error) -> OpenError {
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
pub(super) fn try_open(folder: &Path, unreadable: Unreadable) -> Result<(Store, u64), StoreError> {
    let open = || {
        let store = Store::open(folder, unreadable)?;
        let last = store.last_commit()?;
        Ok((store, last))
    };
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or(Err(StoreError::Engine(fjall::Error::Unrecoverable)))
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;
