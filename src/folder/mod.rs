//! A data folder: made on first use, for its owner alone, and in use by one process at a time.
//!
//! Owned by whoever opened it, server or client; the lock goes with the value, also when the
//! process is killed. Invariant: nobody else may enter a folder that is open, so what is in it needs no care
//! of its own.

pub(crate) mod socket;
mod wrong;

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
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
    #[error("cannot use {} as data folder: {because}; choose another with --data", path.display())]
    Unusable { path: PathBuf, because: String },
    #[error(
        "cannot have a Unix socket in the data folder {}, as others need who ask the program that uses it: {cause}; choose a folder of another file system with --data",
        path.display()
    )]
    NoSocket { path: PathBuf, cause: io::Error },
    #[error("there is no home folder to put data into; name a folder with --data")]
    Homeless,
    #[error(
        "others may enter {}, and {because}; use a folder that is yours alone (chmod 700), or choose another with --data",
        path.display()
    )]
    Shared { path: PathBuf, because: &'static str },
    #[error(
        "others could write in the data folder {}, and {} is not yours: look at what it is, and remove it or choose another folder with --data",
        path.display(), found.display()
    )]
    Planted { path: PathBuf, found: PathBuf },
}

/// The file by which a data folder is locked.
const LOCK: &str = "lock";

/// What shows that a folder is one: a person's, or a server's. One that was copied may have some of it alone.
const MARKS: [&str; 6] = [LOCK, "messages.db", "id_ed25519", "known_servers", "mailbox", "names"];

/// What its owner may do in a folder, what others may, and what lets them change it.
const OWNER: u32 = 0o700;
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Everybody puts their things there, and nobody removes those of others.
const STICKY: u32 = 0o1000;

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

fn unusable(path: &Path, cause: &io::Error) -> FolderError {
    FolderError::Unusable { path: path.into(), because: wrong::because(path, cause) }
}

impl Drop for Folder {
    /// Closing the file would do, but for a child that is being started at this moment and has it
    /// open until it becomes another program.
    fn drop(&mut self) {
        // If it fails, closing is still to come.
        let _ = self.lock.unlock();
    }
}

/// A data folder that others could enter. Made to be told to its owner.
#[derive(Debug, PartialEq, Eq)]
pub struct Tightened {
    path: PathBuf,
    mode: u32,
}

impl fmt::Display for Tightened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode } = self;
        let path = path.display();
        write!(
            f,
            "others could enter the data folder {path} (mode {mode:03o}); it is yours alone now"
        )
    }
}

/// Makes a data folder its owner's alone if others may enter it; whoever opens one does so first. A folder that is for
/// others too, or may be, is refused. Nothing happens where there is none.
pub fn tighten(path: &Path) -> Result<Option<Tightened>, FolderError> {
    let unusable = |cause: io::Error| unusable(path, &cause);
    let folder = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        folder => folder.map_err(unusable)?,
    };
    let metadata = folder.metadata().map_err(unusable)?;
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_dir() || mode & OTHERS == 0 {
        return Ok(None);
    }
    if let Some(because) = why_not(path, mode, metadata.uid()).map_err(unusable)? {
        return Err(FolderError::Shared { path: path.into(), because });
    }
    let set = |mode| folder.set_permissions(Permissions::from_mode(mode)).map_err(unusable);
    // Without the bits beyond, which not every system lets one set again.
    set(mode & OWNER)?;
    // From now on nobody adds anything.
    if mode & OTHERS_WRITE != 0
        && let Some(found) = not_owned_by(metadata.uid(), path).map_err(unusable)?
    {
        // So that it is found next time, too.
        set(mode & (OWNER | OTHERS))?;
        return Err(FolderError::Planted { path: path.into(), found });
    }
    Ok(Some(Tightened { path: path.into(), mode }))
}

/// Why a folder that others may enter is not made its owner's alone.
fn why_not(path: &Path, mode: u32, owner: u32) -> io::Result<Option<&'static str>> {
    let user = rustix::process::geteuid();
    if !user.is_root() && user.as_raw() != owner {
        return Ok(Some("it belongs to somebody else"));
    }
    if mode & STICKY != 0 {
        return Ok(Some("everybody puts things there"));
    }
    let is_empty = fs::read_dir(path)?.next().is_none();
    let is_known = is_empty || MARKS.iter().any(|mark| path.join(mark).exists());
    Ok((!is_known).then_some("it has other things than a data folder"))
}

/// Something in a folder, however deep, that is not this user's.
fn not_owned_by(owner: u32, folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Of a link, not of what it leads to.
            let metadata = entry.metadata()?;
            if metadata.uid() != owner {
                return Ok(Some(entry.path()));
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(None)
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
    let fresh = path.with_extension("new");
    let mut file = create_private(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a file for its owner alone, to write and read, in place of what a crash left; or of what somebody put there, who
/// could then read along.
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

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_folder_that_others_may_enter_is_tightened_and_that_is_told_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data");
        assert_eq!(tighten(&path).unwrap(), None, "there is none");
        fs::create_dir(&path).unwrap();
        for open in [0o755, 0o710, 0o775, 0o777] {
            set_mode(&path, open);
            let told = tighten(&path).unwrap().unwrap().to_string();
            assert!(told.contains(&format!("data (mode {open:03o})")), "{told}");
            assert_eq!(mode(&path), open & !OTHERS);
            assert_eq!(tighten(&path).unwrap(), None);
            // Now it has something: its lock.
            drop(Folder::open(&path).unwrap());
        }
    }

    #[test]
    fn a_folder_that_is_for_others_too_is_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data");
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o1777);
        let refused = |because: &str| {
            let before = mode(&path);
            let error = Folder::open(&path).unwrap_err().to_string();
            assert!(error.contains(because) && error.contains("chmod 700"), "{error}");
            assert_eq!(mode(&path), before);
        };
        refused("everybody puts things there");
        set_mode(&path, 0o755);
        fs::write(path.join("letter"), "").unwrap();
        refused("it has other things");
        set_mode(&path, 0o700);
        drop(Folder::open(&path).unwrap());
    }

    #[test]
    fn what_others_may_have_put_there_is_found_however_deep() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("mailbox/tables");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("1"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", deep.join("2")).unwrap();
        let own = fs::metadata(&deep).unwrap().uid();
        assert_eq!(not_owned_by(own, place.path()).unwrap(), None);
        assert!(not_owned_by(own + 1, place.path()).unwrap().is_some());
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
