//! The thread that carries one file, on a connection of its own.
//!
//! It may block, and holds a MiB or so at a time. It tells the core what happens by [`Report`]s; the core ends it by
//! closing its channel. It writes nothing but the file itself: a download resumes where the partial file ends. All that it
//! sends is sealed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blake3::{Hash, Hasher};
use bytes::BufMut;
use bytesize::ByteSize;
use futures::channel::oneshot;
use futures::future::{Either, select};

use super::arriving::Arriving;
use super::job::{Job, Report, Stop};
use super::place::place;
use super::source::modified;
use super::steady::Steady;
use super::talk::{Line, nonsense};
use crate::client::line::door::Door;
use crate::client::line::silence::Silence;
use crate::client::store::info::FileInfo;
use crate::client::store::rows::{Download, FileSeal, Source, Upload};
use crate::folder::free_space;
use crate::message::BlobId;
use crate::seal::{FileKey, FileSeed, OpeningError, Sealing};
use crate::trust::Ticket;
use crate::wire::MAX_CHUNK;
use crate::wire::frame::{ClientFrame, FileReply, FileRequest};
use crate::wire::stream::{FrameReader, write_frame};
use crate::wire::transport::Transport;

/// How much a download leaves free on the disk, in bytes: messages still have to be written.
const RESERVE: u64 = 16 * 1024 * 1024;

/// How often progress is reported.
const TELL: Duration = Duration::from_millis(100);

/// Carries on a thread, which ends when `report` says so.
pub(crate) struct Carrier<R> {
    pub(crate) door: Door,
    pub(crate) ticket: Ticket,
    pub(crate) silence: Silence,
    /// The folder of received files.
    pub(crate) folder: PathBuf,
    pub(crate) report: R,
}

impl<R: FnMut(Report)> Carrier<R> {
    /// Does the job, unless `ended` is done before.
    pub(crate) async fn run(mut self, job: Job, ended: impl Future) {
        let carried = match select(Box::pin(self.carry(job)), Box::pin(ended)).await {
            Either::Left((carried, _)) => carried,
            Either::Right(_) => return,
        };
        if let Err(stop) = carried {
            (self.report)(Report::Stopped(stop));
        }
    }

    async fn carry(&mut self, job: Job) -> Result<(), Stop> {
        match job {
            Job::Upload(upload) => self.upload(upload).await,
            Job::Download(download) => self.download(&download).await,
            Job::Drop(blobs) => {
                let mut line = self.connect().await?;
                for (message, blob) in blobs {
                    line.drop_blob(blob).await?;
                    (self.report)(Report::Dropped(message, blob));
                }
                Ok(())
            }
        }
    }

    async fn connect(&self) -> Result<Line, Stop> {
        let Transport { reader, mut writer, .. } = self.door.clone().reach().await?.transport;
        write_frame(&mut writer, &ClientFrame::Carry { ticket: self.ticket }).await?;
        Ok(Line::new(FrameReader::new(reader), writer, self.silence))
    }

    // Sending.

