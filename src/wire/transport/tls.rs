//! Both halves of a socket under TLS, with bounds on what the records of others cost.
//!
//! Owned by the two tasks of a connection. Invariant: reading yields after so many bytes and so many records, whatever is
//! in them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite};
use futures_rustls::TlsStream;

use super::socket::{Line, SocketReader, SocketWriter};

/// How many bytes of TLS are read before the task yields, whatever is in them.
const READ_AT_ONCE: usize = 16 * 1024;

/// How many bytes of TLS may arrive for one that they carry, and how many in addition. Records may be tiny or empty,
/// and each costs work that is counted nowhere else. More than that ends the connection.
const FOR_ONE: usize = 8;
const BESIDE: usize = 64 * 1024;

/// Both halves of a socket, for TLS. It is read in pieces of 4 KiB, as TLS asks for them: to read more at once would copy
/// it once more, which costs more than it saves. However little TLS returns of what was read, reading yields here now
/// and then.
pub(super) struct Duplex {
    reader: SocketReader,
    writer: SocketWriter,
    /// How many bytes were read since reading last yielded.
    read: usize,
    barren: Arc<Barren>,
}

impl Duplex {
    pub(super) fn new(line: Arc<Line>) -> Self {
        let (reader, writer) = line.split();
        Self { reader, writer, read: 0, barren: Arc::default() }
    }
}

/// How many bytes of TLS arrived that carried nothing, minus what is allowed.
#[derive(Default)]
struct Barren(AtomicUsize);

impl Barren {
    /// This many bytes arrived.
    fn came(&self, bytes: usize) -> io::Result<()> {
        if self.0.fetch_add(bytes, Ordering::Relaxed) + bytes > BESIDE {
            let text = "what comes under TLS carries next to nothing";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }

    /// They carried this many.
    fn carried(&self, bytes: usize) {
        let less = |barren: usize| Some(barren.saturating_sub(bytes.saturating_mul(FOR_ONE)));
        // It always has another value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.read >= READ_AT_ONCE {
            self.read = 0;
            self.reader.pause();
        }
        let read = ready!(Pin::new(&mut self.reader).poll_read(context, bytes))?;
        self.read += read;
        self.barren.came(read)?;
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write_vectored(context, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(context)
    }
}

/// Reads several records at once, as far as there are and they fit: one has 16 KiB at most, often much less. After
/// [`RECORDS`] of them the task yields: a small one costs as much work as a large one.
pub(super) struct TlsReader {
    half: ReadHalf<TlsStream<Duplex>>,
    barren: Arc<Barren>,
    /// It has read so many records that it now yields.
    rests: bool,
    /// The error that ended reading, after what was returned last.
    failed: Option<io::Error>,
}

/// How many records are read at once.
const RECORDS: usize = 32;

impl TlsReader {
    /// Splits a stream into its halves.
    pub(super) fn split(stream: TlsStream<Duplex>) -> (Self, WriteHalf<TlsStream<Duplex>>) {
        let barren = stream.get_ref().0.barren.clone();
        let (half, writer) = stream.split();
        (Self { half, barren, rests: false, failed: None }, writer)
    }
}

impl AsyncRead for TlsReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut filled = 0;
        for _ in 0..RECORDS {
            if let Some(error) = self.failed.take() {
                return Poll::Ready(ended(error));
            }
            match Pin::new(&mut self.half).poll_read(context, &mut bytes[filled..]) {
                Poll::Ready(Ok(read @ 1..)) => {
                    self.barren.carried(read);
                    filled += read;
                }
                Poll::Ready(Err(error)) if filled > 0 => {
                    self.failed = Some(error);
                    return Poll::Ready(Ok(filled));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(ended(error)),
                // The end is met again by the next read.
                Poll::Ready(Ok(_)) | Poll::Pending if filled > 0 => return Poll::Ready(Ok(filled)),
                other => return other,
            }
            if filled == bytes.len() {
                return Poll::Ready(Ok(filled));
            }
        }
        self.rests = true;
        Poll::Ready(Ok(filled))
    }
}

/// A peer may end without a TLS `close_notify`. Frames mark their own ends: nothing can be truncated unseen.
fn ended(error: io::Error) -> io::Result<usize> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(0) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use futures::FutureExt;

    use super::*;
    use crate::wire::transport::Socket;

    #[test]
    fn who_always_has_more_to_read_is_not_read_without_a_pause() {
        let (mut peer, own) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        peer.write_all(&[0; 3 * READ_AT_ONCE]).unwrap();
        let mut duplex = Duplex::new(Line::new(Socket::Unix(own)).unwrap());
        let (mut read, mut bytes) = (0, [0; 1024]);
        let reading = poll_fn(|context| {
            while let Poll::Ready(more) = Pin::new(&mut duplex).poll_read(context, &mut bytes) {
                read += more.unwrap();
            }
            Poll::<()>::Pending
        });
        assert!(reading.now_or_never().is_none());
        assert_eq!(read, READ_AT_ONCE);
    }

    #[test]
    fn what_carries_next_to_nothing_is_an_error_and_what_carries_something_is_not() {
        let barren = Barren::default();
        for _ in 0..1_000 {
            barren.came(BESIDE / 2).unwrap();
            barren.carried(BESIDE / 2 / FOR_ONE);
        }
        barren.came(BESIDE).unwrap();
        assert_eq!(barren.came(1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
