//! A socket of either kind, and its halves: one reads, the other writes.
//!
//! Owned by the two tasks of a connection. Invariant: both halves are on one socket, which is closed once both are gone.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures::{AsyncRead, AsyncWrite};

/// How many unsent bytes the system buffers. By default it takes some MiB for a peer that reads nothing, which costs
/// memory, and time to copy; bytes in flight over a long line are not counted.
const UNSENT: u32 = 64 * 1024;

/// A connected socket of either kind.
#[derive(Debug)]
#[allow(missing_docs, reason = "the variants are the kinds")]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// From now on reads and writes that would block fail instead.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.read(bytes),
            Socket::Unix(stream) => { stream }.read(bytes),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.write(bytes),
            Socket::Unix(stream) => { stream }.write(bytes),
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.write_vectored(pieces),
            Socket::Unix(stream) => { stream }.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that its two halves share, and how many bytes arrived.
pub struct Line {
    socket: Async<Socket>,
    heard: AtomicU64,
}

impl Line {
    /// One that sends small frames at once.
    pub fn new(socket: Socket) -> io::Result<Arc<Self>> {
        if let Socket::Tcp(stream) = &socket {
            stream.set_nodelay(true)?;
            limit_unsent(stream)?;
        }
        Ok(Arc::new(Self { socket: Async::new(socket)?, heard: AtomicU64::new(0) }))
    }

    pub(super) fn split(self: Arc<Self>) -> (SocketReader, SocketWriter) {
        (SocketReader { line: self.clone(), drained: false }, SocketWriter(self))
    }

    /// How many bytes were read so far, TLS's own among them.
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn limit_unsent(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

/// On other systems their own limits hold.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn limit_unsent(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// Reads only when there is something to read: asking a socket that was just drained costs as much as reading from it.
pub(super) struct SocketReader {
    line: Arc<Line>,
    /// The last read returned all that was there.
    drained: bool,
}

impl SocketReader {
    /// Looks first whether there is something the next time, and so yields.
    pub(super) fn pause(&mut self) {
        self.drained = true;
    }
}

impl AsyncRead for SocketReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                ready!(self.line.socket.poll_readable(context))?;
            }
            let read = self.line.socket.get_ref().read(bytes);
            self.drained = !matches!(read, Ok(read) if read == bytes.len());
            match read {
                Err(error) if is_temporary(&error) => {}
                Ok(read) => {
                    self.line.heard.fetch_add(read as u64, Ordering::Relaxed);
                    return Poll::Ready(Ok(read));
                }
                error => return Poll::Ready(error),
            }
        }
    }
}

/// Tells the peer when it is closed, even while the other half is open. Several pieces are one write: in the last one
/// of a connection TLS says why it fails, after what it had said before.
pub(super) struct SocketWriter(Arc<Line>);

impl SocketWriter {
    fn poll_write_by(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(self.0.socket.get_ref()) {
                Err(error) if is_temporary(&error) => ready!(self.0.socket.poll_writable(context))?,
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncWrite for SocketWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(context, |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(context, |mut socket| socket.write_vectored(pieces))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.socket.get_ref().shutdown_write())
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
