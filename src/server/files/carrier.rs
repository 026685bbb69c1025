//! A connection that carries files: uploads to the server's disk, downloads from it.
//!
//! Run on a thread of its own, where the disk may take its time without anybody's chat waiting for it. It reads
//! and writes one chunk at a time: a disk, or a receiver, that is slow has the other side wait. Invariant: it
//! holds no more than one chunk that came, and one that goes.

use std::convert::Infallible;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use bytes::{BufMut, BytesMut};
use futures::AsyncWriteExt;
use futures::future::{Either, select};

use super::tickets::Pass;
use crate::blobs::{BlobError, Blobs, LABEL, Resumed, Upload};
use crate::mailbox::Usage;
use crate::message::{BlobId, Name, SessionKey};
use crate::server::limits::PersonRates;
use crate::server::linger::linger;
use crate::task;
use crate::wire::codec::{Counts, Frame, ProtocolError};
use crate::wire::frame::{ClientFrame, FileError, FileReply, FileRequest};
use crate::wire::stream::FrameReader;
use crate::wire::transport::BoxWriter;
use crate::wire::{MAX_CHUNK, chunk_line};

/// Behind so many bytes of an upload it is told how far that is.
const TELL: u64 = 1024 * 1024;

/// Of how many bytes a chunk is too small not to count like a message: each costs as much as one, whatever is in it.
const SMALL: usize = 16 * 1024;

/// What a carrier needs of the server.
pub(crate) struct Means {
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) person_rates: Arc<PersonRates>,
    /// How long its peer may say, or take, nothing.
    pub(crate) patience: Duration,
    /// Closed when the server stops.
    pub(crate) stopping: Receiver<Infallible>,
}

/// Carries until the peer has no more, or may no longer.
pub(crate) async fn carry(
    means: Means,
    pass: Box<Pass>,
    reader: FrameReader<ClientFrame>,
    half: BoxWriter,
) {
    let carrier = Carrier { means, pass, half, out: BytesMut::new(), upload: None };
    // The thread has logged why, if there is none; the peer is told nothing and tries again.
    task::in_background("files", carrier.serve(reader.switch())).await;
}

struct Carrier {
    means: Means,
    pass: Box<Pass>,
    half: BoxWriter,
    out: BytesMut,
    /// What is uploaded, and how far it was when that was last told.
    upload: Option<(BlobId, Upload, u64)>,
}

/// Why a carrier ends.
enum End {
    /// Nobody is there, or takes anything, any more.
    Gone,
    /// What to answer.
    Refused(FileError, String),
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl From<BlobError> for End {
    fn from(error: BlobError) -> Self {
        if let BlobError::Disk(cause) = &error {
            log::error!("a file that waits: {cause}");
        }
        Self::Refused(error.code(), error.to_string())
    }
}

impl From<ProtocolError> for End {
    fn from(error: ProtocolError) -> Self {
        Self::Refused(FileError::Bad, error.to_string())
    }
}

impl Carrier {
    async fn serve(mut self, mut reader: FrameReader<FileRequest>) {
        let (ended, displaced) = (self.pass.ended.clone(), self.pass.displaced.clone());
        let (stopping, name) = (self.means.stopping.clone(), self.pass.name.clone());
        let displaced = Box::pin(displaced.recv());
        let over = select(Box::pin(ended.recv()), Box::pin(stopping.recv()));
        let carrying = select(Box::pin(self.answer_all(&mut reader)), displaced);
        let end = match select(carrying, over).await {
            Either::Left((Either::Left((end, _)), _)) => end,
            Either::Left((Either::Right(_), _)) => {
                return log::info!("a file of {name} gives way to another");
            }
            Either::Right(_) => return,
        };
        if let End::Refused(code, text) = end {
            log::info!("a file of {}: {} {}", self.pass.name, code.as_str(), text.escape_debug());
            if self.say(&FileReply::Error { code, text }).await.is_ok() {
                // The peer may be gone already; then there is nobody to tell.
                let _ = self.half.close().await;
                linger(reader).await;
            }
        }
    }

    async fn answer_all(&mut self, reader: &mut FrameReader<FileRequest>) -> End {
        loop {
            let next = task::within(self.patience(), reader.next()).await;
            let answered = match next {
                Some(Ok(Some(Ok(request)))) => self.answer(request).await,
                Some(Ok(Some(Err(error)))) => Err(error.into()),
                Some(Ok(None) | Err(_)) | None => Err(End::Gone),
            };
            if let Err(end) = answered {
                return end;
            }
        }
    }

