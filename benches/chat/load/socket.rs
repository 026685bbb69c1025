//! A socket with what was read from it and what is to be written to it.
//!
//! Blocking while things are prepared, with [`PATIENCE`]; then perhaps not.

use std::io::{BufReader, ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use memchr::memchr;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tinychat::trust::tls::{Channel, client_config, fingerprint};

use super::super::Result;
use super::super::subject::Kind;
use super::PATIENCE;

/// How much one read may bring.
const READ_CHUNK: usize = 64 * 1024;

/// The same, with what one record of TLS may have left before.
const ROOM: usize = READ_CHUNK + 16 * 1024;

/// How many bytes went each way, without what TLS and TCP add.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) written: u64,
    pub(crate) read: u64,
}

impl Traffic {
    pub(crate) fn since(self, before: Self) -> Self {
        Self { written: self.written - before.written, read: self.read - before.read }
    }
}

/// See the [module](self).
pub(crate) struct Socket {
    stream: Stream,
    traffic: Traffic,
    /// What was read; all before `start` was looked at, all from `end` on means nothing.
    input: Vec<u8>,
    start: usize,
    end: usize,
    pub(crate) out: Vec<u8>,
    /// So much of `out` is written.
    written: usize,
    stuck: bool,
}

/// As it is, or under TLS. Records are read through a buffer: the TLS library alone reads 4 KiB at a
/// time.
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, Buffered>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.sock.0.get_ref(),
        }
    }

    /// Reads as much as there is and fits, at least once.
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let stream = match self {
            Self::Plain(stream) => return stream.read(bytes),
            Self::Tls(stream) => stream,
        };
        let mut filled = stream.read(bytes)?;
        // What is buffered already is not told of again.
        while filled < bytes.len() && stream.sock.has_more() {
            match stream.read(&mut bytes[filled..]) {
                Ok(read @ 1..) => filled += read,
                _ => break,
            }
        }
        Ok(filled)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => {
                write_records(stream)?;
                stream.conn.writer().write(bytes)
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => write_records(stream),
        }
    }
}

/// Writes what is encrypted, and does no more. The library's stream reads, too, when it cannot write; the poll would not
/// tell of that, and nobody would look at it.
fn write_records(stream: &mut StreamOwned<ClientConnection, Buffered>) -> std::io::Result<()> {
    let StreamOwned { conn, sock } = stream;
    while conn.wants_write() {
        conn.write_tls(sock)?;
    }
    Ok(())
}

/// Reads through a buffer, and writes at once.
struct Buffered(BufReader<TcpStream>);

impl Buffered {
    fn has_more(&self) -> bool {
        !self.0.buffer().is_empty()
    }
}

impl Read for Buffered {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        self.0.get_mut().write_vectored(slices)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Socket {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (input, out) = (vec![0; ROOM], Vec::new());
        let (stream, traffic) = (Stream::Plain(stream), Traffic::default());
        Ok(Self { stream, traffic, input, start: 0, end: 0, out, written: 0, stuck: false })
    }

    /// The same, in the way that is usual with what is measured.
    pub(crate) fn connect_to(kind: Kind, address: SocketAddr) -> Result<Self> {
        let mut socket = Self::connect(address)?;
        if let (Kind::Tls, Stream::Plain(stream)) = (kind, &socket.stream) {
            let stream = Buffered(BufReader::with_capacity(READ_CHUNK, stream.try_clone()?));
            let name = ServerName::IpAddress(address.ip().into());
            let connection = ClientConnection::new(Arc::new(client_config()?), name)?;
            let mut stream = Box::new(StreamOwned::new(connection, stream));
            stream.conn.complete_io(&mut stream.sock)?;
            socket.stream = Stream::Tls(stream);
        }
        Ok(socket)
    }

    /// What a sign-in is bound to.
    pub(crate) fn channel(&self) -> Result<Channel> {
        let Stream::Tls(stream) = &self.stream else { return Ok(Channel::Plain) };
        let chain = stream.conn.peer_certificates().unwrap_or_default();
        let certificate = chain.first().ok_or("the server shows no certificate")?;
        Ok(Channel::of(fingerprint(certificate)?, &stream.conn)?)
    }

    /// Has reads and writes return at once, or wait again.
    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
        Ok(self.stream.tcp().set_nonblocking(nonblocking)?)
    }

    /// Only the connection, without its buffers.
    pub(crate) fn into_stream(self) -> Result<TcpStream> {
        Ok(self.stream.tcp().try_clone()?)
    }

    /// What went over it until now.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What was read and not consumed.
    pub(crate) fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// The first whole line of that, with its end.
    pub(crate) fn line(&self) -> Option<&[u8]> {
        let input = self.input();
        memchr(b'\n', input).map(|end| &input[..=end])
    }

    pub(crate) fn consume(&mut self, length: usize) {
        self.start += length;
    }

    /// Waits for a line, and consumes it.
    pub(crate) fn next_line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(line) = self.line().map(<[u8]>::to_vec) {
                self.consume(line.len());
                return Ok(line);
            }
            self.fill()?;
        }
    }

    /// Reads once. Whether something came; while it blocks, nothing is an error.
    pub(crate) fn try_fill(&mut self) -> Result<bool> {
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        // Whatever lies in buffers has to fit: the poll tells of nothing but the socket.
        if self.input.len() - self.end < ROOM {
            self.input.resize(self.input.len() + ROOM, 0);
        }
        match self.stream.read(&mut self.input[self.end..]) {
            Ok(0) => Err("the connection was closed".into()),
            Ok(read) => {
                self.end += read;
                self.traffic.read += read as u64;
                Ok(true)
            }
            Err(error) if is_late(error.kind()) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for something to read.
    pub(crate) fn fill(&mut self) -> Result<()> {
        if self.try_fill()? { Ok(()) } else { Err(format!("nothing came for {PATIENCE:?}").into()) }
    }

    /// Writes what it can. Whether all of it is written.
    pub(crate) fn try_flush(&mut self) -> Result<bool> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(written) => {
                    self.written += written;
                    self.traffic.written += written as u64;
                }
                Err(error) if is_late(error.kind()) => {
                    self.stuck = true;
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.written = 0;
        match self.stream.flush() {
            Err(error) if is_late(error.kind()) => self.stuck = true,
            flushed => {
                flushed?;
                self.stuck = false;
            }
        }
        Ok(!self.stuck)
    }

    /// Whether the last [try](Self::try_flush) left something.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Writes everything.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let done = self.try_flush()?;
        if done { Ok(()) } else { Err(format!("nothing was taken for {PATIENCE:?}").into()) }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.tcp().as_fd()
    }
}

fn is_late(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
