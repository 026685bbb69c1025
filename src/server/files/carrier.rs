//! A connection that carries files: uploads to the server's disk, downloads from it.
//!
//! Run on a thread of its own, so that nobody's chat waits for the disk. It reads and writes one chunk at a time, so a
//! slow disk or receiver slows the other side down (backpressure). Invariants: it holds no more than one incoming chunk,
//! and one outgoing; and whatever it waits for, except for the disk, it says something now and then.

use std::convert::Infallible;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use bytes::{BufMut, BytesMut};
use futures::AsyncWriteExt;
use futures::future::{Either, select};

use super::tickets::Pass;
use crate::blobs::{BlobError, Blobs, FileLimits, LABEL, Resumed, Upload};
use crate::log_output::{Event, Events, Foreign};
use crate::mailbox::Usage;
use crate::message::{BlobId, Name, SessionKey};
use crate::server::counters::Counters;
use crate::server::limits::PersonRates;
use crate::server::linger::linger;
use crate::server::people::{Limit, Names};
use crate::task;
use crate::wire::codec::{Counts, Frame, ProtocolError};
use crate::wire::frame::{ClientFrame, FileError, FileReply, FileRequest};
use crate::wire::stream::{FrameReader, write_patiently};
use crate::wire::transport::BoxWriter;
use crate::wire::{MAX_CHUNK, MAX_HEADER, chunk_line};

/// After this many more bytes of an upload, the peer is told how far it is.
const TELL: u64 = 1024 * 1024;

/// A chunk of fewer bytes counts like a message, too: each costs as much as one, whatever is in it.
const SMALL: usize = 16 * 1024;

/// What is said to whoever was silent for too long.
const SILENT: &str = "nothing was heard for too long";

/// What a carrier needs of the server.
pub(crate) struct Means {
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) names: Arc<Names>,
    pub(crate) person_rates: Arc<PersonRates>,
    /// After how long a silence of its own it says `PING`.
    pub(crate) ping_after: Duration,
    /// How long its peer may send, or read, nothing.
    pub(crate) idle_after: Duration,
    /// Closed when the server stops.
    pub(crate) stopping: Receiver<Infallible>,
    pub(crate) counters: Arc<Counters>,
}

/// Carries until the peer has no more, or may carry no longer.
pub(crate) async fn carry(
    means: Means,
    pass: Box<Pass>,
    reader: FrameReader<ClientFrame>,
    half: BoxWriter,
) {
    let (out, said) = (BytesMut::new(), Instant::now());
    let carrier = Carrier { means, pass, half, out, said, upload: None };
    // The thread has logged why, if there is none; the peer is told nothing and tries again.
    task::in_background("files", carrier.serve(reader.switch())).await;
}

struct Carrier {
    means: Means,
    pass: Box<Pass>,
    half: BoxWriter,
    out: BytesMut,
    /// When it last said something.
    said: Instant,
    /// What is uploaded, and how far it was when the peer was last told.
    upload: Option<(BlobId, Upload, u64)>,
}

