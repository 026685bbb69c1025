//! A data folder that is in use by this process alone.
//!
//! Owned by whoever opened it, server or client; the lock goes with the value, also when the process is killed.
//! Invariant: a file by which a folder was locked is the one that lies in it.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::{FolderError, unusable};
use super::tight::{LOCK, tighten};

/// A locked data folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, [tightens](tighten) it if others may enter it, and locks it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        tighten(path)?;
        match Self::lock(path) {
            Ok(lock) => Ok(Self { path: path.into(), lock }),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                Err(FolderError::InUse { path: path.into() })
            }
            Err(cause) => Err(unusable(path, &cause)),
        }
    }

    /// Where a file of this name lies in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes the folder, if there is nothing in it any more but its lock.
    pub(crate) fn remove(&self) {
        let is_lock =
            |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|it| it.file_name() == LOCK);
        if fs::read_dir(&self.path).is_ok_and(|mut all| all.all(is_lock)) {
            // Whatever came in between stays.
            let _ = fs::remove_file(self.file(LOCK)).and_then(|()| fs::remove_dir(&self.path));
        }
    }

    fn lock(path: &Path) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = path.join(LOCK);
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock)?;
        file.try_lock()?;
        // Whoever had it may have removed the folder meanwhile.
        if !is_same(&file.metadata()?, &fs::metadata(&lock)?) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        probe(&path.join("probe"))?;
        Ok(file)
    }
}

/// A folder that is full or read-only is better found now than by the first message.
fn probe(path: &Path) -> io::Result<()> {
    let written = fs::write(path, b"x");
    let removed = fs::remove_file(path);
    written.and(removed)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

impl Drop for Folder {
    /// Closing the file would do, but for a child that is being started at this moment and has it
    /// open until it becomes another program.
    fn drop(&mut self) {
        // If it fails, closing is still to come.
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/er");
        let first = Folder::open(&path).unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::InUse { .. })));
        drop(first);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_copy_of_the_lock_does_not_hold_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        // As a child has that was started and is not another program yet.
        let inherited = folder.lock.try_clone().unwrap();
        drop(folder);
        Folder::open(place.path()).unwrap();
        drop(inherited);
    }

    #[test]
    fn what_cannot_be_a_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Folder::open(&file).unwrap_err();
        assert!(error.to_string().contains("file as data folder"), "{error}");
    }

    #[test]
    fn a_folder_is_removed_if_it_is_empty_and_not_in_use_by_its_old_lock() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data");
        let first = Folder::open(&path).unwrap();
        let old = File::open(path.join(LOCK)).unwrap();
        fs::write(path.join("letter"), "").unwrap();
        first.remove();
        assert!(path.join(LOCK).exists(), "it is not empty");
        fs::remove_file(path.join("letter")).unwrap();
        first.remove();
        assert!(!path.exists());
        drop(first);
        let second = Folder::open(&path).unwrap();
        assert!(!is_same(&old.metadata().unwrap(), &second.lock.metadata().unwrap()));
    }
}
