//! A data folder that others could enter becomes its owner's alone, or is refused.
//!
//! Owned by nobody. Invariant: what is not a data folder, or is for others too, stays as it is.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::{FolderError, unusable};
use super::owners::not_owned_by;

/// The file by which a data folder is locked.
pub(super) const LOCK: &str = "lock";

/// What shows that a folder is one: a person's, or a server's. One that was copied may have some of it alone.
const MARKS: [&str; 6] = [LOCK, "messages.db", "id_ed25519", "known_servers", "mailbox", "names"];

/// What its owner may do in a folder, what others may, and what lets them change it.
const OWNER: u32 = 0o700;
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Everybody puts their things there, and nobody removes those of others.
const STICKY: u32 = 0o1000;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

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
}
