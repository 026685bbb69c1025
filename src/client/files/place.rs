//! Where a file lies that has come, or comes.
//!
//! Owned by nobody. Invariant: nothing is there under its own name whose hash is not that which its sender has told.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where files lie that came, in the data folder.
pub const FOLDER: &str = "files";

/// Its path in the folder, by its message.
pub(crate) fn place(folder: &Path, message: i64) -> PathBuf {
    folder.join(message.to_string())
}

/// Has nothing of a file lie on the disk any more, neither all of it nor a part.
pub(crate) fn remove(folder: &Path, message: i64) -> io::Result<()> {
    let place = place(folder, message);
    for path in [place.with_extension("part"), place] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_what_is_freed_lies_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["7", "7.part", "8"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        remove(folder.path(), 7).unwrap();
        remove(folder.path(), 7).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(left.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), ["8"]);
    }
}
