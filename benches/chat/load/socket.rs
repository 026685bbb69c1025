//! A socket with what was read from it and what is to be written to it.
//!
//! Blocking while things are prepared, with [`PATIENCE`]; then perhaps not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use memchr::memchr;

use super::super::Result;
use super::PATIENCE;

/// How much one read may bring.
const READ_CHUNK: usize = 64 * 1024;

/// See the [module](self).
pub(super) struct Socket {
    stream: TcpStream,
    /// What was read; all before `start` was looked at, all from `end` on means nothing.
    input: Vec<u8>,
    start: usize,
    end: usize,
    pub(super) out: Vec<u8>,
    /// So much of `out` is written.
    written: usize,
    stuck: bool,
}

impl Socket {
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (input, out) = (vec![0; READ_CHUNK], Vec::new());
        Ok(Self { stream, input, start: 0, end: 0, out, written: 0, stuck: false })
    }

    /// Has reads and writes return at once, or wait again.
    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
        Ok(self.stream.set_nonblocking(nonblocking)?)
    }

    /// Only the connection, without its buffers.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// What was read and not consumed.
    pub(super) fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// The first whole line of that, with its end.
    pub(super) fn line(&self) -> Option<&[u8]> {
        let input = self.input();
        memchr(b'\n', input).map(|end| &input[..=end])
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
    }

    /// Waits for a line, and consumes it.
    pub(super) fn next_line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(line) = self.line().map(<[u8]>::to_vec) {
                self.consume(line.len());
                return Ok(line);
            }
            self.fill()?;
        }
    }

    /// Reads once. Whether something came; while it blocks, nothing is an error.
    pub(super) fn try_fill(&mut self) -> Result<bool> {
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.input.len() {
            self.input.resize(2 * self.end, 0);
        }
        match self.stream.read(&mut self.input[self.end..]) {
            Ok(0) => Err("the connection was closed".into()),
            Ok(read) => {
                self.end += read;
                Ok(true)
            }
            Err(error) if is_late(error.kind()) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for something to read.
    pub(super) fn fill(&mut self) -> Result<()> {
        if self.try_fill()? { Ok(()) } else { Err(format!("nothing came for {PATIENCE:?}").into()) }
    }

    /// Writes what it can. Whether all of it is written.
    pub(super) fn try_flush(&mut self) -> Result<bool> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if is_late(error.kind()) => {
                    self.stuck = true;
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.stuck = false;
        self.out.clear();
        self.written = 0;
        Ok(true)
    }

    /// Whether the last [try](Self::try_flush) left something.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Writes everything.
    pub(super) fn flush(&mut self) -> Result<()> {
        let done = self.try_flush()?;
        if done { Ok(()) } else { Err(format!("nothing was taken for {PATIENCE:?}").into()) }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_late(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
