//! Whose things lie in a folder.
//!
//! Owned by nobody. Invariant: it only looks.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Something in a folder, however deep, that is not this user's.
pub(super) fn not_owned_by(owner: u32, folder: &Path) -> io::Result<Option<PathBuf>> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
