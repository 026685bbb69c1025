//! Files for their owner alone, and how much room their disk has.
//!
//! Owned by nobody. Invariant: a private file is complete or absent, and never one that somebody else put there.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How much more a folder's disk takes from us, in bytes.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The unit in which systems say how much of a disk a file takes, in bytes.
const BLOCK: u64 = 512;

/// How much of the disk the files in a folder take, in bytes. What is gone meanwhile takes nothing.
pub(crate) fn used_space(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let used = |entry: DirEntry| match entry.metadata() {
        Ok(file) if file.is_dir() => used_space(&entry.path()),
        Ok(file) => file.blocks() * BLOCK,
        Err(_) => 0,
    };
    entries.flatten().map(used).sum()
}

/// Writes a file for its owner alone (mode 0600) that is either whole or not there, whenever the power
/// goes.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put_private(path, bytes)?;
    sync_name(path)
}

/// The same, but for its name, which is only [synced](sync_name) afterwards. Returns the file that has the name now.
pub(crate) fn put_private(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let mut file = create_private(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    Ok(file)
}

/// So that a file has its name also after a power cut.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a file for its owner alone, to write and read, in place of what a crash left; or of what somebody put there,
/// who could then read along.
pub fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_a_folder_takes_is_what_the_files_in_it_take_and_holes_take_nothing() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut file = File::create(inner.join("file")).unwrap();
        file.write_all(&vec![1; 100_000]).and_then(|()| file.sync_all()).unwrap();
        let hole = File::create(place.path().join("hole")).unwrap();
        hole.set_len(1 << 30).unwrap();
        let used = used_space(place.path());
        assert!((1..1 << 20).contains(&used), "{used}");
        assert_eq!(used_space(&place.path().join("nowhere")), 0);
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
}
