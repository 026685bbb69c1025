//! What was shown while the disk had no room for the store to note it: a file whose room was taken before.
//!
//! Owned by the `store`, which notes it when it is opened next. Invariant: what is put here is in the file, synced, when
//! that is answered; to write it needs no room.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

/// How much room is taken, in bytes. More ids than it has room for are shown again next time.
const SIZE: usize = 64 * 1024;

/// What an id takes, in bytes.
const ID: usize = size_of::<i64>();

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Aside {
    path: PathBuf,
}

impl Aside {
    /// Takes the room in a folder, if there is any.
    pub(crate) fn keep(folder: &Path) -> Self {
        let aside = Self { path: folder.join("shown") };
        let kept = aside.open().and_then(|file| {
            fallocate(&file, FallocateFlags::empty(), 0, SIZE as u64).map_err(io::Error::from)
        });
        if let Err(error) = kept {
            log::debug!("there is no room for what is shown on a full disk: {error}");
        }
        aside
    }

    /// The ids that were put here.
    pub(crate) fn ids(&self) -> io::Result<Vec<i64>> {
        read(&mut self.open()?)
    }

    /// Puts more ids here.
    pub(crate) fn put(&self, ids: &[i64]) -> io::Result<()> {
        let mut file = self.open()?;
        let before = read(&mut file)?.len();
        if (before + ids.len()) * ID > SIZE {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        file.write_all_at(&bytes, (before * ID) as u64)?;
        file.sync_data()
    }

    /// They are noted.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let file = self.open()?;
        file.write_all_at(&[0; SIZE], 0)?;
        file.sync_data()
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.path)
    }
}

/// No message has the id 0.
fn read(file: &mut File) -> io::Result<Vec<i64>> {
    let mut bytes = Vec::new();
    file.take(SIZE as u64).read_to_end(&mut bytes)?;
    let (ids, _) = bytes.as_chunks();
    Ok(ids.iter().map(|id| i64::from_le_bytes(*id)).take_while(|id| *id != 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_is_there_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let aside = || Aside::keep(folder.path());
        assert_eq!(aside().ids().unwrap(), [0; 0]);
        aside().put(&[3, 1]).unwrap();
        aside().put(&[i64::MAX]).unwrap();
        assert_eq!(aside().ids().unwrap(), [3, 1, i64::MAX]);
        assert!(aside().put(&[7; SIZE]).is_err(), "no more than there is room for");
        aside().clear().unwrap();
        assert_eq!(aside().ids().unwrap(), [0; 0]);
    }
}
