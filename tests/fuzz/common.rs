//! What several targets need: folders that are quick, and copies of them; the choice of an input.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tempfile::TempDir;

/// A folder in memory, where the system has that: what is fuzzed syncs often.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Makes `to` what `from` is, but for sockets; for its owner alone, as data folders are.
#[allow(dead_code, reason = "not all targets have something to copy")]
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The first byte, which chooses between so many, and the rest.
#[allow(dead_code, reason = "not all targets have a choice")]
pub fn choice(bytes: &[u8], many: usize) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(*first) % many, rest))
}

/// A file in which some bytes are others: each five are an offset and a byte.
#[allow(dead_code, reason = "not all targets have files")]
pub fn changed(path: &Path, changes: &[u8]) -> Vec<u8> {
    let mut whole = fs::read(path).unwrap();
    for change in changes.as_chunks::<5>().0 {
        let [offset @ .., byte] = change;
        let length = whole.len();
        whole[u32::from_le_bytes(*offset) as usize % length] = *byte;
    }
    whole
}
