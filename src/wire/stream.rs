//! The codec on a connection: the one place that splits a socket into its halves, and the reader
//! that turns bytes into frames.
//!
//! The halves are boxed, so that both tasks of a connection look alike over TCP, TLS and Unix
//! sockets. A reader that waits holds no buffer: bytes are read into a scratch area that all readers
//! of a thread share, and only what came is kept.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::Async;
use bytes::BytesMut;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::codec::{Decoder, Frame, ProtocolError};

/// How much one read may bring.
pub const READ_CHUNK: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_CHUNK].into());
}

/// The reading half of any transport.
pub type BoxReader = Box<dyn AsyncRead + Send + Unpin>;

/// The writing half of any transport.
pub type BoxWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// Splits a TCP connection and makes it send small frames at once.
pub fn split(stream: TcpStream) -> io::Result<(BoxReader, BoxWriter)> {
    stream.set_nodelay(true)?;
    let stream = Arc::new(Async::new(stream)?);
    let reader = TcpReader { stream: stream.clone(), drained: false };
    Ok((Box::new(reader), Box::new(TcpWriter(stream))))
}

/// Reads only where there is something to read: asking a socket that was just drained costs as much
/// as reading from it.
struct TcpReader {
    stream: Arc<Async<TcpStream>>,
    /// The last read took all that was there.
    drained: bool,
}

impl AsyncRead for TcpReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                ready!(self.stream.poll_readable(context))?;
            }
            let read = self.stream.get_ref().read(bytes);
            self.drained = !matches!(read, Ok(read) if read == bytes.len());
            match read {
                Err(error) if is_temporary(&error) => {}
                read => return Poll::Ready(read),
            }
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Tells the peer when it is closed, also while the other half is open.
struct TcpWriter(Arc<Async<TcpStream>>);

impl AsyncWrite for TcpWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self.0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self.0).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

/// Frames out of a connection's reading half.
pub struct FrameReader<F> {
    half: BoxReader,
    decoder: Decoder<F>,
}

impl<F: Frame> FrameReader<F> {
    /// Reads from `half`.
    pub fn new(half: BoxReader) -> Self {
        Self { half, decoder: Decoder::default() }
    }

    /// The next frame among the bytes that were read so far.
    pub fn next_ready(&mut self) -> Result<Option<F>, ProtocolError> {
        self.decoder.decode()
    }

    /// What is read and not looked at yet, and how much a body holds in memory.
    pub fn decoder(&self) -> &Decoder<F> {
        &self.decoder
    }

    /// Reads once: how many bytes came, 0 at the end. Call it when [`next_ready`](Self::next_ready) has
    /// nothing left.
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { half, decoder } = self;
        poll_read(half, context, |bytes| decoder.feed(bytes))
    }

    /// Waits until it has [read](Self::poll_fill). May be dropped while it waits without losing a byte.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|context| self.poll_fill(context)).await
    }

    /// Reads once and forgets what came.
    pub async fn discard(&mut self) -> io::Result<usize> {
        poll_fn(|context| poll_read(&mut self.half, context, |_| {})).await
    }

    /// Reads until there is a frame; `None` at the end.
    pub async fn next(&mut self) -> io::Result<Option<Result<F, ProtocolError>>> {
        loop {
            if let Some(frame) = self.next_ready().transpose() {
                return Ok(Some(frame));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }
}

fn poll_read(
    half: &mut BoxReader,
    context: &mut Context<'_>,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let read = ready!(Pin::new(half).poll_read(context, scratch))?;
        take(&scratch[..read]);
        Poll::Ready(Ok(read))
    })
}

/// Writes one frame at once; for signing in, where frames go one by one.
pub async fn write_frame<F: Frame>(half: &mut BoxWriter, frame: &F) -> io::Result<()> {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    half.write_all(&out).await
}