    async fn answer(&mut self, request: FileRequest) -> Result<(), End> {
        if request.verb().counts() == Counts::Message {
            self.count().await;
        }
        match request {
            FileRequest::Chunk { offset, body } => {
                self.keep_to_rate_of_chunk(body.len()).await;
                self.take(offset, &body).await
            }
            FileRequest::Offer { peer, size } => self.offer(peer, size).await,
            FileRequest::Resume { blob } => self.resume(blob).await,
            FileRequest::Fetch { blob, offset } => self.fetch(blob, offset).await,
            FileRequest::Drop { blob } => {
                self.means.blobs.drop_for(blob, &self.pass.name);
                self.upload.take_if(|(upload, ..)| *upload == blob);
                self.say(&FileReply::Gone { blob }).await
            }
        }
    }

    async fn offer(&mut self, peer: Name, size: u64) -> Result<(), End> {
        let to_self = |error| End::Refused(FileError::Bad, format!("{error}"));
        let key = SessionKey::new(self.pass.name.clone(), peer).map_err(to_self)?;
        self.means.person_rates.wait_for_upload(&self.pass.name).await;
        let (blob, upload) = self.means.blobs.offer(&key, size)?;
        self.upload = Some((blob, upload, 0));
        self.say(&FileReply::Have { blob, size: 0, hash: None }).await
    }

    async fn resume(&mut self, blob: BlobId) -> Result<(), End> {
        match self.means.blobs.resume(blob, &self.pass.name)? {
            Resumed::Part(upload, size, hash) => {
                self.upload = Some((blob, upload, size));
                self.say(&FileReply::Have { blob, size, hash }).await
            }
            Resumed::Kept => self.say(&FileReply::Kept { blob }).await,
        }
    }

    async fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), End> {
        let unasked = || End::Refused(FileError::Bad, "OFFER or RESUME comes first".into());
        let (blob, upload, told) = self.upload.as_mut().ok_or_else(unasked)?;
        let (blob, size) = (*blob, offset.saturating_add(bytes.len() as u64));
        let is_whole = self.means.blobs.write(upload, offset, bytes)?;
        if !bytes.is_empty() {
            self.pass.moved(Instant::now());
        }
        if is_whole {
            self.upload = None;
            return self.say(&FileReply::Kept { blob }).await;
        }
        if size.saturating_sub(*told) >= TELL {
            *told = size;
            self.say(&FileReply::Have { blob, size, hash: None }).await?;
        }
        Ok(())
    }

    async fn fetch(&mut self, blob: BlobId, from: u64) -> Result<(), End> {
        let (file, size) = self.means.blobs.fetch(blob, &self.pass.name)?;
        self.say(&FileReply::Have { blob, size, hash: None }).await?;
        let mut offset = from.min(size);
        while offset < size {
            let length = usize::try_from(size - offset).unwrap_or(MAX_CHUNK).min(MAX_CHUNK);
            self.keep_to_rate_of_bytes(length).await;
            self.out.clear();
            chunk_line(&mut self.out, offset, length);
            let body = self.out.len();
            self.out.put_bytes(0, length);
            let read = file.read_exact_at(&mut self.out[body..], LABEL as u64 + offset);
            read.map_err(BlobError::Disk)?;
            self.out.put_slice(b"\r\n");
            self.write().await?;
            self.pass.moved(Instant::now());
            offset += length as u64;
        }
        Ok(())
    }

    /// Counts something like a message, and waits as long as somebody asks too often.
    async fn count(&mut self) {
        self.means.person_rates.wait_for(&self.pass.name, Usage::one(0)).await;
    }

    /// Waits as long as somebody sends too fast.
    async fn keep_to_rate_of_chunk(&mut self, bytes: usize) {
        if bytes < SMALL {
            self.count().await;
        }
        self.keep_to_rate_of_bytes(bytes).await;
    }

    async fn keep_to_rate_of_bytes(&mut self, bytes: usize) {
        self.means.person_rates.wait_for_file(&self.pass.name, bytes as u64).await;
    }

    async fn say(&mut self, reply: &FileReply) -> Result<(), End> {
        self.out.clear();
        reply.encode(&mut self.out);
        self.write().await
    }

    async fn write(&mut self) -> Result<(), End> {
        let patience = self.patience();
        let writing = async {
            self.half.write_all(&self.out).await?;
            self.half.flush().await
        };
        Ok(task::within(patience, writing).await.ok_or(End::Gone)??)
    }

    fn patience(&self) -> Duration {
        self.means.patience
    }
}
