//! The files of a store as they lie in their folder: which are its journals, and copies without the zeros that a journal is
//! made with.
//!
//! Owned by whoever opens a store. Invariant: nothing but [`cut`] and [`remove_folder`] changes what is there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much of a file is read or copied at once.
const PIECE: usize = 64 * 1024;

/// The journal files of a store, the active one last.
pub(super) fn journals(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    let entries = match fs::read_dir(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|it| it == "jnl")) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Cuts off what a journal has from a byte on.
pub(super) fn cut(journal: &Path, end: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(journal)?;
    file.set_len(end as u64)?;
    file.sync_all()
}

/// Copies a folder and all that is in it; an empty one if there is none.
pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to.join(entry.file_name()))?,
            false => copy_sparsely(&entry.path(), to)?,
        }
    }
    Ok(())
}

/// What is written of a journal, without the zeros at its end: more of those change nothing in what
/// it is.
pub(super) fn read_written(journal: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(journal)?;
    let mut piece = vec![0; PIECE];
    let (mut written, mut length) = (Vec::new(), 0);
    loop {
        let read = file.read(&mut piece)?;
        match &piece[..read] {
            [] => return Ok(written),
            zeros if is_zero(zeros) => {}
            other => {
                written.resize(length, 0);
                written.extend_from_slice(other);
            }
        }
        length += read;
    }
}

fn is_zero(piece: &[u8]) -> bool {
    static ZEROS: [u8; PIECE] = [0; PIECE];
    piece.chunks(PIECE).all(|piece| *piece == ZEROS[..piece.len()])
}

/// Copies a file into a folder, without the zeros that a journal is made with.
pub(super) fn copy_sparsely(file: &Path, folder: &Path) -> io::Result<()> {
    let Some(name) = file.file_name() else { return Ok(()) };
    let mut from = File::open(file)?;
    let mut options = OpenOptions::new();
    let mut copy = options.write(true).create_new(true).mode(0o600).open(folder.join(name))?;
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    loop {
        let read = from.read(&mut piece)?;
        length += read as u64;
        match &piece[..read] {
            [] => break,
            zeros if is_zero(zeros) => {
                copy.seek(SeekFrom::Start(length))?;
            }
            written => copy.write_all(written)?,
        }
    }
    copy.set_len(length)?;
    copy.sync_all()
}

/// Removes a folder and all that is in it, if there is one.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_read_between_what_is_written_and_not_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("0.jnl");
        for (zeros, written) in
            [(0, 0), (0, 1), (7, 5), (PIECE, 1), (PIECE - 1, 1), (2 * PIECE, PIECE)]
        {
            for behind in [0, 1, PIECE, 3 * PIECE + 1] {
                let content = [vec![0; zeros], vec![1; written]].concat();
                fs::write(&journal, [&content[..], &vec![0; behind]].concat()).unwrap();
                let read = read_written(&journal).unwrap();
                let (start, end) = read.split_at(content.len());
                assert!(start == content, "{zeros}, {written}, {behind}");
                assert!(end.len() < PIECE && is_zero(end), "{zeros}, {written}, {behind}");
            }
        }
    }
}
