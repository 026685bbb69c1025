//! Requests to the server, and their answers, on a connection that carries a file.
//!
//! Owned by the thread that carries. Invariant: whatever the server does, each wait ends.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use bytes::{BufMut, BytesMut};

use super::job::Stop;
use crate::client::line::broken::CLOSED;
use crate::client::line::silence::Silence;
use crate::message::BlobId;
use crate::task;
use crate::wire::chunk_line;
use crate::wire::codec::{Frame, ProtocolError};
use crate::wire::frame::{FileError, FileReply, FileRequest};
use crate::wire::stream::{FrameReader, write_patiently};
use crate::wire::transport::BoxWriter;

/// The connection of one carrier.
pub(super) struct Line {
    reader: FrameReader<FileReply>,
    half: BoxWriter,
    pub(super) out: BytesMut,
    silence: Silence,
    /// When something was last said.
    said: Instant,
}

impl Line {
    pub(super) fn new(reader: FrameReader<FileReply>, half: BoxWriter, silence: Silence) -> Self {
        Self { reader, half, out: BytesMut::new(), silence, said: Instant::now() }
    }

    pub(super) async fn say(&mut self, request: &FileRequest) -> Result<(), Stop> {
        self.out.clear();
        request.encode(&mut self.out);
        self.write().await
    }

    /// Begins a chunk in `out`, and says where its body is to be written.
    pub(super) fn begin_chunk(&mut self, offset: u64, length: usize) -> usize {
        self.out.clear();
        chunk_line(&mut self.out, offset, length);
        let body = self.out.len();
        self.out.put_bytes(0, length);
        body
    }

    /// Writes what is in `out`, however slowly the server takes it. Where it closes meanwhile it may have said why.
    pub(super) async fn write(&mut self) -> Result<(), Stop> {
        let Self { half, out, silence, .. } = self;
        let written = write_patiently(half, out, silence.idle_after, || {}).await;
        self.said = Instant::now();
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Err(Stop::Away("the server takes nothing".into()))
            }
            Err(error) => Err(self.last_words().await.unwrap_or(error.into())),
        }
    }

    /// Why the server closed, if it said so.
    async fn last_words(&mut self) -> Option<Stop> {
        loop {
            let next = task::within(self.silence.idle_after, self.reader.next()).await;
            if let Err(stop) = answered(next?.ok()??) {
                return Some(stop);
            }
        }
    }

    /// The next answer. Whoever waits says `PING` now and then, so that both sides know that the other is there.
    pub(super) async fn next(&mut self) -> Result<FileReply, Stop> {
        let Silence { ping_after, idle_after } = self.silence;
        let mut heard = Instant::now();
        loop {
            if let Some(reply) = self.next_read().await? {
                return Ok(reply);
            }
            let until = (heard + idle_after).min(self.said + ping_after);
            let wait = until.saturating_duration_since(Instant::now());
            match task::within(wait, self.reader.fill()).await {
                Some(Ok(0)) => return Err(closed()),
                Some(filled) => {
                    filled?;
                    heard = Instant::now();
                }
                None if heard.elapsed() >= idle_after => {
                    return Err(Stop::Away("the server does not answer".into()));
                }
                None => self.say(&FileRequest::Ping).await?,
            }
        }
    }

    /// The next answer among what was read. The server's own questions are answered on the way.
    async fn next_read(&mut self) -> Result<Option<FileReply>, Stop> {
        while let Some(reply) = self.reader.next_ready().transpose() {
            match answered(reply)? {
                FileReply::Ping => self.say(&FileRequest::Pong).await?,
                FileReply::Pong => {}
                reply => return Ok(Some(reply)),
            }
        }
        Ok(None)
    }

    /// What has been said already, without waiting for it.
    pub(super) async fn next_ready(&mut self) -> Result<Option<FileReply>, Stop> {
        loop {
            if let Some(reply) = self.next_read().await? {
                return Ok(Some(reply));
            }
            let reader = &mut self.reader;
            let filled = poll_fn(|context| Poll::Ready(reader.poll_fill(context)));
            match filled.await {
                Poll::Pending => return Ok(None),
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => return Err(closed()),
                Poll::Ready(Err(error)) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn drop_blob(&mut self, blob: BlobId) -> Result<(), Stop> {
        self.say(&FileRequest::Drop { blob }).await?;
        self.next().await.map(drop)
    }
}

fn closed() -> Stop {
    Stop::Away(CLOSED.into())
}

pub(super) fn nonsense(reply: &FileReply) -> Stop {
    let mut bytes = BytesMut::new();
    reply.encode(&mut bytes);
    bytes.truncate(80);
    Stop::Away(format!("the server said nonsense: {bytes:?}"))
}

fn answered(reply: Result<FileReply, ProtocolError>) -> Result<FileReply, Stop> {
    match reply {
        Ok(FileReply::Error { code, text, .. }) => Err(refused(code, text)),
        Ok(reply) => Ok(reply),
        Err(error) => Err(Stop::Away(format!("the server said nonsense: {error}"))),
    }
}

/// What an error means for the next try.
fn refused(code: FileError, text: String) -> Stop {
    match code {
        FileError::Size | FileError::Quota | FileError::Space => Stop::Failed(text),
        FileError::Gone => Stop::Gone,
        _ => Stop::Away(text),
    }
}
