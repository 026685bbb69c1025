//! A book: a text file in the data folder, made of whole lines.
//!
//! Owned by the thread that writes it. Invariant: what [`Book::append`] and [`Book::replace`] report as written is on
//! the disk, synced; a line without its end was never written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::folder::{put_private, sync_name};

/// Why a book cannot be opened. For the operator.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum BookError {
    #[error("cannot use {}: {cause}", path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    #[error(
        "line {line} of {} is not one that this program writes; if a newer version of it was here start that one, else mend or delete the line and start again",
        path.display()
    )]
    BadLine { path: PathBuf, line: usize },
}

/// See the [module](self). `length` is where the last whole line ends.
pub(super) struct Book<F = File> {
    path: PathBuf,
    file: F,
    length: u64,
}

impl Book {
    /// Opens a book, or creates it, and reads its complete lines.
    pub(super) fn open(path: &Path) -> Result<(Self, String), BookError> {
        Self::read(path).map_err(|cause| BookError::Unusable { path: path.into(), cause })
    }

    fn read(path: &Path) -> io::Result<(Self, String)> {
        let mut file = open(path)?;
        // It may be new: then the folder has to be synced as well.
        sync_name(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        Ok((Self { path: path.into(), file, length: text.len() as u64 }, text))
    }

    /// Rewrites the whole book. After an error it has either the old or the new text.
    pub(super) fn replace(&mut self, text: &str) -> io::Result<()> {
        // From here on this file is the book, even if syncing the folder fails.
        self.file = put_private(&self.path, text.as_bytes())?;
        self.length = text.len() as u64;
        sync_name(&self.path)
    }
}

/// What a book needs of its file.
pub(super) trait Sheet: Write + Seek {
    fn cut(&self, length: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

impl Sheet for File {
    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl<F: Sheet> Book<F> {
    /// Writes lines behind the last whole one, over whatever a failed attempt left there.
    pub(super) fn append(&mut self, lines: &str) -> io::Result<()> {
        // A longer line may be left there.
        self.file.cut(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(lines.as_bytes())?;
        self.file.sync()?;
        self.length += lines.len() as u64;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::fs;

    use super::*;

    #[test]
    fn a_torn_last_line_was_never_written_and_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        fs::write(&path, "one\ntwo\nthree is long").unwrap();
        let (mut book, text) = Book::open(&path).unwrap();
        assert_eq!(text, "one\ntwo\n");
        book.append("3\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n3\n");
        book.replace("four\n").unwrap();
        book.append("five\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\nfive\n");
    }

    /// A disk that fails its first sync.
    struct Failing(RefCell<io::Cursor<Vec<u8>>>, Cell<bool>);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.get_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Failing {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.get_mut().seek(to)
        }
    }

    impl Sheet for Failing {
        fn cut(&self, length: u64) -> io::Result<()> {
            self.0.borrow_mut().get_mut().truncate(usize::try_from(length).unwrap());
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            if self.1.replace(true) { Ok(()) } else { Err(io::Error::other("disk full")) }
        }
    }

    #[test]
    fn what_could_not_be_synced_is_not_in_the_book() {
        let file = Failing(RefCell::default(), Cell::new(false));
        let mut book = Book { path: PathBuf::new(), file, length: 0 };
        book.append("maximilian\n").unwrap_err();
        book.append("john\n").unwrap();
        assert_eq!(book.file.0.into_inner().into_inner(), b"john\n");
    }
}
