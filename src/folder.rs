//! A data folder: made on first use, for its owner alone, and in use by one process at a time.
//!
//! Owned by whoever opened it, server or client; the lock goes with the value, also when the
//! process is killed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use thiserror::Error;

/// A locked data folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

/// Why a data folder cannot be used. Made to be read by its owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum FolderError {
    #[error("the data folder {} is in use by another process; stop that one or choose another with --data", path.display())]
    InUse { path: PathBuf },
    #[error("cannot use {} as data folder: {cause}; choose another with --data", path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    #[error("there is no home folder to put data into; name a folder with --data")]
    Homeless,
}

impl Folder {
    /// Makes the folder if it is not there, and locks it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let path = path.to_path_buf();
        match Self::lock(&path) {
            Ok(lock) => Ok(Self { path, lock }),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                Err(FolderError::InUse { path })
            }
            Err(cause) => Err(FolderError::Unusable { path, cause }),
        }
    }

    /// Where a file of this name lies in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn lock(path: &Path) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = path.join("lock");
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock)?;
        file.try_lock()?;
        // A folder that is full or read-only is better found now than by the first message.
        let probe = path.join("probe");
        fs::write(&probe, b"x")?;
        fs::remove_file(&probe)?;
        Ok(file)
    }
}

impl Drop for Folder {
    /// Closing the file would do, but for a child that is being started at this moment and has it
    /// open until it becomes another program.
    fn drop(&mut self) {
        // If it fails, closing is still to come.
        let _ = self.lock.unlock();
    }
}

/// The folder `name` under `$XDG_DATA_HOME`, which is `~/.local/share` unless set.
pub fn default_data_folder(name: &str) -> Result<PathBuf, FolderError> {
    let base = etcetera::choose_base_strategy().map_err(|_| FolderError::Homeless)?;
    Ok(base.data_dir().join(name))
}

/// How much more a folder's disk takes from us, in bytes.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Writes a file for its owner alone (mode 0600) that is either whole or not there, whenever the power
/// goes.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.to_path_buf();
    fresh.set_extension("new");
    // What a crash left; or what somebody put there, who could then read along.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
    fn a_private_file_is_never_one_that_was_there() {
        let place = tempfile::tempdir().unwrap();
        let (path, left) = (place.path().join("key"), place.path().join("key.new"));
        fs::write(&left, "left").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!left.exists());
    }

    #[test]
    fn what_cannot_be_a_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Folder::open(&file).unwrap_err();
        assert!(error.to_string().contains("file as data folder"), "{error}");
    }
}
