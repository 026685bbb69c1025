//! The codec on a connection: the reader that turns bytes into frames.
//!
//! A waiting reader holds no buffer: bytes are read into a scratch area that all readers of a thread share, and only
//! what arrived is kept.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures::{AsyncRead, AsyncWriteExt};

use super::codec::{Decoder, Frame, ProtocolError};
use super::transport::{BoxReader, BoxWriter};
use crate::task;

/// How much one read may bring.
pub const READ_CHUNK: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_CHUNK].into());
}

/// Frames from a connection's reading half.
pub struct FrameReader<F> {
    half: BoxReader,
    decoder: Decoder<F>,
}

impl<F: Frame> FrameReader<F> {
    /// Reads from `half`.
    pub fn new(half: BoxReader) -> Self {
        Self { half, decoder: Decoder::default() }
    }

    /// Goes on with frames of another kind.
    pub fn switch<G: Frame>(self) -> FrameReader<G> {
        FrameReader { half: self.half, decoder: self.decoder.switch() }
    }

    /// The next frame among the bytes that were read so far.
    pub fn next_ready(&mut self) -> Result<Option<F>, ProtocolError> {
        self.decoder.decode()
    }

    /// The decoder: what is read and not decoded yet, and how much memory a body holds.
    pub fn decoder(&self) -> &Decoder<F> {
        &self.decoder
    }

    /// Reads once. Returns how many bytes came, 0 at the end. Call it when [`next_ready`](Self::next_ready) has nothing
    /// left.
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { half, decoder } = self;
        poll_read(half, context, |bytes| decoder.feed(bytes))
    }

    /// Waits until it has [read](Self::poll_fill). Cancel-safe: may be dropped while it waits without losing a byte.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|context| self.poll_fill(context)).await
    }

    /// Reads once and drops what came.
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

/// Writes as long as the peer takes something within `patience`, however little, and calls `moved` whenever it has.
pub async fn write_patiently(
    half: &mut BoxWriter,
    mut bytes: &[u8],
    patience: Duration,
    moved: impl Fn(),
) -> io::Result<()> {
    let late = || Err(io::ErrorKind::TimedOut.into());
    while !bytes.is_empty() {
        let written = task::within(patience, half.write(bytes)).await.unwrap_or_else(late)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        moved();
    }
    let late = || Err(io::ErrorKind::TimedOut.into());
    task::within(patience, half.flush()).await.unwrap_or_else(late)
}

/// Writes one frame at once; for signing in, where frames go one by one.
pub async fn write_frame<F: Frame>(half: &mut BoxWriter, frame: &F) -> io::Result<()> {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    half.write_all(&out).await?;
    half.flush().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use async_std::task::block_on;
    use futures::AsyncWrite;

    use super::*;

    /// Takes a byte at a time, this many in all.
    struct Narrow(usize);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.0 == 0 {
                return Poll::Pending;
            }
            self.0 -= 1;
            Poll::Ready(Ok(bytes.len().min(1)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn whoever_takes_little_at_a_time_moves_and_whoever_takes_nothing_is_given_up() {
        let moved = Cell::new(0);
        let write = |takes| {
            moved.set(0);
            let mut half: BoxWriter = Box::new(Narrow(takes));
            let patience = Duration::from_millis(20);
            let written =
                write_patiently(&mut half, b"hello", patience, || moved.update(|n| n + 1));
            (block_on(written).map_err(|error| error.kind()), moved.get())
        };
        assert_eq!(write(5), (Ok(()), 5));
        assert_eq!(write(3), (Err(io::ErrorKind::TimedOut), 3));
    }
}
