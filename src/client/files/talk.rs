//! Talking with the server on a connection that carries a file: a request, and its answer.
//!
//! Owned by the thread that carries. Invariant: whatever the server does, each wait ends.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures::AsyncWriteExt;

use super::job::Stop;
use crate::message::BlobId;
use crate::task;
use crate::wire::codec::{Frame, ProtocolError};
use crate::wire::frame::{FileError, FileReply, FileRequest};
use crate::wire::stream::FrameReader;
use crate::wire::transport::BoxWriter;
use crate::wire::{IDLE_AFTER_SECONDS, chunk_line};

/// How long the server may take to answer, or to take a chunk. A large file takes its disk a while.
const PATIENCE: Duration = Duration::from_secs(IDLE_AFTER_SECONDS);

/// The connection of one carrier.
pub(super) struct Line {
    pub(super) reader: FrameReader<FileReply>,
    pub(super) half: BoxWriter,
    pub(super) out: BytesMut,
}

impl Line {
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

    /// Writes what is in `out`. Where the server closes meanwhile it may have said why.
    pub(super) async fn write(&mut self) -> Result<(), Stop> {
        let Self { half, out, .. } = self;
        let writing = async {
            half.write_all(out).await?;
            half.flush().await
        };
        match task::within(PATIENCE, writing).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => match self.next().await {
                Err(stop @ (Stop::Failed(_) | Stop::Anew | Stop::Gone)) => Err(stop),
                _ => Err(error.into()),
            },
            None => Err(Stop::Away("the server takes nothing".into())),
        }
    }

    pub(super) async fn next(&mut self) -> Result<FileReply, Stop> {
        let next = task::within(PATIENCE, self.reader.next()).await;
        let next = next.ok_or_else(|| Stop::Away("the server does not answer".into()))?;
        match next? {
            Some(reply) => answered(reply),
            None => Err(Stop::Away("the server closed the connection".into())),
        }
    }

    /// What has been said already, without waiting for it.
    pub(super) async fn next_ready(&mut self) -> Result<Option<FileReply>, Stop> {
        loop {
            if let Some(reply) = self.reader.next_ready().transpose() {
                return answered(reply).map(Some);
            }
            let reader = &mut self.reader;
            let filled = poll_fn(|context| Poll::Ready(reader.poll_fill(context)));
            match filled.await {
                Poll::Pending => return Ok(None),
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => {
                    return Err(Stop::Away("the server closed the connection".into()));
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn drop_blob(&mut self, blob: BlobId) -> Result<(), Stop> {
        self.say(&FileRequest::Drop { blob }).await?;
        self.next().await.map(drop)
    }
}

pub(super) fn nonsense(reply: &FileReply) -> Stop {
    let mut bytes = BytesMut::new();
    reply.encode(&mut bytes);
    bytes.truncate(80);
    Stop::Away(format!("the server said nonsense: {bytes:?}"))
}

fn answered(reply: Result<FileReply, ProtocolError>) -> Result<FileReply, Stop> {
    match reply {
        Ok(FileReply::Error { code, text }) => Err(refused(code, text)),
        Ok(reply) => Ok(reply),
        Err(error) => Err(Stop::Away(format!("the server said nonsense: {error}"))),
    }
}

/// What an error means for the next try. One of greeting, as of a ticket that is not good any more, is followed by a
/// peer's place.
fn refused(code: FileError, text: String) -> Stop {
    match code {
        FileError::Size | FileError::Quota | FileError::Space => Stop::Failed(text),
        FileError::Gone => Stop::Gone,
        _ => Stop::Away(text),
    }
}
