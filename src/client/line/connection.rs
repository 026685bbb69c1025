//! One connection to the server, from connecting to its end.
//!
//! Owned by the core, which is its only reader and writer. What is to be written is collected in
//! `out`; reading never waits for writing, so that two sides with full buffers cannot stand still.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use futures::future::select;
use futures::{AsyncWriteExt, future};

use super::broken::{Broken, CLOSED};
use super::door::Reached;
use super::sign_in::Visit;
use super::silence::Silence;
use crate::task;
use crate::wire::MAX_BODY;
use crate::wire::codec::{Frame, ProtocolError};
use crate::wire::frame::{ClientFrame, Limits, ServerFrame};
use crate::wire::stream::FrameReader;
use crate::wire::transport::{BoxWriter, Transport};

/// Backpressure: with this many bytes of answers to write, the server is not read until it has read what it asked for.
/// A server that reads is never owed this much: an `ACK`, a `KEY` and a `TALK` for each conversation, and a `PONG` now
/// and then.
const OWED_HIGH: usize = 1024 * 1024;

/// A connection after signing in.
pub(crate) struct Connection {
    reader: FrameReader<ServerFrame>,
    half: BoxWriter,
    out: BytesMut,
    /// How many bytes of that, at most, are answers.
    owed: usize,
    /// When the server last read something, or there first was something to read.
    taken: Instant,
    /// Nothing that was written is still in the layers below.
    flushed: bool,
    silence: Silence,
    longest_body: usize,
    since: Instant,
    heard: Instant,
    pinged: bool,
}

/// The result of waiting for progress.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Frames may have arrived.
    Read,
    /// Bytes were written.
    Wrote,
    /// A timer has run out: it is time to say or to hear something.
    Silence,
}

impl Connection {
    /// Signs in at a server that was reached.
    pub(crate) async fn open(reached: Reached, visit: Visit) -> Result<Self, Broken> {
        let Reached { transport, until, .. } = reached;
        let Transport { reader, writer: mut half, channel } = transport;
        let mut reader = FrameReader::new(reader);
        let limits = visit.sign_in(&mut reader, &mut half, channel, until).await?;
        Ok(Self::new(reader, half, limits))
    }

    fn new(reader: FrameReader<ServerFrame>, half: BoxWriter, limits: Limits) -> Self {
        let (out, now) = (BytesMut::new(), Instant::now());
        Self {
            reader,
            half,
            out,
            owed: 0,
            taken: now,
            flushed: true,
            silence: Silence::of(&limits),
            longest_body: longest_body(&limits),
            since: now,
            heard: now,
            pinged: false,
        }
    }

    /// Appends a frame to what is to be written.
    pub(crate) fn say(&mut self, frame: &ClientFrame) {
        if self.out.is_empty() && self.flushed {
            self.taken = Instant::now();
        }
        frame.encode(&mut self.out);
    }

    /// The same for an answer, which the server can ask for as often as it likes. While many wait, the server is not
    /// read.
    pub(crate) fn answer(&mut self, frame: &ClientFrame) {
        let before = self.out.len();
        self.say(frame);
        self.owed += self.out.len() - before;
    }

    /// How long this server may be silent.
    pub(crate) fn silence(&self) -> Silence {
        self.silence
    }

    /// The longest message that this server takes, in bytes.
    pub(crate) fn longest_body(&self) -> usize {
        self.longest_body
    }

    /// How many bytes are to be written.
    pub(crate) fn unwritten(&self) -> usize {
        self.out.len()
    }

    /// How long ago one signed in on it.
    pub(crate) fn lived(&self) -> Duration {
        self.since.elapsed()
    }

    /// The next frame among what was read.
    pub(crate) fn next_ready(&mut self) -> Result<Option<ServerFrame>, ProtocolError> {
        self.reader.next_ready()
    }

    /// Reads (if `reading`, and unless too much is owed) and writes until one of them makes progress. Cancel-safe: may
    /// be dropped while it waits without losing a byte.
    pub(crate) async fn progress(&mut self, reading: bool) -> Result<Progress, Broken> {
        match self.transfer(reading && self.owed < OWED_HIGH).await {
            Transfer::Read(Ok(0)) => Err(Broken::Away(CLOSED.into())),
            Transfer::Read(read) => {
                read?;
                (self.heard, self.pinged) = (Instant::now(), false);
                Ok(Progress::Read)
            }
            Transfer::Wrote(wrote) => {
                self.out.advance(wrote?);
                self.owed = self.owed.min(self.out.len());
                (self.taken, self.flushed) = (Instant::now(), false);
                Ok(Progress::Wrote)
            }
            Transfer::Flushed(done) => {
                done?;
                self.flushed = true;
                Ok(Progress::Wrote)
            }
            Transfer::Silence => Ok(Progress::Silence),
            Transfer::Stuck => Err(Broken::Away("the server takes nothing".into())),
        }
    }