    async fn upload(
        &mut self,
        Upload { source, blob, seal, peer, .. }: Upload,
    ) -> Result<(), Stop> {
        let file = open_unchanged(&source)?;
        let steady = Steady::new(file, source.size).await.map_err(|it| ended(&source, &it))?;
        let mut line = self.connect().await?;
        let hash = steady.hash();
        let seal = match (blob, seal) {
            (None, _) => FileSeal { seed: FileSeed::generate(), hash },
            (Some(_), Some(seal)) if seal.hash == hash => seal,
            // It is another file, or was begun before files were sealed.
            (Some(blob), _) => return anew(&mut line, blob).await,
        };
        let mut sealed = Sealed::new(&seal, source, steady)?;
        let request = match blob {
            Some(blob) => FileRequest::Resume { blob },
            None => FileRequest::Offer { peer, size: sealed.key.sealed_size() },
        };
        line.say(&request).await?;
        let (blob, have) = match line.next().await {
            Ok(FileReply::Have { blob, size, hash }) => {
                self.name(blob, sealed.key.plain_before(size), &seal).await?;
                if !sealed.begins_with(size, hash)? {
                    return anew(&mut line, blob).await;
                }
                (blob, size)
            }
            Ok(FileReply::Kept { blob }) => return self.sent(&sealed.source, blob, seal),
            Ok(other) => return Err(nonsense(&other)),
            Err(Stop::Gone) => return Err(Stop::Anew),
            Err(stop) => return Err(stop),
        };
        self.send_from(&mut line, &mut sealed, have).await?;
        let mut told = None;
        loop {
            match line.next().await {
                Ok(FileReply::Kept { .. }) => return self.sent(&sealed.source, blob, seal),
                Ok(FileReply::Have { size, .. }) => self.tell_sent(&sealed, size, &mut told),
                Ok(other) => return Err(nonsense(&other)),
                Err(Stop::Gone) => return Err(Stop::Anew),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Waits until the server's id for it is written down, with what it is sealed with. So the server never keeps anything
    /// under an id that nobody knows, and no other file is sealed with the same.
    async fn name(&mut self, blob: BlobId, have: u64, seal: &FileSeal) -> Result<(), Stop> {
        let (written, is_written) = oneshot::channel();
        (self.report)(Report::Named(blob, have, seal.clone(), written));
        // The core drops the other end when it ends.
        is_written.await.map_err(|_| Stop::Away("it is not carried any more".into()))
    }

    async fn send_from(
        &mut self,
        line: &mut Line,
        sealed: &mut Sealed,
        have: u64,
    ) -> Result<(), Stop> {
        let (mut offset, mut told, whole) = (have, None, sealed.key.sealed_size());
        loop {
            let length = usize::try_from(whole - offset).unwrap_or(MAX_CHUNK).min(MAX_CHUNK);
            let body = line.begin_chunk(offset, length);
            sealed.read(offset, &mut line.out[body..])?;
            line.out.put_slice(b"\r\n");
            line.write().await?;
            offset += length as u64;
            if offset == whole {
                return Ok(());
            }
            // What was written may still be in flight.
            while let Some(reply) = line.next_ready().await? {
                match reply {
                    FileReply::Have { size, .. } => self.tell_sent(sealed, size, &mut told),
                    other => return Err(nonsense(&other)),
                }
            }
        }
    }

    /// The server has so much of what is sealed.
    fn tell_sent(&mut self, sealed: &Sealed, have: u64, told: &mut Option<(Instant, u64)>) {
        self.tell(sealed.key.plain_before(have), sealed.source.size, told);
    }

    fn sent(&mut self, source: &Source, blob: BlobId, seal: FileSeal) -> Result<(), Stop> {
        // It may have been written to while it was read.
        open_unchanged(source)?;
        (self.report)(Report::Sent(blob, seal));
        Ok(())
    }

    // Fetching.

    async fn download(&mut self, download: &Download) -> Result<(), Stop> {
        let Download { message, info, is_sealed, .. } = download;
        if let Some(why) = info.objection(*is_sealed) {
            return Err(Stop::Failed(why.into()));
        }
        let place = place(&self.folder, *message);
        let mut line = self.connect().await?;
        if !is_here(&place, info.hash).map_err(|error| unwritable(&self.folder, &error))? {
            self.fetch(&mut line, download, &place).await?;
        }
        (self.report)(Report::Come);
        // Whatever the answer, the file is here; dropping it is retried.
        let refused = |_| Stop::Away("the server did not drop what is here".into());
        line.drop_blob(info.blob).await.map_err(refused)?;
        (self.report)(Report::Dropped(*message, info.blob));
        Ok(())
    }

    async fn fetch(
        &mut self,
        line: &mut Line,
        Download { info, .. }: &Download,
        place: &Path,
    ) -> Result<(), Stop> {
        let mut part = self.begin(info, place.with_extension("part"))?;
        let had = part.length;
        self.ask_for(info, &part, line).await?;
        if let Err(error) = self.receive(info, &mut part, line).await? {
            return Err(self.throw_away(info, &part, &error).await?);
        }
        let right = part.length == info.size && part.hasher.finalize() == info.hash;
        let kept =
            if right { keep(&part.file, &part.path, place) } else { fs::remove_file(&part.path) };
        kept.map_err(|error| unwritable(&self.folder, &error))?;
        match (right, had) {
            (true, _) => Ok(()),
            (false, 0) => {
                line.drop_blob(info.blob).await?;
                Err(Stop::Failed(NOT_WHAT_WAS_SENT.into()))
            }
            // The part that was here before may be wrong, as after a power cut.
            (false, _) => Err(Stop::Away("what was here of it is not what was sent".into())),
        }
    }

    /// The part that is here, if there is room for the rest.
    fn begin(&self, info: &FileInfo, path: PathBuf) -> Result<Part, Stop> {
        let here = |error: io::Error| unwritable(&self.folder, &error);
        let mut file = open_part(&self.folder, &path).map_err(here)?;
        let had = file.metadata().map_err(here)?.len();
        let arriving = Arriving::behind(info, had);
        let arriving = arriving.ok_or_else(|| Stop::Failed(TOO_LONG.into()))?;
        let length = arriving.plain_offset();
        // What is behind it comes again.
        file.set_len(length).map_err(here)?;
        let free = free_space(&self.folder).map_err(here)?;
        if info.size.saturating_sub(length) > free.saturating_sub(RESERVE) {
            let (size, free) = (ByteSize(info.size), ByteSize(free));
            let folder = self.folder.display();
            let why = format!("it has {size}, and {free} are free in {folder}; /GET tries again");
            return Err(Stop::Failed(why));
        }
        let mut hasher = Hasher::new();
        hash_up_to(&mut file, length, &mut hasher).map_err(here)?;
        Ok(Part { path, file, hasher, length, arriving })
    }

    /// Asks for the rest, if the server has the announced file.
    async fn ask_for(&self, info: &FileInfo, part: &Part, line: &mut Line) -> Result<(), Stop> {
        let (offset, whole) = (part.arriving.offset(), part.arriving.size());
        line.say(&FileRequest::Fetch { blob: info.blob, offset }).await?;
        let stop = match line.next().await {
            Ok(FileReply::Have { size, .. }) if size == whole && offset <= whole => return Ok(()),
            // Whatever it is, it is not the announced file.
            Ok(FileReply::Have { .. }) => Stop::Failed(NOT_WHAT_WAS_SENT.into()),
            Err(Stop::Gone) => Stop::Gone,
            Ok(other) => return Err(nonsense(&other)),
            Err(stop) => return Err(stop),
        };
        // The part is of no use, here or there.
        let _ = fs::remove_file(&part.path);
        if let Stop::Failed(_) = stop {
            // It would send all of it first.
            self.connect().await?.drop_blob(info.blob).await?;
        }
        Err(stop)
    }

    /// Gives why what comes is not what was sealed, if it is not.
    async fn receive(
        &mut self,
        info: &FileInfo,
        part: &mut Part,
        line: &mut Line,
    ) -> Result<Result<(), OpeningError>, Stop> {
        let (mut told, mut plain) = (None, Vec::new());
        while part.arriving.offset() < part.arriving.size() {
            match line.next().await? {
                FileReply::Chunk { offset, body }
                    if offset == part.arriving.offset() && !body.is_empty() =>
                {
                    if let Err(error) = part.arriving.take(&body, &mut plain) {
                        return Ok(Err(error));
                    }
                    if let Err(error) = part.add(&plain) {
                        // Messages need the room more than a part of a file does.
                        let _ = fs::remove_file(&part.path);
                        return Err(unwritable(&self.folder, &error));
                    }
                    plain.clear();
                    self.tell(part.length, info.size, &mut told);
                }
                other => return Err(nonsense(&other)),
            }
        }
        Ok(Ok(()))
    }

    /// Nothing of it is of use, here or there. Gives what it ends with.
    async fn throw_away(
        &self,
        info: &FileInfo,
        part: &Part,
        because: &OpeningError,
    ) -> Result<Stop, Stop> {
        fs::remove_file(&part.path).map_err(|error| unwritable(&self.folder, &error))?;
        // On another connection: on this one the rest would come first.
        self.connect().await?.drop_blob(info.blob).await?;
        Ok(Stop::Failed(format!("{because}; what came was thrown away")))
    }

    /// Reports the first time, then at intervals, and the end once, however often the server says it.
    fn tell(&mut self, done: u64, size: u64, told: &mut Option<(Instant, u64)>) {
        let is_due = told
            .is_none_or(|(at, before)| at.elapsed() >= TELL || (done == size && before != size));
        if is_due {
            *told = Some((Instant::now(), done));
            (self.report)(Report::Moved(done));
        }
    }
}

/// The part of a file that is here.
struct Part {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    length: u64,
    arriving: Arriving,
}

impl Part {
    /// Writes the next bytes.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// The server is to forget what it has of an upload.
async fn anew(line: &mut Line, blob: BlobId) -> Result<(), Stop> {
    line.drop_blob(blob).await?;
    Err(Stop::Anew)
}

/// A file of one's own as it is sent.
struct Sealed {
    source: Source,
    key: FileKey,
    sealing: Sealing<Steady>,
}

impl Sealed {
    fn new(seal: &FileSeal, source: Source, steady: Steady) -> Result<Self, Stop> {
        let key = FileKey::new(&seal.seed, &seal.hash, source.size);
        let key = key.ok_or_else(|| Stop::Failed(NO_SUCH_SIZE.into()))?;
        let sealing = Sealing::new(key.clone(), steady);
        Ok(Self { source, key, sealing })
    }

    /// Whether the server can have so many bytes of it, which have this hash.
    fn begins_with(&mut self, size: u64, hash: Option<Hash>) -> Result<bool, Stop> {
        if size > self.key.sealed_size() {
            return Ok(false);
        }
        let Some(hash) = hash else { return Ok(true) };
        let mut hasher = Hasher::new();
        let hashed = hasher.update_reader(Read::by_ref(&mut self.sealing).take(size));
        hashed.map_err(|error| ended(&self.source, &error))?;
        Ok(hasher.finalize() == hash)
    }

    fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Stop> {
        let sought = self.sealing.seek(SeekFrom::Start(offset));
        let read = sought.and_then(|_| self.sealing.read_exact(out));
        read.map_err(|error| ended(&self.source, &error))
    }
}

const NO_SUCH_SIZE: &str = "no file can be as long as that";
const TOO_LONG: &str = "no file is as long as its sender says";
const NOT_WHAT_WAS_SENT: &str = "what came is not what its sender told of; it was thrown away";

/// Opens a file of one's own, if it is still the one that was to be sent.
fn open_unchanged(source: &Source) -> Result<File, Stop> {
    // Before opening it: it may be a pipe by now.
    let now = fs::metadata(&source.path).map_err(|error| unreadable(source, &error))?;
    if now.is_file() && now.len() == source.size && modified(&now) == source.modified {
        return File::open(&source.path).map_err(|error| unreadable(source, &error));
    }
    Err(changed(source))
}

fn changed(source: &Source) -> Stop {
    let path = source.path.display();
    Stop::Failed(format!("{path} has changed since; send it again, or a copy of it"))
}

/// Why reading failed: the file became shorter or another one, or cannot be read.
fn ended(source: &Source, error: &io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => changed(source),
        _ => unreadable(source, error),
    }
}

fn unreadable(source: &Source, error: &io::Error) -> Stop {
    Stop::Failed(format!("cannot read {}: {error}", source.path.display()))
}

fn unwritable(folder: &Path, error: &io::Error) -> Stop {
    Stop::Failed(format!("cannot write in {}: {error}; /GET tries again", folder.display()))
}

/// Hashes the beginning of a file, and leaves the position after it.
fn hash_up_to(file: &mut File, length: u64, hasher: &mut Hasher) -> io::Result<()> {
    hasher.update_reader(Read::by_ref(file).take(length))?;
    file.seek(SeekFrom::Start(length)).map(drop)
}

fn is_here(place: &Path, hash: Hash) -> io::Result<bool> {
    match File::open(place) {
        Ok(file) => Ok(Hasher::new().update_reader(file)?.finalize() == hash),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn open_part(folder: &Path, part: &Path) -> io::Result<File> {
    DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(part)
}

fn keep(file: &File, part: &Path, place: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(part, place)?;
    File::open(place.parent().unwrap_or(Path::new(".")))?.sync_all()
}
