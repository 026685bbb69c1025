//! A file that is sealed, or opened, as it travels: from any byte on, in pieces of any size.
//!
//! Owned by whoever carries it, who may block. Invariant: one chunk is held at a time; and nothing that was changed,
//! moved or added on its way comes out.

use std::io::{self, Read, Seek, SeekFrom};

use super::file::{CHUNK, FileKey, OpeningError, SEALED};

/// A plain file, read as it is when it is sealed. The same bytes come whenever, and from wherever, they are read, as
/// long as the file has the hash of its key. An error if it ends too early; what it has behind its size is not read.
pub struct Sealing<R> {
    key: FileKey,
    plain: R,
    /// The next sealed byte.
    at: u64,
    /// A sealed chunk, and its number.
    chunk: Vec<u8>,
    number: Option<u64>,
}

impl<R: Read + Seek> Sealing<R> {
    /// From its first byte on.
    pub fn new(key: FileKey, plain: R) -> Self {
        Self { key, plain, at: 0, chunk: Vec::new(), number: None }
    }

    fn seal(&mut self, number: u64) -> io::Result<()> {
        self.number = None;
        self.chunk.resize(self.key.length(number), 0);
        self.plain.seek(SeekFrom::Start(number * CHUNK))?;
        self.plain.read_exact(&mut self.chunk)?;
        self.key.seal(number, &mut self.chunk);
        self.number = Some(number);
        Ok(())
    }
}

impl<R: Read + Seek> Read for Sealing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.key.sealed_size() {
            return Ok(0);
        }
        let number = self.at / SEALED;
        if self.number != Some(number) {
            self.seal(number)?;
        }
        let rest = &self.chunk[(self.at % SEALED) as usize..];
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

/// Places are those of sealed bytes.
impl<R: Read + Seek> Seek for Sealing<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.key.sealed_size().checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// What comes of a sealed file, in its order.
pub struct Opening {
    key: FileKey,
    /// The number of the next chunk, and what is here of it, sealed.
    next: u64,
    text: Vec<u8>,
    failed: Option<OpeningError>,
}

impl Opening {
    /// From its first byte on.
    pub fn new(key: FileKey) -> Self {
        Self::resume(key, 0)
    }

    /// Behind those chunks that are whole in the first `had` bytes of the plain file.
    pub fn resume(key: FileKey, had: u64) -> Self {
        let next = had.min(key.size()) / CHUNK;
        Self { key, next, text: Vec::new(), failed: None }
    }

    /// How many bytes of the plain file are before those that are opened next.
    pub fn plain_offset(&self) -> u64 {
        (self.next * CHUNK).min(self.key.size())
    }

    /// How many bytes of the sealed file are before those that are taken next.
    pub fn sealed_offset(&self) -> u64 {
        (self.next * SEALED).min(self.key.sealed_size()) + self.text.len() as u64
    }

    /// Takes the next piece, and appends to `plain` the chunks that are whole by now. After an error it takes nothing.
    pub fn take(&mut self, sealed: &[u8], plain: &mut Vec<u8>) -> Result<(), OpeningError> {
        self.failed.map_or(Ok(()), Err)?;
        let taken = self.open_all(sealed, plain);
        self.failed = taken.err();
        taken
    }

    fn open_all(&mut self, mut sealed: &[u8], plain: &mut Vec<u8>) -> Result<(), OpeningError> {
        while !sealed.is_empty() {
            if self.next == self.key.chunks() {
                return Err(OpeningError::Long);
            }
            let missing = self.key.sealed_length(self.next) - self.text.len();
            let (now, later) = sealed.split_at(missing.min(sealed.len()));
            self.text.extend_from_slice(now);
            if now.len() == missing {
                self.key.open(self.next, &mut self.text)?;
                plain.append(&mut self.text);
                self.next += 1;
            }
            sealed = later;
        }
        Ok(())
    }

    /// Whether all of it was opened, and nothing else came.
    pub fn end(&self) -> Result<(), OpeningError> {
        let is_whole = self.next == self.key.chunks();
        self.failed.map_or(Ok(()), Err)?;
        is_whole.then_some(()).ok_or(OpeningError::Short)
    }
}
