//! A file of one's own that is read more than once, and is the same each time.
//!
//! Owned by the thread that carries it, which may block. Invariant: what comes out is what was there when it was read
//! first, in each place; if something else is there now, reading fails. So no key seals two texts, whatever others do to
//! the file meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use blake3::{Hash, Hasher};

use crate::task;

/// How much is read at once, in bytes. For each of these a hash is remembered, whatever the size of the file.
const BLOCK: usize = 1024 * 1024;

/// See the [module](self).
pub(super) struct Steady {
    file: File,
    size: u64,
    /// Of the file up to the end of each block, as it was read first.
    hashes: Vec<Hash>,
    /// Of what was read again, and how many blocks that is.
    hasher: Hasher,
    read: usize,
    /// The last of these.
    block: Vec<u8>,
    /// The next byte.
    at: u64,
}

impl Steady {
    /// Reads all of it once, and gives way now and then.
    pub(super) async fn new(file: File, size: u64) -> io::Result<Self> {
        let (hashes, hasher, block) = (Vec::new(), Hasher::new(), Vec::new());
        let mut steady = Self { file, size, hashes, hasher, read: 0, block, at: 0 };
        while steady.length_of(steady.read) > 0 {
            steady.read_next()?;
            steady.hashes.push(steady.hasher.finalize());
            task::give_way().await;
        }
        Ok(steady)
    }

    /// Of the whole file.
    pub(super) fn hash(&self) -> Hash {
        self.hashes.last().copied().unwrap_or_else(|| blake3::hash(b""))
    }

    /// How long one of its blocks is; 0 behind the last.
    fn length_of(&self, number: usize) -> usize {
        let rest = self.size.saturating_sub(number as u64 * BLOCK as u64);
        usize::try_from(rest).unwrap_or(BLOCK).min(BLOCK)
    }

    /// Has a block at hand. All before it are read as well, for a hash is of all that is before its end.
    fn load(&mut self, number: usize) -> io::Result<()> {
        let loaded = self.try_load(number);
        if loaded.is_err() {
            // Nothing more is read of it.
            self.size = 0;
        }
        loaded
    }

    fn try_load(&mut self, number: usize) -> io::Result<()> {
        if number + 1 < self.read {
            self.hasher.reset();
            self.read = 0;
        }
        while self.read <= number {
            self.read_next()?;
            if self.hashes.get(self.read - 1) != Some(&self.hasher.finalize()) {
                return Err(io::Error::new(ErrorKind::InvalidData, "it has changed"));
            }
        }
        Ok(())
    }

    fn read_next(&mut self) -> io::Result<()> {
        self.block.resize(self.length_of(self.read), 0);
        self.file.seek(SeekFrom::Start(self.read as u64 * BLOCK as u64))?;
        self.file.read_exact(&mut self.block)?;
        self.hasher.update(&self.block);
        self.read += 1;
        Ok(())
    }
}

impl Read for Steady {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size {
            return Ok(0);
        }
        self.load((self.at / BLOCK as u64) as usize)?;
        let rest = &self.block[(self.at % BLOCK as u64) as usize..];
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Steady {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use async_std::task::block_on;

    use super::*;

    /// A file with this content; the folder goes with the first.
    fn steady(content: &[u8]) -> (tempfile::TempDir, PathBuf, Steady) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        let file = File::open(&path).unwrap();
        let steady = block_on(Steady::new(file, content.len() as u64)).unwrap();
        (folder, path, steady)
    }

    /// A file whose blocks differ.
    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at % 251) as u8).collect()
    }

    fn part(steady: &mut Steady, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut part = vec![0; length];
        steady.seek(SeekFrom::Start(from))?;
        steady.read_exact(&mut part)?;
        Ok(part)
    }

    /// Writes over some of it.
    fn change(path: &std::path::Path, at: u64, bytes: &[u8]) {
        let mut file = File::options().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    #[test]
    fn it_is_read_from_wherever_one_wants() {
        for size in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 7] {
            let content = content(size);
            let (_folder, _, mut steady) = steady(&content);
            assert_eq!(steady.hash(), blake3::hash(&content), "{size}");
            for from in [0, 2 * BLOCK + 5, BLOCK - 3, BLOCK, 0] {
                let from = from.min(size);
                let length = (size - from).min(BLOCK + 9);
                let part = part(&mut steady, from as u64, length).unwrap();
                assert!(part == content[from..from + length], "{size}, from {from}");
            }
        }
    }

    #[test]
    fn what_has_changed_is_not_read_and_nothing_behind_it() {
        let content = content(3 * BLOCK);
        let (_folder, path, mut steady) = steady(&content);
        change(&path, BLOCK as u64 + 1, b"changed");
        assert!(part(&mut steady, 0, BLOCK).unwrap() == content[..BLOCK]);
        let error = part(&mut steady, BLOCK as u64, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        for at in [0, BLOCK as u64, 2 * BLOCK as u64] {
            part(&mut steady, at, 1).unwrap_err();
        }
    }

    #[test]
    fn a_file_that_became_shorter_ends_too_early() {
        let (_folder, path, mut steady) = steady(&content(2 * BLOCK));
        File::options().write(true).open(path).unwrap().set_len(5).unwrap();
        let error = part(&mut steady, 0, BLOCK).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