    async fn transfer(&mut self, reading: bool) -> Transfer {
        let Silence { ping_after, idle_after } = self.silence;
        let patience = if self.pinged { idle_after } else { ping_after };
        let (deadline, taken_by) = (self.heard + patience, self.taken + idle_after);
        let Self { reader, half, out, flushed, .. } = self;
        let reading = async {
            // While nothing is read, silence means nothing.
            let silence = deadline.saturating_duration_since(Instant::now());
            if !reading {
                return future::pending().await;
            }
            let read = task::within(silence, reader.fill()).await;
            read.map_or(Transfer::Silence, Transfer::Read)
        };
        let writing = async {
            if out.is_empty() && *flushed {
                return future::pending().await;
            }
            let work = async {
                if out.is_empty() {
                    return Transfer::Flushed(half.flush().await);
                }
                Transfer::Wrote(half.write(out).await)
            };
            let limit = taken_by.saturating_duration_since(Instant::now());
            task::within(limit, work).await.unwrap_or(Transfer::Stuck)
        };
        // Writing goes first: else nothing would be acknowledged while more keeps coming.
        select(Box::pin(writing), Box::pin(reading)).await.factor_first().0
    }

    /// Sends `PING`, or gives the server up.
    pub(crate) fn break_silence(&mut self) -> Result<(), Broken> {
        if self.pinged {
            return Err(Broken::Away("the server does not answer".into()));
        }
        self.pinged = true;
        self.say(&ClientFrame::Ping);
        Ok(())
    }

    /// Writes the rest with a `QUIT`, and waits until the server has read it all.
    pub(crate) async fn quit(mut self, limit: Duration) {
        self.say(&ClientFrame::Quit);
        let leaving = async {
            self.half.write_all(&self.out).await?;
            self.half.flush().await?;
            while self.reader.discard().await? > 0 {}
            io::Result::Ok(())
        };
        // Nothing depends on it: what the server did not get is still in the outbox.
        let _ = task::within(limit, leaving).await;
    }
}

fn longest_body(limits: &Limits) -> usize {
    match usize::try_from(limits.body) {
        Ok(most @ 1..MAX_BODY) => most,
        _ => MAX_BODY,
    }
}

/// What one wait did.
enum Transfer {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Flushed(io::Result<()>),
    Silence,
    Stuck,
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll};

    use async_std::task::block_on;
    use futures::{AsyncRead, AsyncWrite, FutureExt};

    use super::*;
    use crate::message::{Kind, Origin};

    /// Asks without end, and reads only when it is let.
    #[derive(Clone, Default)]
    struct Server {
        said: usize,
        reads: Arc<AtomicBool>,
    }

    impl AsyncRead for Server {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let mut words = b"PING\r\n".iter().cycle().skip(self.said % 6);
            bytes.fill_with(|| *words.next().unwrap());
            self.said += bytes.len();
            Poll::Ready(Ok(bytes.len()))
        }
    }

    impl AsyncWrite for Server {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.reads.load(Ordering::Relaxed) {
                Poll::Ready(Ok(bytes.len()))
            } else {
                Poll::Pending
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn connect(server: &Server, limits: Limits) -> Connection {
        let reader = FrameReader::new(Box::new(server.clone()));
        Connection::new(reader, Box::new(server.clone()), limits)
    }

    /// Answers all that is asked until the connection waits. How many were.
    fn answer_all(connection: &mut Connection) -> u64 {
        let mut answered = 0;
        while let Some(progress) = connection.progress(true).now_or_never() {
            progress.unwrap();
            while let Some(ServerFrame::Ping) = connection.next_ready().unwrap() {
                connection.answer(&ClientFrame::Pong);
                answered += 1;
            }
            assert!(connection.unwritten() < 2 * OWED_HIGH, "more and more is owed");
        }
        answered
    }

    #[test]
    fn a_server_that_asks_and_does_not_read_is_read_no_more_until_it_does() {
        let server = Server::default();
        let mut connection = connect(&server, Limits::default());
        assert!(answer_all(&mut connection) > 1_000);
        server.reads.store(true, Ordering::Relaxed);
        while connection.unwritten() > 0 {
            assert_eq!(block_on(connection.progress(true)).unwrap(), Progress::Wrote);
        }
        server.reads.store(false, Ordering::Relaxed);
        assert!(answer_all(&mut connection) > 1_000, "it goes on");
    }

    #[test]
    fn what_one_writes_oneself_does_not_keep_one_from_reading() {
        let server = Server::default();
        let mut connection = connect(&server, Limits::default());
        let body = vec![b'x'; 4 * OWED_HIGH].into();
        let (peer, n, kind) = ("marie".parse().unwrap(), 1, Kind::TEXT);
        let origin = Origin::from_bytes([7; 16]);
        connection.say(&ClientFrame::Message { peer, n, origin, kind, version: 0, body });
        let progress = connection.progress(true).now_or_never();
        assert_eq!(progress.unwrap().unwrap(), Progress::Read);
    }

    #[test]
    fn a_server_that_takes_nothing_is_given_up() {
        let server = Server::default();
        let mut connection = connect(&server, Limits { idle: 1, ..Limits::default() });
        connection.say(&ClientFrame::Online);
        let reading = async {
            loop {
                if let Err(broken) = connection.progress(true).await {
                    return broken;
                }
                while connection.next_ready().unwrap().is_some() {}
            }
        };
        let broken = block_on(reading);
        assert!(matches!(broken, Broken::Away(because) if because == "the server takes nothing"));
    }
}