/// Why a carrier ends.
enum End {
    /// The peer is gone, or reads nothing any more.
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
            self.means.counters.file_refusals.count(code.as_str());
            log_refusal(&self.pass.name, code, &text);
            if self.say(&FileReply::Error { code, peer: None, text }).await.is_ok() {
                // The peer may be gone already; then there is nobody to tell.
                let _ = self.half.close().await;
                linger(reader).await;
            }
        }
    }

    async fn answer_all(&mut self, reader: &mut FrameReader<FileRequest>) -> End {
        loop {
            let answered = match self.next(reader).await {
                Ok(request) => self.answer(request).await,
                Err(end) => Err(end),
            };
            if let Err(end) = answered {
                return end;
            }
        }
    }

    /// The next frame, however slowly its bytes come: only silence ends the wait.
    async fn next(&mut self, reader: &mut FrameReader<FileRequest>) -> Result<FileRequest, End> {
        let Means { ping_after, idle_after, .. } = self.means;
        let (mut heard, mut held) = (Instant::now(), MAX_HEADER);
        loop {
            if let Some(request) = reader.next_ready()? {
                return Ok(request);
            }
            // Only a chunk is longer than a header.
            let part = reader.decoder().remaining();
            if part > held {
                self.pass.moved(heard);
                held = part;
            }
            let until = (heard + idle_after).min(self.said + ping_after);
            let wait = until.saturating_duration_since(Instant::now());
            match task::within(wait, reader.fill()).await {
                Some(Ok(0) | Err(_)) => return Err(End::Gone),
                Some(Ok(_)) => heard = Instant::now(),
                None if heard.elapsed() >= idle_after => {
                    return Err(End::Refused(FileError::Timeout, SILENT.into()));
                }
                None => self.say(&FileReply::Ping).await?,
            }
        }
    }

    async fn answer(&mut self, request: FileRequest) -> Result<(), End> {
        if request.verb().counts() == Counts::Message {
            self.count().await?;
        }
        match request {
            FileRequest::Chunk { offset, body } => {
                self.keep_to_rate_of_chunk(body.len()).await?;
                self.take(offset, &body).await
            }
            FileRequest::Ping => self.say(&FileReply::Pong).await,
            FileRequest::Pong => Ok(()),
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
        let (rates, name) = (self.means.person_rates.clone(), self.pass.name.clone());
        self.meanwhile(async move { rates.wait_for_upload(&name).await }).await?;
        let own = self.means.names.limits(&self.pass.name);
        let all = self.means.blobs.limits();
        let own = |limit, usual| own.get(limit).map_or(usual, |it| it.bytes);
        let limits = FileLimits {
            file: own(Limit::FileSize, all.file),
            person: own(Limit::PersonFiles, all.person),
            ..all
        };
        let (blob, upload) = self.means.blobs.offer_within(limits, &key, size)?;
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
        self.means.counters.uploads.bytes.add(bytes.len() as u64);
        if is_whole {
            self.means.counters.uploads.files.add(1);
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
            self.keep_to_rate_of_bytes(length).await?;
            self.out.clear();
            chunk_line(&mut self.out, offset, length);
            let body = self.out.len();
            self.out.put_bytes(0, length);
            let read = file.read_exact_at(&mut self.out[body..], LABEL as u64 + offset);
            read.map_err(BlobError::Disk)?;
            self.out.put_slice(b"\r\n");
            self.write(|pass| pass.moved(Instant::now())).await?;
            self.means.counters.downloads.bytes.add(length as u64);
            offset += length as u64;
        }
        self.means.counters.downloads.files.add(1);
        Ok(())
    }

    /// Counts something like a message, and waits while somebody asks too often.
    async fn count(&mut self) -> Result<(), End> {
        let (rates, name) = (self.means.person_rates.clone(), self.pass.name.clone());
        self.meanwhile(async move { rates.wait_for(&name, Usage::one(0)).await }).await
    }

    /// Waits while somebody sends too fast.
    async fn keep_to_rate_of_chunk(&mut self, bytes: usize) -> Result<(), End> {
        if bytes < SMALL {
            self.count().await?;
        }
        self.keep_to_rate_of_bytes(bytes).await
    }

    async fn keep_to_rate_of_bytes(&mut self, bytes: usize) -> Result<(), End> {
        let (rates, name) = (self.means.person_rates.clone(), self.pass.name.clone());
        self.meanwhile(async move { rates.wait_for_file(&name, bytes as u64).await }).await
    }

    /// Waits, and says `PING` whenever it was silent for long.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = Box::pin(work);
        loop {
            let quiet = self.means.ping_after.saturating_sub(self.said.elapsed());
            match task::within(quiet, &mut work).await {
                Some(done) => return Ok(done),
                None => self.say(&FileReply::Ping).await?,
            }
        }
    }

    async fn say(&mut self, reply: &FileReply) -> Result<(), End> {
        self.out.clear();
        reply.encode(&mut self.out);
        self.write(|_| {}).await
    }

    async fn write(&mut self, moved: impl Fn(&Pass)) -> Result<(), End> {
        let Self { means, pass, half, out, .. } = self;
        write_patiently(half, out, means.idle_after, || moved(pass)).await?;
        self.said = Instant::now();
        Ok(())
    }
}

fn log_refusal(name: &Name, code: FileError, text: &str) {
    log::info!(
        logger: Events,
        event = Event::FileRefused,
        name:% = name,
        code = code.as_str();
        "a file of {name}: {} {}", code.as_str(), Foreign(text)
    );
}
